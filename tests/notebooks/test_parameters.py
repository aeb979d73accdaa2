"""A notebook's parameters: outside its range each is named, with the range, by its first cell and by the command."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import jupytext
import pytest

from dmrec_core.__main__ import main
from dmrec_core.runs.parameters import check_parameters
from dmrec_core.upkeep.runner import declared_parameters
from tests.hostile_texts import run_cell

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9][0-9]*_*.py"))
WRONG = {
    "user": (99999, -1, 0.5, "first", True, None),
    "item": (300, -1, "x"),
    "seeds": (0, [], -2, 1.5, "three", None),
    "first_seed": (-1, 1.5, "x", None),
    "seed": (-1, 1.5, "x"),
    "lam": (3, -0.1, math.nan, "much", None),
    "alpha": (2, -1, "x"),
    "lambdas": ([], [3], [0.5, "x"], 0.5, "half", None),
    "noise_shares": ([], [2], 0.5),
    "users_shown": (0, "all"),
    "n_groups": (0, 2.5),
    "count_on": ("test", None),
    "metric": ("accuracy@20", "recall", 20, "recall@7"),
    "variant": ("publshed", None),
    "strategy": ("mdmm", "base", None),
    "precision": ("fp16",),
    "patience": (0, "x"),
    "tune": ([], [-1], 0.5),
    "embedder": ("word2vec",),
    "device": ("gpu",),
    "dataset": ("yelp-xerc",),
}


def opening(source: Path, **parameters: object) -> None:
    """Run a notebook's cells up to the one that opens its lesson, with these parameters in the place of its own."""
    names = {"__name__": "__main__"}
    for cell in jupytext.read(source).cells:
        if cell.cell_type == "code":
            run_cell(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= parameters
        if "notebook.begin(" in cell.source:
            return


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_outside_its_range_is_named_by_the_first_cell(source, tmp_path):
    ours = {"device": "cpu", "figures_dir": str(tmp_path)} | ({"embedder": "tfidf"} if source.stem[:2] != "02" else {})
    declared = declared_parameters(source)
    opening(source, **ours)  # the control: as it is, it opens
    tried = 0
    for name in declared.keys() & WRONG.keys():
        for value in WRONG[name]:
            with pytest.raises(ValueError) as told:
                opening(source, **ours | {name: value})
            said, tried = str(told.value), tried + 1
            named = {"dataset": "data set", "seed": "seed", "lambdas": "lambdas", "tune": ""}.get(name, name)
            assert named in said and len(said) < 600 and "\n" not in said, (name, value, said)
    assert tried > 5


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_default_is_in_its_range(source):
    defaults = {}
    for name, text in declared_parameters(source).items():
        try:
            defaults[name] = ast.literal_eval(text)
        except (SyntaxError, ValueError):  # one that is written over several lines
            continue
    assert len(defaults) > 3
    check_parameters(defaults, user=600, item=300)


@pytest.mark.parametrize(("name", "value"), [("lam", "3"), ("lambdas", "[]"), ("variant", "draft"), ("seeds", "-1")])
def test_the_command_refuses_it_before_any_notebook_runs(name, value, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("dmrec_core.upkeep.make_figures.run_notebook", lambda *_: pytest.fail("it ran"))
    assert main(["figures", "--out", str(tmp_path), "--build", str(tmp_path), "-p", name, value]) == 2
    assert name in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_figures_folder_that_cannot_be_written_is_said_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot be written: .*; name another place with the parameter figures_dir"):
        opening(NOTEBOOKS[2], device="cpu", figures_dir=str(tmp_path / "file"))
