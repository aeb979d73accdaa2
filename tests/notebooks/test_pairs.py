"""Both halves of every notebook are the same, and the check notices each way in which they are not."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext import TextFileContentsManager

from dmrec_core.__main__ import main
from dmrec_core.upkeep.outputs import stamp
from dmrec_core.upkeep.pairs import HEADER, check_pairs, rebuilt, write_pair


def test_the_committed_pairs_agree(checkout):
    assert check_pairs(checkout / "notebooks") == []


@pytest.fixture
def pair(write) -> Path:
    """A source whose twin is up to date."""
    source = write("01_tiny", "def double(x):\n    return 2 * x", "double(3)")
    assert sync_pair(source)
    pretend_to_run(source)
    return source


def sync_pair(source: Path) -> bool:
    return write_pair(source, rebuilt(source))


def pretend_to_run(source: Path) -> None:
    def run(notebook):
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="6")]
        notebook.cells[-1].execution_count = 3
        stamp(notebook, {})

    edit_twin(source, run)


def faults(source: Path) -> str:
    return "\n".join(check_pairs(source.parent))


def edit_twin(source: Path, change) -> None:
    twin = source.with_suffix(".ipynb")
    notebook = nbformat.read(twin, as_version=4)
    change(notebook)
    nbformat.write(notebook, twin)


def test_a_synced_pair_has_no_fault_and_is_not_written_again(pair):
    assert faults(pair) == ""
    before = pair.with_suffix(".ipynb").stat().st_mtime_ns
    assert not sync_pair(pair)
    assert pair.with_suffix(".ipynb").stat().st_mtime_ns == before


def test_two_machines_make_the_same_twin(pair):
    twin = pair.with_suffix(".ipynb")
    twin.unlink()
    sync_pair(pair)
    first = twin.read_bytes()
    twin.unlink()
    sync_pair(pair)
    assert twin.read_bytes() == first


def test_sync_keeps_the_ids_of_the_cells_that_were_there(pair):
    twin = pair.with_suffix(".ipynb")
    before = {cell.source: cell.id for cell in nbformat.read(twin, as_version=4).cells}
    pair.write_text(pair.read_text().replace("# %%\ndouble(3)", "# %%\ndouble(2)\n\n# %%\ndouble(3)"))
    assert sync_pair(pair)
    after = {cell.source: cell.id for cell in nbformat.read(twin, as_version=4).cells}
    assert {source: after[source] for source in before} == before
    assert len(set(after.values())) == len(before) + 1
    assert "has no outputs" in faults(pair)


def outputs_of(source: Path) -> list:
    cells = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
    return [cell.outputs for cell in cells if cell.cell_type == "code" and cell.outputs]


def test_sync_keeps_the_outputs_of_unchanged_cells(pair):
    edit_twin(pair, lambda notebook: notebook.metadata.update(odd=1))
    assert sync_pair(pair)
    assert outputs_of(pair) and faults(pair) == ""


@pytest.mark.parametrize(
    "edited",
    [
        ("double(3)", "double(4)"),
        ("# A tiny notebook", "# A small notebook"),
        ('tags=["parameters"]', 'tags=["parameters", "b"]'),
    ],
)
def test_sync_drops_the_outputs_of_other_cells_and_the_check_says_what_makes_them(pair, edited, capsys):
    pair.write_text(pair.read_text().replace(*edited))
    assert main(["notebooks", "sync", "--notebooks", str(pair.parent)]) == 0  # a rebuild is whole without a run
    assert "notebooks execute --only 01" in capsys.readouterr().out
    assert not outputs_of(pair)
    assert faults(pair).endswith("run `python -m dmrec_core notebooks execute --only 01`")


def test_sync_removes_what_another_program_wrote(pair):
    def run(notebook):
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="7")]
        notebook.metadata["widgets"] = {"state": {}}

    edit_twin(pair, run)
    assert "its outputs are not those that were stamped" in faults(pair) and "widget state" in faults(pair)
    assert sync_pair(pair)
    assert "widget state" not in faults(pair) and not outputs_of(pair)
    twin = json.loads(pair.with_suffix(".ipynb").read_text())
    assert [cell["metadata"].get("tags") for cell in twin["cells"]] == [None, ["parameters"], None, None]


def test_outputs_of_an_older_numbers_version_are_stale(pair):
    edit_twin(pair, lambda notebook: stamp(notebook, {"mult-vae": 0}))
    assert "its runs of mult-vae are of numbers version 0" in faults(pair)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda nb: nb.cells[3].update(source="double(4)"), "cell 4 differs from 01_tiny.py in its source"),
        (lambda nb: nb.cells[0].update(cell_type="raw"), "cell 1 differs from 01_tiny.py in its type"),
        (lambda nb: nb.cells[2].metadata.update(tags=["hide"]), "cell 3 differs from 01_tiny.py in its tags"),
        (lambda nb: nb.cells.pop(), "has 3 cells, 01_tiny.py has 4"),
        (lambda nb: nb.metadata.kernelspec.update(name="py311"), "needs name python3"),
        (lambda nb: nb.metadata.pop("jupytext"), "jupytext header needs"),
        (lambda nb: nb.cells[1].metadata.update(tags=[]), "has 0 cells tagged `parameters`"),
        (lambda nb: nb.cells[2].metadata.update(tags=["parameters"]), "has 2 cells tagged `parameters`"),
    ],
)
def test_a_difference_is_named(pair, change, said):
    edit_twin(pair, change)
    assert said in faults(pair)


def test_a_half_without_its_other_half_is_named(pair):
    pair.rename(pair.with_name("02_renamed.py"))
    assert "02_renamed.py: has no 02_renamed.ipynb" in faults(pair)
    assert "01_tiny.ipynb: has no 01_tiny.py" in faults(pair)


def test_a_parameter_that_papermill_cannot_read_is_named(write):
    source = write("01_tiny", parameters="lam = 0.5\noptions = dict(a=1)")
    sync_pair(source)
    assert "01_tiny.py: papermill cannot read the parameter 'options'" in faults(source)


def test_jupyterlab_pairs_the_halves_by_the_header(pair):
    """What saving in JupyterLab does: both halves are written from one set of cells."""
    assert jupytext.read(pair).metadata.jupytext.formats == "ipynb,py:percent"
    opened = jupytext.read(pair.with_suffix(".ipynb"))
    assert 'tags=["parameters"]' in jupytext.writes(opened, fmt="py:percent")
    assert HEADER.splitlines()[3] in jupytext.writes(opened, fmt="py:percent")
    assert "sources" in str(opened.metadata) and "sources" not in jupytext.writes(opened, fmt="py:percent")  # the stamp


def test_saving_in_jupyterlab_leaves_the_source_as_it_is(pair):
    before = pair.read_text(encoding="utf-8")
    manager = TextFileContentsManager()
    manager.root_dir = str(pair.parent)
    opened = manager.get(pair.with_suffix(".ipynb").name)
    manager.save(opened, pair.with_suffix(".ipynb").name)
    assert pair.read_text(encoding="utf-8").strip() == before.strip()
    assert faults(pair) == ""


def test_the_command_says_what_it_did_and_fails_on_a_fault(pair, capsys):
    assert main(["notebooks", "check", "--notebooks", str(pair.parent)]) == 0
    assert "1 notebook pairs agree" in capsys.readouterr().out
    pair.write_text(pair.read_text().replace("double(3)", "double(5)"))
    assert main(["notebooks", "check", "--notebooks", str(pair.parent)]) == 1
    assert "cell 4 differs" in capsys.readouterr().err
    assert main(["notebooks", "sync", "--notebooks", str(pair.parent)]) == 0
    assert "01_tiny.ipynb: rebuilt" in capsys.readouterr().out
