"""Several notebooks at once, each in a process of its own, with one line when it begins and one when it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dmrec_core.figures.run_notebooks import NotebookFailed, run_notebook

FAILED, INTERRUPTED = 1, 130  # 2 is argparse's, for usage


@dataclass(frozen=True)
class _Job:
    source: Path
    label: str
    process: BaseProcess
    begun: float


def run_all(plan: Mapping[Path, Mapping[str, Any]], build: Path, timeout: int, jobs: int) -> int:
    """Run the notebooks of `plan` in order, `jobs` at a time; one that fails does not stop the others.

    Training uses every core by itself, so more than one at once pays where runs are cached, or cores are many.

    Args:
        plan: source -> its parameters.
        build: where executed copies go.
        timeout: seconds one cell may take.
        jobs: how many run at once.

    Returns:
        The exit status: 0, 1 if a notebook failed, 130 if interrupted (nothing half made is left behind).
    """
    begun, waiting, running = time.monotonic(), deque(plan), {}
    done: list[str] = []
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                source = waiting.popleft()
                label = f"[{len(plan) - len(waiting)}/{len(plan)}] {source.stem}"
                print(f"{label} ...", flush=True)
                connection, process = _begin(source, plan[source], build, timeout)
                running[connection] = _Job(source, label, process, time.monotonic())
            for connection in wait(list(running)):
                job = running[connection]
                error, seconds = _said(connection, job), time.monotonic() - job.begun
                del running[connection]
                if error:
                    failed.append(job.source.stem)
                    print(f"{job.label}: FAILED after {seconds:.0f} s in {error}", file=sys.stderr, flush=True)
                else:
                    done.append(job.source.stem)
                    ended = len(done) + len(failed)
                    left = (time.monotonic() - begun) / ended * (len(plan) - ended)
                    print(f"{job.label}: {seconds:.0f} s, about {left:.0f} s left", flush=True)
    except KeyboardInterrupt:
        for job in running.values():
            os.kill(job.process.pid, signal.SIGINT)
        for job in running.values():
            job.process.join()
        stopped = ", ".join(job.source.stem for job in running.values()) or "the end"
        rest = [source.stem for source in plan if source.stem not in {*done, *failed}]
        print(
            f"\ninterrupted in {stopped}, of which nothing was kept. "
            f"Done: {', '.join(done) or 'none'}. Not done: {', '.join(rest) or 'none'}",
            file=sys.stderr,
            flush=True,
        )
        return INTERRUPTED
    if failed:
        print(f"{len(failed)} of {len(plan)} notebooks failed: {', '.join(failed)}", file=sys.stderr)
    return FAILED if failed else 0


def _begin(source: Path, parameters: Mapping, build: Path, timeout: int) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dmrec_core.figures.schedule"])  # papermill is imported once, not once a notebook
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run_and_tell, args=(theirs, source, parameters, build, timeout))
    process.start()
    theirs.close()
    return ours, process


def _run_and_tell(parent: Connection, source: Path, parameters: Mapping, build: Path, timeout: int) -> None:
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the first process alone, which passes it on once
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run_notebook(source, parameters, build, timeout)
        parent.send("")
    except NotebookFailed as error:
        parent.send(str(error))
    except KeyboardInterrupt:
        pass  # whoever interrupted knows


def _said(connection: Connection, job: _Job) -> str:
    """The error of a notebook that ended, "" if it had none."""
    try:
        return connection.recv()
    except EOFError:
        job.process.join()
        return f"its own process, which ended with status {job.process.exitcode} before it could say why"
    finally:
        connection.close()
        job.process.join()
