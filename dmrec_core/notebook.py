"""What every notebook shares: how it opens, shows source, checks numbers and puts its exercises."""

from __future__ import annotations

import ast
import inspect
import os
import platform
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from IPython import get_ipython
from IPython.core.pylabtools import select_figure_formats
from IPython.display import Code, Markdown, display
from matplotlib.figure import Figure

from dmrec_core import __version__
from dmrec_core.data import RecDataset
from dmrec_core.data.load import figures_folder
from dmrec_core.exercises import EXERCISES, Exercise
from dmrec_core.figures import style
from dmrec_core.matching import DEFAULT_STRATEGY, Strategy
from dmrec_core.paper import has_text
from dmrec_core.paper.claims import check_savable
from dmrec_core.records import provenance, record
from dmrec_core.records.checkout import MADE
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.ranges import checked
from dmrec_core.runs import RunResult, RunSpec, grid, load, paper_settings, sweep
from dmrec_core.runs.parameters import check_parameters
from dmrec_core.runs.sweeps import get_ready
from dmrec_core.training.device import device_name, resolve_device

THE_PAPERS_EMBEDDER = "text-embedding-ada-002"


class Lesson:
    """What `begin` gives a notebook: its data, its settings, a ledger of checks, and a place for its figure.

    Args:
        data: the data set in use; None for pure mathematics.
        dataset, embedder: as the notebook's parameters name them.
        device: resolved.
        seeds: of the runs, the first one first.
        folder: where figures and tables of this data set go.
        precision: of the runs' matrix products.
    """

    def __init__(
        self,
        data: RecDataset | None,
        dataset: str,
        embedder: str,
        device: torch.device,
        seeds: list[int],
        folder: Path,
        precision: str = "float32",
    ) -> None:
        self.data, self.dataset, self.embedder, self.device, self.folder = data, dataset, embedder, device, folder
        self.seeds, self.precision, self.checked = seeds, precision, Checked()

    def spec(self, strategy: str | Strategy = "base", **changes: object) -> RunSpec:
        """A run on this notebook's data and vectors, with the published settings but for `changes`."""
        spec = paper_settings(self.dataset, strategy=strategy, **{"embedder": self.embedder} | changes)
        return spec.in_precision(self.precision)

    def sweep(self, *settings: RunSpec, **axes: Iterable) -> list[RunResult]:
        """Every setting with every seed, or those of `seed`, over all values of `axes`; what was run before is read."""
        specs = [spec for setting in settings for spec in grid(setting, **{"seed": self.seeds} | axes)]
        return sweep(specs, device=str(self.device))

    def facts(self, results: Iterable[object] = (), **extra: object) -> dict[str, object]:
        """The provenance of numbers that came from this data and these runs."""
        if self.precision != "float32":
            extra = {"precision": self.precision} | extra
        return provenance(self.data, results, **extra)

    def keep(
        self,
        name: str,
        figure: Figure,
        numbers: Mapping[str, object],
        results: Iterable[object] = (),
        timings: Mapping[str, object] | None = None,
        **extra: object,
    ) -> Path:
        """Write the notebook's figure, its numbers and what they came from; the path of the numbers."""
        return record(name, figure, numbers, self.facts(results, **extra), self.folder, timings)


