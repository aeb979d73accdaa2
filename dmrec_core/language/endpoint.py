"""Where a server is, how patient to be with it, what can go wrong, and a key that stays in the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit


class EndpointError(RuntimeError):
    """The server did not do its part; the message is safe to show."""


class RequestRefused(EndpointError):
    """The server will not answer this one request; others may fare better."""


class UnreadableBody(EndpointError):
    """The server said it succeeded and sent something that is not an answer."""


class AnswerTooLarge(UnreadableBody):
    """The body was longer than we read."""


class EndpointUnusable(EndpointError):
    """No request can succeed: wrong address, wrong key, no credit, or no server for longer than our patience."""


class Stopped(EndpointError):
    """We were asked to stop."""


@dataclass(frozen=True)
class Endpoint:
    """Where an OpenAI-compatible server is, and how patient to be with it.

    Raises:
        ValueError: an address that is not http(s) or holds a password, a key instead of its variable's name.

    Example:
        >>> Endpoint("http://localhost:11434/v1").concurrency
        8
    """

    base_url: str  # up to and with /v1
    key_variable: str = "OPENAI_API_KEY"  # the environment variable that holds the key; unset: no key is sent
    concurrency: int = 8  # requests under way at once
    timeout: float = 120.0  # seconds for one answer
    patience: float = 300.0  # seconds for which one request is tried again
    first_wait: float = 0.5  # seconds before the second try; doubles from there
    longest_wait: float = 30.0  # seconds between tries, unless the server asks for more
    max_bytes: int = 16 << 20  # of one answer; 64 embeddings of 4,096 numbers are 6 MiB

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url must start with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(f"base_url must hold no password and no '?': put the key into ${self.key_variable}")
        if not self.key_variable.isidentifier():
            raise ValueError(
                "key_variable is the NAME of an environment variable; it is not shown here lest it be a key"
            )
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {self.concurrency}")

    def key(self) -> str | None:
        """The key, or ``None`` where the environment has none.

        Raises:
            EndpointUnusable: the variable holds what no header can carry.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if not all("!" <= character <= "~" for character in key):  # a header library would quote it in its error
            raise EndpointUnusable(f"${self.key_variable} holds a blank or a character no key has")
        return key or None

    def scrubbed(self, text: str) -> str:
        """``text`` without the key. Keys too short to be secret are left alone: they may be words."""
        key = os.environ.get(self.key_variable, "").strip()
        return text.replace(key, "[key]") if len(key) >= 8 else text
