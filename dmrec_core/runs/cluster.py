"""Runs on a Dask cluster, where one machine is not enough: `cluster(address)` trains a run on one of its workers.

Workers share no disk with this process or with each other. A worker gets one run at a time, with what it begins from:
its checkpoint, and the LightGCN it was started on. It trains in a folder below Dask's own, `--local-directory`. This
process asks after each run once a second, which brings its progress, and its checkpoint whenever there is a newer one,
into the run's folder here; in the end it brings the files of the finished run, which appear there whole or not at all.
So what is lost with a worker is what it did since its last checkpoint that came here: half a minute, and the time that
the checkpoints of the other workers took, which come one after another. The run goes on from there on another worker.

A run that nobody has asked after for three minutes stops: whoever wanted it is gone.
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from dmrec_core.data import RecDataset
from dmrec_core.records.files import write_whole
from dmrec_core.records.ranges import cut
from dmrec_core.runs.folder import FINISHED, METRICS, PROGRESS, RESUME, WEIGHTS, deliver
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import cached, folder_of, locked, pretraining_run, run
from dmrec_core.runs.worker import Refused, dask_setup, fetch, forget, kit, receive, report
from dmrec_core.runs.worker import train as train_there
from dmrec_core.training.checkpoint import CheckpointError, load_tensors
from dmrec_core.training.fit import TrainingCancelled

SCHEDULER = "DMREC_SCHEDULER"  # the environment variable that names one, for what a notebook sweeps
LOCAL = "local"
ADDRESS = re.compile(r"\w+://\S+:\d+")

CHECKPOINT_SECONDS = 30.0  # between a worker's checkpoints at least
ASK_SECONDS = 1.0  # between two questions after a run
CONNECT_SECONDS = 10.0  # for the scheduler to answer
GRACE_SECONDS = 15.0  # without a worker that is fit; one may be on its way
MOST_LOSSES = 3  # workers lost under a run that got no further
MOST_AT_ONCE = 256  # workers of one sweep


class _Lost(Exception):
    """A worker is gone, or gave up; the message says what is known."""


@contextmanager
def cluster(address: str, workers: int | None = None) -> Iterator[Callable[..., None]]:
    """What trains a run on the cluster at `address`, and returns when its folder is here: `train(spec, dataset, ...)`.

    Args:
        address: of a Dask scheduler, `tcp://HOST:PORT` or `tls://HOST:PORT`; or `local`, see `served`.
        workers: of `local`.

    Raises:
        ValueError: it is no such address.
        ImportError: Dask is not installed.
        ConnectionError: nobody answers there.
    """
    with served(address, workers) as address:
        dask = _dask()
        try:
            client = dask.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as problem:
            raise ConnectionError(
                f"no scheduler answers at {address} ({cut(str(problem), 200)}): start one there with `dask scheduler`, "
                "or see whether the address is right and its port open"
            ) from problem
        with client:
            yield _Cluster(client).train


@contextmanager
def served(scheduler: str | None, workers: int | None = None) -> Iterator[str | None]:
    """While it lasts, sweeps that name no scheduler use this one; what it yields is its address.

    Args:
        scheduler: its address; `local` starts one on this machine, whose workers are processes that share nothing
            but the machine, as a rehearsal; None changes nothing.
        workers: of `local`; by default one a core.
    """
    with ExitStack() as ends:
        if scheduler == LOCAL:
            workers = workers or os.cpu_count() or 1
            scheduler = ends.enter_context(
                _dask().LocalCluster(
                    n_workers=workers, threads_per_worker=max(1, (os.cpu_count() or 1) // workers), processes=True,
                    host="127.0.0.1", dashboard_address=None, memory_limit=0, silence_logs=40,
                    preload=[dask_setup.__module__],
                )
            ).scheduler_address  # fmt: skip
        elif scheduler is not None and not ADDRESS.fullmatch(scheduler):
            raise ValueError(f"a scheduler is tcp://HOST:PORT, tls://HOST:PORT or {LOCAL}; got {cut(scheduler)!r}")
        before = os.environ.get(SCHEDULER)
        if scheduler is not None:
            os.environ[SCHEDULER] = scheduler
        try:
            yield scheduler
        finally:
            os.environ.pop(SCHEDULER, None)
            if before is not None:
                os.environ[SCHEDULER] = before


def _dask() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise ImportError("a cluster needs Dask: pip install -c constraints.txt -e '.[cluster]'") from error
    return distributed


class _Cluster:
    """The workers of one scheduler, as one sweep sees them; each thread of it trains a run on one of them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.line = threading.Lock()  # one checkpoint or result at a time, or they would fill the memory here
        self.guard = threading.Lock()  # over all that follows
        self.threads: dict[str, int] = {}  # of each worker there is
        self.looked = float("-inf")
        self.busy: set[str] = set()
        self.fit: set[str] = set()  # with the same kit as here
        self.unfit: dict[tuple[str, object], str] = {}  # a worker, and the data it lacks or None -> why
        self.told = False  # that there is no worker

    def train(self, spec: RunSpec, dataset: RecDataset | None, runs: Path | None, device: str, stop: Path) -> None:
        """Train a run on a worker, and another where that one is lost, until its folder is here.

        Args:
            spec, dataset, runs, device: as `run`; a data set that is given is sent along.
            stop: a file that cancels where it exists.

        Raises:
            Refused: by every worker there is.
            ConnectionError: several workers were lost under it.
        """
        folder, first = folder_of(spec, dataset, runs), pretraining_run(spec)
        if (folder / WEIGHTS).exists():  # trained, though a metric or another file is missing
            run(spec, dataset, runs=runs, device=device, cancel=stop.exists)
            return
        given: dict[str, dict[str, bytes]] = {}
        if first is not None:
            self.train(first, dataset, runs, device, stop)
            source = folder_of(first, dataset, runs)
            given[source.name] = {name: (source / name).read_bytes() for name in FINISHED}
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, stop.exists):
            order = partial(train_there, spec, dataset, folder.name, device, CHECKPOINT_SECONDS)
            losses = 0
            while cached(spec, dataset, runs) is None:
                worker = self._take(spec, stop)
                before = _epoch(folder)
                try:
                    self._attempt(worker, order, folder, given, stop)
                except _Lost as why:
                    losses = losses + 1 if _epoch(folder) == before else 1
                    said = f"{spec.label}: worker {worker} was lost ({why})"
                    if losses >= MOST_LOSSES:
                        raise ConnectionError(
                            f"{said}, the last of {losses} on which it got no further; has a worker enough memory?"
                        ) from None
                    warnings.warn(f"{said}; the run goes on elsewhere from epoch {_epoch(folder)}", stacklevel=2)
                except Refused as why:
                    self._refuse(worker, _data_of(spec), str(why))
                finally:
                    with self.guard:
                        self.busy.discard(worker)

    def _attempt(
        self, worker: str, order: Callable, folder: Path, given: Mapping[str, Mapping[str, bytes]], stop: Path
    ) -> None:
        ticket, name = f"{folder.name}-{uuid.uuid4().hex[:8]}", folder.name
        checkpoint = {name: {RESUME: (folder / RESUME).read_bytes()}} if (folder / RESUME).exists() else {}
        self._ask(worker, receive, ticket, {**given, **checkpoint})
        future = self.client.submit(
            order, self.threads.get(worker, 1), ticket, workers=[worker], allow_other_workers=False, key=ticket,
            pure=False,
        )  # fmt: skip
        seen, asked = None, 0.0
        try:
            while not future.done():
                if stop.exists():
                    raise TrainingCancelled(f"cancelled on {worker}")
                if time.monotonic() - asked > ASK_SECONDS:
                    seen, asked = self._follow(worker, ticket, folder, seen), time.monotonic()
                time.sleep(0.2)
            if future.status == "finished":
                while not self.line.acquire(timeout=ASK_SECONDS):
                    self._ask(worker, report, ticket, name)
                try:
                    files = self._ask(worker, fetch, ticket, name, FINISHED)
                    if METRICS not in files:
                        raise _Lost("it gave the run up, having heard nothing")
                    deliver(files, folder)
                finally:
                    self.line.release()
                return
            problem = future.exception() if future.status == "error" else None
            if problem is None or type(problem).__name__ == "KilledWorker":
                raise _Lost(cut(str(problem or f"its task is {future.status}"), 200))
            raise problem
        finally:
            with suppress(_Lost, OSError):
                self._ask(worker, forget, ticket)
            future.release()

    def _follow(self, worker: str, ticket: str, folder: Path, seen: int | None) -> int | None:
        """Progress, and a checkpoint that is newer than the one `seen`, into the folder here; which that one is now."""
        progress, version = self._ask(worker, report, ticket, folder.name)
        if progress is not None:
            write_whole(folder / PROGRESS, progress)
        if version in (None, seen) or not self.line.acquire(blocking=False):
            return seen
        try:
            files = self._ask(worker, fetch, ticket, folder.name, (RESUME,))
            if RESUME in files:  # it may have finished meanwhile
                write_whole(folder / RESUME, files[RESUME])
            return version
        finally:
            self.line.release()

    def _ask(self, worker: str, question: Callable, *about: object) -> Any:
        """What a worker answers, its tasks going on.

        Raises:
            _Lost: it does not answer.
            ConnectionError: the scheduler does not.
        """
        try:
            with self.guard:
                self._look()
                if worker not in self.threads:  # to call it would take half a minute to fail
                    raise _Lost("it has left the cluster")
            answer = self.client.run(question, *about, workers=[worker], on_error="return")[worker]
        except OSError as problem:
            raise ConnectionError(
                f"the scheduler is gone ({cut(str(problem), 200)}); runs go on from here"
            ) from problem
        if isinstance(answer, OSError):
            raise _Lost(cut(f"{type(answer).__name__}: {answer}", 200)) from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _take(self, spec: RunSpec, stop: Path) -> str:
        """A worker that is free, and fit as far as is known; it is busy now."""
        hoped = time.monotonic()
        while True:
            if stop.exists():
                raise TrainingCancelled("cancelled while waiting for a worker")
            with self.guard:
                self._look()
                why = {each: self._why_not(each, _data_of(spec)) for each in self.threads}
                fit = [each for each, reason in why.items() if reason is None]
                for each in fit:
                    if each in self.fit and each not in self.busy:
                        self.busy.add(each)
                        return each
                if fit:
                    hoped = time.monotonic()
                elif time.monotonic() - hoped > GRACE_SECONDS:
                    if why:
                        raise Refused(f"no worker can do {spec.label}: {'; '.join(sorted(set(why.values())))}")
                    if not self.told:
                        warnings.warn("the scheduler has no worker yet; waiting for one", stacklevel=2)
                        self.told = True
            time.sleep(0.2)

    def _look(self) -> None:
        """Which workers there are, once a second; new ones are asked for their version of this kit."""
        if time.monotonic() - self.looked < ASK_SECONDS:
            return
        self.threads, self.looked = self.client.nthreads(), time.monotonic()
        new = [each for each in self.threads if each not in self.fit and (each, None) not in self.unfit]
        answers = self.client.run(kit, workers=new, on_error="return") if new else {}
        for each, answer in answers.items():
            if answer == kit():
                self.fit.add(each)
            elif isinstance(answer, str):
                self._refuse(each, None, f"it has {answer}, and here is {kit()}; install the same there")
            elif not isinstance(answer, OSError):  # that one is gone
                why = cut(f"{type(answer).__name__}: {answer}", 200)
                self._refuse(each, None, f"it has no dmrec-kit, or not this one ({why}); install {kit()} there")

    def _why_not(self, worker: str, data: object) -> str | None:
        return self.unfit.get((worker, None)) or self.unfit.get((worker, data))

    def _refuse(self, worker: str, data: object, why: str) -> None:
        self.unfit[worker, data] = f"worker {worker} is refused: {why}"
        warnings.warn(self.unfit[worker, data], stacklevel=2)


def _data_of(spec: RunSpec) -> tuple:
    return spec.dataset, spec.options, spec.profiles, spec.embedder, spec.vectors


def _epoch(folder: Path) -> int:
    """At which a run's checkpoint stands."""
    try:
        return int(load_tensors(folder / RESUME)[1].get("epoch", 0))
    except CheckpointError:
        return 0
