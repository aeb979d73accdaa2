"""How far the approximations lie from runs at each lambda: measured on the same data and seeds, and kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dmrec_core.analysis.statistics import mean_interval
from dmrec_core.data import RecDataset
from dmrec_core.data.load import figures_folder
from dmrec_core.every_lambda.between import at_knots
from dmrec_core.every_lambda.model import ConditionalDMRec
from dmrec_core.every_lambda.stops import EveryLambda, choose_stops, train_stops
from dmrec_core.matching import strategy_of
from dmrec_core.recommender import Recommender
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markdown import markdown_table, plus_minus
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import plain_numbers, to_json
from dmrec_core.runs.build import build_model
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ProgressLine, ctrl_c, describe
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, folder_of
from dmrec_core.runs.sweeps import grid, sweep
from dmrec_core.training.checkpoint import Checkpoint
from dmrec_core.training.evaluate import evaluate, metric_label

LAMS = (0.0, 0.25, 0.5, 0.75, 1.0)
TRAINED = {"separate": "the runs together", "conditional": "the conditional model, to the last of the weights kept"}
METRIC = "recall@20"
WATCHED = 0.5  # the lambda whose validation ends the conditional training
AIMS = ((0.5, 1.0, 0.003), (0.0, 0.0, 0.01))  # from a lambda to another: how far from runs, at most
SEEDS = 3  # that an aim is meant over, at least


def conditional_run(
    spec: RunSpec,
    dataset: RecDataset,
    lams: Sequence[float] = LAMS,
    *,
    runs: Path | None = None,
    device: str = "auto",
    progress: Callable[[str], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> EveryLambda:
    """A spec's `ConditionalDMRec`, trained from that run's seed and initial weights, with its stops chosen.

    What is trained lies in the runs' folder: cancelled, it goes on from there, and finished, it is read.

    Args:
        spec: a run of DMRec on Mult-VAE; `fit` watches its lambda.
        dataset: what `load(spec)` gives.
        lams: the grid that stops are chosen for.
        runs, device, cancel: as `run`.
        progress: told a line after every epoch.
    """
    model = ConditionalDMRec(build_model(spec, dataset), spec.seed)
    alone = folder_of(spec, dataset, runs)
    own = "" if spec.as_trained == spec else f"-{spec.strategy}-{spec.lam:g}"  # alone a shared run, and not so this one
    folder = alone.with_name(f"{alone.name}{own}-every-lambda")
    folder.mkdir(parents=True, exist_ok=True)
    stops = train_stops(
        model,
        dataset,
        spec.train,
        seed=spec.seed,
        device=device,
        checkpoint=Checkpoint(folder / "training.safetensors", run=folder.name),
        progress=None if progress is None else lambda now: progress(f"{spec.label}, every λ: {describe(now)}"),
        cancel=cancel,
    )
    return choose_stops(model, stops, dataset, lams, METRIC)


def distances(
    separate: Mapping[tuple[int, float], RunResult], every: Mapping[int, EveryLambda], data: RecDataset
) -> dict[str, list | dict]:
    """Recall@20 on test of runs and of what stands in for them, seed by seed.

    Args:
        separate: seed and lambda -> its run.
        every: seed -> its conditional model.
        data: theirs.

    Returns:
        `lams`: a row a lambda with the runs' metric, and the difference from it of the conditional model at its chosen
        stop and at the one stop all would share, over seeds; `knots`: a row a lambda of which the run was left out,
        every second one, with the difference of its neighbours' mixed scores, none where runs came without their
        weights; `epochs`: a seed, of all runs together
        and of the conditional model.
    """
    seeds, lams = sorted(every), sorted({lam for _, lam in separate})
    rows = []
    for lam in lams:
        runs = [separate[seed, lam] for seed in seeds]
        truth = [run.metrics["test"][METRIC] for run in runs]
        chosen = [_recall(every[seed].at(lam), data) for seed in seeds]
        common = [_recall(every[seed].stopped(every[seed].common).at(lam), data) for seed in seeds]
        rows.append(
            {
                "lam": lam,
                "separate": _interval(truth),
                "best_epochs": [run.record["best_epoch"] + 1 for run in runs],
                "chosen": _interval(_minus(chosen, truth)),
                "stops": [every[seed].chosen[lam] for seed in seeds],
                "common": _interval(_minus(common, truth)),
                "common_stops": [every[seed].common for seed in seeds],
            }
        )
    mixed, kept = [], _knots_of(lams)
    with_models = all(separate[seed, knot].has_weights for seed in seeds for knot in kept)
    for lam in (lam for lam in lams if lam not in kept and with_models):
        truth = [separate[seed, lam].metrics["test"][METRIC] for seed in seeds]
        knots = [{knot: separate[seed, knot].model(data) for knot in kept} for seed in seeds]
        found = [_recall(at_knots(models, lam), data) for models in knots]
        mixed.append({"lam": lam, "separate": _interval(truth), "between": _interval(_minus(found, truth))})
    epochs = {
        "separate": [sum(separate[seed, lam].record["epochs"] for lam in lams) for seed in seeds],
        "conditional": [max(every[seed].stops) for seed in seeds],
    }
    return {"lams": rows, "knots": mixed, "epochs": epochs}


def _knots_of(lams: Sequence[float]) -> list[float]:
    """The lambdas whose runs are mixed to tell the others': every second one, and the last.

    Example:
        >>> _knots_of([0.0, 0.25, 0.5, 1.0])
        [0.0, 0.5, 1.0]
    """
    return sorted({*lams[::2], lams[-1]})


def _recall(model: Recommender, data: RecDataset) -> float:
    return evaluate(model, data, "test").means()[METRIC]


def _minus(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _interval(values: Sequence[float]) -> dict:
    found = mean_interval(values)
    low, high = (None, None) if found.n == 1 else (found.low, found.high)
    return {"mean": found.mean, "low": low, "high": high, "values": list(values)}


LEGEND = (
    "{metric} on test. Conditional is an **approximation**: one model, trained at a λ drawn anew for every batch, less "
    "the run trained at that λ alone from the same seed and initial weights. A stop a λ: of the weights kept along its "
    "training, which ends when λ = {watched:g} no longer improves, validation chooses some for each λ. One stop: the "
    "same for every λ, where the worst-off λ loses least. ± is half of a 95 % interval over seeds (Student's t)."
)
MIXED = (
    "The run at this λ left out: of its two neighbours among {knots}, items' log-probabilities mixed linearly, an "
    "**approximation** too; less the run at λ."
)


def page(numbers: Mapping, facts: Mapping, label: str) -> str:
    """The record as people read it; every number, and every word on whether an aim is met, comes from `numbers`."""
    metric = metric_label(METRIC)
    lams = [
        [
            f"{row['lam']:g}",
            _told(row["separate"]),
            _listed(row["best_epochs"]),
            _told(row["chosen"], "+"),
            _listed(row["stops"]),
            _told(row["common"], "+"),
            _listed(row["common_stops"]),
        ]
        for row in numbers["lams"]
    ]
    header = [
        "λ",
        "runs",
        "best after",
        "conditional, a stop a λ",
        "stops after",
        "conditional, one stop",
        "stop after",
    ]
    knots = [[f"{row['lam']:g}", _told(row["separate"]), _told(row["between"], "+")] for row in numbers["knots"]]
    of, seeds = markdown_text(facts["dataset"]), facts["seeds"]
    products = f"matrix products in {facts['precision']}; " if "precision" in facts else ""
    cost = [f"{_listed(numbers['epochs'][kind])} for {who}" for kind, who in TRAINED.items()]
    parts = [
        f"# One model for every λ: {markdown_text(label)} on {of}",
        f"data: {of}; vectors: {markdown_text(facts['embedder'])}; {products}"
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}: {_listed(seeds)}; "
        f"device: {markdown_text(facts['device'])}; commit: {facts['commit']}.",
        LEGEND.format(metric=metric, watched=WATCHED),
        markdown_table(header, lams),
        _judged(numbers),
        f"Stops are epochs. Epochs trained, a seed: {'; '.join(cost)}.",
    ]
    if knots:
        between = _listed([f"{knot:g}" for knot in _knots_of([row["lam"] for row in numbers["lams"]])])
        table = markdown_table(["λ", "runs", "mixed scores"], knots)
        parts += ["## Between kept runs", MIXED.format(knots=between), table]
    return "\n\n".join(parts) + "\n"


def _told(interval: Mapping, sign: str = "") -> str:
    return plus_minus(interval["mean"], interval["low"], interval["high"], sign)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _judged(numbers: Mapping) -> str:
    """Whether the conditional model may stand in for runs: by the size of its mean difference, whatever its sign."""
    said = []
    for low, high, aim in AIMS:
        off = {row["lam"]: abs(row["chosen"]["mean"]) for row in numbers["lams"] if low <= row["lam"] <= high}
        if off:
            found, seeds = sum(off.values()) / len(off), len(numbers["lams"][0]["chosen"]["values"])
            said.append(
                f"Mean distance at λ = {_listed([f'{lam:g}' for lam in off])}: {found:.4f}. The aim is at most {aim:g} "
                f"over {SEEDS} seeds; with {seeds} it is {'reached' if found <= aim else 'missed'}"
                f"{', too few to say' if seeds < SEEDS else ''}."
            )
    return " ".join(said)


def make_record(options: argparse.Namespace) -> int:
    """Measure what the options of the command `conditional` ask for; its exit status."""
    folder = figures_folder(options.dataset, options.out)
    check_writable(folder / "conditional.json")
    start = paper_settings(options.dataset, strategy=options.strategy, embedder=options.embedder, lam=WATCHED)
    start = start.in_precision(options.precision)
    data = load(start)
    specs = grid(start, seed=options.seeds, lam=sorted({*options.lambdas}))
    with ctrl_c() as cancel:
        results = sweep(specs, cancel=cancel, device=options.device, workers=options.workers, runs=options.runs)
        every, show = {}, ProgressLine()
        for seed in options.seeds:
            every[seed] = conditional_run(
                start.with_(seed=seed),
                data,
                sorted({*options.lambdas}),
                runs=options.runs,
                device=options.device,
                progress=show,
                cancel=cancel,
            )
    separate = {(result.spec.seed, result.spec.lam): result for result in results}
    numbers = distances(separate, every, data)
    said = {} if options.precision == "float32" else {"precision": options.precision}
    facts = provenance(data, results, variant=start.variant, **said)
    text = page(plain_numbers(numbers), facts, f"{strategy_of(start.strategy).label} on {start.card.name}")
    folder.mkdir(parents=True, exist_ok=True)
    document = {"name": "conditional", "numbers": numbers, "provenance": facts}
    write_whole(folder / "conditional.md", text.encode())
    write_whole(folder / "conditional.json", to_json(document).encode())
    print(f"{text}\n{folder / 'conditional.md'}")
    return 0
