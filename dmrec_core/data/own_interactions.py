"""The interactions file of `load_own`: checked row by row, then split."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from dmrec_core.data.dataset import SPLITS, DataError
from dmrec_core.data.split import split_per_user
from dmrec_core.data.tables import Table, read_table


def read_interactions(
    path: Path, seed: int
) -> tuple[dict[str, sparse.csr_matrix], tuple[str | int, ...], tuple[str | int, ...], int]:
    """Splits (U, I) by name, the user ids and item ids in their order, and how many repeated rows were merged.

    Args:
        path: the file, see `load_own`.
        seed: for the split, where the file has none.

    Raises:
        DataError: naming file and row.
    """
    table = read_table(path, ("user", "item"), ("split", "rating", "value"))
    _check_binary(table)
    pairs = _distinct(table)
    user_ids, item_ids = ordered_ids(pairs["user"]), ordered_ids(pairs["item"])
    users, items = (
        pairs[column].map({str(identifier): number for number, identifier in enumerate(ids)}).to_numpy()
        for column, ids in (("user", user_ids), ("item", item_ids))
    )

    def matrix(keep: np.ndarray) -> sparse.csr_matrix:
        ones = np.ones(keep.sum(), dtype=np.float32)
        return sparse.csr_matrix((ones, (users[keep], items[keep])), shape=(len(user_ids), len(item_ids)))

    if "split" in pairs:
        parts = [matrix((pairs["split"] == split).to_numpy()) for split in SPLITS]
        _check_every_user_trains(table, pairs, parts[0], user_ids)
    else:
        parts = split_per_user(matrix(np.ones(len(pairs), dtype=bool)), np.random.default_rng(seed))
    return dict(zip(SPLITS, parts, strict=True)), user_ids, item_ids, len(table.columns) - len(pairs)


def ordered_ids(ids: pd.Series) -> tuple[str | int, ...]:
    """The distinct ids, ascending: by value if all are whole numbers, else as texts.

    Example:
        >>> ordered_ids(pd.Series(["10", "9", "10"])), ordered_ids(pd.Series(["10", "9", "b"]))
        ((9, 10), ('10', '9', 'b'))
    """
    distinct = pd.unique(ids).tolist()
    if all(re.fullmatch(r"0|-?[1-9]\d*", identifier) for identifier in distinct):
        return tuple(sorted(int(identifier) for identifier in distinct))
    return tuple(sorted(distinct))


def _check_binary(table: Table) -> None:
    rows = table.columns
    for column in rows.columns.intersection(["rating", "value"]):
        wrong = np.flatnonzero(pd.to_numeric(rows[column], errors="coerce") != 1)
        if wrong.size:
            raise DataError(
                f"{table.where(wrong[0])}: {column} is {rows[column][wrong[0]]!r}, expected 1 ({wrong.size} such rows):"
                f" interactions are binary; keep the rows that mean 'liked' and drop the column {column}"
            )
    if "split" in rows:
        wrong = np.flatnonzero(~rows["split"].isin(SPLITS))
        if wrong.size:
            word = rows["split"][wrong[0]]
            raise DataError(f"{table.where(wrong[0])}: split is {word!r}, expected train, valid or test")


def _distinct(table: Table) -> pd.DataFrame:
    """The rows without those that repeat an earlier one; a repeat in another split is an error."""
    rows = table.columns
    repeats = rows.duplicated(["user", "item"])
    distinct = rows[~repeats]
    if "split" in rows and repeats.any():
        both = rows[repeats].reset_index().merge(distinct.reset_index(), on=["user", "item"], suffixes=("", "_before"))
        clash = both[both["split"] != both["split_before"]]
        for row in clash.head(1).to_dict("records"):
            raise DataError(
                f"{table.where(row['index'])}: user {row['user']}, item {row['item']} is in {row['split']}, but in "
                f"{row['split_before']} in row {row['index_before'] + table.first_row}: keep one"
            )
    return distinct


def _check_every_user_trains(
    table: Table, pairs: pd.DataFrame, train: sparse.csr_matrix, user_ids: tuple[str | int, ...]
) -> None:
    idle = np.flatnonzero(np.diff(train.indptr) == 0)
    if idle.size:
        user = user_ids[idle[0]]
        row = pairs.index[pairs["user"] == str(user)][0]
        raise DataError(
            f"{table.where(row)}: user {user} has no training item ({idle.size} such users): "
            "mark one of the user's rows as train, or drop the user"
        )
