"""One careful HTTP conversation with an OpenAI-compatible server: limits, retries, deadlines, and a key nobody sees.

The key is read from the environment for each request, put into the request's header, and cut out of whatever the server
says before anyone else sees it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
import time
import zlib
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from dmrec_core.language.endpoint import (
    AnswerTooLarge,
    Endpoint,
    EndpointUnusable,
    RequestRefused,
    Stopped,
    UnreadableBody,
)

RETRIED = frozenset({408, 409, 425, 429, *range(500, 600)})
"""Statuses that say "later"."""

BODY_ATTEMPTS = 3
"""Requests spent on one answer whose body cannot be read."""

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds. A server that asks for more than a day has a wrong clock, or counts in other units."""

MAX_REASON = 1 << 16
"""Bytes read of a body that explains an error."""

MAX_BRACKETS = 1_000_000
"""Of one answer: each costs some fifty bytes of memory where it is parsed."""

STATUS_OF_WORDS = {
    r"rate.?limit|too.?many.?requests|resource.?exhausted|throttl|quota": 429,
    r"overload|unavailable|server.?error|internal.?error|api.?error|time.?out|capacity|try again": 503,
    r"api.?key|authenticat|unauthori[sz]ed|permission|forbidden": 401,
    r"model.?not.?found": 404,
    r"invalid.?request|bad.?request|invalid.?argument|context.?length|unsupported": 400,
}
"""What an error that has no number says, and the status that stands for it; the first that matches."""


class _KeyFromEnvironment(httpx.Auth):
    """Sets the header as the request leaves, so that no object of ours holds the key."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def auth_flow(self, request: httpx.Request):
        key = self._endpoint.key()
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        yield request


class Connection:
    """Requests to one endpoint, from any number of threads.

    A server that asks for patience (429 with Retry-After) is left alone by all threads until then. Redirects are not
    followed, so the key goes to one host only.

    Args:
        endpoint: where and how.

    Example:
        >>> with Connection(Endpoint("http://localhost:11434/v1")) as connection:
        ...     connection.trouble is None
        True
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.trouble: str | None = None
        self._stop = threading.Event()
        self._not_before = 0.0
        self._last_success = 0.0
        self._client = httpx.AsyncClient(
            auth=_KeyFromEnvironment(endpoint),
            headers={"Accept-Encoding": "identity"},
            timeout=httpx.Timeout(endpoint.timeout, connect=min(10.0, endpoint.timeout), pool=None),
            limits=httpx.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency),
            trust_env=not endpoint.local,  # what goes to this machine goes through nobody's proxy
        )
        # One thread waits for all sockets: only there can a whole exchange, headers included, have one deadline.
        self._loop = asyncio.new_event_loop()
        self._waiting = threading.Thread(target=self._loop.run_forever, name="connection", daemon=True)
        self._waiting.start()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._waiting.join()
        self._loop.close()

    def stop(self) -> None:
        """Wake all who wait, and start no further request."""
        self._stop.set()

    def post(self, path: str, body: Mapping[str, object], max_bytes: int | None = None) -> dict[str, object]:
        """The server's JSON object for this request.

        Connection errors, timeouts, 408, 409, 425, 429 and 5xx are tried again, after a doubling, jittered wait or what
        Retry-After says, until the server has answered nobody for ``patience`` seconds. An error inside a 200 is the
        status it names. A body that is not a JSON object, or an error that names no status, gets three tries.

        Args:
            path: below ``base_url``, e.g. ``"/chat/completions"``.
            body: sent as JSON.
            max_bytes: of the answer, unpacked; never more than the endpoint's own.

        Returns:
            The parsed body.

        Raises:
            RequestRefused: this request is at fault (400, 413, 422 and the like).
            UnreadableBody: three bodies that are no JSON object; ``AnswerTooLarge``: one longer than ``max_bytes``.
            EndpointUnusable: nothing can succeed, or patience is used up.
            Stopped: ``stop`` was called.
        """
        most = min(max_bytes or self.endpoint.max_bytes, self.endpoint.max_bytes)
        began, tries, unreadable = time.monotonic(), 0, 0
        while True:
            self._wait_until(self._not_before)
            tries, asked_wait = tries + 1, None
            try:
                status, headers, content = self._send(path, body, most)
            except (httpx.RequestError, TimeoutError) as error:
                trouble = f"{type(error).__name__}: {self._shown(str(error))}"
            except httpx.InvalidURL:
                raise EndpointUnusable(f"{self._where(path)} is no address; check base_url") from None
            else:
                answer = _json_object(content) if status == 200 else {}
                status = status if status != 200 else _status_within(answer)
                if status == 200:
                    self.trouble, self._last_success = None, time.monotonic()
                    return answer
                if status:
                    trouble = f"answered {status}: {self._reason(content)}"
                    self._raise_if_final(path, status, content, trouble)
                    asked_wait = _retry_after(headers)
                else:
                    kind = self._shown(headers.get("content-type", "nothing"))
                    said = f"an error: {self._reason(content)}" if answer else f"{kind}, not a JSON object"
                    trouble, unreadable = f"answered {said}", unreadable + 1
            if unreadable == BODY_ATTEMPTS:
                raise UnreadableBody(f"{self._where(path)} {trouble}, {unreadable} times")
            if asked_wait is None:
                doubled = self.endpoint.first_wait * 2 ** min(tries - 1, 16)
                wait = min(self.endpoint.longest_wait, doubled) * random.uniform(0.5, 1.0)
            else:
                wait = max(asked_wait, self.endpoint.first_wait / 2)  # a tiny wait is no leave to hammer
            left = max(began, self._last_success) + self.endpoint.patience - time.monotonic()
            self.trouble = f"{trouble} (trying for {max(left, 0):.0f} s more)"
            if wait > left:
                raise EndpointUnusable(
                    f"{self._where(path)} {trouble}; no better for {self.endpoint.patience:g} s ({tries} tries)"
                )
            if asked_wait is not None:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            else:
                self._wait_until(time.monotonic() + wait)

    def _send(self, path: str, body: Mapping[str, object], most: int) -> tuple[int, httpx.Headers, bytes]:
        return asyncio.run_coroutine_threadsafe(self._exchange(path, body, most), self._loop).result()

    async def _exchange(self, path: str, body: Mapping[str, object], most: int) -> tuple[int, httpx.Headers, bytes]:
        url, content = self.endpoint.base_url.rstrip("/") + path, bytearray()
        try:
            async with asyncio.timeout(self.endpoint.timeout), self._client.stream("POST", url, json=body) as response:
                most = most if response.status_code == 200 else min(most, MAX_REASON)
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > most:
                        break
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer within {self.endpoint.timeout:g} s") from None
        plain = _unpacked(bytes(content), response.headers.get("content-encoding", ""), most)
        if response.status_code == 200 and max(len(content), len(plain)) > most:
            raise AnswerTooLarge(f"{self._where(path)} sent more than {most} bytes")
        return response.status_code, response.headers, plain[:most]

    def _raise_if_final(self, path: str, status: int, content: bytes, trouble: str) -> None:
        if b"insufficient_quota" in content:
            raise EndpointUnusable(f"{self._where(path)} {trouble}")
        if status in RETRIED:
            return
        if status in (401, 403):
            hint = f"check the key in ${self.endpoint.key_variable}"
        elif status in (404, 405) or status < 400:
            hint = "check base_url (it usually ends in /v1) and the model's name"
        else:
            raise RequestRefused(f"{self._where(path)} {trouble}")
        raise EndpointUnusable(f"{self._where(path)} {trouble}; {hint}")

    def _reason(self, content: bytes) -> str:
        """What the server said was wrong."""
        text = content.decode("utf-8", "replace")
        body = _json_object(content)
        error = _error_of(body) or body.get("detail") or text  # OpenAI's shape, or FastAPI's
        message = error.get("message", error) if isinstance(error, dict) else error
        return self._shown(str(message))

    def _shown(self, text: str) -> str:
        """What a server sent, fit for a message: one short line, no key, nothing that moves a terminal's cursor."""
        line = self.endpoint.scrubbed(" ".join(text[:MAX_REASON].split()))[:300]
        return "".join(character if character.isprintable() else "?" for character in line)

    def _where(self, path: str) -> str:
        return self.endpoint.base_url.rstrip("/") + path

    def _wait_until(self, moment: float) -> None:
        while not self._stop.is_set():
            left = moment - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)
        raise Stopped("stopped")


