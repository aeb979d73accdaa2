"""Nothing outlives the process that started it: `kill -9` of a sweep, or of the notebooks' runner, ends all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dmrec_core.upkeep.pairs import HEADER
from dmrec_core.upkeep.runner import run_notebook

SECONDS = 60  # a killed process's children have to end
MARK = "DMREC_TEST_ORPHANS"

TRAINING = """
from dataclasses import replace
from dmrec_core.data import toy_dataset
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.sweeps import grid, sweep
spec = paper_settings("toy")
long = spec.with_(train=replace(spec.train, epochs=10**6, patience=10**6, batch_size=32))
dataset = toy_dataset(n_users=200, n_items=80)
def train_two():
    sweep(grid(long, seed=(1, 2)), dataset, workers=2, device="cpu", progress=lambda *_: None)
"""
SWEEP = f'{TRAINING}\nif __name__ == "__main__":\n    train_two()'
FIGURES = """
import sys
from pathlib import Path
from dmrec_core.upkeep.runner import run_notebook
if __name__ == "__main__":
    run_notebook(Path(sys.argv[1]), {}, Path("build"), timeout=600)
"""
NOTEBOOK = f'{HEADER.strip()}\n\n# %% tags=["parameters"]\ndataset = "toy"\n\n# %%\n'


@pytest.fixture
def begin(tmp_path) -> Iterator[Callable[..., psutil.Process]]:
    """`begin(code, *arguments)` runs Python code in a process that it and all its descendants can be known by."""
    begun = []

    def start(code: str, *arguments: str) -> psutil.Process:
        script = tmp_path / "script.py"
        script.write_text(code)
        environment = os.environ | {MARK: str(tmp_path), "DMREC_RUNS": str(tmp_path / "runs")}
        begun.append(subprocess.Popen([sys.executable, str(script), *arguments], env=environment, cwd=tmp_path))
        return psutil.Process(begun[-1].pid)

    yield start
    for process in marked(tmp_path):
        process.kill()
    for process in begun:
        process.wait()


def marked(folder: Path) -> list[psutil.Process]:
    """The living processes that descend from a `begin`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # another user's, or ended meanwhile
            continue
    return found


def wait_for(what: Callable[[], bool], seconds: float, say: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, say()
        time.sleep(0.05)


def killed_leaves_nothing(process: psutil.Process, folder: Path, begun: Callable[[], bool], others: int) -> None:
    """Once it has `begun`, `process` and at least `others` more are alive; after `kill -9` none is."""
    wait_for(lambda: begun() or process.status() == psutil.STATUS_ZOMBIE, 120, lambda: "it never began")
    assert len(marked(folder)) > others
    process.kill()
    wait_for(lambda: not marked(folder), SECONDS, lambda: [p.cmdline() for p in marked(folder)])


def both_runs_train(folder: Path) -> Callable[[], bool]:
    return lambda: len(list((folder / "runs").glob("*/progress.json"))) == 2


def test_a_killed_sweep_leaves_no_worker(begin, tmp_path):
    killed_leaves_nothing(begin(SWEEP), tmp_path, both_runs_train(tmp_path), others=3)  # a fork server and two workers


def test_a_sweep_killed_while_its_fork_server_imports_leaves_none(begin, tmp_path):
    def imports() -> bool:
        return any("forkserver" in word for process in marked(tmp_path) for word in process.cmdline())

    killed_leaves_nothing(begin(SWEEP), tmp_path, imports, others=1)


def test_no_import_sets_a_clock_or_changes_what_a_signal_does():
    """A clock that ticks while an interpreter ends, its handlers gone, kills it: `Alarm clock`, exit code 142."""
    code = """
import importlib, pkgutil, signal
import dmrec_core

def now():
    return signal.getitimer(signal.ITIMER_REAL), [signal.getsignal(s) for s in signal.valid_signals()]

before = now()
for module in pkgutil.walk_packages(dmrec_core.__path__, "dmrec_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert now() == before
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_killed_runner_leaves_neither_kernel_nor_the_workers_of_its_notebook(begin, tmp_path):
    source = tmp_path / "01_long.py"
    source.write_text(f"{NOTEBOOK}{TRAINING}\ntrain_two()")
    killed_leaves_nothing(begin(FIGURES, str(source)), tmp_path, both_runs_train(tmp_path), others=4)  # and the kernel


def test_a_runner_killed_while_its_kernel_starts_leaves_none(begin, tmp_path):
    source = tmp_path / "01_short.py"
    source.write_text(f"{NOTEBOOK}print(1)")
    runner = begin(FIGURES, str(source))
    killed_leaves_nothing(runner, tmp_path, lambda: len(marked(tmp_path)) > 1, others=1)


def test_what_a_killed_runner_wrote_is_collected_by_the_next_one(begin, tmp_path, monkeypatch):
    """Its half of a notebook lies in the folder of the executed ones, and nothing anywhere else."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    source = tmp_path / "01_long.py"
    source.write_text(f"{NOTEBOOK}import time\ntime.sleep(600)")
    runner = begin(FIGURES, str(source))
    killed_leaves_nothing(
        runner, tmp_path, lambda: len(marked(tmp_path)) > 1 and any((tmp_path / "build").glob(".*")), others=1
    )
    left = [path.name for path in (tmp_path / "build").iterdir()]
    assert left and all(name.startswith(".") for name in left) and not list(scratch.iterdir())
    source.write_text(f"{NOTEBOOK}print(1)")
    run_notebook(source, {}, tmp_path / "build", timeout=120)
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["01_long.ipynb"]


def test_a_kernel_ends_with_its_parent_wherever_an_orphan_goes(tmp_path):
    """It is told of a parent (no process is -1) that is not its own, as if that had died before it looked."""
    orphan = subprocess.run(
        [sys.executable, "-m", "dmrec_core.upkeep.kernel", "-1", "-f", str(tmp_path / "connection.json")],
        timeout=60,
        capture_output=True,
    )
    assert (orphan.returncode, orphan.stderr) == (1, b"") and not (tmp_path / "connection.json").exists()
