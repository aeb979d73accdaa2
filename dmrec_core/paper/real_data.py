"""Does it help on real data? DMRec-M, its base and the best linear model, from the runs whose measurements are kept."""

from __future__ import annotations

from pathlib import Path

from dmrec_core.analysis.comparisons import Comparison, compare
from dmrec_core.data.load import DATASETS, figures_folder
from dmrec_core.paper import interventions
from dmrec_core.paper.claims import made_with
from dmrec_core.paper.interventions import AS_PUBLISHED, METRIC, Row
from dmrec_core.paper.ledger import kept_runs
from dmrec_core.records.checkout import in_checkout
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.writer import kept_document
from dmrec_core.runs.models import CARDS

REAL = tuple(name for name in DATASETS if name != "toy")
COLUMNS = (
    "data", "seeds", "the base", "DMRec-M minus the base", "if validation chooses λ", "a linear model",
    "DMRec-M minus that",
)  # fmt: skip


def does_it_help(figures: Path | None = None) -> str:
    """A markdown table, a row a real data set with kept runs of DMRec-M and its base, and what it says in a sentence.

    Args:
        figures: the folder of kept figures; None is the checkout's.
    """
    lines, than_base, than_linear = [], [], []
    for dataset in REAL:
        rows = interventions.measured(dataset, figures)
        published = next((row for row in rows if row.change == AS_PUBLISHED), None)
        if published is None:
            continue
        linear, over_linear = _beside_linear(published, figures)
        said = "-" if over_linear is None else _said(over_linear)
        lines.append([interventions.made_on(rows), *_of_it(published), _chosen(rows), linear, said])
        than_base.append(_verdict(published.over_base))
        than_linear += [_verdict(over_linear)] if over_linear else []
    if not lines:
        return "No run on real data is kept here."
    told = f"On real data, each at the λ of the fourth column, DMRec-M ranks beside its base {_counted(than_base)}"
    told += f"; beside the linear model {_counted(than_linear)}" if than_linear else ""
    return f"{markdown_table(COLUMNS, lines)}\n\n{told}."


def _counted(said: list[str]) -> str:
    """`better on 0, worse on 1, not decided on 1`."""
    return ", ".join(f"{word} on {said.count(word)}" for word in interventions.RANKS.values())


def _of_it(row: Row) -> tuple[str, ...]:
    base = [run.metrics["test"][METRIC] for run in row.base]
    said = f"λ = {row.runs[0].spec.lam:g}: {_said(row.over_base)}"
    return str(row.over_base.seeds), f"{sum(base) / len(base):.4f}", said


def _chosen(rows: list[Row]) -> str:
    found = interventions.chosen_on_validation(rows)
    if found is None:
        return "-"
    _, lam, seeds, over = found
    return f"λ = {interventions.in_words(lam)}, {len(seeds)} seeds: {_said(over)}"


def _beside_linear(row: Row, figures: Path | None) -> tuple[str, Comparison | None]:
    solved = [run for run in kept_runs(row.runs[0].spec.dataset, figures) if run.spec.solved]
    clicks_only = [run for run in solved if not run.spec.uses_language]
    if not clicks_only:
        return "-", None
    best = max(clicks_only, key=lambda run: run.metrics["valid"][METRIC])  # on validation, as all else is chosen
    return f"{CARDS[str(best.spec.model)].name}: {best.metrics['test'][METRIC]:.4f}", compare(row.runs, [best], METRIC)


def _said(over: Comparison) -> str:
    return f"{over.difference:+}, **{_verdict(over)}**"


def _verdict(over: Comparison) -> str:
    return interventions.RANKS[over.judged.verdict]


def kept_of(name: str, dataset: str, figures: Path | None = None) -> tuple[str, dict | list, dict] | None:
    """What a notebook or a table's writer kept of a data set.

    Args:
        name: of the file, e.g. `06_sparsity_groups`.
        dataset: its name, or the folder of one's own.
        figures: the folder of kept figures; None is the checkout's.

    Returns:
        What it came from, in words; its numbers; its provenance. None where nothing is kept.

    Raises:
        Damaged: the file cannot be used.
    """
    path = figures_folder(dataset, figures or in_checkout("figures")) / f"{name}.json"
    if not path.is_file():
        return None
    document = kept_document(path)
    facts = document["provenance"]
    made = made_with(facts["embedder"] or "no vectors", facts.get("precision", "float32"), facts["seeds"])
    return f"{dataset}, {made}", document["numbers"], facts


def kept_on(name: str, figures: Path | None = None) -> list[tuple[str, dict | list, dict]]:
    """`kept_of` each real data set."""
    return [found for dataset in REAL if (found := kept_of(name, dataset, figures))]
