"""RLMRec's profiles and ada-002 vectors, where the user has them or asks for them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pooch

from dmrec_core.data.archive import extract_member
from dmrec_core.data.cache import converted, home, locked, read_npz, write_npz
from dmrec_core.data.download import fetch
from dmrec_core.data.errors import DataError
from dmrec_core.data.safe_pickle import load_array, load_profile_dict
from dmrec_core.data.semantic import Profiles, SemanticVectors, checked_vectors
from dmrec_core.data.sources import rlmrec_archive

VECTORS = ("usr_emb_np.pkl", "itm_emb_np.pkl")
PROFILES = ("usr_prf.pkl", "itm_prf.pkl")
EMBEDDER = "text-embedding-ada-002"


def find_language(
    name: str, wanted: bool | None, folder: Path | None, progress: bool
) -> tuple[SemanticVectors | None, Profiles | None, dict[str, str]]:
    """Vectors, profiles and their checksums for `amazon`, `yelp` or `steam`; see `load_rlmrec` for `wanted`.

    With `wanted=True`, what is not on disk is taken out of RLMRec's archive at archive.org. **That archive's layout was
    not verified**: its members are looked for by file name inside a folder called `name`, at any depth, and the error
    lists what it holds if they are elsewhere. Its checksum is recorded when it is first fetched.

    Raises:
        DataError: one file of a pair without the other, a damaged or refused pickle, profiles that skip an id.
    """
    if wanted is False:
        return None, None, {}
    places = _places(name, folder)
    vectors = _pair(name, VECTORS, places, wanted, progress)
    profiles = _pair(name, PROFILES, places, wanted, progress)
    checksums = {path.name: pooch.file_hash(str(path)) for path in (*vectors, *profiles)}
    language = _vectors(name, vectors, checksums) if vectors else None
    texts = Profiles(_texts(profiles[1]), _texts(profiles[0]), source="gpt-3.5-turbo (RLMRec)") if profiles else None
    return language, texts, checksums


def _places(name: str, folder: Path | None) -> list[Path]:
    mirror = os.environ.get("DMREC_MIRROR", "")
    in_mirror = [Path(mirror) / "rlmrec" / name] if mirror and "://" not in mirror else []
    return [*([folder] if folder else []), home() / "raw" / "rlmrec" / name, *in_mirror]


def _pair(name: str, pair: tuple[str, str], places: list[Path], wanted: bool | None, progress: bool) -> list[Path]:
    """The paths of both files, or an empty list where neither is at hand."""
    found = {file: next((place / file for place in places if (place / file).exists()), None) for file in pair}
    missing = [file for file, path in found.items() if path is None]
    if missing and wanted:
        archive = fetch(rlmrec_archive(), progress)
        for file in missing:
            found[file] = extract_member(archive, file, name, home() / "raw" / "rlmrec" / name / file)
    elif len(missing) == 1:
        present = next(path for path in found.values() if path is not None)
        raise DataError(f"{present} is there but {missing[0]} is not: put both in one folder, or move it away")
    return [path for path in found.values() if path is not None]


def _vectors(name: str, paths: list[Path], checksums: dict[str, str]) -> SemanticVectors:
    target = converted(f"{name}-vectors", {file: checksums[file] for file in VECTORS}, ".npz")
    with locked(target):
        kept = read_npz(target)
        if kept is None:
            user, item = (checked_vectors(load_array(path), str(path)) for path in paths)
            kept = {"user": user, "item": item}, {"embedder": EMBEDDER}
            write_npz(target, *kept)
    return SemanticVectors(kept[0]["user"], kept[0]["item"], embedder=EMBEDDER)


def _texts(path: Path) -> tuple[str, ...]:
    entries = load_profile_dict(path)
    absent = np.setdiff1d(np.arange(len(entries)), list(entries))
    if absent.size:
        raise DataError(
            f"{path}: no entry {absent[0]}, expected ids 0 to {len(entries) - 1} for {len(entries)} entries"
        )
    return tuple(entries[number]["profile"] for number in range(len(entries)))
