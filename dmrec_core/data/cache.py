"""The kit's folder on this machine, and the conversions kept in it, read only if they are as written."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock

from dmrec_core.data.arrays import damage_named
from dmrec_core.data.arrays import read_npz as arrays_of
from dmrec_core.data.errors import DataError
from dmrec_core.records.files import collect, digest, whole_or_not


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
        collect(path.parent)
        yield


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, object]) -> None:
    """Arrays and JSON-able notes (provenance, texts) as one .npz; nothing in it is pickled."""
    contents = {"notes": np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8), **arrays}
    with whole_or_not(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, sha256=np.array(_digest(path, contents)), **contents)


def read_npz(path: Path) -> tuple[dict[str, np.ndarray], dict[str, object]] | None:
    """What `write_npz` wrote there, or None where it is to be made again: no file, an old, a foreign or a damaged one.

    Whatever else is there is removed, with a warning that names it.
    """
    try:
        with damage_named(path, "a damaged conversion", "it is made again"):
            arrays, _ = arrays_of(path)
            said = str(arrays.pop("sha256", None))
            if said != _digest(path, arrays):
                raise ValueError("its checksum is missing or does not match")
            return arrays, json.loads(arrays.pop("notes").tobytes())
    except DataError as problem:
        if path.exists():
            warnings.warn(str(problem), stacklevel=2)
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return None


def _digest(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Over the file's name too, which says what was converted: another conversion's file is foreign here."""
    parts = [((name, str(array.dtype), array.shape), array.tobytes()) for name, array in sorted(arrays.items())]
    return digest([(path.name, b""), *parts])
