"""Runs on a cluster: two worker processes that share no folder, one of them killed; workers that are not fit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from dmrec_core.__main__ import main
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs import cluster
from dmrec_core.runs.folder import FINISHED, deliver
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import cached, folder_of, run
from dmrec_core.runs.sweeps import RunFailed, grid, sweep
from dmrec_core.training.checkpoint import CheckpointError, load_tensors
from dmrec_core.training.fit import TrainingCancelled, TrainSettings
from tests.hostile_texts import write_own

pytest.importorskip("distributed")

LONG = paper_settings("toy", strategy="mddm", train=TrainSettings(epochs=120, patience=120, batch_size=128))
SHORT = LONG.with_(train=replace(LONG.train, epochs=3))
ENDLESS = LONG.with_(train=replace(LONG.train, epochs=10**6, patience=10**6))


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=200, n_items=80), "tfidf")


class Machines:
    """A scheduler, and workers each of which has its own folders, as on machines of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []
        self.file = folder / "scheduler.json"
        self.begin("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                   "--scheduler-file", str(self.file))  # fmt: skip
        wait_for(self.file.exists)

    @property
    def address(self) -> str:
        return json.loads(self.file.read_text())["address"]

    def worker(self, name: str, **environment: str) -> subprocess.Popen:
        return self.begin(name, "worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0",
                          "--scheduler-file", str(self.file), "--local-directory", str(self.folder / name / "dask"),
                          **environment)  # fmt: skip

    def begin(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen:
        mine = self.folder / name
        places = {variable: mine / variable.lower() for variable in ("DMREC_RUNS", "DMREC_HOME", "TMPDIR")}
        for place in places.values():
            place.mkdir(parents=True)
        own = {variable: str(place) for variable, place in places.items()} | {"OMP_NUM_THREADS": "1"}
        path = os.pathsep.join([str(Path(cluster.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        with open(mine / "log.txt", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments], cwd=mine, stdout=log, stderr=log,
                env=os.environ | {"PYTHONPATH": path} | own | environment,
            )  # fmt: skip
        self.processes.append(process)
        return process


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


@pytest.fixture
def machines(tmp_path, monkeypatch) -> Iterator[Machines]:
    monkeypatch.setattr(cluster, "CHECKPOINT_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.1)
    found = Machines(tmp_path / "machines")
    yield found
    for process in found.processes:
        process.kill()
    for process in found.processes:
        process.wait()


def one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))


def quiet(*_: object) -> None:
    """No progress."""


def test_a_run_on_a_lost_worker_goes_on_elsewhere_to_the_bits_of_a_local_one(dataset, machines, tmp_path):
    workers = {name: machines.worker(name) for name in ("one", "two")}
    specs, runs, lines, killed = grid(LONG, seed=(1, 2)), tmp_path / "runs", [], []

    def kill_one(text: str, final: bool) -> None:
        lines.append(text)
        for checkpoint in runs.glob("*/resume.safetensors"):  # something of that run has come back
            at = [name for name in workers if any(machines.folder.glob(f"{name}/dask/**/{checkpoint.parent.name}"))]
            if at and not killed:
                workers[at[0]].kill()
                killed.append(at[0])

    with pytest.warns(UserWarning, match=r"was lost .*; the run goes on elsewhere from epoch [1-9]"):
        there = sweep(specs, dataset, runs=runs, scheduler=machines.address, progress=kill_one)
    (other,) = workers.keys() - killed
    assert workers[other].poll() is None
    assert lines[-1].startswith("2/2 runs") and any(" left" in line for line in lines)
    with one_thread() as here:
        alone = sweep(specs, dataset, runs=tmp_path / "alone", scheduler=here, progress=quiet)
    for a, b in zip(there, alone, strict=True):
        assert a.folder.name == b.folder.name and a.metrics == b.metrics
        for name in ("weights.safetensors", "per_user.safetensors"):
            mine, theirs = (load_tensors(result.folder / name)[0] for result in (a, b))
            assert mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
        assert {path.name for path in a.folder.iterdir()} - {".lock"} == set(FINISHED)
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]
    assert not list((machines.folder / other).rglob("*.safetensors")), "a worker keeps nothing of what it sent"


def test_cancelled_runs_stop_on_workers_that_see_no_folder_of_ours_and_resume(dataset, machines, tmp_path):
    worker = psutil.Process(machines.worker("one").pid)
    begun = lambda: list(tmp_path.glob("runs/*/resume.safetensors"))  # noqa: E731
    with pytest.raises(TrainingCancelled, match="1 of 1 runs unfinished"):
        sweep([ENDLESS], dataset, runs=tmp_path / "runs", scheduler=machines.address, progress=quiet, cancel=begun)
    assert begun(), "its checkpoint is here"
    wait_for(lambda: worker.cpu_percent(0.5) < 50, 30)
    wait_for(lambda: not list((machines.folder / "one").rglob("*.safetensors")), 30)


@pytest.mark.slow
def test_what_a_run_starts_from_is_trained_once_and_sent_along(dataset, machines, tmp_path):
    machines.worker("one")
    spec = paper_settings("toy", "l-diffrec", train=SHORT.train)
    (there,) = sweep([spec], dataset, runs=tmp_path, scheduler=machines.address, progress=quiet)
    folders = {path.name.split("-")[1] for path in tmp_path.glob("toy-*") if (path / "metrics.json").exists()}
    assert folders == {"l", "lightgcn"}
    there.model(dataset)


def test_workers_that_are_not_fit_are_refused_with_a_sentence(machines, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "GRACE_SECONDS", 0.5)
    package = Path(cluster.__file__).parents[1]
    other = tmp_path / "other"
    shutil.copytree(package, other / "dmrec_core", ignore=shutil.ignore_patterns("__pycache__"))
    with open(other / "dmrec_core" / "gaussian.py", "a") as file:
        file.write("\n# another version\n")
    worker = machines.worker("one", PYTHONPATH=str(other))
    with pytest.warns(
        UserWarning, match=r"worker tcp\S+ is refused: it has dmrec-kit .*, and here is .*install the same"
    ):
        with pytest.raises(RunFailed, match=r"no worker can do .*worker tcp\S+ is refused"):
            sweep([SHORT], runs=tmp_path / "runs", scheduler=machines.address, progress=quiet)
    worker.kill()
    without = tmp_path / "without" / "dmrec_core"
    without.mkdir(parents=True)
    (without / "__init__.py").touch()
    worker = machines.worker("two", PYTHONPATH=str(without.parent))
    with (
        pytest.warns(UserWarning, match=r"it has no dmrec-kit, or not this one .*install dmrec-kit"),
        pytest.raises(RunFailed),
    ):
        sweep([SHORT], runs=tmp_path / "runs", scheduler=machines.address, progress=quiet)
    worker.kill()


def test_a_worker_without_the_data_is_refused_with_a_sentence_and_the_run_is_done_by_another(
    machines, tmp_path, monkeypatch
):
    """A data set that is a folder, which the two workers reach by a path from where they were started."""
    monkeypatch.setattr(cluster, "GRACE_SECONDS", 0.5)
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path / "shop")
    spec = paper_settings("shop", train=SHORT.train)
    machines.worker("one")
    with pytest.warns(UserWarning, match=r"is refused: it cannot load shop: "):
        with pytest.raises(RunFailed, match=r"no worker can do .*cannot load shop"):
            sweep([spec], runs=tmp_path / "runs", scheduler=machines.address, progress=quiet)
    monkeypatch.setattr(cluster, "GRACE_SECONDS", 120)
    machines.worker("two")
    write_own(machines.folder / "two" / "shop")
    with pytest.warns(UserWarning) as said:
        (result,) = sweep([spec], runs=tmp_path / "runs", scheduler=machines.address, progress=quiet)
    assert (
        all("refused" in str(each.message) for each in said)
        and result.metrics == run(spec, runs=tmp_path / "alone").metrics
    )


def test_a_run_that_arrives_damaged_leaves_no_trace(dataset, tmp_path):
    result = run(SHORT, dataset, runs=tmp_path / "there")
    folder = folder_of(SHORT, dataset, tmp_path / "here")
    folder.mkdir(parents=True)
    files = {name: (result.folder / name).read_bytes() for name in FINISHED}
    for name, content in files.items():
        for wrong in (files | {name: content[:-1] + b"?"}, {kept: files[kept] for kept in files if kept != name}):
            with pytest.raises(CheckpointError, match="did not arrive whole"):
                deliver(wrong, folder)
            assert not list(folder.iterdir()) and list(folder.parent.iterdir()) == [folder]
    with pytest.raises(CheckpointError, match="another run"):
        deliver(files, folder.with_name("another"))
    deliver(files, folder)
    assert cached(SHORT, dataset, tmp_path / "here").metrics == result.metrics


def test_a_scheduler_that_is_none_is_refused_with_a_sentence(dataset, tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match="a scheduler is tcp://HOST:PORT"):
        sweep([SHORT], dataset, runs=tmp_path, scheduler="localhost", progress=quiet)
    for command in ("tables", "figures"):
        assert main([command, "toy", "--scheduler", "localhost"]) == 2
        assert "a scheduler is tcp://HOST:PORT" in capsys.readouterr().err
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("DMREC_SCHEDULER", "tcp://127.0.0.1:1")
    with pytest.raises(ConnectionError, match=r"no scheduler answers at tcp://127.0.0.1:1 .*dask scheduler"):
        sweep([SHORT], dataset, runs=tmp_path, progress=quiet)


def test_local_is_a_cluster_on_this_machine_for_all_that_sweeps_meanwhile(dataset, tmp_path):
    with cluster.served("local", workers=1) as address:
        assert os.environ["DMREC_SCHEDULER"] == address
        (result,) = sweep([SHORT], dataset, runs=tmp_path, progress=quiet)
        assert result.metrics == run(SHORT, dataset, runs=tmp_path / "alone").metrics
    assert "DMREC_SCHEDULER" not in os.environ
