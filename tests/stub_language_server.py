"""A local server that behaves like an OpenAI-compatible API on its good and bad days, and remembers what it was asked.

Run by tests in a process of its own (``StubServer``), so that it shares neither the interpreter nor the fate of the
client. It speaks plain HTTP on localhost: /v1/chat/completions and /v1/embeddings, plus /stub/plan and /stub/log.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np

DIM = 8
RIGHT = "the right answer"

CONTENT_FAULTS = {
    "not_json": "HACKED: here is a poem instead",
    "refusal": "I'm sorry, but I can't help with that.",
    "refusal_in_json": json.dumps({"summary": "I cannot describe this item.", "reasoning": ""}),
    "empty": "",
    "empty_summary": json.dumps({"summary": "  ", "reasoning": "r"}),
    "overlong": json.dumps({"summary": "word " * 2000, "reasoning": "r"}),
    "overlong_unbroken": json.dumps({"summary": "x" * 100_000, "reasoning": "r"}),
    "two_answers": '{"summary": "s", "reasoning": "r"} or {"summary": "t", "reasoning": "r"}',
    "said_twice": '{"summary": "s", "summary": "t", "reasoning": "r"}',
    "thoughts_only": '<think>Perhaps {"summary": "s", "reasoning": "r"}',
    "refusal_after_thoughts": '{"summary": "s", "reasoning": "r"}</think>I can\'t say.',
    "missing_key": json.dumps({"summary": "s"}),
    "wrong_type": json.dumps({"summary": ["s"], "reasoning": "r"}),
    "list": "[1, 2]",
    "cut_json": '{"summary": "People who like',
    "surrogate": r'{"summary": "half \ud83d a character", "reasoning": "r"}',
    "deep": "[" * 100_000,
    "none": json.dumps({"summary": "None", "reasoning": "nothing is known"}),
}
"""Answers that arrive well and say the wrong thing (the last one is allowed)."""


DRESSES = {
    "think": "<think>\nhm {}\n</think>\nRIGHT",
    "think_unopened": 'Perhaps {"summary": "no", "reasoning": "no"}?\n</think>\n\nRIGHT',
    "thinking": "<thinking>hm</thinking>RIGHT",
    "bracket_think": "[THINK]hm[/THINK]RIGHT",
    "channels": "<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>RIGHT",
    "fence": "```json\nRIGHT\n```",
    "plain_fence": "```\nRIGHT\n```",
    "prose": "Sorry for the wait! Here {it} is:\nRIGHT\nHope this helps.",
    "prose_and_fence": "Sure:\n\n```JSON\nRIGHT\n```\nAnything else? {}",
    "list": "[RIGHT]",
    "wrapped": '{"answer": RIGHT}',
    "twice": "RIGHT\nAgain: RIGHT",
    "byte_order_mark": "\ufeffRIGHT",
}
"""Ways in which a model says the right answer around its JSON, each read by a person without a second look."""


def dressed(summary: str, rng: random.Random) -> str:
    """An answer with this summary, the way some model or other would put it."""
    value = {
        "summary": summary,
        "reasoning": rng.choice(["", "r", 'it says "tea, }" twice', "a </think> tag", "[1, 2,]"]),
    }
    if rng.random() < 0.5:
        value |= {"rating": 5, "tags": ["a", {"b": None}]}
    names = list(value)
    rng.shuffle(names)
    text = json.dumps(
        {name: value[name] for name in names}, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5
    )
    if rng.random() < 0.3:
        text = text[: text.rindex("}")] + rng.choice([",}", ", \n}"])
    if rng.random() < 0.3:
        text = text.replace('"summary"', rng.choice(['"Summary"', '"SUMMARY "']))
    if rng.random() < 0.3:
        text = text.replace('"reasoning": "', '"reasoning": "line\nbreak\tand tab ')
    for dress in rng.sample(sorted(DRESSES), rng.choice([0, 1, 1, 2])):
        text = DRESSES[dress].replace("RIGHT", text)
    return text


RETRY_AFTER = [
    "0",
    "-5",
    "1.5e-2",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "9" * 5000,
    "1764120000",
    "soon",
    "",
    ";",
    "0x10",
    "٣",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Sat, 30 Feb 2030 99:99:99 GMT",
    "Fri, 31 Dec 99999 00:00:00 GMT",
    "1 2 3",
    "Wed, 21 Oct 2015 07:28:00",
]
"""What servers and those between put into Retry-After, none of which is a wait to believe."""


def odd_retry_after(rng: random.Random) -> str:
    """One of them, or any Latin-1 text without a digit that a header may hold."""
    letters = [chr(k) for k in (*range(32, 48), *range(58, 127), *range(161, 256))]
    return rng.choice([rng.choice(RETRY_AFTER), "".join(rng.choices(letters, k=rng.randrange(40)))])


ERRORS_WITHIN = {
    "number": ({"error": {"code": 429, "message": "slow down"}}, 429),
    "digits": ({"error": {"code": "503", "message": "slow down"}}, 503),
    "word": ({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, 429),
    "type": ({"type": "error", "error": {"type": "overloaded_error", "message": "slow down"}}, 503),
    "google": ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}, 429),
    "status": ({"error": {"status": 502, "message": "slow down"}}, 502),
    "beside": ({"error": {"message": "slow down"}, "code": 500}, 500),
    "text": ({"error": "Rate limit reached, slow down"}, 429),
    "text_only": ({"error": "slow down"}, 0),
    "no_number": ({"error": {"code": None, "message": "slow down"}}, 0),
    "object": ({"object": "error", "message": "slow down", "code": 503}, 503),
    "in_choice": ({"choices": [{"error": {"code": 502, "message": "slow down"}, "finish_reason": "error"}]}, 502),
}
"""Bodies that come with a 200 and are errors, and the status each names; 0 for none."""


def hidden_key(key: str, rng: random.Random) -> str:
    """The key, in one of the ways in which it can be written."""
    whole = f"Bearer {key}"
    blank = rng.choice([" ", "\n", "\u200b", " \r\n\t"])
    ways = [
        key,
        key.upper(),
        quote(key, safe=""),
        "".join(f"%{ord(c):02X}" for c in key),
        quote("".join(f"%{ord(c):02x}" for c in key)),
        "".join(f"\\u{ord(c):04x}" for c in key),
        "".join(f"\\x{ord(c):02x}" for c in key),
        "".join(f"&#{ord(c)};" for c in key),
        "".join(f"&#x{ord(c):X};" for c in key),
        blank.join(key),
        blank.join([key[:7], key[7:13], key[13:]]),
        key.encode("utf-16-le").decode("latin-1"),
        key.encode().hex(),
        key.encode().hex(":"),
        base64.b64encode((rng.choice(["", "a", "ab"]) + whole).encode()).decode(),
        base64.urlsafe_b64encode((whole[rng.randrange(8) :] + "/tail").encode()).decode(),
        base64.encodebytes(whole.encode() * 3).decode(),
        quote(base64.b64encode(whole.encode()).decode(), safe=""),
    ]
    return rng.choice(ways)


def odd_numbers(rng: random.Random) -> list[object]:
    """An embedding that is none, or none that can be used once scaled."""
    zero, one = [0.0] * DIM, [1.0] * DIM
    wrong = [10**400, "1.0", None, True, float("nan"), float("-inf"), [1.0]]
    rows = [zero, [1e-320] * DIM, [1e200] * DIM, [-1e308] * DIM, [], [one], "AAAA", {}, 3]
    return rng.choice([*rows, *([*one[1:], value] for value in wrong)])


def right_summary(user_message: str) -> str:
    """The one summary that is right for a prompt."""
    return f"People who like {hashlib.sha256(user_message.encode()).hexdigest()[:16]}."


def right_vector(text: str) -> list[float]:
    """The one vector that is right for a text; its norm is not 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return (3 * np.random.default_rng(seed).standard_normal(DIM)).astype(np.float32).tolist()


