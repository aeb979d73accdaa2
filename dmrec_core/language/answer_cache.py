"""Every answer ever received, one line each, only ever appended: what was paid for is never asked for again.

A record is one JSON line. A line cut short by a kill or a full disk is skipped and the next one starts on a line of its
own. One run at a time holds the file; a second waits and then finds the first one's answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dmrec_core.data.cache import home

BALLAST = 1 << 20
"""Bytes set aside while a run is on: given up when the disk is full, so that answers already under way can be kept."""


MOST = 1e9
"""Tokens or seconds of one answer; more is a mistake."""


class CacheFull(OSError):
    """The file could not take an answer. What it holds is intact."""


@dataclass(frozen=True)
class Record:
    """What became of one question."""

    key: str  # of model, prompt and settings
    status: str  # ok | invalid (its repair is still to be asked) | failed (its repair was no better) | unanswered
    summary: str = ""  # ok; empty where the model said that none is possible
    reasoning: str = ""  # ok
    why: str = ""  # otherwise: what is wrong
    content: str = ""  # invalid and failed: what the model said, cut
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seconds: float = 0.0  # from request to answer, waits included
    label: str = ""  # "item 17", for people who read the file


def record_key(model: str, prompt_digest: str, settings: Mapping[str, object]) -> str:
    """What makes two questions the same: model, prompt and settings.

    Example:
        >>> record_key("m", "p", {"a": 1, "b": 2}) == record_key("m", "p", {"b": 2, "a": 1})
        True
    """
    text = json.dumps([model, prompt_digest, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class AnswerCache:
    """The answers of one model.

    Args:
        model: its name; part of the file's name.
        folder: ``None`` for ``answers`` in the kit's folder.

    Example:
        >>> import tempfile
        >>> cache = AnswerCache("a/model", Path(tempfile.mkdtemp()))
        >>> with cache.held():
        ...     cache.append(Record("k", "ok", summary="People who like tea."))
        >>> AnswerCache("a/model", cache.path.parent).load()["k"].summary
        'People who like tea.'
    """

    def __init__(self, model: str, folder: Path | None = None) -> None:
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", model)[:60]
        name = f"{readable}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
        self.path = (folder or home() / "answers") / f"{name}.jsonl"
        self.damaged_lines = 0
        self._mutex = threading.Lock()
        self._full = False

    def load(self) -> dict[str, Record]:
        """The last record of each question; lines that cannot be read are counted in ``damaged_lines``."""
        records: dict[str, Record] = {}
        self.damaged_lines = 0
        for path in [self.path, *sorted(self.path.parent.glob(f"{self.path.stem}.rescued-*.jsonl"))]:
            if not path.exists():
                continue
            for line in path.read_bytes().split(b"\n"):
                if not line.strip():
                    continue
                record = _parsed(line)
                if record is None:
                    self.damaged_lines += 1
                elif records.get(record.key) is None or records[record.key].status != "ok":
                    records[record.key] = record
        return records

    @contextlib.contextmanager
    def held(self, on_wait: Callable[[], None] | None = None):
        """Keep other runs out until the block ends. The system lets go of the file when a process dies.

        Args:
            on_wait: told once, where another run holds the file.
        """
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout:
            if on_wait:
                on_wait()
            lock.acquire()
        except OSError as error:
            raise CacheFull(error.errno, f"answers cannot be kept ({error.strerror})", str(self.path)) from error
        ballast = self.path.with_suffix(".ballast")
        try:
            with contextlib.suppress(OSError):  # without it we are merely as other programs are
                ballast.write_bytes(os.urandom(BALLAST))
            yield
        finally:
            ballast.unlink(missing_ok=True)
            lock.release()

    def append(self, record: Record) -> None:
        """Add a record; whole, or not at all.

        Raises:
            CacheFull: neither this file nor, after the ballast is thrown off, a second one beside it takes the record.
        """
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._mutex:
            try:
                if not self._full:
                    _append_line(self.path, line)
                    return
            except OSError:
                self._full = True
                self.path.with_suffix(".ballast").unlink(missing_ok=True)
            try:
                _append_line(self.path.with_name(f"{self.path.stem}.rescued-{uuid.uuid4().hex}.jsonl"), line)
            except OSError as error:
                raise CacheFull(error.errno, f"cannot keep an answer: {error.strerror}", str(self.path)) from error

    @property
    def full(self) -> bool:
        """Whether the file has refused a record; those after it went into files beside it."""
        return self._full


def _append_line(path: Path, line: bytes) -> None:
    """Append one line; on any failure the file is as long as before."""
    with open(path, "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = b"\n" + line  # after a line that a kill cut short
        try:
            while line:
                line = line[file.write(line) :]
        except OSError:
            file.truncate(size)
            raise


def _parsed(line: bytes) -> Record | None:
    """The record of one line; ``None`` where it is not one."""
    try:
        record = Record(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    counts = (record.prompt_tokens, record.answer_tokens, record.seconds)
    strings = (record.key, record.status, record.summary, record.reasoning, record.why, record.content)
    known = record.status in ("ok", "invalid", "failed")
    return record if known and all(isinstance(value, str) for value in strings) and all(map(is_count, counts)) else None


def is_count(value: object) -> bool:
    """Whether this can be a number of tokens or of seconds: what a server or a damaged line says may be anything.

    Example:
        >>> [is_count(value) for value in (12, 0.5, -1, True, "12", float("nan"), 10**400)]
        [True, True, False, False, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
