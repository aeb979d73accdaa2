"""What every test shares: a cache of its own, and the real files where this machine has them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

CHECKOUT = Path(__file__).resolve().parents[1]
BESIDE = CHECKOUT.parent / "shared" / "data"  # an optional folder of upstream files beside the checkout
REQUIRED = os.environ.get("DMREC_REQUIRE_DATA") == "1"

# Files whose tests take minutes each and share nothing that takes long to make: any free process takes the next test.
APART = {"tests/browser/test_notebooks.py", "tests/notebooks/test_execute.py", "tests/test_kills.py"}
MADE_HERE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Set DMREC_HOME, DMREC_RUNS and DMREC_MIRROR before anything is imported: child processes inherit them.

    The home is a throw-away folder, one per session, so that no test touches the user's cache or runs and all tests
    share one conversion of a data set. DMREC_TEST_HOME names a folder to keep between sessions instead.
    """
    if str(CHECKOUT) not in sys.path:  # plain `pytest`, like `python -m pytest`, lets spawned processes import tests
        sys.path.insert(0, str(CHECKOUT))
    if hasattr(config, "workerinput"):  # a pytest-xdist worker inherits both from the session that started it
        return
    kept = os.environ.get("DMREC_TEST_HOME")
    if not kept:
        config.stash[MADE_HERE] = tempfile.mkdtemp(prefix="dmrec-tests-")
    home = Path(kept or config.stash[MADE_HERE]).resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(DMREC_HOME=str(home), DMREC_RUNS=str(home / "runs"))
    place = os.environ.get("DMREC_MIRROR") or (str(BESIDE) if BESIDE.is_dir() else "")
    if place and Path(place).is_dir():
        os.environ["DMREC_MIRROR"] = str(Path(place).resolve())  # absolute: notebooks run in their own folder


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache that this session made."""
    made = config.stash.get(MADE_HERE, None)
    if made:
        shutil.rmtree(made, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """As `--dist loadfile`, a file to one process, but for the tests of the files that are `APART`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class FilesOrTests(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file in APART else file

    return FilesOrTests(config, log)


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    """A notebook's cells that run in this process may compute in float64; the next test does not."""
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder DMREC_MIRROR with the real files; a test that asks for it is skipped where there is none.

    With DMREC_REQUIRE_DATA=1, as in CI, absence is a failure.
    """
    place = os.environ.get("DMREC_MIRROR")
    if place and Path(place).is_dir():
        return Path(place)
    reason = (
        f"DMREC_MIRROR is {place!r}, not a folder on this machine"
        if place
        else "no real data here: set DMREC_MIRROR to a folder that holds the upstream files"
    )
    if REQUIRED:
        pytest.fail(f"{reason} (DMREC_REQUIRE_DATA=1)")
    pytest.skip(reason)
