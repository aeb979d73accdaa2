"""Which runs there are on a data set, here and kept, setting by setting; how measurements are kept and taken."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from dmrec_core.analysis.statistics import exact, mean_interval
from dmrec_core.data.load import figures_folder
from dmrec_core.matching import STRATEGIES
from dmrec_core.records.checkout import in_checkout
from dmrec_core.records.markdown import markdown_table, plus_minus
from dmrec_core.records.markup import markdown_text
from dmrec_core.runs.inputs import load
from dmrec_core.runs.measurements import Measurements, measurements_in, save_measurements
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, finished, runs_folder

METRIC = "recall@20"
PLACES = "here", "taken", "kept"  # trained here; put back from measurements; kept only


def kept_measurements(dataset: str, figures: Path | None = None) -> Path:
    """Where a data set's measurements are kept: below `figures`, by default the checkout's."""
    return figures_folder(dataset, figures or in_checkout("figures")) / "runs"


def kept_runs(dataset: str, figures: Path | None = None) -> list[Measurements]:
    """The kept runs of a data set, solved or in the precision most were trained in: like is compared with like.

    Vectors embedded on another machine differ in their last bits, and so do the fingerprints of runs that read them.

    Args:
        dataset: its name.
        figures: the folder of kept figures; None is the checkout's.
    """
    runs = list(measurements_in(kept_measurements(dataset, figures)))
    precisions = Counter(run.spec.train.precision for run in runs if not run.spec.solved)
    usual = max(sorted(precisions, reverse=True), key=precisions.get, default="float32")  # of as many: float32
    return [run for run in runs if run.spec.solved or run.spec.train.precision == usual]


def along_lambda(dataset: str, figures: Path | None = None) -> list[Measurements]:
    """The kept runs that differ from their presets in lambda and seed alone: DMRec's on Mult-VAE, and the base's.

    A run without matching is the end of every strategy's line, and there once for each strategy that was run.

    Args:
        dataset: its name.
        figures: the folder of kept figures; None is the checkout's.
    """
    found = [run for run in kept_runs(dataset, figures) if as_preset(run.spec)]
    there = {run.spec for run in found}
    for strategy in sorted({spec.strategy for spec in there} & STRATEGIES.keys()):
        for run in found.copy():
            end = run.spec.with_(strategy=strategy, lam=STRATEGIES[strategy].lam_without_matching)
            if end.as_trained == run.spec and end not in there:
                found.append(run.read_as(end))
    return found


def as_preset(spec: RunSpec) -> bool:
    """Whether a run differs from DMRec's, or the base's, preset on Mult-VAE in lambda, seed and precision alone."""
    own = {"seed": spec.seed, "embedder": spec.embedder, "lam": spec.lam}
    return spec == paper_settings(spec.dataset, strategy=spec.strategy, **own).in_precision(spec.train.precision)


def keep(results: Iterable[RunResult], folder: Path) -> list[Path]:
    """Write the measurements of every run that is not in `folder` yet; the paths of the new ones."""
    return [
        save_measurements(result, load(result.spec.with_(embedder="none", vectors="real")), folder)
        for result in results
        if not (folder / f"{result.folder.name}.npz").exists()
    ]


def _listing(here: Iterable[RunResult], kept: Iterable[Measurements]) -> str:
    """A markdown table, a row a setting: its seeds, here and kept, and the test Recall@20 over all of them."""
    rows: dict[tuple, dict[int, tuple[str, float]]] = {}
    placed = [("kept", run) for run in kept] + [("here" if run.has_weights else "taken", run) for run in here]
    for place, run in placed:
        rows.setdefault(_setting(run.spec, run.record), {})[run.spec.seed] = place, run.metrics["test"][METRIC]
    lines = []
    for (solved, *setting), of_seed in sorted(rows.items()):
        values = [value for _, value in of_seed.values()]
        mean = exact(values[0]) if solved else mean_interval(values)
        places = {place: [seed for seed, (at, _) in sorted(of_seed.items()) if at == place] for place in PLACES}
        seeds = "; ".join(f"{place} {', '.join(map(str, there))}" for place, there in places.items() if there)
        lines.append([*map(markdown_text, setting), seeds, plus_minus(mean.mean, mean.low, mean.high)])
    return markdown_table(["setting", "unlike its preset", "vectors", "seeds", "test Recall@20"], lines)


def _setting(spec: RunSpec, record: dict) -> tuple[bool, str, str, str]:
    return spec.solved, spec.label.removesuffix(f" seed {spec.seed}"), _unlike_its_preset(spec), record["embedder"]


def _unlike_its_preset(spec: RunSpec) -> str:
    preset = paper_settings(spec.dataset, spec.model, strategy=spec.strategy, lam=spec.lam, options=spec.options)
    ours, theirs = ({**asdict(one), **asdict(one.train), **dict(one.settings)} for one in (spec, preset))
    said = {"train", "settings", "seed", "lam", "kl_weight", "variant", "profiles", "embedder", "vectors"}  # elsewhere
    changed = {name: value for name, value in ours.items() if name not in said and value != theirs.get(name)}
    return ", ".join(f"{name} {value}" for name, value in changed.items())


def list_runs(options: argparse.Namespace) -> int:
    """Keep or take what the options of the command `runs` ask for, and list what there is; its exit status."""
    runs, kept = options.runs or runs_folder(), options.kept or kept_measurements(options.dataset)
    if options.save:
        new = keep((run for run in finished(options.dataset, runs) if run.has_weights), kept)
        print(f"{len(new)} new in {kept}")
    if options.take:
        taken = [one for one in measurements_in(kept) if one.put_back(runs)]
        print(f"{len(taken)} taken into {runs}")
    here, there = finished(options.dataset, runs), list(measurements_in(kept))
    print(_listing(here, there) if here or there else f"no run on {options.dataset}, in {runs} or kept in {kept}")
    return 0
