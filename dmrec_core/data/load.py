"""One door to every data set."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path

from dmrec_core.data import rlmrec, steam_part, xrec
from dmrec_core.data.dataset import DataError, RecDataset
from dmrec_core.data.own import load_own, own_contents
from dmrec_core.data.own_reading import Reading, keep_reading
from dmrec_core.data.sources import DATASETS
from dmrec_core.data.tables import SUFFIXES
from dmrec_core.data.toy import toy_dataset
from dmrec_core.records.checkout import MADE, in_checkout


def is_own(name: str | Path) -> bool:
    """Whether this names a folder of one's own, and not a data set that comes with the kit.

    A path (`./toy`, or any `Path`) is always a folder.

    Raises:
        DataError: it could be either.
    """
    if not isinstance(name, str) or name not in DATASETS:
        return Path(name).is_dir()
    if Path(name).is_dir() and any(path.suffix.lower() in SUFFIXES for path in Path(name).iterdir()):
        raise DataError(
            f"{name!r} comes with the kit, and a folder here with data in it is called so, too: say ./{name} for the "
            "folder, or rename it; for the kit's, go to another directory"
        )
    return False


def load_told(name: str | Path, reading: Reading, **options: object) -> RecDataset:
    """`load_dataset` for a command that may be told how to read a folder; what it is told is kept there.

    Raises:
        DataError: it is told so of data that comes with the kit; or as `load_own`, and then nothing is kept.
    """
    if not is_own(name):
        if reading.words():
            raise DataError(f"{' '.join(reading.words())} is for a folder of your own, and {name} is none")
        return load_dataset(name)
    dataset = load_own(name, **dict(reading.given()), **options)
    keep_reading(Path(name), reading)
    return dataset


def contents(name: str | Path) -> tuple[tuple[str, str], ...]:
    """What would be read, as names and checksums of files; empty for data that comes with the kit."""
    return own_contents(Path(name)) if is_own(name) else ()


def load_dataset(name: str | Path, **options: object) -> RecDataset:
    """A data set by its name, or your own from a folder.

    Args:
        name: "toy", "yelp-xrec", "google-xrec", "amazon-xrec", "steam-part", "amazon", "yelp", "steam"; or the path of
            a folder with `interactions.csv` and what else `load_own` takes.
        options: what the loader takes: `toy_dataset`, `load_xrec`, `load_steam_part`, `load_rlmrec` or `load_own`.

    Raises:
        ValueError: no such name, and no such folder; or both, see `is_own`.
        DataError: data that cannot be had or used.

    Example:
        >>> load_dataset("toy", n_users=50, n_items=40).n_items
        40
    """
    if is_own(name):
        return load_own(name, **options)
    if name == "toy":
        return toy_dataset(**options)
    if name == steam_part.NAME:
        return steam_part.load_steam_part(**options)
    if name in DATASETS:
        plain = str(name).removesuffix("-xrec")
        return rlmrec.load_rlmrec(plain, **options) if plain == name else xrec.load_xrec(plain, **options)
    close = difflib.get_close_matches(str(name), DATASETS, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise ValueError(
        f"no data set and no folder called {str(name)!r}.{hint} There are {', '.join(DATASETS)}; "
        "or give the path of a folder with your own interactions.csv"
    )


def subfolder(dataset: str) -> str:
    """The folder that keeps a data set's results apart: "" for `toy`, and none that two data sets share.

    One's own is called by its folder's name and some digits of the folder's place: `books-3f2a9c`.

    Args:
        dataset: a data set's name, or a folder with one's own.

    Raises:
        ValueError: it is neither.
    """
    if is_own(dataset):
        place = Path(dataset).resolve()
        return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"
    if dataset not in DATASETS:
        raise ValueError(f"no data set and no folder is called {dataset!r}; there is {', '.join(DATASETS)}")
    return "" if dataset == "toy" else dataset


def figures_folder(dataset: str, out: str | Path | None = None) -> Path:
    """Where a data set's figures and tables go: below `out`, or below build/figures/ of the checkout."""
    return Path(out or in_checkout(MADE)) / subfolder(dataset)
