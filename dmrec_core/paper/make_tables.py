"""Tables 2 and 3 made: which runs each row needs, run or read back, and the page they fill."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dmrec_core.data.load import figures_folder
from dmrec_core.paper import printed as paper
from dmrec_core.paper.linear import make_linear
from dmrec_core.paper.plan import (
    Plan,
    has_text,
    plan_table2,
    plan_table3,
    that_fit,
    trained_with,
    tuning_grid,
    without_vectors,
)
from dmrec_core.paper.rows import fill
from dmrec_core.paper.tables import write_table
from dmrec_core.records.files import check_writable
from dmrec_core.records.origin import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import BACKBONES, BASELINES, LINEAR
from dmrec_core.runs.progress import ctrl_c

TABLES = {
    "2": ("Table 2: base models with and without DMRec", plan_table2, paper.TABLE2_METRICS, (*BACKBONES, *LINEAR)),
    "3": ("Table 3: recommenders that use a language model", plan_table3, paper.TABLE3_METRICS, (*BASELINES, *LINEAR)),
}


def make_tables(options: argparse.Namespace) -> int:
    """Make the tables that the options of the command `tables` ask for; its exit status."""
    check_writable(figures_folder(options.dataset, options.out) / f"table{options.tables[0]}.json")
    with ctrl_c() as cancel:
        for name in options.tables:
            models = [model for model in (TABLES[name][-1] if name in TABLES else LINEAR) if model in options.models]
            if models:
                make = partial(_make, name) if name in TABLES else make_linear
                path = make(models, options, cancel)
                print(f"{path.read_text(encoding='utf-8')}\n{path}")
    return 0


def _make(number: str, models: Sequence[str], options: argparse.Namespace, cancel: Callable[[], bool]) -> Path:
    """One table with the rows of these models, written into the folder of the figures; the path of its page."""
    title, plan, metrics, _ = TABLES[number]
    folder = figures_folder(options.dataset, options.out)
    tune = options.tune if options.tune else options.tune is not None  # --tune alone is the whole grid
    plans = plan(options.dataset, models, tune, embedder=options.embedder)
    textless = _textless(plans, options)
    wanted = without_vectors(plans) if textless else plans
    plans = that_fit(wanted, load(wanted[0].options[0]))
    large = [plan.name for plan in wanted if plan.key not in {kept.key for kept in plans}]
    too_large = f"{', '.join(large)}, whose item-item matrices do not fit into memory" if large else ""
    left_out = "; ".join(filter(None, [textless, too_large]))
    plans = trained_with(plans, options.precision, options.epochs, options.patience)
    rows = fill(
        plans, options.seeds, metrics, runs=options.runs, device=options.device, workers=options.workers,
        cancel=cancel,
    )  # fmt: skip
    results = [run for row in rows for run in row.runs]
    reading = next((row.spec for row in rows if row.spec.uses_language), rows[0].spec)
    extra = {"rehearsal": f"at most {options.epochs} epochs"} if options.epochs else {}
    extra |= {"left_out": left_out} if left_out else {}
    extra |= {"patience": options.patience} if options.patience else {}
    facts = provenance(load(reading), results, tuned=list(tuning_grid(tune)), precision=options.precision, **extra)
    return write_table(f"table{number}", f"{title}, on {facts['dataset']}", rows, facts, folder)


def _textless(plans: list[Plan], options: argparse.Namespace) -> str:
    """Why rows that read vectors are left out; "" where they stay."""
    data = load(plans[0].options[0])
    if options.without_language:
        return "rows that read vectors, as asked"
    return "" if has_text(data) else "rows that read vectors: this data has no texts"
