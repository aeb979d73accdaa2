"""Where a server is, how patient to be with it, what can go wrong, and a key that stays in the environment."""

from __future__ import annotations

import base64
import ipaddress
import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

SHORTEST_SECRET = 8
"""Characters. A shorter "key" (``none``, ``ollama``) is no secret, and may be a word of an answer."""

LONGEST_WAIT = 1e6
"""Seconds; a longer timeout or patience is a slip of the pen."""


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
        ValueError: an address that is not http(s) or holds a password or the key, a key instead of its variable's name,
            a number out of its range.

    Example:
        >>> Endpoint("http://localhost:11434/v1").concurrency
        8
    """

    base_url: str  # up to and with /v1
    key_variable: str = "OPENAI_API_KEY"  # the environment variable that holds the key; unset: no key is sent
    concurrency: int = 8  # requests under way at once
    timeout: float = 120.0  # seconds for one answer, from the first byte sent to the last received
    patience: float = 300.0  # seconds for which one request is tried again
    first_wait: float = 0.5  # seconds before the second try; doubles from there
    longest_wait: float = 30.0  # seconds between tries, unless the server asks for more
    max_bytes: int = 16 << 20  # of one answer, unpacked; 64 embeddings of 4,096 numbers are 6 MiB
    insecure: bool = False  # whether a key may cross a network that is not encrypted

    def __post_init__(self) -> None:
        if not self.key_variable.isidentifier():
            raise ValueError(
                "key_variable is the NAME of an environment variable; it is not shown here lest it be a key"
            )
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port or an IPv6 address that is none
            usable = False
        if not usable or not self.base_url.isprintable() or " " in self.base_url:
            raise ValueError("base_url must start with http:// or https:// and name a host, without blanks")
        told = parts.username or parts.password or parts.query or parts.fragment
        if told or self.scrubbed(self.base_url) != self.base_url:
            raise ValueError(
                f"base_url must hold no password, no key and no '?': put the key into ${self.key_variable}"
            )
        for name in ("concurrency", "max_bytes"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {getattr(self, name)!r}")
        for name in ("timeout", "patience", "first_wait", "longest_wait"):
            seconds = getattr(self, name)
            if not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_WAIT:
                raise ValueError(f"{name} must be above 0 and at most {LONGEST_WAIT:,.0f} seconds, got {seconds!r}")

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, as far as the address says."""
        host = (urlsplit(self.base_url).hostname or "").rstrip(".")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost"
        return address.is_loopback or address.is_unspecified  # servers print 0.0.0.0 as their own address

    def key(self) -> str | None:
        """The key, or ``None`` where the environment has none.

        Raises:
            EndpointUnusable: the variable holds what no header can carry; or the key would cross a network in the
                clear, and nobody said that it may.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if not all("!" <= character <= "~" for character in key):  # a header library would quote it in its error
            raise EndpointUnusable(f"${self.key_variable} holds a blank or a character no key has")
        if key and not (self.insecure or self.local or self.base_url.lower().startswith("https:")):
            raise EndpointUnusable(
                f"${self.key_variable} is not sent over plain http to {urlsplit(self.base_url).hostname}: use https; "
                "or name an unset variable with --key-variable (Endpoint's key_variable) to send no key; or, on a "
                "network you trust, say --insecure (Endpoint's insecure=True)"
            )
        return key or None

    def scrubbed(self, text: str) -> str:
        """``text`` without the key, however it is written: escaped, percent-encoded, in hex, base64, broken by blanks.

        Keys too short to be secret are left alone: they may be words.
        """
        key = os.environ.get(self.key_variable, "").strip()
        return _spellings(key).sub("[key]", text) if len(key) >= SHORTEST_SECRET else text


_BETWEEN = r"(?:[\s\x00\u00ad\u200b-\u200f\u2060\ufeff]|\\{1,8}[nrt])*"
"""What may stand between two characters of a key: blanks, their escapes, and what nobody sees."""


@lru_cache(maxsize=1)
def _spellings(key: str) -> re.Pattern[str]:
    """Every way to write a key that we know of, upper or lower case."""
    characters = (
        rf"(?:{re.escape(c)}|%(?:25){{0,8}}{ord(c):02x}|\\{{1,8}}u00{ord(c):02x}|\\{{1,8}}x{ord(c):02x}|&\#(?:0*{ord(c)}|x0*{ord(c):x});)"
        for c in key
    )
    ways = [_BETWEEN.join(characters), r"(?:0x|[\s:,;-])*".join(key.encode().hex())]
    for before in range(3):  # base64 of a text that holds the key: it may start at any of three places of a group
        packed = base64.b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
        whole = packed[math.ceil(before * 8 / 6) : (before + len(key)) * 8 // 6]  # characters of the key's bits only
        forgiving = (rf"(?:{c}|%{ord(c):02x})" if c.isalnum() else r"(?:[-+/_]|%2b|%2f)" for c in whole)
        ways.append(_BETWEEN.join(forgiving))
    return re.compile("|".join(ways), re.IGNORECASE)
