"""What the `.ipynb` halves show: everywhere the same, nothing of one machine, and a picture on every page."""

from __future__ import annotations

import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from dmrec_core.__main__ import main
from dmrec_core.upkeep.outputs import LARGEST, PLOTLY, cleaned, output_faults, stale
from dmrec_core.upkeep.pairs import check_pairs
from dmrec_core.upkeep.pictures import drawing, smaller

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
HOME = "/".join(("", "home", "ada"))


def notebook_showing(*outputs) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell("1", outputs=list(outputs))])


@pytest.fixture(scope="module")
def chart() -> bytes:
    figure = Figure(figsize=(5, 3))
    axes = figure.subplots()
    axes.fill_between(range(9), [x**0.5 for x in range(9)], color="teal", alpha=0.4)
    axes.plot([x**0.6 for x in range(9)], color="darkorange", label="language only")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_reader_who_runs_nothing_sees_a_picture_and_a_number(path):
    notebook = nbformat.read(path, as_version=4)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert any(output.output_type == "stream" for output in shown)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)


def unused(figure) -> bytes:
    raise AssertionError("nothing to draw")


def test_what_changes_from_run_to_run_and_from_machine_to_machine_is_gone():
    root = Path(__file__).resolve().parents[2]
    scratch = Path(tempfile.gettempdir()) / "abc"
    notebook = notebook_showing(
        new_output("stream", name="stderr", text="3/6 runs, 0:09 spent"),
        new_output("stream", text=f"kept in {root}/build\n"),
        new_output("stream", text=f"{scratch}/x.csv took 2.83 s, assuming 3 s\n"),
        new_output("display_data", {"text/plain": "<Styler at 0x7fa0b1>", "text/html": "<b id='T_0fa3b_row0'>"}),
        new_output("execute_result", {"text/plain": "<function at 0x7fa0b1>"}),
    )
    cleaned(notebook, unused)
    (cell,) = notebook.cells
    assert [output.get("text") for output in cell.outputs] == [
        "kept in ./build\n.../abc/x.csv took … s, assuming 3 s\n",
        None,
        None,
    ]
    assert [output.data for output in cell.outputs[1:]] == [
        {"text/html": "<b id='T_00001_row0'>"},
        {"text/plain": "<function>"},
    ]
    assert cell.execution_count == cell.outputs[2].execution_count == 1
    assert list(output_faults(notebook, 0)) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (new_output("display_data", {PLOTLY: {}}), "cell 1 shows application/vnd.plotly"),
        (new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}}), "cell 1 shows application/vnd"),
        (new_output("error", ename="ValueError", evalue="", traceback=[]), "cell 1 shows an error, ValueError"),
        (new_output("stream", text=f"see {HOME}/kit"), f"a path of one machine, {HOME}/kit"),
        (new_output("execute_result", {"text/html": r"<td>C:\Users\ada</td>"}), r"C:\Users\ada"),
    ],
)
def test_what_cannot_be_kept_is_named(output, said):
    assert said in "\n".join(output_faults(notebook_showing(output), 0))


def test_a_style_that_every_source_brings_is_kept_once():
    code = new_output("display_data", {"text/html": "<style>b {color: teal}</style><b>1</b>"})
    notebook = notebook_showing(code, new_output("display_data", dict(code.data)))
    cleaned(notebook, unused)
    assert [output.data["text/html"] for output in notebook.cells[0].outputs] == [code.data["text/html"], "<b>1</b>"]


def test_an_address_in_the_web_is_no_path_of_a_machine():
    shown = new_output("stream", text="https://api.openai.com/v1 and //var/x and a/usr/b </var/>")
    assert list(output_faults(notebook_showing(shown), 0)) == []


def test_a_notebook_of_too_many_bytes_is_a_fault():
    assert list(output_faults(notebook_showing(), LARGEST)) == []
    assert "show less" in next(output_faults(notebook_showing(), LARGEST + 1))


def test_a_picture_loses_bytes_and_nothing_one_sees(chart):
    before, after = (Image.open(io.BytesIO(each)).convert("RGB") for each in (chart, smaller(chart)))
    assert len(smaller(chart)) < 0.7 * len(chart) and before.size == after.size
    differences = [abs(a - b) for a, b in zip(before.tobytes(), after.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 2  # of 255
    orange = next(at for at in range(before.width) if before.getpixel((at, 150)) == (255, 140, 0))
    red, green, blue = after.getpixel((orange, 150))
    assert red > 230 and 110 < green < 170 and blue < 40  # a colour of few pixels keeps its meaning


@pytest.mark.browser
def test_a_plotly_figure_becomes_a_picture_of_its_size():
    def both() -> tuple[bytes, bytes]:
        with drawing() as drawn:
            size = {"layout": {"width": 400, "height": 300}}
            return drawn({"data": [{"y": [1, 3, 2]}]} | size), drawn({"data": []} | size)

    with ThreadPoolExecutor(1) as elsewhere:  # the browser of the other tests has this thread's event loop
        picture, empty = elsewhere.submit(both).result()
    shown = Image.open(io.BytesIO(picture))
    assert shown.size == (400, 300)
    assert len(shown.convert("RGB").getcolors()) > 5 and picture != empty


@pytest.fixture
def ran(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write("01_tiny", "from pathlib import Path\nPath('ran').open('a').write('x')", "print(6)")


def test_execute_runs_what_is_stale_once_and_keeps_what_it_shows(ran, capsys):
    folder, times = ["--notebooks", str(ran.parent)], ran.parent / "ran"
    assert main(["notebooks", "execute", *folder]) == 0
    assert check_pairs(ran.parent) == []
    twin = nbformat.read(ran.with_suffix(".ipynb"), as_version=4)
    assert twin.cells[-1].outputs[0].text == "6\n" and not stale(twin)
    before = ran.with_suffix(".ipynb").read_bytes()
    assert main(["notebooks", "execute", *folder]) == 0
    assert "its outputs are of these cells" in capsys.readouterr().out and times.read_text() == "x"
    assert main(["notebooks", "execute", "--again", *folder]) == 0
    assert times.read_text() == "xx" and ran.with_suffix(".ipynb").read_bytes() == before


def test_a_notebook_that_fails_stays_as_it_was(ran, capsys):
    folder = ["--notebooks", str(ran.parent)]
    assert main(["notebooks", "execute", *folder]) == 0
    before = ran.with_suffix(".ipynb").read_bytes()
    ran.write_text(ran.read_text().replace("print(6)", "1 / 0"))
    assert main(["notebooks", "execute", *folder]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert ran.with_suffix(".ipynb").read_bytes() == before
    assert "cell 4 differs" in "\n".join(check_pairs(ran.parent))


def test_the_options_of_execute_are_refused_elsewhere(capsys):
    assert main(["notebooks", "check", "--only", "05"]) == 2
    assert "are of `notebooks execute`" in capsys.readouterr().err
