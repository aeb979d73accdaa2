"""What a worker of a Dask cluster does for `cluster`: it takes a run's files, trains, tells how far it is, gives back.

All but `train` are answered while the worker trains. A ticket names one attempt at a run on one worker, and its folder.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import dmrec_core
from dmrec_core.data import RecDataset
from dmrec_core.records.files import digest, write_whole
from dmrec_core.runs.folder import PROGRESS, RESUME
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import folder_of, run
from dmrec_core.training.fit import TrainingCancelled

SILENCE_SECONDS = 180.0  # without a question after it, after which a run is given up

_ASKED: dict[str, float] = {}  # ticket -> when somebody last asked after it; none that is forgotten


class Refused(RuntimeError):
    """A worker cannot do a run as it would be done where it was asked for; the message says why, and what to do."""


@lru_cache(maxsize=1)
def kit() -> str:
    """This kit's version and a digest of its code: a worker of another trains other runs."""
    package = Path(dmrec_core.__file__).parent
    parts = [(path.relative_to(package).as_posix(), path.read_bytes()) for path in sorted(package.rglob("*.py"))]
    return f"dmrec-kit {dmrec_core.__version__}, code {digest(parts)[:12]}"


def dask_setup(_: object) -> None:
    """As a preload of Dask's: Ctrl-C, which reaches every process of a terminal, does not end a worker.

    It is told to stop by whoever the run is for, and keeps silent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def receive(ticket: str, files: Mapping[str, Mapping[str, bytes]], dask_worker: Any) -> None:
    """Take what a run begins from: folder -> file -> content."""
    for old in [each for each in _ASKED if _is_abandoned(each)]:
        forget(old, dask_worker)
    for folder, contents in files.items():
        for name, content in contents.items():
            write_whole(_place(dask_worker, ticket) / folder / name, content)
    _ASKED[ticket] = time.monotonic()


def train(
    spec: RunSpec, dataset: RecDataset | None, name: str, device: str, seconds: float, threads: int, ticket: str
) -> None:
    """Do the run of a ticket, as `run`, with so many threads and so many seconds between checkpoints.

    It is left unfinished where nobody asks after it any more.

    Raises:
        Refused: this worker lacks the data, or has others.
    """
    from distributed import get_worker

    runs = _place(get_worker(), ticket)
    try:
        mine = folder_of(spec, dataset, runs).name
    except (ValueError, ImportError, OSError) as why:
        raise Refused(f"it cannot load {spec.dataset}: {why}") from None
    if mine != name:
        raise Refused(
            f"its {spec.dataset}, or the vectors made of it, are not those of this machine (they would make {mine}, "
            f"not {name}); copy the folder DMREC_HOME, and data of your own, there"
        )
    torch.set_num_threads(threads)
    try:
        with suppress(TrainingCancelled):  # Dask would log it as a fault
            run(spec, dataset, runs=runs, device=device, cancel=lambda: _is_abandoned(ticket),
                checkpoint_seconds=seconds)  # fmt: skip
    finally:
        if _is_abandoned(ticket):
            shutil.rmtree(runs, ignore_errors=True)


def report(ticket: str, name: str, dask_worker: Any) -> tuple[bytes | None, int | None]:
    """How far a run is: its `progress.json`, and when its checkpoint was written, in nanoseconds."""
    _ASKED[ticket] = time.monotonic()
    folder, progress, written = _place(dask_worker, ticket) / name, None, None
    with suppress(OSError):  # not begun, or finished this moment
        progress = (folder / PROGRESS).read_bytes()
        written = (folder / RESUME).stat().st_mtime_ns
    return progress, written


def fetch(ticket: str, name: str, files: Sequence[str], dask_worker: Any) -> dict[str, bytes]:
    """Those of a run's files that there are."""
    _ASKED[ticket] = time.monotonic()
    found = {}
    for file in files:
        with suppress(FileNotFoundError):
            found[file] = (_place(dask_worker, ticket) / name / file).read_bytes()
    return found


def forget(ticket: str, dask_worker: Any) -> None:
    """Stop a run where it is not finished, and remove what it left."""
    _ASKED.pop(ticket, None)
    shutil.rmtree(_place(dask_worker, ticket), ignore_errors=True)


def _is_abandoned(ticket: str) -> bool:
    """Whether a run was forgotten, or whoever wanted it has fallen silent."""
    return time.monotonic() - _ASKED.get(ticket, float("-inf")) > SILENCE_SECONDS


def _place(dask_worker: Any, ticket: str) -> Path:
    return Path(dask_worker.local_directory, "dmrec", ticket)
