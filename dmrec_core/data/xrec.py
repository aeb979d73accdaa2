"""Real interactions with real GPT-written item profiles: the items of HKUDS/XRec that have one.

The recipe is fixed, so everybody gets the same data set:

1. items = the unique `iid` of `tst.pkl`, with their `title` and `item_summary`;
2. interactions = the union of the three csv files, restricted to these items;
3. users and items with fewer than 5 interactions are dropped until none is left;
4. ids are renumbered in ascending order of the original ids;
5. `split_per_user` with `default_rng(2024)`.

`user_summary` of `tst.pkl` is not used: it may have seen the reviews of test interactions. User texts are made from
training items by the language room.
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
from dmrec_core.data.safe_pickle import load_frame
from dmrec_core.data.sources import XREC_NAMES as NAMES
from dmrec_core.data.sources import xrec_files
from dmrec_core.records.ranges import cut, short


def load_xrec(name: str, progress: bool = True) -> RecDataset:
    """`yelp`, `google` or `amazon` of HKUDS/XRec (Apache-2.0), as `<name>-xrec`.

    The first call fetches the files (yelp: 6 MB) and converts them; later ones read the conversion. `source` says how
    many users, items and interactions there were before and after filtering. The checksums of yelp and google are known
    here; yelp was checked against the real files: 9,250 users, 2,466 items, 61,804 / 20,009 / 20,009 interactions.

    Args:
        name: which of the three.
        progress: show progress bars while downloading.

    Returns:
        Titles and item profiles, no user profiles, no vectors; `user_ids` and `item_ids` are XRec's.

    Raises:
        ValueError: an unknown name.
        DataError: a file that cannot be had or is not what it should be.
    """
    if name not in NAMES:
        raise ValueError(f"XRec has {', '.join(NAMES)}; got {name!r}")
    checksums = {file.key: expected_sha256(file) for file in xrec_files(name).values()}
    kept = read_npz(converted(f"{name}-xrec", checksums, ".npz"))
    if kept is None:
        paths = {file: fetch(remote, progress) for file, remote in xrec_files(name).items()}
        checksums = {file.key: expected_sha256(file) for file in xrec_files(name).values()}
        kept = _apply_recipe(paths)
        target = converted(f"{name}-xrec", checksums, ".npz")
        with locked(target):
            write_npz(target, *kept)
    arrays, notes = kept
    return _assemble(name, arrays, notes, checksums)


def _apply_recipe(paths: Mapping[str, Path]) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Steps 1 to 5 on the four files: pairs (2, n) per split and original ids; titles, texts and counts."""
    titles, texts = _item_texts(paths["tst.pkl"])
    pairs = pd.concat([_pairs(paths[f"total_{part}.csv"]) for part in ("trn", "val", "tst")]).drop_duplicates()
    counts = {"profiles": len(titles), **count_pairs(pairs, "before")}
    pairs = pairs[pairs["item"].isin(list(titles))]
    counts |= count_pairs(pairs, "with_profile")
    pairs = keep_core(pairs, FEWEST)
    if pairs.empty:
        raise DataError(f"{paths['total_trn.csv']}: no user has {FEWEST} interactions with items of {paths['tst.pkl']}")
    counts |= count_pairs(pairs, "after")

    arrays = split_pairs(pairs)
    ids = arrays["item_ids"].tolist()
    return arrays, {"titles": [titles[i] for i in ids], "texts": [texts[i] for i in ids], "counts": counts}


def _item_texts(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    table = load_frame(path)
    missing = {"iid", "title", "item_summary"} - set(table)
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(sorted(missing))}; it has {cut(', '.join(map(str, table)), 400)}"
        )
    ids = np.asarray(table["iid"]).tolist()
    for row, (item, *texts) in enumerate(zip(ids, table["title"], table["item_summary"], strict=True)):
        if not isinstance(item, int) or not all(isinstance(text, str) for text in texts):
            raise DataError(
                f"{path}: row {row} has item {short(item)}, title and summary {short(texts)}; "
                "expected a number and texts"
            )
    order = range(len(ids) - 1, -1, -1)  # the first of an item's rows wins
    return {ids[row]: table["title"][row] for row in order}, {ids[row]: table["item_summary"][row] for row in order}


def _pairs(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=["user", "item"], dtype=np.int64)
    except (ValueError, OverflowError) as problem:
        raise DataError(
            f"{path}: expected whole numbers in columns user and item ({cut(str(problem), 200)})"
        ) from problem


def _assemble(name: str, arrays: dict, notes: dict, checksums: Mapping[str, str]) -> RecDataset:
    return RecDataset(
        name=f"{name}-xrec",
        **split_fields(arrays),
        titles=notes["titles"],
        profiles=Profiles(notes["texts"], user=None, source="GPT-written item summaries, HKUDS/XRec"),
        source={"upstream": "HKUDS/XRec", "licence": "Apache-2.0", **notes["counts"], **checksums},
    )
