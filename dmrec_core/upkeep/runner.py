"""Run one notebook from its `.py` half under papermill, so that its result is whole or not there at all."""

from __future__ import annotations

import ast
import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from dmrec_core.records.files import collect, temporary_for
from dmrec_core.runs.sweeps import collect_sockets

NOTEBOOKS = "[0-9][0-9]*_*.py"
ADDED_BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}


class UnknownParameter(ValueError):
    """A parameter that no notebook declares, or a value that is not of its kind."""


class NotebookFailed(RuntimeError):
    """A notebook stopped; the message names the cell, its error and the copy that was kept."""


class _SameInterpreter(AsyncKernelManager):
    """Starts the Python that runs this process, whatever kernel is registered as `python3` on this machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The one kernel this manager knows."""
        if self._kernel_spec is None:
            launch = [sys.executable, "-m", "dmrec_core.upkeep.kernel", str(os.getpid())]
            launch += ["-f", "{connection_file}", "--log-level=ERROR"]
            nobody_there = {"DMREC_HEADLESS": "1"}  # panels draw one figure instead of making widgets
            self._kernel_spec = KernelSpec(argv=launch, display_name="Python 3", language="python", env=nobody_there)
        return self._kernel_spec


def number_of(notebook: Path) -> str:
    """What stands before a notebook's name.

    Example:
        >>> number_of(Path("notebooks/04b_matching_in_depth.py"))
        '04b'
    """
    return notebook.stem.partition("_")[0]


def discover(folder: Path, only: Iterable[str] = ()) -> list[Path]:
    """The notebooks `NN_name.py` of `folder` in order, an appendix `NNb_name.py` after its own; `only` picks some by
    number or name.

    Raises:
        ValueError: an entry of `only` that fits none; the message lists what there is.
    """
    sources = sorted(folder.glob(NOTEBOOKS), key=lambda path: (number_of(path), path.stem))
    if not only:
        return sources
    chosen = set()
    for wanted in only:
        stem = Path(wanted).stem
        fitting = [path for path in sources if stem == path.stem or stem.lstrip("0") == number_of(path).lstrip("0")]
        if not fitting:
            there = ", ".join(path.stem for path in sources) or "no notebook at all"
            raise ValueError(f"no notebook is called {wanted!r} in {folder}; there is {there}")
        chosen.update(fitting)
    return [path for path in sources if path in chosen]


def declared_parameters(source: Path) -> dict[str, str]:
    """The names papermill finds in the `parameters` cell, each with its default as written."""
    found = papermill.inspect_notebook(_converted(source))
    return {name: parameter["default"] for name, parameter in found.items()}


def check_names(given: Iterable[str], declared: Iterable[str], where: str) -> None:
    """Refuse a parameter that `declared` does not hold: papermill would only log it and run with the default.

    Example:
        >>> check_names(["lamda"], ["lam", "seed"], "05_training")
        Traceback (most recent call last):
        ...
        dmrec_core.upkeep.runner.UnknownParameter: 05_training has no parameter 'lamda'; did you mean 'lam'? \
It has: lam, seed
    """
    declared = sorted(set(declared))
    for name in given:
        if name not in declared:
            close = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise UnknownParameter(f"{where} has no parameter {name!r}{hint} It has: {', '.join(declared) or 'none'}")


def parse_value(name: str, text: str, default: str) -> Any:
    """`text` from a command line as the kind of value the notebook's `default` (Python source) is.

    Example:
        >>> parse_value("lams", "[0, 0.5]", "[0.2]"), parse_value("dataset", "none", '"toy"')
        ([0, 0.5], 'none')
    """
    kinds = {bool: "True or False", int: "a number", float: "a number", list: "a list such as [0.1, 0.5]"}
    words = {"true": True, "false": False, "null": None, "none": None}
    try:
        expected = type(ast.literal_eval(default))
    except (ValueError, SyntaxError):  # a default that is computed, e.g. Path("figures")
        expected = type(None)
    if expected is str:
        return text
    try:
        value = words[text.lower()] if text.lower() in words else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    fits = numeric if expected in (int, float) else isinstance(value, expected)
    if expected in kinds and value is not None and not fits:
        raise UnknownParameter(f"parameter {name} is {kinds[expected]} (default {default}), got {text!r}")
    return value


def plain(value: Any) -> Any:
    """`value` in the types papermill can write into a cell; it would turn a numpy scalar or a Path into odd text.

    Example:
        >>> import numpy as np
        >>> plain((np.float64(0.5), np.int64(3), Path("a") / "b"))
        [0.5, 3, 'a/b']
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, tensors
        return plain(value.tolist())
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be passed to a notebook: {value!r}")


def run_notebook(source: Path, parameters: Mapping[str, Any], build: Path, timeout: int) -> Path:
    """Execute `source` (a `.py` half) and keep the executed copy as `build/NN_name.ipynb`.

    Args:
        source: the py:percent half; it runs in its own folder, as in JupyterLab.
        parameters: values for names that its `parameters` cell declares.
        build: where the executed copy goes; `NN_name.failed.ipynb` is there after a failure.
        timeout: seconds one cell may take.

    Raises:
        UnknownParameter: a name the notebook does not declare. Nothing ran.
        NotebookFailed: a cell raised, took too long, or its kernel died.
    """
    check_names(parameters, declared_parameters(source), source.stem)
    build = build.resolve()
    build.mkdir(parents=True, exist_ok=True)
    executed, failed = build / f"{source.stem}.ipynb", build / f"{source.stem}.failed.ipynb"
    collect(build)
    partial = build / f"{temporary_for(executed).name}.ipynb"
    try:
        nbformat.write(_converted(source), partial)
        papermill.execute_notebook(
            partial,  # what a kill leaves is one file, where the next run collects it
            partial,
            parameters=plain(parameters),
            cwd=source.parent.resolve(),
            execution_timeout=timeout,
            start_timeout=120,
            store_widget_state=False,  # 5 MB for every plotly widget
            kernel_manager_class=_SameInterpreter,
            shutdown_kernel="immediate",  # a second less: torch takes its time to leave, and all is written
            progress_bar=sys.stderr.isatty(),
        )
        partial.replace(executed)
        failed.unlink(missing_ok=True)
    except (PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
        partial.replace(failed)
        raise NotebookFailed(f"{_describe(failed, error, timeout)}\n  kept: {failed}") from error
    finally:
        partial.unlink(missing_ok=True)
        collect_sockets()  # of its kernel, which is not asked to leave but ended
    return executed


def _converted(source: Path) -> nbformat.NotebookNode:
    return nbformat.reads(jupytext.writes(jupytext.read(source), fmt="ipynb"), as_version=4)


def _describe(executed: Path, error: Exception, timeout: int) -> str:
    """Which cell of the source stopped, and why."""
    cells = [
        cell
        for cell in nbformat.read(executed, as_version=4).cells
        if not ADDED_BY_PAPERMILL & set(cell.metadata.get("tags", []))
    ]
    if isinstance(error, PapermillExecutionError):
        reason = f"{error.ename}: {error.evalue}"
    elif isinstance(error, CellTimeoutError):
        reason = f"it took longer than {timeout} s (--cell-timeout allows more)"
    else:
        reason = "its kernel died, perhaps for want of memory"
    started = [i for i, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time")]
    raised = [i for i in started if cells[i].metadata.papermill.get("exception")]
    if not started:
        return f"before the first cell: {reason}"
    number = (raised or started)[-1]
    lines = [line for line in cells[number].source.splitlines() if line.strip()]
    return f"cell {number + 1} of {len(cells)}: {reason}\n  in: {lines[0] if lines else '(an empty cell)'}"
