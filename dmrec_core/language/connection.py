"""One careful HTTP conversation with an OpenAI-compatible server: limits, retries, deadlines, and a key nobody sees.

The key is read from the environment for each request, put into the request's header, and cut out of whatever the server
says before anyone else sees it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
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

    A server that asks for patience (429 with Retry-After) is left alone by all threads until then.

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
        self._client = httpx.Client(
            auth=_KeyFromEnvironment(endpoint),
            timeout=httpx.Timeout(endpoint.timeout, connect=min(10.0, endpoint.timeout), pool=None),
            limits=httpx.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency),
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._client.close()

    def stop(self) -> None:
        """Wake all who wait, and start no further request."""
        self._stop.set()

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, object]:
        """The server's JSON object for this request.

        Connection errors, timeouts, 408, 409, 425, 429 and 5xx are tried again, after a doubling, jittered wait or what
        Retry-After says, until the server has answered nobody for ``patience`` seconds. A body
        that is not a JSON object gets three tries.

        Args:
            path: below ``base_url``, e.g. ``"/chat/completions"``.
            body: sent as JSON.

        Returns:
            The parsed body.

        Raises:
            RequestRefused: this request is at fault (400, 413, 422 and the like).
            UnreadableBody: three bodies that are no JSON object; ``AnswerTooLarge``: one longer than ``max_bytes``.
            EndpointUnusable: nothing can succeed, or patience is used up.
            Stopped: ``stop`` was called.
        """
        began, tries, unreadable = time.monotonic(), 0, 0
        while True:
            self._wait_until(self._not_before)
            tries, asked_wait = tries + 1, None
            try:
                status, headers, content = self._send(path, body)
            except httpx.RequestError as error:
                trouble = f"{type(error).__name__}: {self.endpoint.scrubbed(str(error))[:200]}"
            else:
                if status == 200:
                    try:
                        answer = _json_object(content)
                    except ValueError:
                        unreadable += 1
                        trouble = f"answered {headers.get('content-type', 'nothing')}, not a JSON object"
                        if unreadable == BODY_ATTEMPTS:
                            raise UnreadableBody(f"{self._where(path)} {trouble}, {unreadable} times") from None
                    else:
                        self.trouble, self._last_success = None, time.monotonic()
                        return answer
                else:
                    trouble = f"answered {status}: {self._reason(content)}"
                    self._raise_if_final(path, status, content, trouble)
                    asked_wait = _retry_after(headers)
            if asked_wait is None:
                doubled = self.endpoint.first_wait * 2 ** min(tries - 1, 16)
                wait = min(self.endpoint.longest_wait, doubled) * random.uniform(0.5, 1.0)
            else:
                wait = max(asked_wait, self.endpoint.first_wait / 2)  # "Retry-After: 0" is no leave to hammer
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

    def _send(self, path: str, body: Mapping[str, object]) -> tuple[int, httpx.Headers, bytes]:
        deadline, chunks, size = time.monotonic() + self.endpoint.timeout, [], 0
        url = self.endpoint.base_url.rstrip("/") + path
        with self._client.stream("POST", url, json=body) as response:
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > self.endpoint.max_bytes:
                    raise AnswerTooLarge(f"{self._where(path)} sent more than {self.endpoint.max_bytes} bytes")
                if time.monotonic() > deadline:  # httpx limits each read, not their sum
                    raise httpx.ReadTimeout(f"no whole answer within {self.endpoint.timeout:g} s")
            return response.status_code, response.headers, b"".join(chunks)

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
        """What the server said, short and without the key."""
        text = content[: 1 << 16].decode("utf-8", "replace")
        try:
            body = _json_object(content)
            error = body.get("error", body.get("detail", text))  # OpenAI's shape, or FastAPI's
        except ValueError:
            error = text
        message = error.get("message", error) if isinstance(error, dict) else error
        return self.endpoint.scrubbed(" ".join(str(message).split()))[:300]

    def _where(self, path: str) -> str:
        return self.endpoint.base_url.rstrip("/") + path

    def _wait_until(self, moment: float) -> None:
        while not self._stop.is_set():
            left = moment - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)
        raise Stopped("stopped")


def _json_object(content: bytes) -> dict[str, object]:
    """A JSON object, or ValueError."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds from a Retry-After header: a number or a date; ``None`` where there is neither."""
    value = headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
