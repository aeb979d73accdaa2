"""Every notebook runs to its end on the toy data set, from its source, through the command a reader uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))  # by glob, never by list: a new notebook is tested at once
LONGEST_CELL_SECONDS = 600


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs_on_toy(source, tmp_path):
    command = [sys.executable, "-m", "dmrec_core.figures", "--only", source.stem, "--dataset", "toy"]
    folders = ["--out", str(tmp_path / "figures"), "--build", str(tmp_path / "build")]
    finished = subprocess.run(
        [*command, *folders, "--timeout", str(LONGEST_CELL_SECONDS)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert [path.name for path in (tmp_path / "build").iterdir()] == [f"{source.stem}.ipynb"]
    for kept in (tmp_path / "figures").glob("*.json"):
        if not kept.name.endswith(".timing.json"):
            assert json.loads(kept.read_text())["provenance"]["dataset"] in ("toy", None), kept.name


def test_every_source_has_the_name_that_the_entry_point_looks_for():
    misnamed = [path.name for path in SOURCES if not path.name[:2].isdigit() or path.name[2] != "_"]
    assert not misnamed, "a notebook is called NN_name.py, or `make figures` passes it by"
    assert bool(SOURCES) == bool(list(NOTEBOOKS.glob("*.ipynb")))
