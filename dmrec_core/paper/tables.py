"""A table as markdown for people and as JSON for programs, with where its numbers came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dmrec_core.analysis.comparisons import Comparison
from dmrec_core.analysis.statistics import Interval
from dmrec_core.paper.rows import HEADLINE, Row
from dmrec_core.records.files import write_whole
from dmrec_core.records.markdown import markdown_table, plus_minus
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.writer import kept_name, to_json
from dmrec_core.runs.models import CARDS
from dmrec_core.training.evaluate import metric_label

LEGEND = "Mean over seeds ± half of its 95 % interval (Student's t); full ranking of all items, training items masked."
LEGEND_SOLVED = " A row without ± is solved, not trained: one number, the same for every seed."
LEGEND_PAPER = (
    " Behind it, the paper's number, and in brackets ours minus the paper's, also in standard errors of our mean (SE; "
    "the paper prints no spread)."
)
COMPARED = (
    "Comparisons are of {metric}: difference ± half of its 95 % interval over seeds, in per cent of the other row, and "
    "p of a two-sided paired t-test over seeds (each seed's means) and over users (each user's mean over seeds)."
)
UNTUNED = (
    "- λ is the published one of Mult-VAE on amazon, yelp and steam, for every base model; on other data, where none "
    "is published, the middle of the grid. It was not tuned, and neither was any base."
)
TUNING = (
    "\nWhat was chosen was chosen by the first seed's validation split alone, among as many values for every model "
    "alike (CVGA's base: as many with each of its two divisors), and then run with all seeds."
)
FOREIGN = "The vectors are not the paper's (ada-002): numbers of rows that read text are not comparable with its own."


def write_table(name: str, title: str, rows: Sequence[Row], provenance: Mapping, folder: Path) -> Path:
    """Write `name.md` and `name.json` into `folder`, each whole or not at all; returns the first.

    A table of tuned rows is called `name_tuned`, as figures are: see `kept_name`.
    """
    name = kept_name(name, provenance)
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": name, "numbers": [as_numbers(row) for row in rows], "provenance": provenance}
    write_whole(folder / f"{name}.json", to_json(document).encode())
    write_whole(folder / f"{name}.md", as_markdown(title, rows, provenance).encode())
    return folder / f"{name}.md"


def as_markdown(title: str, rows: Sequence[Row], provenance: Mapping) -> str:
    """The whole page: what it is computed on, the numbers, the comparisons, the notes."""
    facts = {
        "data": provenance["dataset"],
        "vectors": provenance["embedder"] or "none",
        "seeds": ", ".join(map(str, provenance["seeds"])) or "none",
        "device": provenance["device"],
        "commit": provenance["commit"],
    }
    if provenance.get("precision", "float32") != "float32":
        facts["matrix products in"] = provenance["precision"]
    if provenance.get("patience"):
        facts["every model stops after"] = f"{provenance['patience']} evaluations without a gain"
    parts = [
        f"# {markdown_text(title)}",
        "; ".join(f"{name}: {markdown_text(value)}" for name, value in facts.items()) + ".",
    ]
    if provenance.get("rehearsal"):
        parts.append(f"**A rehearsal: {provenance['rehearsal']}. Not results.**")
    reads_text = any(row.spec.uses_language for row in rows)
    if reads_text and any(row.plan.paper for row in rows) and "ada-002" not in str(provenance["embedder"]):
        parts.append(FOREIGN)
    if provenance.get("left_out"):
        parts.append(f"Left out: {provenance['left_out']}.")
    parts += [means(rows), comparisons(rows), notes(rows)]
    return "\n\n".join(filter(None, parts)) + "\n"


def means(rows: Sequence[Row]) -> str:
    """The numbers, with the paper's beside ours where it has any, and below them what they are."""
    metrics = list(rows[0].ours)
    table = markdown_table(["model", "", *map(metric_label, metrics)], [_cells(row, metrics) for row in rows])
    legend = LEGEND + LEGEND_SOLVED * any(row.spec.solved for row in rows)
    return f"{table}\n\n{legend + LEGEND_PAPER * any(row.plan.paper is not None for row in rows)}"


