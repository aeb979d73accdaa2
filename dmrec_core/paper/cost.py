"""Time and memory of each model, measured in a process of its own: what is kept of it, and the page about it."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dmrec_core.data.load import figures_folder
from dmrec_core.matching import DEFAULT_STRATEGY, strategy_of
from dmrec_core.paper.measure import EVALUATIONS, Cost
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import to_json
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import CARDS, TRAINED
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec

HEADER = "model", "", "parameters", "s an epoch (CPU)", "× {0}", "s an evaluation (CPU)", "peak, MiB", "× {0}", "load"
YARDSTICK = "mult-vae", "base"
LEGEND = (
    "Seconds an epoch: median of {epochs} epochs after a first one, without evaluation. An epoch is what a model's own "
    "recipe makes of it: every user once for Mult-VAE, CVGA and L-DiffRec, as many pairs as there are interactions for "
    "the graph models. Seconds an evaluation: median of {evaluations} full rankings for the users of the test split. "
    "CPU: processor time of the same, summed over threads; it does not count waiting for other processes. "
    "Peak: on a CPU the highest resident memory of the model's process above what it held with the data loaded, which "
    "includes the code that its first step loads; on a GPU torch's highest allocation, vectors included. "
    "× {yardstick}: in units of its row; an epoch by processor time on a CPU, by elapsed time on a GPU. L-DiffRec and "
    "LLMRec start from an untrained LightGCN here, whose own training is not counted."
)
LOAD = (
    "Load: the machine's load average over the last minute, as a model began and as it ended, on {cores} cores. A "
    "model makes one per thread of it at most; the rest is other work, which makes elapsed times longer and uneven."
)
BESIDE = (
    "An epoch of {model} takes {times:.3g} × the processor's time of the same model as a textbook would write it "
    "(dense rows and layers, `dmrec_core/paper/textbook.py`), which was trained after it in the same process."
)
RANDOM = "The data has no texts: models that read vectors got random ones, as wide as the paper's. They cost the same."


class MeasurementFailed(RuntimeError):
    """A model could not be measured."""


@dataclass(frozen=True)
class CostTable:
    """All that was measured on one device.

    Args:
        costs: one per model.
        again: the yardstick measured once more after the others, if there were any: how much the machine drifted.
    """

    costs: Sequence[Cost]
    again: Cost | None = None

    @property
    def yardstick(self) -> Cost | None:
        """Mult-VAE's cost, if it is here."""
        return next((c for c in self.costs if (c.spec.model, c.spec.strategy) == YARDSTICK), None)

    def times_yardstick(self, cost: Cost) -> float | None:
        """An epoch in units of Mult-VAE's: of processor time on a CPU, as other work disturbs that least."""
        if self.yardstick is None:
            return None
        if self.device == "cpu":
            return cost.processor_seconds_an_epoch / self.yardstick.processor_seconds_an_epoch
        return cost.seconds_an_epoch / self.yardstick.seconds_an_epoch

    @property
    def device(self) -> str:
        """Its name."""
        return str(self.costs[0].record["device"])


def specs_of(dataset: str, models: Sequence[str]) -> list[RunSpec]:
    """What is measured: every backbone alone and with DMRec-M, every baseline; nothing solved, which has no epochs.

    Example:
        >>> [spec.label for spec in specs_of("amazon", ["mult-vae", "kar"])]
        ['mult-vae base seed 2024', 'mult-vae mddm λ=0.6 seed 2024', 'kar seed 2024']
    """
    pairs = [(m, s) for m in TRAINED if m in models for s in ("base", *[DEFAULT_STRATEGY] * CARDS[m].is_backbone)]
    return [paper_settings(dataset, model, strategy) for model, strategy in pairs]


def measured(
    spec: RunSpec, epochs: int, device: str, threads: int | None = None, size: Sequence[int] | None = None
) -> Cost:
    """`measure` in a new process; with `size`, on generated data of so many users, items and interactions.

    Raises:
        MeasurementFailed: the message ends with what it said.
    """
    request = json.dumps({"spec": spec.to_json(), "epochs": epochs, "device": device, "threads": threads, "size": size})
    command = [sys.executable, "-m", "dmrec_core.paper.measure"]
    child = subprocess.run(command, input=request, capture_output=True, text=True)
    if child.returncode:
        raise MeasurementFailed(f"{spec.label} could not be measured on {device}:\n{child.stderr.strip()}")
    return Cost(spec, json.loads(child.stdout.splitlines()[-1]))


def _textless(spec: RunSpec) -> RunSpec:
    return spec.with_(model="mult-vae", strategy="base", settings=())


def _write_costs(tables: Sequence[CostTable], folder: Path) -> Path:
    """Write `cost.json` and `cost.md`, each whole or not at all; returns the second."""
    costs = [cost for table in tables for cost in table.costs]
    facts = provenance(
        load(_textless(costs[0].spec)),
        costs,
        threads=sorted({cost.record["threads"] for cost in costs}),
        processor=costs[0].record["processor"],
        cores=os.cpu_count(),
        precision=costs[0].spec.train.precision,
    )
    numbers = [as_numbers(cost, table) for table in tables for cost in table.costs]
    again = {table.device: as_numbers(table.again, table) for table in tables if table.again}
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": "cost", "numbers": numbers, "yardstick_again": again, "provenance": facts}
    write_whole(folder / "cost.json", to_json(document).encode())
    write_whole(folder / "cost.md", as_markdown(tables, facts).encode())
    return folder / "cost.md"


