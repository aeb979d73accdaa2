"""What many runs take, from what one was measured to take: the costs and the best epochs that figures/ keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dmrec_core.matching import strategy_of
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings

RUNS, WORKERS = 1000, 100
BYTES = 4  # of a weight
COPIES = 4  # of all weights in a checkpoint: now, at their best, and Adam's two moments
FORMULA = (
    "The processor time of a run is *epochs* × *time of an epoch* + *evaluations* × *time of an evaluation*. Early "
    "stopping ends a run *patience* evaluations after its best epoch; every evaluation but the last two, of the "
    "finished model, comes after every third epoch or whatever `evaluate_every` says. So:"
)


class Budget(NamedTuple):
    """What one run takes."""

    model: str
    strategy: str
    epochs: int
    own_epochs: bool  # or those of its base, where none of its own are kept
    epoch_seconds: float  # of the processor, as all that follows
    evaluation_seconds: float
    seconds: float
    parameters: int


def budgets(cost: Mapping, tables: Sequence[Mapping]) -> Iterator[Budget]:
    """One a model whose cost on a CPU and whose best epoch are both kept; DMRec's may be its base's.

    Args:
        cost: the document `cost.json`.
        tables: documents `table2.json`, `table3.json` of the same data.
    """
    best: dict[tuple[str, str], list[int]] = {}
    for row in [row for table in tables for row in table["numbers"]]:
        if row["best_epochs"]:
            best.setdefault((row["model"], row["strategy"]), row["best_epochs"])
    for row in cost["numbers"]:
        key = row["model"], row["strategy"]
        found = best.get(key) or best.get((row["model"], "base"))
        if row["device"] != "cpu" or not found:
            continue
        train = paper_settings(cost["provenance"]["dataset"], *key).train
        last = round(sum(found) / len(found)) + train.patience * train.evaluate_every
        epochs = min(train.epochs, last + 1)
        evaluations = math.ceil(epochs / train.evaluate_every) + 2
        epoch, evaluation = row["processor_seconds_an_epoch"], row["processor_seconds_an_evaluation"]
        seconds = epochs * epoch + evaluations * evaluation
        yield Budget(*key, epochs, key in best, epoch, evaluation, seconds, row["parameters"])


def thousand_runs(cost: Mapping, tables: Sequence[Mapping]) -> str:
    """The formula, and a row a model: one run, a thousand, and what of it lies on disks and crosses the network."""
    found = list(budgets(cost, tables))
    facts, ran = cost["provenance"], sorted({str(table["provenance"].get("precision", "float32")) for table in tables})
    rows = [
        (
            CARDS[each.model].name,
            "base" * CARDS[each.model].is_backbone if each.strategy == "base" else strategy_of(each.strategy).label,
            f"{each.epochs}{'' if each.own_epochs else ' (its base)'}",
            f"{each.epoch_seconds:.2f}",
            f"{each.evaluation_seconds:.2f}",
            f"{each.seconds / 3600:.2f} h",
            f"{RUNS * each.seconds / 86400:.1f} days",
            f"{math.ceil(RUNS / WORKERS) * each.seconds / 3600:.1f} h",
            f"{COPIES * BYTES * each.parameters / 1e6:.0f} MB",
            f"{RUNS * BYTES * each.parameters / 1e9:.1f} GB",
        )
        for each in found
    ]
    columns = (
        "model", "", "epochs", "s an epoch", "s an evaluation", "one run", f"{RUNS:,} runs, one processor",
        f"on {WORKERS} workers of one thread", "a checkpoint", f"{RUNS:,} results",
    )  # fmt: skip
    silent = sorted({CARDS[row["model"]].name for row in cost["numbers"]} - {CARDS[each.model].name for each in found})
    said = (
        f"Times are processor seconds on {markdown_text(str(facts['processor']))}, {facts['precision']}, one thread; "
        f"best epochs are those of the kept tables ({', '.join(ran)}). Transfers and the start of workers are not in "
        "it; nor is, for L-DiffRec, its LightGCN, one a seed. A DMRec whose own runs are not kept is counted with the "
        "epochs of its base."
    )
    rest = f" No best epoch is kept for {', '.join(silent)}: put yours into the formula." if silent else ""
    return f"{FORMULA}\n\n{markdown_table(columns, rows)}\n\n{said}{rest}"