class Plan:
    """How the server behaves; every field can be set over /stub/plan."""

    def __init__(self) -> None:
        self.latency = 0.0  # seconds before each answer
        self.sequence: list[str] = []  # a fault for each of the first requests; "" is none
        self.every: dict[str, int] = {}  # fault -> on every n-th request
        self.by_text: dict[str, list[str]] = {}  # text in the prompt -> faults for its first requests
        self.retry_after = "0.05"
        self.per_second = 0.0  # more answers than that get 429
        self.kill_pid = 0
        self.kill_every = 0
        self.key = ""  # required, if set
        self.replies: dict[str, dict] = {}  # fault of one's own -> what is sent: see Handler.reply


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.plan, self.mutex = Plan(), threading.Lock()
        self.count, self.log, self.seen_text, self.sent_at = 0, [], {}, []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        with self.server.mutex:
            self.send(200, json.dumps(self.server.log))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/stub/plan":
            with self.server.mutex:
                self.server.plan.__dict__.update(body)
                self.server.count, self.server.log, self.server.seen_text = 0, [], {}
            self.send(200, "{}")
            return
        text = body["messages"][1]["content"] if "messages" in body else json.dumps(body["input"])
        plan, entry = self.server.plan, {"path": self.path, "text": text, "body": body, "status": 0}
        with self.server.mutex:
            self.server.count += 1
            number = self.server.count
            fault = self.fault(number, text)
            entry |= {"number": number, "fault": fault}
            self.server.log.append(entry)
        if plan.kill_every and number % plan.kill_every == 0:
            os.kill(plan.kill_pid, signal.SIGKILL)
        time.sleep(plan.latency)
        self.answer(body, text, fault, entry)

    def fault(self, number: int, text: str) -> str:
        plan = self.server.plan
        if plan.per_second:
            now = time.monotonic()
            self.server.sent_at = [moment for moment in self.server.sent_at if moment > now - 1]
            if len(self.server.sent_at) >= plan.per_second:
                return "429"
            self.server.sent_at.append(now)
        if number <= len(plan.sequence):
            return plan.sequence[number - 1]
        for name, every in plan.every.items():
            if number % every == 0:
                return name
        for part, faults in plan.by_text.items():
            if part in text:
                seen = self.server.seen_text[part] = self.server.seen_text.get(part, 0) + 1
                return faults[seen - 1] if seen <= len(faults) else ""
        return ""

    def answer(self, body: dict, text: str, fault: str, entry: dict) -> None:
        plan, sent_key = self.server.plan, self.headers.get("authorization", "")
        if plan.key and sent_key != f"Bearer {plan.key}":
            fault = "401"
        good = json.dumps(completion(body, text) if "messages" in body else embeddings(body))
        if fault in plan.replies:
            self.reply(plan.replies[fault], body, text, good, entry)
            return
        if fault in CONTENT_FAULTS:
            good = json.dumps(completion(body, text, content=CONTENT_FAULTS[fault]))
        entry["status"] = 200
        match fault:
            case "429" | "429_date" | "429_bare":
                after = {"429": plan.retry_after, "429_date": formatdate(time.time() + 1, usegmt=True)}.get(fault)
                entry["status"] = 429
                self.send(
                    429, error("Rate limit reached", "rate_limit_exceeded"), {"Retry-After": after} if after else {}
                )
            case "quota":
                self.send(429, error("You exceeded your current quota", "insufficient_quota"))
            case "400" | "404" | "413" | "500" | "503" | "302":
                entry["status"] = int(fault)
                self.send(int(fault), error(f"status {fault} on purpose", "on_purpose"))
            case "401":
                entry["status"] = 401
                self.send(401, error(f"Incorrect API key provided: {sent_key}", "invalid_api_key"))
            case "truncated":
                self.send(200, good, cut=len(good) // 2)
            case "half_json":
                self.send(200, good[: len(good) // 2])
            case "html":
                self.send(200, "<html><body>Welcome to the hotel network</body></html>", content_type="text/html")
            case "drop":
                self.close_connection = True
            case "slow":
                time.sleep(1.0)
                self.send(200, good)
            case "drip":
                self.send(200, good, drip=0.2)
            case "huge":
                self.send(200, json.dumps(completion(body, text, content="x" * (6 << 20))))
            case "no_choices":
                self.send(200, '{"object": "chat.completion", "choices": []}')
            case "refusal_field":
                self.send(200, json.dumps(completion(body, text, content=None, refusal="I can't.")))
            case "content_filter" | "length":
                self.send(200, json.dumps(completion(body, text, content='{"summary": "P', finish=fault)))
            case "echo_key":
                said = json.dumps({"summary": f"Fans of {sent_key}", "reasoning": sent_key})
                self.send(200, json.dumps(completion(body, text, content=said)))
            case "shuffled" | "missing" | "nan" | "short":
                self.send(200, json.dumps(spoiled(embeddings(body), fault)))
            case _:
                self.send(200, good)

    def reply(self, wanted: dict, body: dict, text: str, good: str, entry: dict) -> None:
        """A reply with any of: status, headers, content (of the message), body, embedding (of the first text), times it
        is gzipped, megabytes of blanks behind it, seconds between the bytes of its head."""
        entry["status"] = wanted.get("status", 200)
        if "content" in wanted:
            good = json.dumps(completion(body, text, content=wanted["content"]))
        if "embedding" in wanted:
            answer = embeddings(body)
            answer["data"][0]["embedding"] = wanted["embedding"]
            good = json.dumps(answer)
        content = packed(wanted.get("body", good), wanted.get("megabytes", 0), wanted.get("gzip", 0))
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **wanted.get("headers", {})}
        lines = [f"HTTP/1.1 {entry['status']} On-Purpose", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("utf-8")
        self.close_connection = True
        try:
            if "drip_head" in wanted:
                for k in range(len(head)):
                    self.wfile.write(head[k : k + 1])
                    time.sleep(wanted["drip_head"])
            else:
                self.wfile.write(head)
            self.wfile.write(content)
        except OSError:
            pass  # the client hung up

    def send(
        self,
        status: int,
        text: str,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
        cut: int | None = None,
        drip: float = 0.0,
    ) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(content)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if drip:
                for k in range(0, len(content), 20):
                    self.wfile.write(content[k : k + 20])
                    time.sleep(drip)
            else:
                self.wfile.write(content[:cut])
        except OSError:
            self.close_connection = True  # the client hung up
        if cut is not None:
            self.close_connection = True


@cache
def packed(text: str, megabytes: int, times: int) -> bytes:
    """A text and so many blanks, gzipped once or more."""
    content = text.encode() + b" " * (megabytes << 20)
    for _ in range(times):
        content = gzip.compress(content, 6)
    return content


def completion(
    body: dict, text: str, content: str | None = RIGHT, finish: str = "stop", refusal: str | None = None
) -> dict:
    """A chat completion in the official shape."""
    if content == RIGHT:
        content = json.dumps({"summary": right_summary(text), "reasoning": "the stub said so"})
    prompt_tokens = sum(len(message["content"]) for message in body["messages"]) // 4
    answer_tokens = len(content or "") // 4
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": prompt_tokens + answer_tokens,
        },
    }


def embeddings(body: dict) -> dict:
    """Embeddings in the official shape; base64 where the client asks for it."""
    vectors = [right_vector(text) for text in body["input"]]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode() for vector in vectors]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": k, "embedding": vector} for k, vector in enumerate(vectors)],
        "model": body["model"],
        "usage": {"prompt_tokens": len(vectors), "total_tokens": len(vectors)},
    }