def comparisons(rows: Sequence[Row]) -> str:
    """Each row against those it is compared with, and below them how; "" where there are none."""
    compared = [_compared(row, rows, other) for row in rows for other in row.beyond]
    if not compared:
        return ""
    printed = any(row.plan.paper is not None for row in rows)
    header = ["model", "", "compared with", "difference", *["in the paper"] * printed, "p (seeds)", "p (users)"]
    lines = [line if printed else [*line[:4], *line[5:]] for line in compared]
    return f"{markdown_table(header, lines)}\n\n{COMPARED.format(metric=metric_label(HEADLINE))}"


def notes(rows: Sequence[Row]) -> str:
    """What a reader must know of single rows, as a list; "" where there is nothing."""
    said = [f"- {row.plan.name}: {note}." for row in rows for note in (*row.plan.notes, row.chosen) if note]
    said += [UNTUNED] * any(row.spec.lam is not None and not row.chosen for row in rows)
    return "\n".join(said + [TUNING] * any(row.chosen for row in rows))


def as_numbers(row: Row) -> dict:
    """The row in plain values; None where there is no number."""
    return {
        "key": row.plan.key,
        "model": row.plan.model,
        "label": row.plan.label,
        "strategy": row.spec.strategy,
        "lam": row.spec.lam,
        "kl_weight": row.spec.kl_weight,
        "settings": dict(row.spec.settings),
        "seeds": [run.spec.seed for run in row.runs if not run.spec.solved],
        "ours": {
            metric: _interval(found) | {"values": [run.metrics["test"][metric] for run in row.runs]}
            for metric, found in row.ours.items()
        },
        "paper": row.plan.paper,
        "off": {metric: row.off(metric) for metric in row.ours},
        "off_in_standard_errors": {metric: row.off_in_standard_errors(metric) for metric in row.ours},
        "compared": {other: _comparison(found) for other, found in row.beyond.items()},
        "notes": [*row.plan.notes, *([row.chosen] if row.chosen else [])],
        "best_epochs": [run.record["best_epoch"] for run in row.runs if not run.spec.solved],
    }


def _interval(found: Interval) -> dict:
    known = found.n != 1  # one seed gives no interval; what is solved has no seed, and an interval of no width
    return {"mean": found.mean, "low": found.low if known else None, "high": found.high if known else None}


def _comparison(found: Comparison) -> dict:
    return {
        "metric": HEADLINE,
        "difference": _interval(found.difference),
        "relative": found.relative,
        "test": "paired t",
        "p_seeds": found.p_seeds,
        "p_users": found.p_users,
    }


def _cells(row: Row, metrics: Sequence[str]) -> list[str]:
    lam = "" if row.spec.lam is None else f", λ = {row.spec.lam:g}"
    return [CARDS[row.plan.model].name, row.plan.label + lam, *(_cell(row, metric) for metric in metrics)]


def _cell(row: Row, metric: str) -> str:
    found = row.ours[metric]
    text = plus_minus(found.mean, found.low, found.high)
    if not row.plan.paper:
        return text
    errors = row.off_in_standard_errors(metric)
    off = f"{row.off(metric):+.4f}" + ("" if errors is None else f", {errors:+.1f} SE")
    return f"{text} / {row.plan.paper[metric]:.4f} ({off})"


def _compared(row: Row, rows: Sequence[Row], other: str) -> list[str]:
    found = row.beyond[other]
    plan = next(each.plan for each in rows if each.plan.key == other)
    name = plan.label if plan.model == row.plan.model else plan.name
    printed = "—"
    if row.plan.paper and plan.paper and row.plan.paper != plan.paper:  # CVGA's two bases share a printed one
        gain = row.plan.paper[HEADLINE] - plan.paper[HEADLINE]
        printed = f"{gain:+.4f} ({100 * gain / plan.paper[HEADLINE]:+.1f} %)"
    ps = ["—" if p is None else f"{p:.2g}" for p in (found.p_seeds, found.p_users)]
    return [CARDS[row.plan.model].name, row.plan.label, name, str(found), printed, *ps]
