"""How a folder of one's own is read: what counts as a like, and how it is split; kept in the folder as `reading.json`.

One command is told (`--min-rating 3`), and all others, notebooks included, then read the folder in the same way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dmrec_core.data.errors import DataError
from dmrec_core.records.files import read_json, whole_or_not

FILE = "reading.json"
EVERY_ROW = "none"
WAYS = ("random", "time")
OPTIONS = {"min_rating": "--min-rating", "split": "--split", "seed": "--split-seed"}  # field -> as a command takes it


@dataclass(frozen=True)
class Reading:
    """Settings of `load_own`; None is the default.

    Raises:
        DataError: a value that is none of these.

    Example:
        >>> Reading(min_rating="plays=2").threshold, Reading("none").threshold, Reading().threshold
        (('plays', 2.0), 'none', None)
    """

    min_rating: float | str | None = None  # 3; "stars=3" names the column; "none": every row is a like
    split: str | None = None  # "random" (the default) or "time"
    seed: int | None = None  # of the random split; 2024 by default

    def __post_init__(self) -> None:
        self.threshold  # noqa: B018  raises
        if self.split not in (None, *WAYS):
            raise DataError(f"split is {self.split!r}, expected 'random' or 'time'")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer | None):
            raise DataError(f"the split's seed is {self.seed!r}, expected a whole number")
        object.__setattr__(self, "seed", None if self.seed is None else int(self.seed))

    @property
    def threshold(self) -> tuple[str | None, float] | str | None:
        """(column or None, lowest rating that is a like), "none", or None."""
        if self.min_rating is None or self.min_rating == EVERY_ROW:
            return self.min_rating
        column, _, number = str(self.min_rating).rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if isinstance(self.min_rating, bool) or not np.isfinite(value):
            raise DataError(f"min_rating is {self.min_rating!r}, expected a number, COLUMN=NUMBER, or 'none'")
        return column.strip() or None, value

    def over(self, other: Reading) -> Reading:
        """These settings, and the other's where these say nothing."""
        return Reading(**{name: getattr(other, name) if value is None else value for name, value in self.given()})

    def given(self) -> list[tuple[str, object]]:
        """Names and values, None included."""
        return list(asdict(self).items())

    def words(self) -> list[str]:
        """As options of a command.

        Example:
            >>> Reading(min_rating=3, split="time").words()
            ['--min-rating', '3', '--split', 'time']
        """
        return [word for name, value in self.given() if value is not None for word in (OPTIONS[name], str(value))]


def kept_reading(folder: Path) -> Reading:
    """What the folder's `reading.json` says.

    Raises:
        DataError: it holds something else.
    """
    path = folder / FILE
    if not path.exists():
        return Reading()
    try:
        return Reading(**read_json(path))
    except (OSError, ValueError, TypeError) as problem:  # a DataError is a ValueError
        raise DataError(
            f"{path}: not a reading of this kit ({problem}); delete it, and say the options again"
        ) from problem


def keep_reading(folder: Path, reading: Reading) -> None:
    """Write what is given into the folder's `reading.json`, over what is there."""
    kept = kept_reading(folder)
    new = reading.over(kept)
    if new == kept:
        return
    values = {name: value for name, value in new.given() if value is not None}
    with whole_or_not(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")


def reading_of(options: argparse.Namespace) -> Reading:
    """What these options say."""
    number = options.min_rating
    if number is not None:
        try:
            number = int(number)
        except ValueError:
            pass  # "3.5", "stars=3" and "none" stay texts, which `Reading` checks
    return Reading(number, options.split, options.split_seed)


def without_reading_options(arguments: Sequence[str]) -> list[str]:
    """A command's arguments, less those that say how a folder is read.

    Example:
        >>> without_reading_options(["embed", "d", "--split", "time", "--min-rating=3", "--out", "f"])
        ['embed', 'd', '--out', 'f']
    """
    left, words = [], iter(arguments)
    for word in words:
        option, equals, _ = word.partition("=")
        if option not in OPTIONS.values():
            left.append(word)
        elif not equals:
            next(words, None)  # its value
    return left
