"""How time and memory grow: one model after another on generated data, whose sizes are doubled one at a time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dmrec_core.data.load import figures_folder
from dmrec_core.matching import DEFAULT_STRATEGY, strategy_of
from dmrec_core.paper.cost import measured
from dmrec_core.paper.measure import WIDTH, Cost
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import to_json
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import clock
from dmrec_core.runs.spec import RunSpec

START = {"users": 4_000, "items": 1_000, "interactions": 40_000}
DOUBLINGS = 3
MEASURED = {  # of a record: how it is called and said
    "epoch_processor_seconds": ("seconds", ".3g"),
    "evaluation_processor_seconds": ("seconds of an evaluation", ".3g"),
    "peak_mib": ("peak, MiB", ",.0f"),
}
LEGEND = (
    "One size is doubled {doublings} times from {start}, the other two stay. Under each size stands the exponent a of "
    "cost = c · size^a, fitted to the logarithms of the {points} costs by least squares: 0, it does not matter; 1, "
    "twice as much costs twice as much; 2, four times. What does not depend on the size, such as starting a product "
    "or the code that is loaded, makes it smaller than it becomes on larger data. Seconds: the processor's, on one "
    "thread, of an epoch, or of the solution where a model is solved; an evaluation ranks all items for every user. "
    "Peak: resident memory above what the process held with the data loaded. Vectors are random, {width} wide, and "
    "clicks drawn at random: this says what models cost, and nothing of what they find."
)


def sizes() -> dict[tuple[str, int], tuple[int, int, int]]:
    """What is doubled and how often -> users, items, interactions; ("", 0) is the start.

    Example:
        >>> sizes()["items", 2]
        (4000, 4000, 40000)
    """
    grown = {("", 0): tuple(START.values())}
    for axis in START:
        for times in range(1, DOUBLINGS + 1):
            grown[axis, times] = tuple((START | {axis: START[axis] * 2**times}).values())
    return grown


def exponent(costs: Sequence[float]) -> float:
    r"""The a of $c\,2^{ka}$ for the k-th of some costs, least squares on their logarithms.

    Example:
        >>> round(exponent([3.0, 12.0, 48.0, 192.0]), 6)
        2.0
    """
    return float(np.polyfit(np.arange(len(costs)), np.log2(costs), 1)[0])


def rows(costs: Mapping[RunSpec, Mapping[tuple[str, int], Cost]]) -> list[dict]:
    """One row a model and thing that is measured: its cost at the start, and an exponent for each size.

    A cost of which the system tells nothing, or that is too small to be seen, has none.
    """
    found = []
    for spec, by_size in costs.items():
        for name, (called, _) in MEASURED.items():
            told = {size: _median(cost.record[name]) for size, cost in by_size.items()}
            row = {"model": spec.model, "strategy": spec.strategy, "measured": called, "at the start": told["", 0]}
            for axis in START:
                line = [told["", 0], *(told[axis, times] for times in range(1, DOUBLINGS + 1))]
                seen = all(cost is not None and cost > 0 for cost in line)
                row[axis] = exponent(line) if seen else None
            found.append(row)
    return found


def _name(model: str, strategy: str) -> str:
    return CARDS[model].name + ("" if strategy == "base" else f" + {strategy_of(strategy).label}")


def _median(value: object) -> float | None:
    return None if value is None else float(np.median(value))


def page(numbers: Sequence[Mapping], facts: Mapping) -> str:
    """The table as people read it, and how to read it."""
    said = {called: how for called, how in MEASURED.values()}
    cells = [
        [
            _name(row["model"], row["strategy"]),
            row["measured"],
            "—" if row["at the start"] is None else format(row["at the start"], said[row["measured"]]),
            *("—" if row[axis] is None else f"{round(row[axis], 2) + 0:.2f}" for axis in START),
        ]
        for row in numbers
    ]
    start = ", ".join(f"{size:,} {axis}" for axis, size in START.items())
    made_on = f"processor: {markdown_text(facts['processor'])}; torch: {facts['torch']}; commit: {facts['commit']}."
    legend = LEGEND.format(doublings=DOUBLINGS, start=start, points=DOUBLINGS + 1, width=f"{WIDTH:,}")
    header = ["model", "", f"at {start}", *(f"{axis} ^" for axis in START)]
    return "\n\n".join(["# How time and memory grow", made_on, markdown_table(header, cells), legend]) + "\n"


def measure_growth(options: argparse.Namespace) -> int:
    """Measure what the options of `cost --growth` ask for; its exit status.

    Raises:
        MeasurementFailed: a model failed; nothing is written, as exponents need all its sizes.
    """
    folder = figures_folder("toy", options.out)
    check_writable(folder / "growth.json")
    specs = [
        paper_settings("amazon", model, strategy)  # the paper's sizes of the models
        for model in options.models
        for strategy in ("base", *[DEFAULT_STRATEGY] * CARDS[model].is_backbone)
    ]
    costs: dict[RunSpec, dict[tuple[str, int], Cost]] = {}
    wanted = [(spec, which, size) for spec in specs for which, size in sizes().items()]
    began = time.monotonic()
    for done, (spec, which, size) in enumerate(wanted):
        left = f"; about {clock((time.monotonic() - began) / done * (len(wanted) - done))} left" if done else ""
        sized = ", ".join(f"{n:,} {axis}" for axis, n in zip(START, size, strict=True))
        print(f"[{done + 1}/{len(wanted)}] {_name(spec.model, spec.strategy)}: {sized}{left}", flush=True)
        cost = measured(spec, options.timed_epochs, "cpu", 1, size)
        costs.setdefault(spec, {})[which] = cost
    path = _write(costs, folder)
    print(f"\n{path.read_text(encoding='utf-8')}\n{path}")
    return 0


def _write(costs: Mapping[RunSpec, Mapping[tuple[str, int], Cost]], folder: Path) -> Path:
    every = [cost for by_size in costs.values() for cost in by_size.values()]
    facts = provenance("generated", every, processor=every[0].record["processor"], start=START, doublings=DOUBLINGS)
    numbers = rows(costs)
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": "growth", "numbers": numbers, "provenance": facts}
    write_whole(folder / "growth.json", to_json(document).encode())
    write_whole(folder / "growth.md", page(numbers, facts).encode())
    return folder / "growth.md"
