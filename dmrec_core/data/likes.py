"""Which rows are likes: a rating column is never taken for one, and no number is ignored without a word."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from dmrec_core.data.columns import plain
from dmrec_core.data.errors import DataError
from dmrec_core.data.own_reading import EVERY_ROW, Reading
from dmrec_core.data.tables import Table
from dmrec_core.records.ranges import cut

RATING_NAMES = frozenset(
    "rating ratings rate rated userrating stars star score scores value values label labels like likes liked isliked "
    "dislike disliked preference preferences pref feedback vote votes upvote thumbs sentiment event eventtype action "
    "actiontype interaction interactiontype reaction target grade weight plays playcount count quantity qty listens "
    "overall recommended isrecommended".split()
)
"""Columns that say how much a row was liked, by their plain names (`columns.plain`)."""
WORDS = {"true": "1", "yes": "1", "false": "0", "no": "0"}


def liked(table: Table, reading: Reading) -> tuple[np.ndarray, list[str]]:
    """Which rows are likes (n,), and words on what was decided and ignored.

    Without a threshold every row is a like, so a column with a rating's name, and any other column of numbers, must be
    1 throughout (rows numbered in order excepted).

    Raises:
        DataError: a rating that is not 1 and no threshold; a threshold and no column, or several, it could be for; a
            rating that is no number. The message names column, row, values and what to say.
    """
    others = table.others
    rated = [name for name in others if plain(name) in RATING_NAMES]
    numeric = [name for name in others if name not in rated and _is_numeric(others[name])]
    threshold, said, used = reading.threshold, [], None
    keep = np.ones(len(others), dtype=bool)
    if threshold is None:
        for name in [*rated, *numeric]:
            _must_be_one(table, name, name in rated)
    elif threshold != EVERY_ROW:
        column, lowest = threshold
        used = _rating_column(table, column, rated, numeric)
        keep = _numbers_of(table, used) >= lowest
        if not keep.any():
            raise DataError(
                f"{table.path}: no row has a {used} of {lowest:g} or more; it holds {_values(others[used])}"
            )
        said.append(f"{used} is {lowest:g} or more in {keep.sum():,} of {len(keep):,} rows, the likes")
    ignored = [name for name in others if name != used and (threshold is not None or name not in rated)]
    return keep, said + ([f"ignored: {cut(', '.join(ignored), 200)}"] if ignored else [])


def _numbers(cells: pd.Series) -> np.ndarray:
    """Each cell's number, NaN where it is none."""
    texts = cells.str.strip().str.lower().replace(WORDS).str.replace(r"^(-?\d+),(\d+)$", r"\1.\2", regex=True)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _is_numeric(cells: pd.Series) -> bool:
    """Whether all that is written there are numbers, and not just the rows' own (those of a table's index, too)."""
    written = cells[cells.str.strip() != ""]
    numbers = _numbers(written)
    if not len(written) or np.isnan(numbers).any():
        return False
    steps = np.diff(numbers)
    numbered = len(written) == len(cells) > 1 and numbers[0] in (0, 1) and (steps == 1).all()
    index = re.fullmatch(r"column \d+|Unnamed: ?\d+|__index_level_\d+__", str(cells.name)) and (steps > 0).all()
    return not (numbered or (index and (numbers % 1 == 0).all()))


def _must_be_one(table: Table, name: str, is_rating: bool) -> None:
    cells = table.others[name]
    asked = np.ones(len(cells), dtype=bool) if is_rating else (cells.str.strip() != "").to_numpy()
    wrong = np.flatnonzero((_numbers(cells) != 1) & asked)
    if not wrong.size:
        return
    numbers = _numbers(cells)
    lowest = f"{min(3, np.nanmax(numbers)):g}" if np.isfinite(numbers).any() else "3"
    say = f"--min-rating {lowest if is_rating else f'{name}={lowest}'}"
    raise DataError(
        f"{table.where(wrong[0])}: {name} is {cut(cells[wrong[0]])!r}, expected 1 ({wrong.size} such rows; it holds "
        f"{_values(cells)}): every row counts as a like, and a dislike is none. If it is a rating, {say} "
        "(of recommend, profiles and embed, kept in the folder; min_rating of load_own) "
        f"keeps those of {lowest} or more{', as the paper does' * (lowest == '3')}; --min-rating none makes every row "
        "a like, whatever the column; "
        f"or keep the rows that mean 'liked' and drop the column {name}"
    )


def _rating_column(table: Table, column: str | None, rated: list[str], numeric: list[str]) -> str:
    if column is not None:
        fits = [name for name in table.others if name == column] or [
            name for name in table.others if plain(name) == plain(column)
        ]
    else:
        fits = rated if rated else numeric
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise DataError(
            f"{table.path}: columns {', '.join(fits)} could each be the rating: say which, --min-rating {fits[0]}=3"
        )
    there = cut(", ".join([*table.columns, *table.others]), 200)
    raise DataError(f"{table.path}: no column {column or 'of ratings'} for min_rating; it has {there}")


def _numbers_of(table: Table, name: str) -> np.ndarray:
    numbers = _numbers(table.others[name])
    wrong = np.flatnonzero(np.isnan(numbers))
    if wrong.size:
        raise DataError(
            f"{table.where(wrong[0])}: {name} is {cut(table.others[name][wrong[0]])!r}, expected a number "
            f"({wrong.size} such rows): correct it, or drop the row"
        )
    return numbers


def _values(cells: pd.Series) -> str:
    """What a column holds, in a few words."""
    found = pd.unique(cells).tolist()
    numbers = _numbers(cells)
    if len(found) > 6 and not np.isnan(numbers).any():
        return f"{np.min(numbers):g} to {np.max(numbers):g}"
    return ", ".join(repr(value[:20]) for value in sorted(found)[:6]) + (", ..." if len(found) > 6 else "")
