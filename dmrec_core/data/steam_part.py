"""A part of the paper's Steam, with real fields as texts: **not** the paper's data set.

The training matrix of `steam` has no known checksum, so a mirror may lack it; its validation and test parts, 209,732 of
525,922 interactions, can be checked. The recipe is fixed, so everybody gets the same data set:

1. interactions = the union of the published validation and test parts;
2. users and items with fewer than 5 interactions are dropped until none is left;
3. ids are renumbered in ascending order of the paper's ids;
4. `split_per_user` with `default_rng(2024)`.

What the paper holds out is trained on here and the other way round: no number on it can stand beside one on `steam`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dmrec_core.data.cache import converted, locked, read_npz, write_npz
from dmrec_core.data.core import FEWEST, count_pairs, keep_core, split_fields, split_pairs
from dmrec_core.data.dataset import DataError, Profiles, RecDataset
from dmrec_core.data.download import expected_sha256, fetch
from dmrec_core.data.rlmrec import read_matrices
from dmrec_core.data.sources import rlmrec_matrices
from dmrec_core.data.steam_fields import load_steam_fields

NAME = "steam-part"


def load_steam_part(progress: bool = True) -> RecDataset:
    """`steam-part`: 17,038 users and 4,436 items of the paper's Steam, and what the store says of the items.

    The first call fetches the files (5 MB) and converts them; later ones read the conversion. `source` says how many
    users, items and interactions there were before and after filtering.

    Args:
        progress: show progress bars while downloading.

    Returns:
        Titles and item profiles out of plain fields (`load_steam_fields`), no user profiles, no vectors; `user_ids` and
        `item_ids` are rows and columns of the paper's matrices.

    Raises:
        DataError: a file that cannot be had or is not what it should be.
    """
    files = {split: file for split, file in rlmrec_matrices("steam").items() if split != "train"}
    checksums = {file.key: expected_sha256(file) for file in files.values()}
    target = converted(NAME, checksums, ".npz")
    kept = read_npz(target)
    if kept is None:
        kept = _apply_recipe({split: fetch(file, progress) for split, file in files.items()})
        with locked(target):
            write_npz(target, *kept)
    arrays, counts = kept
    titles, profiles, more_checksums = load_steam_fields(counts["columns"], progress)
    fields = split_fields(arrays)
    return RecDataset(
        name=NAME,
        **fields,
        titles=[titles[item] for item in fields["item_ids"]],
        profiles=Profiles([profiles.item[item] for item in fields["item_ids"]], user=None, source=profiles.source),
        source={
            "upstream": "BlueGhostYi/DMRec, validation and test parts of steam; HKUDS/RLMRec; UC San Diego's crawl",
            **{name: count for name, count in counts.items() if name != "columns"},
            **checksums,
            **more_checksums,
        },
    )


def _apply_recipe(paths: Mapping[str, Path]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Steps 1 to 4: what `split_pairs` gives, and counts."""
    parts = read_matrices(paths)
    users, items = (parts["valid"] + parts["test"]).nonzero()
    pairs = pd.DataFrame({"user": users, "item": items})
    counts = {"columns": parts["valid"].shape[1], **count_pairs(pairs, "before")}
    pairs = keep_core(pairs, FEWEST)
    if pairs.empty:
        raise DataError(f"{paths['valid']}: no user has {FEWEST} interactions in it and {paths['test'].name}")
    return split_pairs(pairs), counts | count_pairs(pairs, "after")
