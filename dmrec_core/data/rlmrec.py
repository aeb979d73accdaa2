"""The paper's data: `amazon`, `yelp` and `steam` as RLMRec split them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pooch
from scipy import sparse

from dmrec_core.data.cache import converted, locked, read_npz, write_npz
from dmrec_core.data.dataset import SPLITS, DataError, RecDataset
from dmrec_core.data.download import expected_sha256, fetch
from dmrec_core.data.rlmrec_language import find_language
from dmrec_core.data.safe_pickle import load_coo
from dmrec_core.data.sources import RLMREC_NAMES as NAMES
from dmrec_core.data.sources import rlmrec_matrices
from dmrec_core.data.steam_fields import load_steam_fields


def load_rlmrec(
    name: str, vectors: bool | None = None, folder: str | Path | None = None, progress: bool = True
) -> RecDataset:
    """Interactions in the paper's split and, where they are at hand, the profiles and ada-002 vectors.

    `steam` without either gets titles and texts out of the store's own fields instead, see `load_steam_fields`.

    Args:
        name: "amazon", "yelp" or "steam".
        vectors: None takes vectors and profiles if they are on disk already; True gets them, which downloads RLMRec's
            archive of all three data sets (large) unless they are on disk; False does without any text or vector.
        folder: your own copies, looked at first: any of `trn_mat.pkl, val_mat.pkl, tst_mat.pkl` (all three) and of
            `usr_emb_np.pkl, itm_emb_np.pkl, usr_prf.pkl, itm_prf.pkl`. Otherwise these four are looked for in
            `DMREC_HOME/raw/rlmrec/<name>/` and in `<name>` of a `DMREC_MIRROR` folder's `rlmrec`.
        progress: show progress bars while downloading.

    Raises:
        ValueError: an unknown name.
        DataError: a file that cannot be had or is not what it should be; the message names it.

    Source:
        Ren et al., "Representation Learning with Large Language Models for Recommendation", WWW 2024 (the split);
        BlueGhostYi/DMRec (the files).
    """
    if name not in NAMES:
        raise ValueError(f"RLMRec has {', '.join(NAMES)}; got {name!r}")
    folder = None if folder is None else Path(folder)
    own = None if folder is None else _own_matrices(folder)
    splits, checksums = _published(name, progress) if own is None else own
    n_users, n_items = splits["train"].shape
    language, profiles, more_checksums = find_language(name, vectors, folder, progress)
    titles = None
    if name == "steam" and language is None and profiles is None and vectors is not False:
        titles, profiles, of_fields = load_steam_fields(n_items, progress)
        more_checksums |= of_fields
    return RecDataset(
        name=name,
        n_users=n_users,
        n_items=n_items,
        **splits,
        language=language,
        titles=titles,
        profiles=profiles,
        source={"upstream": "BlueGhostYi/DMRec, split of HKUDS/RLMRec", **checksums, **more_checksums},
    )


def _published(name: str, progress: bool) -> tuple[dict[str, sparse.csr_matrix], dict[str, str]]:
    files = rlmrec_matrices(name)
    checksums = {file.key: expected_sha256(file) for file in files.values()}
    kept = read_npz(converted(name, checksums, ".npz"))
    if kept is None:
        splits = read_matrices({split: fetch(file, progress) for split, file in files.items()})
        checksums = {file.key: expected_sha256(file) for file in files.values()}
        target = converted(name, checksums, ".npz")
        arrays = {split: np.stack(matrix.nonzero()).astype(np.int32) for split, matrix in splits.items()}
        with locked(target):
            write_npz(target, arrays, {"shape": list(splits["train"].shape)})
        return splits, checksums
    arrays, notes = kept
    ones = {split: np.ones(pairs.shape[1], dtype=np.float32) for split, pairs in arrays.items()}
    return {s: sparse.csr_matrix((ones[s], arrays[s]), shape=tuple(notes["shape"])) for s in SPLITS}, checksums


def _own_matrices(folder: Path) -> tuple[dict[str, sparse.csr_matrix], dict[str, str]] | None:
    paths = {split: folder / f"{stem}_mat.pkl" for split, stem in zip(SPLITS, ("trn", "val", "tst"), strict=True)}
    missing = [path.name for path in paths.values() if not path.exists()]
    if len(missing) == len(paths):
        return None
    if missing:
        raise DataError(f"{folder}: no {', '.join(missing)}; put all three matrices there, or none of them")
    return read_matrices(paths), {path.name: pooch.file_hash(str(path)) for path in paths.values()}


def read_matrices(paths: Mapping[str, Path]) -> dict[str, sparse.csr_matrix]:
    """The matrices of some splits, binary: any stored value but 0 is an interaction, as in the published loader.

    Raises:
        DataError: a file that is no matrix, or has not the shape of the first.
    """
    splits: dict[str, sparse.csr_matrix] = {}
    first = next(iter(paths))
    for split, path in paths.items():
        matrix = load_coo(path).tocsr()
        if splits and matrix.shape != splits[first].shape:
            raise DataError(f"{path}: shape {matrix.shape}, but {paths[first].name} has {splits[first].shape}")
        splits[split] = (matrix != 0).astype(np.float32)
    return splits
