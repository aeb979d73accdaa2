"""The entry point on tiny notebooks: what is refused, what is kept, what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from dmrec_core.__main__ import main
from dmrec_core.data.load import subfolder
from dmrec_core.upkeep.runner import (
    NotebookFailed,
    UnknownParameter,
    declared_parameters,
    discover,
    parse_value,
    plain,
    run_notebook,
)

KERNEL_ID = "import os, pathlib\npathlib.Path('kernel.pid').write_text(str(os.getpid()))"


def printed(executed: Path) -> str:
    """All that an executed notebook printed."""
    cells = nbformat.read(executed, as_version=4).cells
    return "".join(
        output.text for cell in cells for output in cell.get("outputs", []) if output.output_type == "stream"
    )


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_parameters_reach_the_notebook_as_plain_python(write, tmp_path):
    write("01_tiny", "import sys, os\nprint(repr(lam), repr(lams), where, sys.executable, os.getcwd())",
          parameters='lam = 0.1\nlams = [0.0]\nwhere = ""')  # fmt: skip
    given = {"lam": np.float64(0.5), "lams": (np.float32(0.25), np.int64(1)), "where": tmp_path / "here"}
    executed = run_notebook(tmp_path / "notebooks/01_tiny.py", given, tmp_path / "build", timeout=60)
    notebooks = (tmp_path / "notebooks").resolve()
    assert printed(executed).split() == ["0.5", "[0.25,", "1]", str(tmp_path / "here"), sys.executable, str(notebooks)]
    assert "widgets" not in nbformat.read(executed, as_version=4).metadata


@pytest.mark.parametrize("value", [object(), {"a": {1: b"bytes"}}])
def test_a_value_that_no_cell_can_hold_is_refused(value):
    with pytest.raises(TypeError, match="cannot be passed to a notebook"):
        plain(value)


@pytest.mark.parametrize("name", ["10_base_models", "11_lm_baselines"])
def test_tune_may_be_true_or_a_list_from_the_command_line(checkout, name):
    default = declared_parameters(checkout / "notebooks" / f"{name}.py")["tune"]
    assert parse_value("tune", "[0.2, 1]", default) == [0.2, 1] and parse_value("tune", "true", default) is True


def test_a_misspelt_parameter_is_refused_before_anything_runs(write, tmp_path, capsys):
    source = write("01_tiny", "raise SystemError('it ran')")
    with pytest.raises(UnknownParameter, match=r"no parameter 'lamda'; did you mean 'lam'\? It has: dataset"):
        run_notebook(source, {"lamda": 1.0}, tmp_path / "build", timeout=60)
    assert main(["figures", "--notebooks", str(source.parent), "-p", "lamda", "1"]) == 2
    assert "did you mean 'lam'" in capsys.readouterr().err
    assert files(tmp_path) == {"notebooks/01_tiny.py"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "lam", "much"], "parameter lam is a number (default 0.5), got 'much'"),
        (["-p", "dataset", "toy"], "option of its own: --dataset"),
        (["--dataset", "yelp-xerc"], "no data set and no folder is called 'yelp-xerc'; there is toy, yelp-xrec"),
        (["--only", "7"], "no notebook is called '7'"),
        (["--notebooks", "nowhere"], "nowhere has no notebook"),
    ],
)
def test_other_usage_errors_say_what_to_do(write, arguments, said, capsys):
    source = write("01_tiny")
    assert main(["figures", "--notebooks", str(source.parent), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_appendix_comes_after_its_own_notebook_and_is_picked_by_its_number(write, folder):
    for name in ("04_short", "10_last", "04b_in_depth", "04_appendix"):
        write(name)
    (folder / "notes.py").write_text("")
    found = [path.stem for path in discover(folder)]
    assert found == ["04_appendix", "04_short", "04b_in_depth", "10_last"]
    assert (
        [path.stem for path in discover(folder, ["4b"])]
        == ["04b_in_depth"]
        == [path.stem for path in discover(folder, ["04b_in_depth.py"])]
    )
    assert [path.stem for path in discover(folder, ["4", "10"])] == ["04_appendix", "04_short", "10_last"]


def test_a_failing_cell_is_named_its_notebook_kept_and_the_others_run(write, tmp_path, capsys):
    source = write("01_breaks", "x = 1", "raise ValueError('the figure is empty')", "print('never')")
    write("02_fine", "print(dataset, figures_dir)")
    assert main(["figures", "--notebooks", str(source.parent), "--dataset", "yelp-xrec", "-p", "lam", "0.25"]) == 1
    said = capsys.readouterr()
    assert "01_breaks: FAILED" in said.err
    assert "cell 4 of 5: ValueError: the figure is empty\n  in: raise ValueError" in said.err
    assert "1 of 2 notebooks failed: 01_breaks" in said.err
    assert "[2/2] 02_fine: " in said.out and " s left" in said.out
    build = tmp_path / "build/yelp-xrec"
    assert files(build) == {"01_breaks.failed.ipynb", "02_fine.ipynb"}
    assert printed(build / "02_fine.ipynb").split() == ["yelp-xrec", str(tmp_path.resolve() / "build/figures")]


def test_a_folder_of_ones_own_data_is_found_from_where_the_notebook_runs(write, tmp_path, monkeypatch):
    source = write("01_tiny", "print(dataset, figures_dir)")
    (tmp_path / "mine/books").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine")
    assert main(["figures", "--notebooks", str(source.parent), "--dataset", "books"]) == 0
    root = tmp_path.resolve()
    executed = root / "build" / subfolder(str(root / "mine/books")) / "01_tiny.ipynb"
    assert printed(executed).split() == [str(root / "mine/books"), str(root / "build/figures")]


def test_a_success_clears_the_failed_copy(write, tmp_path):
    source = write("01_tiny", "assert lam < 0.5, lam")
    with pytest.raises(NotebookFailed, match=r"cell 3 of 3: AssertionError: 0\.5"):
        run_notebook(source, {}, tmp_path / "build", timeout=60)
    run_notebook(source, {"lam": 0.25}, tmp_path / "build", timeout=60)
    assert files(tmp_path / "build") == {"01_tiny.ipynb"}


def test_a_cell_that_takes_too_long_is_stopped_and_named(write, tmp_path):
    source = write("01_slow", "import time", "time.sleep(600)")
    begun = time.monotonic()
    with pytest.raises(NotebookFailed, match=r"cell 4 of 4: it took longer than 2 s"):
        run_notebook(source, {}, tmp_path / "build", timeout=2)
    assert time.monotonic() - begun < 60
    assert files(tmp_path / "build") == {"01_slow.failed.ipynb"}


def test_a_kernel_that_dies_is_said_so(write, tmp_path):
    source = write("01_dies", "import os\nos._exit(1)")
    with pytest.raises(NotebookFailed, match="cell 3 of 3: its kernel died"):
        run_notebook(source, {}, tmp_path / "build", timeout=60)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_half_made(write, tmp_path, stop):
    source = write("01_fine", "print(1)")
    write("02_long", KERNEL_ID, "import time\ntime.sleep(600)")
    write("03_later")
    command = [sys.executable, "-m", "dmrec_core", "figures", "--notebooks", str(source.parent)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    marker = source.parent / "kernel.pid"
    wait_for(lambda: marker.exists() and marker.read_text())
    kernel = int(marker.read_text())
    running.send_signal(stop)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted: in 02_long" in err and "Done: 01_fine. Not done: 02_long, 03_later" in err
    assert files(tmp_path / "build") == {"01_fine.ipynb"}
    wait_for(lambda: not alive(kernel))


def wait_for(what, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_another_kernel_registered_as_python3_is_not_used(write, tmp_path, monkeypatch):
    spec = tmp_path / "jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["/no/such/python"], "display_name": "Another", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    source = write("01_tiny", "import sys\nprint(sys.executable)")
    assert printed(run_notebook(source, {}, tmp_path / "build", timeout=60)).strip() == sys.executable


def test_list_shows_the_notebooks_and_runs_nothing(write, tmp_path, capsys):
    source = write("01_tiny", "raise SystemError('it ran')")
    assert main(["figures", "--notebooks", str(source.parent), "--list"]) == 0
    assert capsys.readouterr().out == '01_tiny  dataset="toy", figures_dir="figures", lam=0.5\n'
    assert files(tmp_path) == {"notebooks/01_tiny.py"}


def test_running_twice_gives_identical_figures(write, tmp_path):
    source = write(
        "01_tiny",
        "import time\nimport numpy as np\nfrom matplotlib.figure import Figure\n"
        "from dmrec_core.records.writer import provenance, record",
        "figure = Figure()\nfigure.subplots().plot([0, lam], label='a')",
        "record('01_tiny', figure, {'curve': np.linspace(0, lam, 7)}, provenance(dataset, seeds=[2024]),\n"
        "       folder=figures_dir, timings={'seconds': time.perf_counter()})",
    )
    kept = []
    for _ in range(2):
        assert main(["figures", "--notebooks", str(source.parent)]) == 0
        kept.append({path.name: path.read_bytes() for path in (tmp_path / "build/figures").iterdir()})
    assert kept[0].keys() == {f"01_tiny.{suffix}" for suffix in ("png", "svg", "json", "timing.json")}
    assert {name for name in kept[0] if kept[0][name] != kept[1][name]} == {"01_tiny.timing.json"}