def begin(
    dataset: str | None = None,
    embedder: str = "auto",
    device: str = "auto",
    seeds: int | Iterable[int] = 2024,
    figures_dir: str | Path = MADE,
    needs_text: bool = True,
    **parameters: object,
) -> Lesson:
    """Open a notebook: set its look and seed, load its data, and print what its numbers depend on.

    Args:
        dataset: a name, or the folder of your own data; None for pure mathematics.
        embedder: what turns texts into vectors; "none" for interactions alone.
        device: "auto", "cpu", "cuda" or "mps".
        seeds: of the runs; the first is torch's global one too. With `first_seed`, how many there are from it on.
        figures_dir: where figures go; those of other data than `toy` into a folder of their own there.
        needs_text: False takes data that have no texts as they are, without vectors, instead of refusing them.
        parameters: the notebook's others, each held against its range; `first_seed`: see `seeds`; `precision` is that
            of `Lesson.spec`.

    Raises:
        ValueError: a parameter is outside its range, or the device or the data set is unknown; the message names it.
        Unwritable: figures_dir cannot be written to.
        Damaged: the claims that are there cannot be used.
        DataError: the data cannot be had or used.
    """
    check_parameters({name: value for name, value in parameters.items() if name not in ("user", "item")})
    if "first_seed" in parameters:
        start = checked("first_seed", parameters["first_seed"])
        seeds = range(start, start + checked("seeds", seeds))
    wanted = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    wanted = [checked("seed", seed) for seed in wanted]
    if not wanted:
        raise ValueError("seeds holds no seed: a run needs one, so let the parameter `seeds` be 1 or more")
    folder = figures_folder(dataset or "toy", Path(figures_dir))
    check_savable(folder, "the parameter figures_dir")
    style.use()
    if get_ipython() is not None:  # a matplotlib figure as a cell's last value shows itself, without pyplot
        select_figure_formats(get_ipython(), {"png"}, bbox_inches="tight")
    pd.set_option("display.html.use_mathjax", False, "styler.html.mathjax", False)  # a title's dollars are no formula
    torch.manual_seed(wanted[0])
    chosen = resolve_device(device)
    if dataset is not None and chosen.type == "cpu":  # elsewhere a sweep needs no workers
        get_ready()
    data = None
    if dataset is not None:
        reads = embedder != "none" and (needs_text or has_text(load(paper_settings(dataset))))
        reading = {"strategy": DEFAULT_STRATEGY, "embedder": embedder} if reads else {"strategy": "base"}
        data = load(paper_settings(dataset, **reading))
        check_parameters(parameters, user=data.n_users, item=data.n_items)
    rows = {
        "data set": "none: pure mathematics" if data is None else _described(data),
        "vectors": "none" if data is None or data.language is None else _vectors(data),
        "device": device_name(chosen) + (f", {torch.get_num_threads()} threads" if chosen.type == "cpu" else ""),
        "seed": str(wanted[0]),
        "versions": f"dmrec_core {__version__}, torch {torch.__version__}, numpy {np.__version__}, "
        f"Python {platform.python_version()}",
    }
    print("\n".join(f"{key:<9} {value}" for key, value in rows.items()))
    return Lesson(data, dataset, embedder, chosen, wanted, folder, str(parameters.get("precision", "float32")))


def _described(dataset: RecDataset) -> str:
    counts = dataset.summary()
    return (
        f"{dataset.name}: {dataset.n_users:,} users, {dataset.n_items:,} items, {counts['interactions']:,} "
        f"interactions ({counts['train']:,} train / {counts['valid']:,} valid / {counts['test']:,} test), "
        f"fingerprint {dataset.fingerprint[:12]}"
    )


def _vectors(dataset: RecDataset) -> str:
    vectors = dataset.language
    remark = "" if vectors.embedder == THE_PAPERS_EMBEDDER else " (not the paper's ada-002)"
    return f"{vectors.embedder}, d_s = {vectors.dim}{remark}"


