"""Where this package's checkout is: the notebooks and the committed figures live beside the package, not inside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dmrec_core.data import DATASETS, is_own

PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class NotACheckout(RuntimeError):
    """The package runs from somewhere that has no notebooks beside it."""


def find_checkout() -> Path | None:
    """The folder that holds `dmrec_core/` and `pyproject.toml`, with the notebooks; None for an installed copy."""
    return PACKAGE_PARENT if (PACKAGE_PARENT / "pyproject.toml").is_file() else None


def subfolder(dataset: str) -> str:
    """The folder below figures/ that keeps a data set's results apart: "" for `toy`, whose figures are the default.

    That of your own folder ends in a hash of its path: `a/data`, `b/data` and a data set that comes with the kit never
    share one.

    Args:
        dataset: a data set's name, or a folder with one's own.

    Raises:
        ValueError: it is neither, or could be both.
    """
    if is_own(dataset):
        place = Path(dataset).resolve()
        return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"
    if dataset not in DATASETS:
        raise ValueError(f"no data set and no folder is called {dataset!r}; there is {', '.join(DATASETS)}")
    return "" if dataset == "toy" else dataset


def figures_folder(dataset: str, out: Path | None = None) -> Path:
    """Where a data set's figures and tables go: below `out`, or below figures/ of the checkout."""
    return (out or (find_checkout() or Path.cwd()) / "figures") / subfolder(dataset)


def checkout() -> Path:
    """The checkout's root folder, from whatever directory this is called.

    Raises:
        NotACheckout: dmrec_core was installed without its notebooks.
    """
    root = find_checkout()
    if root is None:
        raise NotACheckout(
            f"dmrec_core runs from {PACKAGE_PARENT}, which is an installed copy. The notebooks come with a git "
            "clone of the kit: clone it, then run `make figures` there, or name a folder of notebooks with --notebooks."
        )
    return root
