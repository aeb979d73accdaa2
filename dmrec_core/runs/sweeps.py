"""Many runs at once: `sweep(specs)` here, on a cluster or any executor, with one bar and the time left over all."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

import torch

from dmrec_core.data import RecDataset
from dmrec_core.records.files import collect, read_json, temporary_for
from dmrec_core.runs import fork_server
from dmrec_core.runs.cluster import MOST_AT_ONCE, SCHEDULER, cluster
from dmrec_core.runs.folder import PROGRESS
from dmrec_core.runs.progress import ProgressLine, clock
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, cached, folder_of, run, runs_folder
from dmrec_core.runs.worker import Refused
from dmrec_core.training.device import resolve_device
from dmrec_core.training.fit import TrainingCancelled, TrainingDiverged

EXPLAINED = (
    TrainingDiverged,
    Refused,
    ValueError,
    ImportError,
    OSError,
    MemoryError,
)  # the kit's own: their messages say enough

SOCKETS = "dmrec"  # says in Python's folder for the fork server's socket which process made it; see `temporary_for`
LAST_BATCH = 60.0  # seconds that runs in an executor of somebody else's have to see that they are to stop
LONGEST_TEMPORARY = 70  # bytes of a path to which a socket's own 32 are added


class RunFailed(RuntimeError):
    """A run of a sweep failed. The message names its spec; a fault nobody foresaw brings its traceback."""


def grid(spec: RunSpec, **axes: Iterable) -> list[RunSpec]:
    """All combinations of some fields' values, without the repetitions that mean the same run.

    Example:
        >>> len(grid(RunSpec(strategy="mddm", lam=0.5), lam=(0, 0.5, 1), seed=(1, 2)))
        6
        >>> len(grid(RunSpec(strategy="base"), lam=(0, 0.5, 1), seed=(1, 2)))   # a base model has no lambda
        2
    """
    specs = [spec.with_(**dict(zip(axes, values, strict=True))) for values in product(*axes.values())]
    return list(dict.fromkeys(specs))


def sweep(
    specs: Sequence[RunSpec],
    dataset: RecDataset | None = None,
    *,
    scheduler: str | Executor | None = None,
    workers: int | None = None,
    runs: Path | None = None,
    device: str = "auto",
    progress: Callable[[str, bool], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[RunResult]:
    """Run every spec that has no result yet, and return all results in the order given.

    Args:
        specs: what to run; repetitions cost nothing.
        dataset: their data, if not the one each spec loads by itself.
        scheduler: where they are trained. `tcp://HOST:PORT`: on the workers of the Dask scheduler there, which need
            share no disk, see `runs.cluster`; `local`: on workers of Dask's on this machine. Or anything with `submit`
            whose workers see the same runs folder. By default what the variable DMREC_SCHEDULER says, or processes of
            this machine. A model or strategy of your own is trained in this process, one run after another.
        workers: number of local processes; by default one a core on a CPU, one on a GPU.
        runs: parent of the run folders.
        device: as `run`.
        progress: called with a status line and whether it is the last; by default printed.
        cancel: asked a few times a second; True stops what has not finished. Finished runs stay, others resume.

    Returns:
        One result a spec.

    Raises:
        TrainingCancelled: `cancel` said so.
        RunFailed: a run failed; the message names its spec. Results that were finished stay on disk.
    """
    show = ProgressLine() if progress is None else progress
    collect(runs or runs_folder())  # a sweep killed as it ended leaves its sign to stop, and nothing to run
    collect_sockets()
    asking: dict[Path, RunSpec] = {}  # the first one for each run: several may ask for one that matches nothing
    for spec in specs:
        asking.setdefault(folder_of(spec, dataset, runs), spec)
    wanted = [spec for spec in asking.values() if cached(spec, dataset, runs) is None]
    # a model or strategy of one's own, out of a notebook's cell, cannot be imported by another process
    own = [spec for spec in wanted if spec.is_own]
    others = [spec for spec in wanted if not spec.is_own]
    what = dataset, runs, device
    if others:
        with _until_stopped(runs) as stop, _workers(scheduler, len(others), workers, device) as (executor, work):
            _run_all(others, what, stop, lambda spec: executor.submit(work, spec, *what, stop), show, cancel)
    if own:
        with _until_stopped(runs) as stop, ThreadPoolExecutor(1) as here:
            _run_all(own, what, stop, lambda spec: here.submit(_work, spec, *what, stop), show, cancel)
    return [run(spec, dataset, runs=runs, device=device) for spec in specs]


@contextmanager
def _until_stopped(runs: Path | None) -> Iterator[Path]:
    """A path that workers watch, on any machine that shares the disk: a file there stops them."""
    stop = temporary_for((runs or runs_folder()) / "stop")
    stop.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield stop
    finally:
        stop.unlink(missing_ok=True)


@contextmanager
def _workers(
    where: str | Executor | None, jobs: int, workers: int | None, device: str
) -> Iterator[tuple[Executor, Callable[..., None]]]:
    """An executor, and what does a run in it."""
    where = where or os.environ.get(SCHEDULER)
    if isinstance(where, str):
        with cluster(where, workers) as train, ThreadPoolExecutor(min(jobs, MOST_AT_ONCE)) as here:
            yield here, train
    elif where is not None:
        yield where, _work
    else:
        executor, threads = _local_executor(jobs, workers, device)
        try:
            yield executor, partial(_work, threads=threads)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _run_all(
    wanted: Sequence[RunSpec],
    what: tuple[RecDataset | None, Path | None, str],
    stop: Path,
    submit: Callable[[RunSpec], Future],
    show: Callable[[str, bool], None],
    cancel: Callable[[], bool] | None,
) -> None:
    folders = [folder_of(spec, *what[:2]) for spec in wanted]
    started = time.monotonic()
    futures = {submit(spec): spec for spec in wanted}
    try:
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, timeout=0.3)
            if cancel is not None and cancel():
                raise TrainingCancelled(f"cancelled with {len(pending)} of {len(wanted)} runs unfinished")
            for future in finished:
                _raise_named(future, futures[future])
            show(_status(folders, len(wanted) - len(pending), time.monotonic() - started), not pending)
    finally:
        stop.touch()  # where one worker died, others are still at work on futures that count as done
        wait([future for future in futures if not future.cancel()], timeout=LAST_BATCH)


def _work(spec: RunSpec, dataset, runs, device, stop: Path, threads: int | None = None) -> None:
    """One run inside a worker that sees the runs folder. Only the run's folder is the result."""
    if threads is not None:
        torch.set_num_threads(threads)
    run(spec, dataset, runs=runs, device=device, cancel=stop.exists)


