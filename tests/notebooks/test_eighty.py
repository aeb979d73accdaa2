"""Notebook 00b keeps its title's word: the model is plain PyTorch, in at most 80 lines."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch

from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.matching import STRATEGIES
from dmrec_core.upkeep.runner import discover

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
MOST_LINES = 80


def model_cells(source: Path) -> str:
    """The code of the cells tagged `model`."""
    cells = jupytext.read(source).cells
    return "\n".join(cell.source for cell in cells if "model" in cell.metadata.get("tags", []))


def test_the_model_has_at_most_eighty_lines_and_nothing_of_the_kit():
    source = NOTEBOOKS / "00b_dmrec_in_80_lines.py"
    code = model_cells(source)
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 40 < len(lines) <= MOST_LINES, f"{len(lines)} lines in the cells tagged `model`"
    imported = [node for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    kits = {name.name for node in imported if node.module.startswith("dmrec_core") for name in node.names}
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert len(kits) > 5 and not used & kits and "import" not in code


def test_it_is_the_second_notebook_and_is_found_by_its_number():
    names = [path.stem for path in discover(NOTEBOOKS)]
    assert names[:3] == ["00_start_here", "00b_dmrec_in_80_lines", "01_data_and_profiles"]
    assert [path.stem for path in discover(NOTEBOOKS, ["0"])] == names[:1]
    assert [path.stem for path in discover(NOTEBOOKS, ["00b"])] == names[1:2]
    assert [path.stem for path in discover(NOTEBOOKS, ["1", "00b"])] == names[1:3]


def test_04_goes_on_with_the_user_of_00b():
    """Its first row of numbers is what 00b's figure keeps of the user, and its losses are those of 00b's table."""
    kept = json.loads((NOTEBOOKS.parent / "figures" / "00b_dmrec_in_80_lines.json").read_text("utf-8"))["numbers"]
    cell = next(
        c.source for c in jupytext.read(NOTEBOOKS / "04_distribution_matching.py").cells if "mu_q = " in c.source
    )
    typed: dict[str, torch.Tensor] = {}
    exec(cell.split("q, p =")[0], {"torch": torch}, typed)
    for space, letter in (("collaborative", "q"), ("language", "p")):
        row = next(row for row in kept["steps"] if row["space"] == space)
        for name, what in (("mu", "mean"), ("std", "std")):
            mine = typed[f"{name}_{letter}"][0].numpy()
            np.testing.assert_allclose(mine, [row[f"{what}_{k}"] for k in (1, 2)], atol=2e-4)
    godm = next(row for row in kept["matching"] if (row["strategy"], row["variant"]) == ("GODM", "paper"))
    q, p = (DiagonalGaussian(typed[f"mu_{side}"][:1], typed[f"logvar_{side}"][:1]) for side in "qp")
    terms = STRATEGIES["godm"].terms(q, p, q, kept["lam"], "paper")
    assert kept["user"] == 0 and kept["lam"] == 0.5
    assert (float(terms.prior), float(terms.matching)) == pytest.approx((godm["prior"], godm["matching"]), abs=5e-4)


@pytest.mark.parametrize("name", ["00", "00b", "02", "03", "05"])
def test_the_user_who_is_followed_is_the_same_everywhere(name):
    (source,) = discover(NOTEBOOKS, [name])
    (cell,) = [c.source for c in jupytext.read(source).cells if "parameters" in c.metadata.get("tags", [])]
    assert [line.split("  #")[0] for line in cell.splitlines() if line.startswith("user = ")] == ["user = 0"]
