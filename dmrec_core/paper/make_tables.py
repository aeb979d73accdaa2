"""Make Tables 2 and 3: `python -m dmrec_core.paper --dataset toy --seeds 2024 2025 2026`.

What has been run before is read from runs/; the rest is run now, several runs at once on a CPU. Ctrl-C loses at most
half a minute of each run: the same command takes up where it stopped. Tables go to build/figures/, those of any other
data set than toy to build/figures/<dataset>/; with `--out figures` they are kept.

With --tune the first seed chooses: DMRec's lambda, the base's KL weight and one setting of each other model are tried
at five values each, or at as many as are given, with that seed alone, the best on its validation split is kept, and
only that is run with the other seeds. So a tuned row of three seeds costs seven runs, not fifteen. Tuned tables stand
beside the others, as table2_tuned and table3_tuned.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dmrec_core.data.load import figures_folder
from dmrec_core.paper import printed as paper
from dmrec_core.paper.plan import (
    GRID,
    Plan,
    has_text,
    plan_table2,
    plan_table3,
    trained_with,
    tuning_grid,
    without_vectors,
)
from dmrec_core.paper.rows import fill
from dmrec_core.paper.tables import write_table
from dmrec_core.records.origin import provenance
from dmrec_core.runs.models import BACKBONES, BASELINES, CARDS
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.store import load, runs_folder
from dmrec_core.runs.sweeps import RunFailed
from dmrec_core.training.fit import TrainingCancelled

INTERRUPTED = 130
TABLES = {
    2: ("Table 2: base models with and without DMRec", plan_table2, paper.TABLE2_METRICS, BACKBONES),
    3: ("Table 3: recommenders that use a language model", plan_table3, paper.TABLE3_METRICS, BASELINES),
}


def main(arguments: list[str] | None = None) -> int:
    """Make the tables that `arguments` ask for; exit status 0, 1 if a run failed, 2 for usage, 130 if interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        folder = figures_folder(options.dataset, options.out)
        tune = options.tune if options.tune else options.tune is not None  # --tune alone is the whole grid
        with ctrl_c() as cancel:
            for number in options.tables:
                title, plan, metrics, models = TABLES[number]
                chosen = [model for model in models if model in options.models]
                if not chosen:
                    continue
                plans = plan(options.dataset, chosen, tune, embedder=options.embedder)
                left_out = _left_out(plans, options)
                plans = without_vectors(plans) if left_out else plans
                plans = trained_with(plans, options.precision, options.epochs, options.patience)
                path = _make(number, title, plans, metrics, folder, options, cancel, left_out, tune)
                print(f"{path.read_text(encoding='utf-8')}\n{path}")
    except TrainingCancelled as error:
        print(f"\n{error}; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except ValueError as error:
        parser.error(str(error))
    except RunFailed as error:  # runs that were finished are kept
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _make(number, title, plans: list[Plan], metrics, folder: Path, options, cancel, left_out: str, tune) -> Path:
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


def _left_out(plans: list[Plan], options: argparse.Namespace) -> str:
    """Why rows that read vectors are left out; "" where they stay."""
    data = load(plans[0].options[0])
    if options.without_language:
        return "rows that read vectors, as asked"
    return "" if has_text(data) else "rows that read vectors: this data has no texts"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmrec_core.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", default="toy", help="a data set's name, or a folder with your own (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[2024], help="an interval needs two, a word about luck more")
    add("--tables", type=int, nargs="+", choices=TABLES, default=list(TABLES), help="which (default: both)")
    add("--models", nargs="+", choices=list(CARDS), default=list(CARDS), metavar="MODEL", help=f"of {', '.join(CARDS)}")
    add(
        "--tune",
        type=float,
        nargs="*",
        metavar="VALUE",
        help="let the first seed's validation choose lambda, and the base's KL weight alike, "
        f"among these values (default: {' '.join(map(str, GRID))})",
    )
    add("--embedder", default="auto", help="what turns texts into vectors (default: %(default)s)")
    add("--without-language", action="store_true", help="only rows that read no vectors, for data without texts")
    add("--epochs", type=int, help="at most so many: a rehearsal of the command, not a result")
    add("--patience", type=int, help="evaluations without a gain before a run stops (default: each model's own)")
    add("--precision", default="float32", choices=["float32", "bf16"], help="of matrix products (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--workers", type=int, help="runs at once (default: one a core on a CPU, one on a GPU)")
    add("--runs", type=Path, help=f"where runs are kept (default: {runs_folder()})")
    add("--out", type=Path, help="where tables go (default: build/figures/ of the checkout; figures keeps them)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