def as_numbers(cost: Cost, table: CostTable) -> dict:
    """A row in plain values."""
    plain = cost.record.get("textbook_processor_seconds")
    own = ("device", "threads", "embedder", "parameters", "peak_mib", "load")
    lists = ("epoch_seconds", "epoch_processor_seconds", "evaluation_seconds", "evaluation_processor_seconds")
    unit = table.yardstick and table.yardstick.record["peak_mib"]
    return {
        "model": cost.spec.model,
        "strategy": cost.spec.strategy,
        "batch_size": cost.spec.train.batch_size,
        "seconds_an_epoch": cost.seconds_an_epoch,
        "processor_seconds_an_epoch": cost.processor_seconds_an_epoch,
        "seconds_an_evaluation": cost.seconds_an_evaluation,
        "processor_seconds_an_evaluation": cost.processor_seconds_an_evaluation,
        "times_yardstick": table.times_yardstick(cost),
        "memory_times_yardstick": cost.record["peak_mib"] / unit if cost.record["peak_mib"] and unit else None,
        "times_textbook": plain and cost.processor_seconds_an_epoch / statistics.median(plain),
        **{name: cost.record[name] for name in (*own, *lists)},
    }


def as_markdown(tables: Sequence[CostTable], facts: Mapping) -> str:
    """The whole page: what it was measured on, a table per device, how to read it."""
    yardstick = CARDS[YARDSTICK[0]].name
    threads = " or ".join(map(str, facts["threads"]))
    said = {
        "data": facts["dataset"],
        "vectors": facts["embedder"] or "none",
        "processor": f"{facts['processor']}, {threads} thread{'s' * (threads != '1')}",
        "precision": facts["precision"],
        "torch": facts["torch"],
        "commit": facts["commit"],
    }
    parts = [
        f"# Time and memory, on {markdown_text(facts['dataset'])}",
        "; ".join(f"{name}: {markdown_text(value)}" for name, value in said.items()) + ".",
    ]
    if "random" in str(facts["embedder"]):
        parts.append(RANDOM)
    for table in tables:
        header = [name.format(yardstick) for name in HEADER]
        parts += [
            f"## {markdown_text(table.device)}",
            markdown_table(header, [_cells(cost, table) for cost in table.costs]),
        ]
        if table.again:
            first, last = (
                f"{c.seconds_an_epoch:.3g} s an epoch, {c.processor_seconds_an_epoch:.3g} s of the CPU,"
                for c in (table.yardstick, table.again)
            )
            parts.append(f"{yardstick} took {first} as the first model and {last} after the last.")
        plain = [(cost, as_numbers(cost, table)["times_textbook"]) for cost in table.costs]
        parts += [
            BESIDE.format(model=" + ".join(_cells(cost, table)[:2]), times=times) for cost, times in plain if times
        ]
    epochs = len(tables[0].costs[0].record["epoch_seconds"])
    parts.append(LEGEND.format(epochs=epochs, evaluations=EVALUATIONS, yardstick=yardstick))
    parts.append(LOAD.format(cores=facts["cores"]))
    return "\n\n".join(parts) + "\n"


def _cells(cost: Cost, table: CostTable) -> list[str]:
    numbers, spec, record = as_numbers(cost, table), cost.spec, cost.record
    label = strategy_of(spec.strategy).label if spec.strategy != "base" else "base" * spec.card.is_backbone
    return [
        spec.card.name,
        label,
        f"{record['parameters']:,}",
        f"{cost.seconds_an_epoch:.3g} ({cost.processor_seconds_an_epoch:.3g})",
        _said(numbers["times_yardstick"], ".3g"),
        f"{cost.seconds_an_evaluation:.3g} ({cost.processor_seconds_an_evaluation:.3g})",
        _said(record["peak_mib"], ",.0f"),
        _said(numbers["memory_times_yardstick"], ".2g"),
        " → ".join(_said(load, ".1f") for load in record["load"]),
    ]


def _said(value: float | None, how: str) -> str:
    return "—" if value is None else format(value, how)


def measure_models(options: argparse.Namespace) -> int:
    """Measure what the options of the command `cost` ask for; its exit status.

    Raises:
        MeasurementFailed: a model failed; what was measured before is kept.
        KeyboardInterrupt: alike.
    """
    folder = figures_folder(options.dataset, options.out)
    check_writable(folder / "cost.json")
    devices = options.devices or ["cpu", *["cuda"] * torch.cuda.is_available()]
    specs = specs_of(options.dataset, options.models)
    if not specs:
        raise ValueError(
            f"{', '.join(options.models)}: solved, not trained, so there are no epochs to measure; "
            "tables --tables linear says what solving takes"
        )
    load(_textless(specs[0]))  # what is wrong with the data is said at once, and not by every process
    done: list[CostTable] = []
    try:
        for device in devices:
            costs: list[Cost] = []
            for spec in specs:
                costs.append(measured(spec, options.timed_epochs, device, options.threads))
                now = CostTable(costs)
                path = _write_costs([*done, now], folder)
                print(" ".join(_cells(costs[-1], now)), flush=True)
            now = CostTable(costs)
            if now.yardstick and len(costs) > 1:
                now = CostTable(costs, measured(now.yardstick.spec, options.timed_epochs, device, options.threads))
            done.append(now)
            path = _write_costs(done, folder)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what was measured before is kept") from None
    print(f"\n{path.read_text(encoding='utf-8')}\n{path}")
    return 0