def _local_executor(jobs: int, workers: int | None, device: str) -> tuple[Executor, int | None]:
    if resolve_device(device).type != "cpu":
        return ThreadPoolExecutor(1), None
    workers = min(jobs, workers or os.cpu_count() or 1)
    return ProcessPoolExecutor(workers, mp_context=_context(), initializer=_begin, initargs=(dict(os.environ),)), max(
        1, (os.cpu_count() or 1) // workers
    )


def _context() -> multiprocessing.context.BaseContext:
    """How workers start: not forked from here, where a child would inherit torch's thread pool in a broken state.

    Where there is one, a fork server imports torch and this package once, and every worker of every sweep is forked
    from it within milliseconds; elsewhere each worker is a fresh interpreter that imports them anew, in seconds. It is
    reached through a socket in the folder for temporary files, whose path the system bounds at about 100 characters.
    """
    there = "forkserver" in multiprocessing.get_all_start_methods()
    if not there or len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    marker = Path(multiprocessing.util.get_temp_dir(), SOCKETS)
    if not any(marker.parent.glob(f".{SOCKETS}.*")):
        temporary_for(marker).touch()
    fork_server.start(context, [__name__])
    return context


def collect_sockets() -> None:
    """Remove the folders for sockets that sweeps of killed processes left among the system's temporary files."""
    for marker in Path(tempfile.gettempdir()).glob(f"pymp-*/.{SOCKETS}.*"):
        collect(marker.parent)
        if not marker.exists():  # its process is gone
            shutil.rmtree(marker.parent, ignore_errors=True)


def get_ready() -> None:
    """Start the fork server in the background, so that the first sweep need not wait for its imports."""
    _context()


def _begin(environment: dict[str, str]) -> None:
    """Prepare a worker. Its fork server keeps the environment it was started with, which may since have changed."""
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    # Ctrl-C reaches every process of the terminal, as a kill may; the workers wait for the parent to say stop
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)


def _end_with_the_parent() -> None:
    """End this worker as soon as the process that runs the sweep is gone, however it ended.

    Each worker has a pipe whose other end only that process holds, and the system closes it, even after `kill -9`. The
    fork server ends by itself once the last of its workers has. A run cut short here is one killed: it resumes.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


def _raise_named(future: Future, spec: RunSpec) -> None:
    error = future.exception()
    if error is not None:
        trace = "" if isinstance(error, EXPLAINED) else "\n" + "".join(traceback.format_exception(error)).rstrip()
        raise RunFailed(f"run failed: {spec.label} on {spec.dataset}: {error}{trace}") from error


def _status(folders: Sequence[Path], done: int, seconds: float) -> str:
    """Runs done, and the time left judged from the share of epochs done over all runs."""
    share = done + sum(_share(folder) for folder in folders if not (folder / "metrics.json").exists())
    left = f", about {clock(seconds / share * (len(folders) - share))} left" if share > 0.05 else ""
    return f"{done}/{len(folders)} runs, {clock(seconds)} spent{left}"


def _share(folder: Path) -> float:
    try:
        now = read_json(folder / PROGRESS)
        return min(1.0, now["epoch"] / max(1, now["epochs"]))
    except (OSError, ValueError, TypeError, KeyError):  # not begun, finished this moment, or damaged
        return 0.0
