"""The notebooks of the tables also run tuned; as they are, `make check` and CI run every notebook by `make figures`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dmrec_core.upkeep.runner import discover

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))
LONGEST_CELL_SECONDS = 600


def run_on_toy(source: Path, folder: Path, *arguments: str) -> list[Path]:
    """Run one notebook by the reader's command into `folder`; returns the JSON files of its figures and tables."""
    command = [sys.executable, "-m", "dmrec_core", "figures", "--only", source.stem, "--dataset", "toy", *arguments]
    folders = ["--out", str(folder / "figures"), "--build", str(folder / "build")]
    finished = subprocess.run(
        [*command, *folders, "--cell-timeout", str(LONGEST_CELL_SECONDS)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert [path.name for path in (folder / "build").glob("*.ipynb")] == [f"{source.stem}.ipynb"]
    return [path for path in (folder / "figures").glob("*.json") if not path.name.endswith(".timing.json")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "table"), [("10_base_models", "table2"), ("11_lm_baselines", "table3")])
def test_a_tables_notebook_runs_tuned_and_keeps_it_beside_the_untuned_one(name, table, tmp_path):
    short = ("-p", "seeds", "2", "-p", "patience", "2")  # how well they learn is not asked here
    kept = run_on_toy(NOTEBOOKS / f"{name}.py", tmp_path, "-p", "tune", "[0.2, 0.5]", *short)
    assert {path.stem for path in kept} == {f"{name}_tuned", f"{table}_tuned", "claims"}
    assert json.loads((tmp_path / "figures" / f"{table}_tuned.json").read_text())["provenance"]["tuned"] == [0.2, 0.5]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_run_in_any_way_writes_where_its_data_sets_figures_go(source):
    text = source.read_text()
    lines = [line.strip() for line in text.splitlines() if re.search(r"\bfigures_dir\b", line)]
    assert lines[0].startswith('figures_dir = "build/figures"'), "papermill and Lab take this where nothing is given"
    # never without the data set, whose folder is in there
    calls = re.findall(r"\(\s*dataset,(?:[^()]|\([^()]*\))*?\bfigures_dir\b", text)
    assert len(calls) == len(lines) - 1 > 0, lines


def test_every_source_has_the_name_that_the_entry_point_looks_for():
    misnamed = set(SOURCES) - set(discover(NOTEBOOKS))
    assert not misnamed, "a notebook is called NN_name.py or NNb_name.py, or `make figures` passes it by"
    assert bool(SOURCES) == bool(list(NOTEBOOKS.glob("*.ipynb")))
