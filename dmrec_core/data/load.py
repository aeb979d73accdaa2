"""One door to every data set."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path

from dmrec_core.data import rlmrec, xrec
from dmrec_core.data.dataset import RecDataset
from dmrec_core.data.own import load_own
from dmrec_core.data.toy import toy_dataset
from dmrec_core.records.checkout import MADE, in_checkout

DATASETS = ("toy", *(f"{name}-xrec" for name in xrec.NAMES), *rlmrec.NAMES)


def load_dataset(name: str | Path, **options: object) -> RecDataset:
    """A data set by its name, or your own from a folder.

    Args:
        name: "toy", "yelp-xrec", "google-xrec", "amazon-xrec", "amazon", "yelp", "steam"; or the path of a folder with
            `interactions.csv` and what else `load_own` takes.
        options: what the loader takes: `toy_dataset`, `load_xrec`, `load_rlmrec` or `load_own`.

    Raises:
        ValueError: no such name, and no such folder.
        DataError: data that cannot be had or used.

    Example:
        >>> load_dataset("toy", n_users=50, n_items=40).n_items
        40
    """
    if name == "toy":
        return toy_dataset(**options)
    if name in DATASETS:
        plain = str(name).removesuffix("-xrec")
        return rlmrec.load_rlmrec(plain, **options) if plain == name else xrec.load_xrec(plain, **options)
    if Path(name).is_dir():
        return load_own(name, **options)
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
    if dataset not in DATASETS and not Path(dataset).is_dir():
        raise ValueError(f"no data set and no folder is called {dataset!r}; there is {', '.join(DATASETS)}")
    if dataset in DATASETS:
        return "" if dataset == "toy" else dataset
    place = Path(dataset).resolve()
    return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"


def figures_folder(dataset: str, out: str | Path | None = None) -> Path:
    """Where a data set's figures and tables go: below `out`, or below build/figures/ of the checkout."""
    return Path(out or in_checkout(MADE)) / subfolder(dataset)
