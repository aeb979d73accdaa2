"""The linear references on one data set: solved over their grids, chosen on validation, and what that says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dmrec_core.data import RecDataset
from dmrec_core.data.load import figures_folder
from dmrec_core.paper import printed
from dmrec_core.paper.measure import load_average
from dmrec_core.paper.plan import CLICKS_ONLY, WITH_TEXT, Plan, has_text, that_fit
from dmrec_core.paper.rows import HEADLINE, Row, fill
from dmrec_core.paper.tables import as_numbers
from dmrec_core.records.files import write_whole
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import plain_numbers, to_json
from dmrec_core.runs.inputs import load
from dmrec_core.runs.linear import GRIDS, TEXT_WEIGHTS
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.evaluate import metric_label

NAME = "linear"
METRICS = printed.TABLE3_METRICS
LEGEND = (
    "Test split. Each is solved from the training clicks: one number, the same for every seed. What is shown is the "
    "setting with the best validation Recall@20 of as many as were tried; a text's weight is tried at the setting that "
    "the clicks alone chose, 0 among the weights. Seconds and MiB: to build and solve the setting shown in one "
    "process with {threads} thread(s), memory above what it held before. CPU: processor time of the same, which does "
    "not count waiting for other processes; the machine's load was {load} on {cores} cores as this page was made."
)


def _plan_linear(dataset: str, data: RecDataset, models: Sequence[str], **changes: object) -> list[Plan]:
    """Each linear reference over the whole of its grid; L3AE, which reads texts, where the data has some.

    Args:
        dataset: its name, or the folder of one's own.
        data: the same, loaded: a grid of singular vectors stops where it has no more.
        models: of `LINEAR`.
        changes: fields of every spec.
    """
    plans, most = [], min(data.train.shape)
    for model in models:
        spec = paper_settings(dataset, model, settings={}, **changes)
        axes = {name: [v for v in values if name != "k" or v < most] for name, values in GRIDS[model].items()}
        options = [spec]
        for name, values in axes.items():
            options = [one.with_(settings=dict(one.settings) | {name: v}) for one in options for v in values]
        label = WITH_TEXT if spec.uses_language else CLICKS_ONLY
        against = ("ease",) if model == "l3ae" and "ease" in models else ()
        if has_text(data) or not spec.uses_language:
            plans.append(Plan(model, model, label, tuple(options), against))
    return plans


def _plan_text_added(chosen: Sequence[Row], **changes: object) -> list[Plan]:
    """Text added to each reference that reads none, at the setting chosen without it; popularity stays what it is.

    Args:
        chosen: rows of `_plan_linear`.
        changes: fields of every spec.
    """
    plans = []
    for row in chosen:
        if row.plan.model == "popularity" or row.plan.reads_text:
            continue
        clicks = dict(row.spec.settings)  # at weight 0 the very same run
        tried = [clicks | ({"text_weight": weight} if weight else {}) for weight in TEXT_WEIGHTS]
        options = [paper_settings(row.spec.dataset, row.plan.model, settings=each, **changes) for each in tried]
        plans.append(Plan(f"{row.plan.key} text", row.plan.model, WITH_TEXT, tuple(options), (row.plan.key,)))
    return plans


def make_linear(models: Sequence[str], options: argparse.Namespace, cancel: Callable[[], bool]) -> Path:
    """Solve what is missing, and write `linear.md` and `linear.json`; the path of the page."""
    changes = {"embedder": options.embedder}
    data = load(paper_settings(options.dataset, "popularity"))
    how = {"runs": options.runs, "workers": options.workers, "cancel": cancel}
    wanted = _plan_linear(options.dataset, data, models, **changes)
    plans = that_fit(wanted, data)
    large = [plan.name for plan in wanted if plan.key not in {fitting.key for fitting in plans}]
    if options.without_language:
        plans = [plan for plan in plans if not plan.reads_text]
    rows = fill(plans, options.seeds[:1], METRICS, **how)
    if has_text(data) and not options.without_language:
        rows = fill([*plans, *_plan_text_added(rows, **changes)], options.seeds[:1], METRICS, **how)
    reading = next((row.spec for row in rows if row.spec.uses_language), rows[0].spec)
    runs = [run for row in rows for run in row.runs]
    threads = sorted({run.record["threads"] for run in runs})
    facts = provenance(load(reading), runs, threads=threads, load=load_average(), cores=os.cpu_count(),
                       **({"too_large": large} if large else {}))  # fmt: skip
    best = printed.best_dmrec(options.dataset)
    numbers = [_numbers(row) for row in rows]
    document = plain_numbers({"name": NAME, "numbers": numbers, "paper": best, "provenance": facts})
    folder = figures_folder(options.dataset, options.out)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{NAME}.json", to_json(document).encode())
    write_whole(folder / f"{NAME}.md", as_markdown(document).encode())
    return folder / f"{NAME}.md"


def _numbers(row: Row) -> dict:
    record = row.runs[0].record
    return as_numbers(row) | {
        "tried": len(row.plan.options),
        "valid": {metric: row.runs[0].metrics["valid"][metric] for metric in METRICS},
        "seconds": record["seconds"],
        "processor_seconds": record.get("processor_seconds"),
        "peak_mib": record["peak_mib"],
    }


def as_markdown(document: Mapping) -> str:
    """The whole page, from what is kept as JSON: the table, what it says, how to read it."""
    facts, numbers, best = document["provenance"], document["numbers"], document["paper"]
    said = {"data": facts["dataset"], "vectors": facts["embedder"] or "none", "device": facts["device"],
            "commit": facts["commit"]}  # fmt: skip
    lines, threads = [_cells(row) for row in numbers], " or ".join(map(str, facts["threads"]))
    if best:
        names = dict.fromkeys(f"{best[metric]['label']} on {best[metric]['model']}" for metric in METRICS)
        lines.append(["the paper's best DMRec", ", ".join(names),
                      *(f"{best[metric]['value']:.4f}" for metric in METRICS), *[""] * 4])  # fmt: skip
    header = ["model", "", *map(metric_label, METRICS), "setting", "tried", "s (CPU)", "MiB"]
    parts = [
        f"# Linear references, on {markdown_text(facts['dataset'])}",
        "; ".join(f"{name}: {markdown_text(value)}" for name, value in said.items()) + ".",
        markdown_table(header, lines),
        f"Left out, for item-item matrices that do not fit into memory: {', '.join(facts.get('too_large', ()))}."
        if "too_large" in facts
        else "",
        "\n".join(f"- {sentence}" for sentence in findings(document)),
        LEGEND.format(threads=threads, load=_said(facts["load"], ".0f"), cores=facts["cores"]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def findings(document: Mapping) -> list[str]:
    """What the numbers support, a sentence each."""
    numbers, best, told = document["numbers"], document["paper"], []
    clicks = [row for row in numbers if row["label"] == CLICKS_ONLY]
    if clicks:
        tops = {metric: max(clicks, key=lambda row: _value(row, metric)) for metric in METRICS}
        listed = [
            f"{CARDS[row['model']].name} in {metric_label(metric)} ({_value(row, metric):.4f})"
            for metric, row in tops.items()
        ]
        told.append(f"The best on test of those that read clicks only: {_list(listed)}.")
    for metric in METRICS if best and clicks else ():
        most = best[metric]["value"]
        above = [CARDS[row["model"]].name for row in clicks if _value(row, metric) > most]
        told.append(
            f"{metric_label(metric)} above every DMRec that the paper prints for this data ({most:.4f} at most), "
            f"without reading a text: {_list(above) or 'none'}."
        )
    names = {row["key"]: CARDS[row["model"]].name for row in numbers}
    for row in numbers:
        for other, compared in row["compared"].items():
            gain, p = compared["difference"]["mean"], compared["p_users"]
            p_users = "" if p is None else f" (p over users {p:.1g})"
            what = f"{gain:+.4f} {metric_label(HEADLINE)}{p_users}"
            added = row["model"] == other
            if added and "text_weight" not in row["settings"]:
                what = "validation chose weight 0, no text"
            pair = f"Text added to {names[other]}" if added else f"{names[row['key']]} minus {names[other]}"
            told.append(f"{pair}: {what}.")
    return told


def _cells(row: Mapping) -> list[str]:
    setting = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in row["settings"].items())
    seconds = f"{row['seconds']:.1f} ({_said(row['processor_seconds'], '.1f')})"
    return [CARDS[row["model"]].name, row["label"], *(f"{_value(row, metric):.4f}" for metric in METRICS),
            setting or "—", str(row["tried"]), seconds, _said(row["peak_mib"], ",.0f")]  # fmt: skip


def _said(value: float | None, how: str) -> str:
    return "—" if value is None else format(value, how)


def _value(row: Mapping, metric: str) -> float:
    return row["ours"][metric]["mean"]


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
