"""Files that appear whole or not at all, know their contents, and leave nothing of a killed process behind.

Every file of the kit is written through `whole_or_not`. Its temporary says who writes it, so that whoever works in that
folder next can tell what nobody will finish.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import psutil

PATIENCE = 3600.0
"""Seconds after which a temporary is nobody's if its writer is on another machine, where we cannot look."""

MAX_JSON = 256 << 20  # bytes; the profiles of 100,000 users are about 100 MB
MAX_BRACKETS = 1_000_000  # an empty list is 2 bytes of text and 64 of memory

_NUMBERS = itertools.count()
# .NAME.WRITER-PID-COUNT.partial; before there was a WRITER, .NAME.PID.partial and .NAME.PID.tmp
_TEMPORARY = re.compile(r"\..*?\.(?:(?P<writer>[0-9a-f]{8})-)?(?P<pid>\d+)(?:-\d+)?\.(?:partial|tmp)(?:\.\w+)?")
_OURS = (
    *(errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR),
    *(errno.EEXIST, errno.EISDIR, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)),
)


class Unwritable(OSError):
    """A file that could not be written; the message names it and why. What was there before is still there."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def whole_or_not(path: Path) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` when the block ends well and removed when it does not.

    A reader, or a kill or power cut at any moment, finds the old file or the new one, never half of it.

    Raises:
        Unwritable: the disk is full or read-only, the path too long, its parent no folder.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new.txt"
        >>> with whole_or_not(path) as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> path.read_text(), [p.name for p in path.parent.iterdir()]
        ('all of it', ['new.txt'])
    """
    path = Path(path)
    temporary = temporary_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        collect(path.parent)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as problem:
        about_it = problem.filename is None or str(problem.filename) in _and_parents(path, temporary)
        if problem.errno in _OURS and about_it and not isinstance(problem, Unwritable):
            raise Unwritable(problem.errno, f"{path} cannot be written: {problem.strerror}") from problem
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by `whole_or_not`."""
    with whole_or_not(path) as temporary:
        temporary.write_bytes(content)


def check_writable(path: Path, instead: str = "--out") -> None:
    """Refuse, before any work, a place where its result could not be written; leaves nothing there.

    Args:
        path: the file that is to be written at the end; its folder need not be there yet.
        instead: the option or parameter that names another place.

    Raises:
        Unwritable: why, and `instead`.

    Example:
        >>> check_writable(Path("no such folder") / "new.txt"), Path("no such folder").exists()
        (None, False)
    """
    probe, new = temporary_for(path).with_suffix(".probe"), []
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        new = [folder for folder in path.parents if not folder.exists()]
        write_whole(probe, bytes(4096))  # an empty file fits on a full disk
    except OSError as problem:
        said = f"{path} cannot be written: {os.strerror(problem.errno)}; name another place with {instead}"
        raise Unwritable(problem.errno, said) from problem
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
            for folder in new:
                folder.rmdir()


def temporary_for(path: Path) -> Path:
    """A new path beside `path` whose name says which process is to fill it; see `collect`."""
    name = os.fsencode(path.name)[:80].decode(errors="ignore")  # a long name must leave room for the rest
    return path.with_name(f".{name}.{_this_machine()}-{os.getpid()}-{next(_NUMBERS)}.partial")


def collect(folder: Path) -> None:
    """Remove the temporaries in `folder` whose writer is gone.

    On this machine that is a process that ended, whoever has its number now. A writer on another machine that shares
    the disk is believed to be alive until its file has not changed for an hour.
    """
    with suppress(OSError):  # a folder that is not there, or that we may only read
        for entry in os.scandir(folder):
            found = _TEMPORARY.fullmatch(entry.name)
            if found and not _is_written(found["writer"], int(found["pid"]), entry.stat().st_mtime):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)


def digest(parts: Iterable[tuple[object, bytes | memoryview]]) -> str:
    """SHA-256 of labelled contents, in hex; a label is whatever JSON can write down.

    Example:
        >>> digest([("ab", b"c")]) == digest([("a", b"bc")])
        False
    """
    whole = hashlib.sha256()
    for label, content in parts:
        said = json.dumps(label).encode()
        whole.update(f"{len(said)} {memoryview(content).nbytes} ".encode() + said)
        whole.update(content)
    return whole.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex; remembered for as long as the file is untouched."""
    at = os.stat(path)
    return _file_digest(str(path), (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))


@lru_cache(maxsize=4096)
def _file_digest(path: str, version: tuple[int, ...]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> object:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or so large or so nested that it is no file of ours; the message names it.
    """
    if (size := os.stat(path).st_size) > MAX_JSON:
        raise ValueError(f"{path}: {size:,} bytes of JSON; expected at most {MAX_JSON:,}")
    content = Path(path).read_bytes()
    if content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        raise ValueError(f"{path}: JSON with more than {MAX_BRACKETS:,} lists and objects")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(f"{path}: JSON nested too deeply") from None
    except ValueError as problem:  # JSONDecodeError and UnicodeDecodeError are
        raise ValueError(f"{path}: not JSON ({problem})") from problem


def _is_written(writer: str | None, pid: int, changed: float) -> bool:
    if writer != _this_machine():
        return time.time() - changed < PATIENCE
    try:
        process = psutil.Process(pid)
        return process.create_time() < changed + 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's
        return True


@lru_cache(maxsize=1)
def _this_machine() -> str:
    """Eight hex digits for where process numbers mean what they mean here: the host, and the container in it."""
    container = ""
    with suppress(OSError):  # only Linux has it
        container = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {container}".encode()).hexdigest()[:8]


def _and_parents(*paths: Path) -> set[str]:
    return {str(place) for path in paths for place in (path, *path.parents)}