def _unpacked(content: bytes, coding: str, most: int) -> bytes:
    """At most ``most`` + 1 bytes of what a server packed although it was not asked to; never the whole of a bomb."""
    if coding.strip().lower() in ("", "identity"):
        return content
    try:
        if coding.strip().lower() in ("gzip", "x-gzip", "deflate"):
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, most + 1)  # 32: gzip's header or zlib's
    except zlib.error:
        pass
    return b""  # packed twice, or in a way we did not ask for: no JSON object


def _json_object(content: bytes) -> dict[str, object]:
    """A JSON object; an empty one where there is none."""
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        return {}
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _error_of(body: Mapping[str, object]) -> object:
    """The error in a body; something empty where there is none. A gateway may put it into the only choice."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    within = choice.get("error") if isinstance(choice, dict) else None
    return body.get("error") or within or (body if body.get("object") == "error" else None)


def _status_within(body: Mapping[str, object]) -> int:
    """The status of a body that came with a 200: that of the error in it; 0 for one without a number, or no body.

    Example:
        >>> [_status_within({"error": e}) for e in (None, {"code": 429}, {"type": "overloaded_error"}, "no idea")]
        [200, 429, 503, 0]
    """
    error = _error_of(body)
    if not error:
        return 200 if body else 0
    fields = error if isinstance(error, dict) else {"code": error}
    said = [fields.get(name) for name in ("code", "status", "status_code", "http_code", "type")]
    for value in (*said, body.get("code"), body.get("status")):
        number = str(value).strip() if isinstance(value, int | float | str) else ""
        if re.fullmatch(r"[45]\d\d(?:\.0)?", number, re.ASCII):
            return int(number[:3])
    words = " ".join(value for value in said if isinstance(value, str))[:1000].lower()
    return next((status for pattern, status in STATUS_OF_WORDS.items() if re.search(pattern, words)), 0)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds from a Retry-After header: a number or a date; ``None`` where it holds neither, or no wait to believe.

    Example:
        >>> [_retry_after(httpx.Headers({"Retry-After": value})) for value in ("1.5", "-1", "1e99", "soon")]
        [1.5, None, None, None]
    """
    value = headers.get("retry-after", "").strip()[:100]
    if not value.isascii():  # float() reads digits of every script
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return seconds if 0 < seconds <= LONGEST_RETRY_AFTER else None
