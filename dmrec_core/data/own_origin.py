"""What profiles and vectors were made from, so that they are not used for data that has changed since."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from dmrec_core.data.arrays import damage_named, read_npz, read_safetensors
from dmrec_core.data.dataset import SPLITS, DataError, RecDataset
from dmrec_core.data.own_reading import Reading, kept_reading
from dmrec_core.records.files import read_json

KEY = "made_from"
PROFILES = "profiles.json"
RECENT = 3.0
"""Seconds: a file younger than this may change again without its time of change telling."""


def _split_digest(dataset: RecDataset) -> str:
    """sha256 over who interacted with what, in which split, by the user's own ids."""
    digest = hashlib.sha256(json.dumps([dataset.user_ids, dataset.item_ids]).encode())
    for split in SPLITS:
        matrix = getattr(dataset, split)
        digest.update(np.ascontiguousarray(matrix.indptr, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(matrix.indices, dtype="<i8").tobytes())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's content, "" where there is none; read again only where it may have changed."""
    if not path.is_file():
        return ""
    facts = path.stat()
    if time.time() - facts.st_mtime < RECENT:
        return _digest.__wrapped__(path)
    return _digest(path.resolve(), facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, *facts: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_from(dataset: RecDataset, folder: Path, files: Sequence[Path], command: Sequence[str | None]) -> str:
    """A record of what a file is made from, as JSON.

    Args:
        dataset: whose split, before any text was added to it.
        folder: of the data.
        files: what was read beside the interactions, there or not; those outside the folder are left out.
        command: the arguments that make the file, None where the folder stands.
    """
    inside = [path for path in files if path.resolve().parent == folder.resolve()]
    return json.dumps(
        {"split": _split_digest(dataset), "files": {p.name: file_digest(p) for p in inside}, "command": list(command)}
    )


def origin(path: Path) -> dict | None:
    """The record kept in a file of profiles or vectors; None where there is no file or it has none.

    Raises:
        DataError: the record is damaged.
    """
    with damage_named(path, "cannot be read", "delete it, and make it again"):
        record = _kept_in(path)
        if record is None:
            return None
        values = json.loads(record)
        _ = values["split"], values["files"].items(), values["command"][0]
    return values


def _kept_in(path: Path) -> str | None:
    if path.suffix == ".json":
        return read_json(path).get(KEY) if path.is_file() else None
    if path.suffix == ".npz":
        arrays, _ = read_npz(path, (KEY,))
        return str(arrays[KEY]) if KEY in arrays else None
    if path.suffix == ".safetensors":
        return read_safetensors(path, ())[2].get(KEY)
    return None


def check_fresh(path: Path, dataset: RecDataset, folder: Path | None, reading: Reading) -> bool:
    """Whether the file says what it was made from; where it does, that is as it was.

    Args:
        path: of profiles or vectors.
        dataset: as read now.
        folder: of the data, if it is one.
        reading: how the data was read.

    Raises:
        DataError: something has changed. The message names it, and the commands that make the file again.
    """
    record = origin(path)
    if record is None:
        return False
    changed = _changed(record, dataset, folder)
    if changed:
        told = _without_defaults(reading, folder)
        where = folder or Path("FOLDER")
        again = [_command(record, where, told)]
        profiles = where / PROFILES
        if PROFILES in record["files"] and profiles != path:
            before = origin(profiles)
            if before and _changed(before, dataset, folder):
                again.insert(0, _command(before, where, told))
        raise DataError(
            f"{path}: made from other data: {' and '.join(changed)} changed since. Make it again with "
            f"`{' && '.join(again)}`, or delete it"
        )
    return True


def _without_defaults(reading: Reading, folder: Path | None) -> Reading:
    """What a command would have to be told beyond the folder's `reading.json`."""
    kept = kept_reading(folder) if folder else Reading()
    return Reading(**{k: value if value != dict(kept.given())[k] else None for k, value in reading.given()})


def _changed(record: Mapping, dataset: RecDataset, folder: Path | None) -> list[str]:
    changed = [] if record["split"] == _split_digest(dataset) else ["the interactions or their split"]
    files = record["files"].items() if folder else ()
    return changed + [name for name, digest in files if file_digest(folder / name) != digest]


def _command(record: Mapping, folder: Path, reading: Reading) -> str:
    words = [str(folder) if word is None else word for word in record["command"]]
    return f"python -m dmrec_core {shlex.join([*words, *reading.words()])}"
