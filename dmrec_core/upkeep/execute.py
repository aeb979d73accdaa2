"""Run the notebooks whose kept outputs are stale, on toy with their own parameters, and keep what they show."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import jupytext

from dmrec_core.records.checkout import MADE, checkout, in_checkout
from dmrec_core.upkeep import outputs
from dmrec_core.upkeep.pairs import rebuilt, write_pair
from dmrec_core.upkeep.pictures import drawing
from dmrec_core.upkeep.runner import discover, run_notebook

SECONDS_A_CELL = 3600


def execute(folder: Path | None, only: Iterable[str] = (), again: bool = False) -> int:
    """Execute the notebooks of `folder`, by default the checkout's; the command's exit status.

    One after another, each `.ipynb` whole or as it was: the same command goes on where it was interrupted.

    Args:
        folder: with pairs `NN_name.py`, `NN_name.ipynb`.
        only: some of them, by number or name.
        again: those too whose stamp is fresh.

    Raises:
        ValueError: there is no such folder or notebook.
        NotebookFailed: a cell raised; its notebook is as it was.
        NoBrowser: a notebook shows a plotly figure, and nothing here can draw it.
        PairsDiffer: what a notebook shows cannot be kept.
    """
    folder = folder or checkout() / "notebooks"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    with drawing() as drawn:
        for source in discover(folder, only):
            if not again and not outputs.stale(rebuilt(source)):
                print(f"{source.stem}.ipynb: its outputs are of these cells")
                continue
            start = time.monotonic()
            print(f"{source.stem} ...", flush=True)
            shown = jupytext.read(run_notebook(source, {}, folder.resolve().parent / "build", SECONDS_A_CELL))
            outputs.cleaned(shown, drawn)
            notebook = rebuilt(source)
            for cell, executed in zip(notebook.cells, shown.cells, strict=True):
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
            outputs.stamp(notebook, _numbers_version(source.stem))
            write_pair(source, notebook)
            size = source.with_suffix(".ipynb").stat().st_size
            print(f"{source.stem}.ipynb: {size / 1000:.0f} kB, {time.monotonic() - start:.0f} s", flush=True)
    return 0


def _numbers_version(name: str) -> dict[str, int]:
    """Of each model whose runs the notebook's figure shows, as its numbers' provenance has it."""
    made = in_checkout(MADE) / f"{name}.json"
    facts = json.loads(made.read_text(encoding="utf-8"))["provenance"] if made.is_file() else {}
    return facts.get("numbers_version", {}) if facts.get("runs") else {}
