"""Make Tables 2 and 3: `python -m dmrec_core.tables --dataset toy --seeds 2024 2025 2026`.

What has been run before is read from runs/; the rest is run now, several runs at once on a CPU. Ctrl-C loses at most
half a minute of each run: the same command takes up where it stopped. Tables go to figures/, those of any other data
set than toy to figures/<dataset>/.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from dmrec_core.data import DATASETS
from dmrec_core.experiments import load, runs_folder
from dmrec_core.figures.checkout import find_checkout
from dmrec_core.figures.provenance import provenance
from dmrec_core.spec import BACKBONES, BASELINES, MODELS
from dmrec_core.tables import paper
from dmrec_core.tables.plan import Plan, plan_table2, plan_table3
from dmrec_core.tables.rows import fill
from dmrec_core.tables.write import write_table
from dmrec_core.train import TrainingCancelled

INTERRUPTED = 130
TABLES = {
    2: ("Table 2: base models with and without DMRec", plan_table2, paper.TABLE2_METRICS, BACKBONES),
    3: ("Table 3: recommenders that use a language model", plan_table3, paper.TABLE3_METRICS, BASELINES),
}


def main(arguments: list[str] | None = None) -> int:
    """Make the tables that `arguments` ask for; exit status 0, 2 for usage, 130 if interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        folder = _folder(options)
        for number in options.tables:
            title, plan, metrics, models = TABLES[number]
            chosen = [model for model in models if model in options.models]
            if not chosen:
                continue
            plans = plan(options.dataset, chosen, options.tune, embedder=options.embedder)
            plans = [_shortened(p, options.epochs) for p in plans if not (options.without_language and p.reads_text)]
            path = _make(number, title, plans, metrics, folder, options, stop)
            print(f"{path.read_text(encoding='utf-8')}\n{path}")
    except TrainingCancelled as error:
        print(f"\n{error}; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except ValueError as error:
        parser.error(str(error))
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _make(number, title, plans: list[Plan], metrics, folder: Path, options, stop: threading.Event) -> Path:
    rows = fill(
        plans, options.seeds, metrics, runs=options.runs, device=options.device, workers=options.workers,
        cancel=stop.is_set,
    )  # fmt: skip
    results = [run for row in rows for run in row.runs]
    reading = next((row.spec for row in rows if row.spec.uses_language), rows[0].spec)
    extra = {"rehearsal": f"at most {options.epochs} epochs"} if options.epochs else {}
    facts = provenance(load(reading), results, tuned=options.tune, **extra)
    return write_table(f"table{number}", f"{title}, on {facts['dataset']}", rows, facts, folder)


def _shortened(plan: Plan, epochs: int | None) -> Plan:
    if epochs is None:
        return plan
    few = (spec.with_(train=replace(spec.train, epochs=min(epochs, spec.train.epochs))) for spec in plan.options)
    return replace(plan, options=tuple(few))


def _folder(options: argparse.Namespace) -> Path:
    if options.dataset not in DATASETS and not Path(options.dataset).is_dir():
        raise ValueError(f"no data set and no folder is called {options.dataset!r}; there is {', '.join(DATASETS)}")
    root = options.out or (find_checkout() or Path.cwd()) / "figures"
    return root if options.dataset == "toy" else root / Path(options.dataset).name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmrec_core.tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", default="toy", help="a data set's name, or a folder with your own (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[2024], help="an interval needs two, a word about luck more")
    add("--tables", type=int, nargs="+", choices=TABLES, default=list(TABLES), help="which (default: both)")
    add("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL", help=f"of {', '.join(MODELS)}")
    add("--tune", action="store_true", help="choose lambda, and the base's KL weight alike, on validation")
    add("--embedder", default="auto", help="what turns texts into vectors (default: %(default)s)")
    add("--without-language", action="store_true", help="only rows that read no vectors, for data without texts")
    add("--epochs", type=int, help="at most so many: a rehearsal of the command, not a result")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--workers", type=int, help="runs at once (default: one a core on a CPU, one on a GPU)")
    add("--runs", type=Path, help=f"where runs are kept (default: {runs_folder()})")
    add("--out", type=Path, help="where tables go (default: figures/ of the checkout)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
