"""Notebook 00b keeps its title's word: the model is plain PyTorch, in at most 80 lines."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext

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
