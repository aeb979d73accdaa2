"""A campaign of kills: whatever is killed at whatever moment goes on to the same results, and leaves nothing behind.

`DMREC_KILLS=200 python -m pytest tests/test_kills.py -m slow -s` is the long one. Each job is done once undisturbed, in
a folder of its own; then it is killed (`kill -9` of the process that was called, as the system does when memory ends)
several times in another folder, and called once more. The moments are drawn from the time it takes undisturbed.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dmrec_core.training.checkpoint import load_tensors
from dmrec_core.upkeep.pairs import HEADER
from tests.hostile_texts import write_own
from tests.test_orphans import MARK, SECONDS, marked, wait_for

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("DMREC_KILLS", "12"))  # in all
IN_A_ROW = 4  # in one folder, before the job may end
TEMPORARY = re.compile(r"\..*\.(partial|tmp)(\.\w+)?")

TRAIN = """
from dataclasses import replace
from dmrec_core.data import toy_dataset
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid, sweep
spec = paper_settings("toy")
spec = spec.with_(train=replace(spec.train, epochs=40, patience=40, batch_size=64))
dataset = toy_dataset(n_users=300, n_items=120)
"""
TRAIN_TWO = f'{TRAIN}\nif __name__ == "__main__":\n    sweep(grid(spec, seed=(1, 2)), dataset, workers=2, device="cpu")'
FIGURES = """
from pathlib import Path
from dmrec_core.upkeep.runner import run_notebook
if __name__ == "__main__":
    run_notebook(Path("01_trains.py"), {}, Path("build"), timeout=600)
"""
TRAINS = f"""{HEADER.strip()}

# %% tags=["parameters"]
dataset = "toy"

# %%
{TRAIN}
sweep(grid(spec, seed=(1, 2)), dataset, workers=2, device="cpu")
"""


class Job(NamedTuple):
    arguments: tuple[str, ...]  # of the interpreter
    results: str  # glob of the files that count
    prepare: Callable[[Path], object] = lambda folder: None


def _shop(folder: Path) -> None:
    write_own(folder / "shop")


def _described_shop(folder: Path) -> None:
    _shop(folder)
    subprocess.run([sys.executable, "-m", "dmrec_core", "profiles", "shop", "--extractive"], cwd=folder, check=True,
                   env=_environment(folder), capture_output=True)  # fmt: skip


TABLES = "tables toy --tables 2 --models mult-vae --epochs 4 --seeds 1 --device cpu --workers 2 --out out"
JOBS = {
    "run": Job(("-c", f'{TRAIN}\nrun(spec, dataset, device="cpu", checkpoint_seconds=0.0)'), "runs/*/*.safetensors"),
    "sweep": Job(("job.py",), "runs/*/*.safetensors", lambda folder: (folder / "job.py").write_text(TRAIN_TWO)),
    "figures": Job(
        ("job.py",),
        "runs/*/*.safetensors",
        lambda folder: ((folder / "job.py").write_text(FIGURES), (folder / "01_trains.py").write_text(TRAINS)),
    ),
    "tables": Job(("-m", "dmrec_core", *TABLES.split()), "runs/*/*.safetensors"),
    "conversion": Job(("-c", 'from dmrec_core.data import load_dataset\nload_dataset("yelp-xrec")'), "home/**/*.npz"),
    "profiles": Job(("-m", "dmrec_core", "profiles", "shop", "--extractive"), "shop/profiles.json", _shop),
    "embed": Job(("-m", "dmrec_core", "embed", "shop", "--embedder", "tfidf"), "shop/*.npz", _described_shop),
}


def scratch(folder: Path) -> Path:
    """Its folder for temporary files: of a short path, as most systems have it, so that sweeps fork their workers."""
    return Path(tempfile.gettempdir(), f"k{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}")


def _environment(folder: Path) -> dict[str, str]:
    places = {"DMREC_HOME": folder / "home", "DMREC_RUNS": folder / "runs", "TMPDIR": scratch(folder)}
    for place in places.values():
        place.mkdir(exist_ok=True)
    ours = {name: str(place) for name, place in places.items()} | {MARK: str(folder)}
    return os.environ | ours | {"OMP_NUM_THREADS": "1"}


def begin(job: Job, folder: Path) -> subprocess.Popen:
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen([sys.executable, *job.arguments], cwd=folder, env=_environment(folder), stdout=log,
                                stderr=log)  # fmt: skip


def finish(job: Job, folder: Path) -> None:
    code = begin(job, folder).wait(600)
    assert code == 0, (folder / "log.txt").read_text()[-3000:]
    until_all_ended(folder)


def until_all_ended(folder: Path) -> None:
    wait_for(lambda: not marked(folder), SECONDS, lambda: marked(folder))


def digests(job: Job, folder: Path) -> dict[str, str]:
    """File -> of its numbers or, where it has no tensors, its bytes; times and records of a run are not in it."""
    found = {}
    for path in sorted(folder.glob(job.results)):
        if path.suffix == ".safetensors":
            parts = [(name, value.numpy().tobytes()) for name, value in sorted(load_tensors(path)[0].items())]
        else:
            parts = [("", path.read_bytes())]
        whole = hashlib.sha256()
        for name, content in parts:
            whole.update(name.encode() + content)
        found[path.relative_to(folder).as_posix()] = whole.hexdigest()
    return found


def temporaries(folder: Path) -> Iterator[str]:
    yield from (path.name for path in scratch(folder).iterdir() if not path.name.startswith("torch"))  # its cache
    yield from (path.as_posix() for path in folder.rglob("*") if TEMPORARY.fullmatch(path.name))


@pytest.mark.parametrize("name", JOBS)
def test_whatever_is_killed_goes_on_to_the_same_results(name, tmp_path):
    job, draw = JOBS[name], random.Random(f"kills {name}")
    if name == "conversion" and "DMREC_MIRROR" not in os.environ:
        pytest.skip("DMREC_MIRROR names no copy of the published files")
    whole = tmp_path / "undisturbed"
    whole.mkdir()
    job.prepare(whole)
    start = time.monotonic()
    finish(job, whole)
    seconds, expected = time.monotonic() - start, digests(job, whole)
    assert expected, "the undisturbed job has results"
    kills, ended = 0, 0
    for trial in range(10**6):
        folder = tmp_path / f"killed {trial}"
        folder.mkdir()
        job.prepare(folder)
        for _ in range(IN_A_ROW):
            process = begin(job, folder)
            try:
                process.wait(draw.uniform(0.2, 1.0) * seconds)
                ended += 1
                assert process.returncode == 0, (folder / "log.txt").read_text()[-3000:]
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            until_all_ended(folder)
        finish(job, folder)
        assert digests(job, folder) == expected
        assert sorted(temporaries(folder)) == []
        shutil.rmtree(scratch(folder))
        if kills >= KILLS / len(JOBS):
            break
    print(f"\n{name}: {kills} kills, {ended} ended first; {seconds:.1f} s undisturbed; nothing lost, nothing left")