def spoiled(answer: dict, fault: str) -> dict:
    """Embeddings with something wrong; "shuffled" is still right for who reads the indices."""
    data = answer["data"]
    if fault == "shuffled":
        data.reverse()
    elif fault == "missing":
        data.pop()
    elif fault == "nan":
        data[0]["embedding"][0] = float("nan")
    elif fault == "short":
        data[0]["embedding"].pop()
    return answer


def error(message: str, code: str) -> str:
    """An error body in the official shape."""
    return json.dumps({"error": {"message": message, "type": "stub_error", "param": None, "code": code}})


class StubServer:
    """The server in a process of its own.

    Example: ``with StubServer() as server: server.plan(latency=0.1); Endpoint(server.url); server.log()``.
    """

    def __init__(self) -> None:
        self.port, self._process = 0, None
        self._control = httpx.Client(trust_env=False, verify=False)

    def __enter__(self) -> StubServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start, on the same port as before if it ran before; its log is then empty again."""
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """As if its power failed."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._control.close()
        self._control = httpx.Client(trust_env=False, verify=False)

    def plan(self, **fields: object) -> None:
        """Behave like that from now on; the log starts anew."""
        fresh = {**Plan().__dict__, **fields}
        self._control.post(f"http://127.0.0.1:{self.port}/stub/plan", content=json.dumps(fresh)).raise_for_status()

    def log(self) -> list[dict]:
        """The requests so far."""
        return self._control.get(f"http://127.0.0.1:{self.port}/stub/log").json()


if __name__ == "__main__":
    server = Server(int(sys.argv[1]))
    print(server.server_address[1], flush=True)
    server.serve_forever()
