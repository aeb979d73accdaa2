"""The interactions file of `load_own`: checked row by row, then split."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from dmrec_core.data.dataset import SPLITS, DataError
from dmrec_core.data.likes import liked
from dmrec_core.data.own_reading import Reading
from dmrec_core.data.own_times import read_times
from dmrec_core.data.split import split_in_order
from dmrec_core.data.tables import Table, read_table
from dmrec_core.records.ranges import cut

SEED = 2024


@dataclass(frozen=True, eq=False)
class Interactions:
    """What a file says of who liked what."""

    splits: dict[str, sparse.csr_matrix]  # (U, I) each, by name
    user_ids: tuple[str | int, ...]
    item_ids: tuple[str | int, ...]
    duplicates: int  # repeated rows that were merged
    notes: tuple[str, ...]  # how the file was read, where that is not a matter of course
    has_split: bool  # its own


def read_interactions(path: Path, reading: Reading) -> Interactions:
    """The likes of an interactions file, split.

    Args:
        path: the file, see `load_own`.
        reading: what is a like, and how to split where the file has no split.

    Raises:
        DataError: naming file and row.
    """
    table = read_table(path, ("user", "item"), ("split", "timestamp"), ("user", "item", "rating", "timestamp"))
    _check_splits(table, reading)
    keep, said = liked(table, reading)
    times = read_times(table) if reading.split == "time" else np.arange(len(keep))
    pairs, duplicates, disputed = _distinct(table, np.argsort(times, kind="stable"), keep)
    if pairs.empty:
        raise DataError(f"{path}: no like is left ({'; '.join(said)})")
    if disputed:
        said.append(f"{disputed:,} pairs have rows on both sides of that: the last row counts")
    left_out = table.columns["user"].nunique() - pairs["user"].nunique()
    if left_out:
        said.append(f"{left_out:,} users without a like left out")
    if reading.split == "time":
        said.append("split by timestamp, each user's newest held out")
    elif "timestamp" in table.columns:
        said.append("timestamp ignored" + ("" if "split" in table.columns else " (--split time splits by it)"))
    user_ids, item_ids = _ordered_ids(pairs["user"]), _ordered_ids(pairs["item"])
    users, items = (
        pairs[column].map({str(identifier): number for number, identifier in enumerate(ids)}).to_numpy()
        for column, ids in (("user", user_ids), ("item", item_ids))
    )
    if "split" in pairs:
        part = pairs["split"].map({"train": 0, "valid": 1, "test": 2}).to_numpy()
    else:
        part = _held_out(pairs, users, times[pairs.index], reading)

    def matrix(keep: np.ndarray) -> sparse.csr_matrix:
        ones = np.ones(keep.sum(), dtype=np.float32)
        return sparse.csr_matrix((ones, (users[keep], items[keep])), shape=(len(user_ids), len(item_ids)))

    splits = {name: matrix(part == number) for number, name in enumerate(SPLITS)}
    if "split" in pairs:
        _check_every_user_trains(table, pairs, splits["train"], user_ids)
    return Interactions(splits, user_ids, item_ids, duplicates, (*table.notes, *said), "split" in pairs)


def _ordered_ids(ids: pd.Series) -> tuple[str | int, ...]:
    """The distinct ids, ascending: by value if all are whole numbers, else as texts.

    Example:
        >>> _ordered_ids(pd.Series(["10", "9", "10"])), _ordered_ids(pd.Series(["10", "9", "b"]))
        ((9, 10), ('10', '9', 'b'))
    """
    distinct = pd.unique(ids).tolist()
    if all(re.fullmatch(r"0|-?[1-9][0-9]{0,300}", identifier) for identifier in distinct):
        return tuple(sorted(int(identifier) for identifier in distinct))
    return tuple(sorted(distinct))


def _check_splits(table: Table, reading: Reading) -> None:
    if "split" not in table.columns:
        if reading.split == "time" and "timestamp" not in table.columns:
            raise DataError(
                f"{table.path}: no column timestamp for a split by time; it has "
                f"{', '.join([*table.columns, *table.others])}"
            )
        return
    if reading.split is not None:
        raise DataError(f"{table.path}: it has a column split, so it is not split by {reading.split}: drop one of both")
    table.columns["split"] = table.columns["split"].str.strip()
    wrong = np.flatnonzero(~table.columns["split"].isin(SPLITS))
    if wrong.size:
        word = table.columns["split"][wrong[0]]
        raise DataError(f"{table.where(wrong[0])}: split is {cut(word)!r}, expected train, valid or test")


def _distinct(table: Table, order: np.ndarray, keep: np.ndarray) -> tuple[pd.DataFrame, int, int]:
    """The likes in this order of rows without those that repeat an earlier one, how many did, and disputed pairs.

    A pair is disputed where some of its rows are likes and others not: the last row counts. A repeat in another split
    is an error.
    """
    rows, keep = table.columns.iloc[order], keep[order]
    pair = rows.groupby(["user", "item"], sort=False).ngroup().to_numpy()
    last = np.zeros(len(rows), dtype=bool)
    last[pair] = keep  # a later row overwrites an earlier one's word
    disputed = len(np.unique(pair[keep != last[pair]]))
    rows = rows[keep & last[pair]]
    repeats = rows.duplicated(["user", "item"])
    distinct = rows[~repeats]
    if "split" in rows and repeats.any():
        both = rows[repeats].reset_index().merge(distinct.reset_index(), on=["user", "item"], suffixes=("", "_before"))
        clash = both[both["split"] != both["split_before"]]
        for row in clash.head(1).to_dict("records"):
            raise DataError(
                f"{table.where(row['index'])}: user {cut(row['user'])}, item {cut(row['item'])} is in "
                f"{row['split']}, but in {row['split_before']} in row {row['index_before'] + table.first_row}: keep one"
            )
    return distinct, int(repeats.sum()), disputed


def _held_out(pairs: pd.DataFrame, users: np.ndarray, times: np.ndarray, reading: Reading) -> np.ndarray:
    """0 train, 1 valid, 2 test for each pair; every pair draws a lot of its own, so no other user's rows matter."""
    seed = SEED if reading.seed is None else reading.seed
    texts = (f"{seed}\0{user}\0{item}" for user, item in zip(pairs["user"], pairs["item"], strict=True))
    drawn = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    lots = np.frombuffer(b"".join(drawn), dtype="<u8")
    newest_first = (-times,) if reading.split == "time" else ()
    return split_in_order(users, np.lexsort((lots, *newest_first, users)))


def _check_every_user_trains(
    table: Table, pairs: pd.DataFrame, train: sparse.csr_matrix, user_ids: tuple[str | int, ...]
) -> None:
    idle = np.flatnonzero(np.diff(train.indptr) == 0)
    if idle.size:
        user = user_ids[idle[0]]
        row = pairs.index[pairs["user"] == str(user)][0]
        raise DataError(
            f"{table.where(row)}: user {cut(user)} has no training item ({idle.size} such users): "
            "mark one of the user's rows as train, or drop the user"
        )
