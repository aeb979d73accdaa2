"""Where this package's checkout is: the notebooks and the committed figures live beside the package, not inside it."""

from __future__ import annotations

from pathlib import Path

MADE = Path("build", "figures")  # where figures and tables land; figures/ holds those that are kept and shipped
PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class NotACheckout(RuntimeError):
    """The package runs from somewhere that has no notebooks beside it."""


def find_checkout() -> Path | None:
    """The folder that holds `dmrec_core/` and `pyproject.toml`, with the notebooks; None for an installed copy."""
    return PACKAGE_PARENT if (PACKAGE_PARENT / "pyproject.toml").is_file() else None


def in_checkout(folder: str | Path) -> Path:
    """`folder`; a relative one from the checkout's root, whatever directory this is called from, if there is one."""
    return (find_checkout() or Path.cwd()) / folder


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