def shell(command: str, folder: str | Path, **environment: str) -> None:
    """Run a command in `folder` as a terminal there would, and print it and what it says; `python` is this Python.

    Args:
        command: words with blanks between them, no quotes.
        folder: where it runs.
        environment: variables to set for it.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is printed.

    Example:
        >>> shell("python -c print(1+1)", ".")
        $ python -c print(1+1)
        2
        <BLANKLINE>
    """
    print(f"$ {command}", flush=True)
    words = [sys.executable if word == "python" else word for word in command.split()]
    env = os.environ | environment
    done = subprocess.run(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    done.check_returncode()


def show_source(*things: Callable | type, docstring: bool = False) -> None:
    """Show the source of core functions or classes, as highlighted code.

    Args:
        things: functions, methods or classes of the core.
        docstring: keep docstrings; by default only the first line of each stays, since the card has said the rest.
    """
    display(Code(data="\n\n".join(source(thing, docstring) for thing in things), language="python"))


def source(thing: Callable | type, docstring: bool = False) -> str:
    """The text that `show_source` shows.

    Example:
        >>> print(source(_vectors).splitlines()[0])
        def _vectors(dataset: RecDataset) -> str:
    """
    text = textwrap.dedent(inspect.getsource(thing)).rstrip()
    if docstring:
        return text
    lines = text.splitlines()
    for node in sorted(ast.walk(ast.parse(text)), key=lambda node: -getattr(node, "lineno", 0)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            long = node.body[0]
            if long.end_lineno > long.lineno:
                lines[long.lineno - 1 : long.end_lineno] = [lines[long.lineno - 1].rstrip() + '"""']
    return "\n".join(lines)


class Checked:
    """The notebook's ledger: every check fails loudly where it fails, and what held is listed at the end.

    Example:
        >>> checked = Checked()
        >>> checked.assert_close("halves make one", 0.5 + 0.5, 1.0)
        halves make one: equal, largest difference 0
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def assert_close(self, claim: str, by_hand: Any, core: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
        """`torch.testing.assert_close(by_hand, core)`, noted down.

        Raises:
            AssertionError: they differ by more than the tolerance.
        """
        mine, theirs = (torch.as_tensor(value).detach().double() for value in (by_hand, core))
        torch.testing.assert_close(mine, theirs, rtol=rtol, atol=atol)
        largest = float((mine - theirs).abs().max()) if mine.numel() else 0.0
        self._note(claim, f"equal, largest difference {largest:.1g}")

    def assert_within(
        self, claim: str, estimate: float, expected: float, standard_error: float, errors: float = 4.0
    ) -> None:
        """A Monte Carlo estimate lies within so many of its own standard errors of the expected value.

        Raises:
            AssertionError: it does not, or the standard error is not a positive number.
        """
        assert standard_error > 0, f"{claim}: a standard error is positive; got {standard_error}"
        off = abs(float(estimate) - float(expected)) / float(standard_error)
        found = f"{float(estimate):.4f} ± {float(standard_error):.4f}, expected {float(expected):.4f}"
        assert off <= errors, f"{claim}: {found}, {off:.1f} standard errors away"
        self._note(claim, f"{found}: {off:.1f} standard errors away")

    def assert_true(self, claim: str, holds: bool, measured: str = "") -> None:
        """Anything else that must hold; `measured` says by how much.

        Raises:
            AssertionError: it does not hold.
        """
        assert bool(holds), f"{claim}: does not hold. {measured}"
        self._note(claim, measured or "holds")

    def _note(self, claim: str, result: str) -> None:
        self.rows.append({"claim": claim, "result": result})
        print(f"{claim}: {result}")

    def show(self) -> None:
        """The ledger as a table."""
        display(table(((row["claim"], row["result"]) for row in self.rows), ("what we checked", "result")))


def table(rows: Iterable[Sequence[object]], headings: Sequence[str] = ("", "")) -> Markdown:
    """A table whose cells show their text letter for letter, with its line ends; what is `bold` stays bold.

    Example:
        >>> print(table([(bold("a"), "b|c")]).data)
        |  |  |
        |---|---|
        | **a** | b&#124;c |
    """
    written = ["| " + " | ".join(map(_cell, row)) + " |" for row in (headings, *rows)]
    return Markdown("\n".join([written[0], "|" + "---|" * len(headings), *written[1:]]))


def bold(text: object) -> Markdown:
    """A text in bold, for a cell of `table`."""
    return Markdown(f"**{markdown_text(text)}**")


def _cell(cell: object) -> str:
    return cell.data if isinstance(cell, Markdown) else markdown_text(cell, newline="<br>")


def check(exercise: str, yours: Any, truth: Any = None, tolerance: float = 1e-3, hint: str = "") -> None:
    """Judge an answer to an exercise; no answer makes it raise, so that a notebook runs to its end unanswered or wrong.

    Args:
        exercise: its number, e.g. "04.2", of `dmrec_core.exercises`; with a `truth` here, any name.
        yours: the reader's answer; None or `...` while there is none.
        truth: the value it must have, or a function of the answer that says whether it is right.
        tolerance: relative, for numbers.
        hint: shown when the answer is wrong.

    Raises:
        ValueError: neither a truth nor a known number is given.

    Example:
        >>> check("Exercise 1", 2.0, truth=1 + 1)
        Exercise 1: right.
        >>> check("04.1", 9.0)
        Exercise 04.1: not yet. Distances of means and of *standard deviations*. (The way: notebook.solution("04.1"))
    """
    known = EXERCISES[exercise] if truth is None and exercise in EXERCISES else None
    if known is None and truth is None:
        raise ValueError(f"no exercise is called {exercise!r}; there is {', '.join(EXERCISES)}")
    name = f"Exercise {exercise}" if known else exercise
    asked = known or Exercise(truth, hint, "", tolerance)
    if yours is None or yours is ...:
        print(f"{name}: no answer yet. Replace {yours!r} above and run the cell again.".replace("Ellipsis", "..."))
        return
    way = f' (The way: notebook.solution("{exercise}"))' if known else ""
    try:
        right = asked.accepts(yours)
    except Exception as error:  # noqa: BLE001  whatever a reader's answer does, the notebook goes on and says so
        print(f"{name}: your answer cannot be judged: {type(error).__name__}: {error}")
    else:
        print(f"{name}: right." if right else f"{name}: not yet. {asked.hint}{way}".rstrip())


def solution(exercise: str) -> Markdown:
    """The worked solution of an exercise, e.g. "04.2".

    Example:
        >>> print(solution("08.1").data)
        **08.1** $1/(1+0.25) = 0.8$.
    """
    return Markdown(f"**{exercise}** {EXERCISES[exercise].solution}")
