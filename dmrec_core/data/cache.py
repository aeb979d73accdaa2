"""The kit's folder on this machine, and files that appear in it whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock


def home() -> Path:
    """`DMREC_HOME`, or the platform's cache folder; raw/ holds what was downloaded, converted/ what was made of it."""
    return Path(os.environ.get("DMREC_HOME") or platformdirs.user_cache_dir("dmrec", appauthor=False))


def converted(name: str, checksums: Mapping[str, str], suffix: str) -> Path:
    """Where the conversion of files with these checksums is kept: other files, other name."""
    key = hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:16]
    return home() / "converted" / f"{name}-{key}{suffix}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time works on `path`; the others wait here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def whole_or_not(path: Path) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` when the block ends well and removed when it does not.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new.txt"
        >>> with whole_or_not(path) as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> path.read_text(), [p.name for p in path.parent.iterdir()]
        ('all of it', ['new.txt'])
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, object]) -> None:
    """Arrays and JSON-able notes (provenance, texts) as one .npz; nothing in it is pickled."""
    text = np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)
    with whole_or_not(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, notes=text, **arrays)


def read_npz(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]] | None:
    """What `write_npz` wrote, or None where there is no such file or it is damaged (then it is made again)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (FileNotFoundError, zipfile.BadZipFile, EOFError, ValueError):
        return None
    return arrays, json.loads(arrays.pop("notes").tobytes())
