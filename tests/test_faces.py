"""A notebook shows the kit from outside: it imports from faces only, little of it, and opens with one call."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import dmrec_core

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "dmrec_core"
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.py"))  # by glob, never by list: a new notebook is looked at, too
MOST_IMPORTS = 12  # statements, of the standard library and of others too

# The kit and every room of it.
FACES = {".".join(path.relative_to(CHECKOUT).parent.parts): path.parent for path in PACKAGE.rglob("__init__.py")}


def offered(face: str) -> set[str]:
    """The names that may be taken from a face: those it gives, and its modules and rooms."""
    given = set(dmrec_core.__all__) if face == "dmrec_core" else set(dir(import_module(face)))
    here = {path.stem for path in FACES[face].glob("*.py")} | {path.parent.name for path in FACES[face].glob("*/*.py")}
    return {name for name in given | here if not name.startswith("_")}


def imports(source: str) -> list[ast.Import | ast.ImportFrom]:
    """Every import statement, wherever it stands."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def past_the_faces(source: str) -> list[str]:
    """What is imported from the kit that no face offers, as "line: what"."""
    found = []
    for node in imports(source):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            wrong = [name for name in names if name.split(".")[0] == "dmrec_core" and name not in FACES]
        elif node.level:
            wrong = ["from " + "." * node.level]
        elif (node.module or "").split(".")[0] != "dmrec_core":
            wrong = []
        elif node.module not in FACES:
            wrong = [node.module]
        else:
            names = {alias.name for alias in node.names}
            wrong = [f"{node.module}.{name}" for name in sorted(names - offered(node.module))]
        found += [f"{node.lineno}: {name}" for name in wrong]
    return found


def code_cells(source: str) -> Iterator[str]:
    """The code cells of a percent notebook, but not its parameters."""
    for cell in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        heading, _, code = cell.partition("\n")
        if "[markdown]" not in heading and '"parameters"' not in heading:
            yield code


def openings(code: str) -> int:
    """How often `lesson = notebook.begin(...)` stands at the top level of some code."""
    calls = [node for node in ast.parse(code).body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    said = [f"{ast.unparse(node.targets[0])} = {ast.unparse(node.value.func)}" for node in calls]
    return said.count("lesson = notebook.begin")


def opens_with_begin(source: str) -> bool:
    """Whether the first code cell opens the lesson, and nothing opens another."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [openings(code) for code in code_cells(source)][:1] == [1] and calls.count("notebook.begin") == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_from_faces_only(path):
    assert past_the_faces(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_little(path):
    count = len(imports(path.read_text(encoding="utf-8")))
    assert count <= MOST_IMPORTS, f"{count} import statements; take a room, and its names with a dot"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_one_call(path):
    assert opens_with_begin(path.read_text(encoding="utf-8")), "its first code cell says lesson = notebook.begin(...)"


def test_there_are_notebooks_and_faces():
    assert NOTEBOOKS and {"dmrec_core", "dmrec_core.runs", "dmrec_core.figures.kept"} <= FACES.keys()
    assert "dmrec_core.notebook" not in FACES  # a module


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("from dmrec_core.runs.store import load", ["1: dmrec_core.runs.store"]),
        ("from dmrec_core.notebook import begin", ["1: dmrec_core.notebook"]),
        ("import torch, dmrec_core.runs.store as store", ["1: dmrec_core.runs.store"]),
        ("def late():\n    from dmrec_core.gaussian import kl", ["2: dmrec_core.gaussian"]),
        ("from dmrec_core.analysis import compare, nothing", ["1: dmrec_core.analysis.nothing"]),
        ("from dmrec_core import import_module, kl", ["1: dmrec_core.import_module"]),
        ("from dmrec_core.runs import _load", ["1: dmrec_core.runs._load"]),
        ("from dmrec_core.runs import *", ["1: dmrec_core.runs.*"]),
        ("from . import notebook", ["1: from ."]),
        ("import dmrec_core.runs\nimport dmrec_core, numpy\nfrom torch.nn import functional", []),
        ("from dmrec_core import DMRec, figures, kl, notebook, runs", []),
        ("from dmrec_core.figures import kept\nfrom dmrec_core.paper import claims, fill", []),
    ],
)
def test_an_import_past_the_faces_is_found(line, wrong):
    assert past_the_faces(line) == wrong


def test_every_import_is_counted():
    source = (
        "import a, b\n# import c\ntext = 'import d'\nif a:\n    from e import (\n        f,\n    )\nimport g; import h"
    )
    assert len(imports(source)) == 4


TITLE = "# ---\n# header\n# ---\n\n# %% [markdown]\n# # A notebook\n"
PARAMETERS = '# %% tags=["parameters"]\nseeds = 3\n'
OPENING = "# %%\nfrom dmrec_core import notebook\n\nlesson = notebook.begin(seeds=seeds)\ndata = lesson.data\n"


@pytest.mark.parametrize(
    ("cells", "opens"),
    [
        ([TITLE, PARAMETERS, OPENING], True),
        ([TITLE, PARAMETERS, OPENING, "# %%\nprint(data)\n"], True),
        ([TITLE, PARAMETERS, "# %% [markdown]\n# Some words on notebook.begin(...).\n", OPENING], True),
        ([TITLE, PARAMETERS], False),
        ([TITLE, PARAMETERS, "# %%\nprint(1)\n", OPENING], False),
        ([TITLE, PARAMETERS, OPENING, OPENING], False),
        ([TITLE, PARAMETERS, OPENING, "# %%\nagain = notebook.begin()\n"], False),
        ([TITLE, PARAMETERS, OPENING.replace("lesson = ", "lesson = None  # ")], False),
        ([TITLE, PARAMETERS, OPENING.replace("lesson = notebook.begin", "lesson = begin")], False),
        ([TITLE, PARAMETERS, "# %% [markdown]\n# lesson = notebook.begin()\n"], False),
    ],
)
def test_a_notebook_that_opens_otherwise_is_found(cells, opens):
    assert opens_with_begin("\n".join(cells)) is opens
