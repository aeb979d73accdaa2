"""Why does matching help or hurt on a data set? DMRec-M with one thing changed at a time, beside its base.

Runs are compared by what they measured: those whose measurements alone are kept tell as much, and need no data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path

import pandas as pd

from dmrec_core.analysis.comparisons import Comparison, best_on_validation, compare
from dmrec_core.analysis.statistics import Interval
from dmrec_core.analysis.verdicts import FAILS, HOLDS, UNDECIDED
from dmrec_core.matching import DEFAULT_STRATEGY, STRATEGIES
from dmrec_core.paper.ledger import kept_runs
from dmrec_core.records.markdown import markdown_table
from dmrec_core.runs.measurements import Measurements
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult
from dmrec_core.runs.sweeps import grid, sweep

METRIC = "recall@20"
VALID = f"valid_{METRIC}"
PATIENT = 60  # evaluations without a better one; the published patience is 20
Run = RunResult | Measurements
AS_PUBLISHED = "as published"
WEAKER_PRIOR = "the base, its prior weighted by λ"


def _more_patient(spec: RunSpec) -> RunSpec:
    return spec.with_(train=replace(spec.train, patience=PATIENT))


# what is changed -> what that asks, and the change, of DMRec-M at some λ
CHANGES: Mapping[str, tuple[str, Callable[[RunSpec], RunSpec]]] = {
    AS_PUBLISHED: ("does DMRec-M beat its base?", lambda spec: spec),
    "no matching, whole prior (λ = 1)": ("is it the matching, or the second branch?", lambda spec: spec.with_(lam=1.0)),
    "λ = 0.75": ("does it grow with the matching?", lambda spec: spec.with_(lam=0.75)),
    "λ = 0.25": ("does it grow with the matching?", lambda spec: spec.with_(lam=0.25)),
    "no prior (λ = 0)": ("does it grow with the matching?", lambda spec: spec.with_(lam=0.0)),
    **{
        f"the whole prior: {strategy.label}": ("is it the weaker prior?", partial(RunSpec.with_, strategy=name))
        for name, strategy in STRATEGIES.items()
        if not strategy.is_share
    },
    "the paper's equations": ("is it the published code's terms?", lambda spec: spec.with_(variant="paper")),
    "vectors of other owners": ("is it what the texts say?", lambda spec: spec.with_(vectors="shuffled")),
    "vectors of the clicks": ("is it that they are texts?", lambda spec: spec.with_(vectors="clicks")),
    "without the items' vectors": ("is it the sum over a user's items?", lambda spec: spec.with_(aggregate=False)),
    f"patience of {PATIENT} evaluations": ("did it stop too soon?", _more_patient),
}
# the same of the base, which has no λ of its own
OF_THE_BASE: Mapping[str, tuple[str, Callable[[RunSpec, float], RunSpec]]] = {
    WEAKER_PRIOR: ("is it the weaker prior?", lambda base, lam: base.with_(kl_weight=lam)),
    f"the base, patience of {PATIENT} evaluations": ("did it stop too soon?", lambda base, _: _more_patient(base)),
}


@dataclass(frozen=True)
class Row:
    """A change, and what kept runs say of it, on the seeds that it and the base were both run with.

    Args:
        change: what is changed.
        asks: the question behind it.
        runs: with the change.
        base: the base's, with the same seeds.
        over_base: less the base.
        over_published: less DMRec-M as published; None for that row itself, or where no seed is shared.
    """

    change: str
    asks: str
    runs: Sequence[Run]
    base: Sequence[Run]
    over_base: Comparison
    over_published: Comparison | None


def changed(dataset: str, lam: float | None = None, **fields: object) -> dict[str, RunSpec]:
    """What is changed -> its spec, of the first seed; the base first, as "the base". What changes nothing is left out.

    Args:
        dataset: its name.
        lam: of DMRec-M; None: the paper's, or 0.5 where it has none.
        fields: of `RunSpec`, for all: embedder, train, ...
    """
    base = paper_settings(dataset, **fields)
    given = {} if lam is None else {"lam": lam}
    share = next(name for name, strategy in STRATEGIES.items() if strategy.is_share)
    matched = paper_settings(dataset, strategy=share, **given, **fields)
    specs = {"the base": base} | {name: change(matched) for name, (_, change) in CHANGES.items()}
    specs |= {name: change(base, matched.lam) for name, (_, change) in OF_THE_BASE.items()}
    names: dict[RunSpec, str] = {}
    for name, spec in specs.items():
        names.setdefault(spec.as_trained, name)
    return {name: specs[name] for name in names.values()}


def interventions(runs: Iterable[Run], specs: Mapping[str, RunSpec]) -> list[Row]:
    """A row for every change that was run with a seed the base was run with, in the order of `specs`.

    Args:
        runs: of one data set, of whatever settings.
        specs: as `changed` gives them.
    """
    of_setting: dict[RunSpec, dict[int, Run]] = {}
    for run in runs:
        of_setting.setdefault(run.spec.with_(seed=0), {})[run.spec.seed] = run
    at_hand = {name: of_setting.get(spec.with_(seed=0), {}) for name, spec in specs.items()}
    base, published = at_hand.pop("the base"), at_hand[AS_PUBLISHED]
    rows = []
    for name, mine in at_hand.items():
        runs, beside = _paired(mine, base)
        if runs:
            again = _paired(mine, {} if name == AS_PUBLISHED else published)
            over_published = compare(*again, METRIC) if again[0] else None
            asks = {**CHANGES, **OF_THE_BASE}[name][0]
            rows.append(Row(name, asks, runs, beside, compare(runs, beside, METRIC), over_published))
    return rows


def _paired(ours: Mapping[int, Run], theirs: Mapping[int, Run]) -> tuple[list[Run], list[Run]]:
    seeds = sorted(ours.keys() & theirs.keys())
    return [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows for people: how far from the base and from DMRec-M as published, and when training was at its best."""
    columns = ("DMRec-M on Mult-VAE, changed", "asks", "seeds", "best epoch", "Recall@20", "the base, same seeds",
               "minus the base", "p over users", "than the base", "minus DMRec-M as published")  # fmt: skip
    lines = []
    for row in rows:
        values, base = ([run.metrics["test"][METRIC] for run in runs] for runs in (row.runs, row.base))
        seeds, epochs = ([str(of(run)) for run in row.runs] for of in (_seed, _best_epoch))
        over, p = row.over_base, row.over_base.p_users
        lines.append(
            (
                row.change,
                row.asks,
                ", ".join(seeds),
                ", ".join(epochs),
                *(f"{sum(each) / len(each):.4f}" for each in (values, base)),
                f"{over.difference:+}",
                "-" if p is None else f"{p:.2g}",
                RANKS[over.judged.verdict],
                "-" if row.over_published is None else f"{row.over_published.difference:+}",
            )
        )
    return markdown_table(columns, lines)


def _seed(run: Run) -> int:
    return run.spec.seed


def _best_epoch(run: Run) -> int:
    return run.record["best_epoch"] + 1


def measured(dataset: str, figures: Path | None = None) -> list[Row]:
    """`interventions` of the runs on a data set that `kept_runs` gives, with the vectors that most of them have.

    Args:
        dataset: its name.
        figures: the folder of kept figures; None is the checkout's.
    """
    runs = kept_runs(dataset, figures)
    vectors = [run.spec.embedder for run in runs if run.spec.uses_language]
    if not vectors:
        return []
    specs = changed(dataset, embedder=max(vectors, key=vectors.count))
    precision = next((run.spec.train.precision for run in runs if not run.spec.solved), "float32")
    return interventions(runs, {name: spec.in_precision(precision) for name, spec in specs.items()})


def made_on(rows: Sequence[Row]) -> str:
    """The data set, with the precision of the runs where it is not the usual: `yelp-xrec, bf16`."""
    spec = rows[0].base[0].spec
    return spec.dataset if spec.train.precision == "float32" else f"{spec.dataset}, {spec.train.precision}"


def findings(rows: Sequence[Row]) -> list[str]:
    """What the rows say, in sentences: whether DMRec-M beats its base, and which change makes a difference to that.

    A change makes one where the seeds and the users agree that it ranks better, or worse, than DMRec-M as published.
    """
    published = next((row.over_base for row in rows if row.change == AS_PUBLISHED), None)
    if published is None:
        return []
    lam = next(row.runs[0].spec.lam for row in rows if row.change == AS_PUBLISHED)
    verdict = published.judged.verdict
    said = [f"DMRec-M at λ = {lam:g} minus its base: {published}, {published.seeds} seeds; {RANKS[verdict]}."]
    weaker = next((row for row in rows if row.change == WEAKER_PRIOR and row.over_published is not None), None)
    if weaker is not None and weaker.over_published.seeds == weaker.over_base.seeds:
        alone = weaker.over_base.difference.mean
        whole = alone - weaker.over_published.difference.mean  # DMRec-M's, on the same seeds
        if alone < 0 and whole < 0:
            verdict, seeds = weaker.over_base.judged.verdict, weaker.over_base.seeds
            said.append(
                f"A base whose prior weighs λ reads no text, and alone loses {-alone:.4f}: {alone / whole:.0%} of the "
                f"{-whole:.4f} that DMRec-M loses with the same seeds ({seeds} seeds); than the base: {RANKS[verdict]}."
            )
    changes: dict[str, list[str]] = {words: [] for words in SAID.values()}
    for row in rows:
        if (over := row.over_published) is not None:
            words = SAID[ONE_SEED if over.seeds == 1 else over.judged.verdict]
            p = "" if over.p_users is None else f", p over users {over.p_users:.1g}"
            by = f"{over.difference:+}".removesuffix(" (one seed)")
            changes[words].append(f"{row.change} ({by}{p})")
    said += [f"{words}: {'; '.join(named)}." for words, named in changes.items() if named]
    said += _if_validation_chooses(rows)
    spec = rows[0].runs[0].spec
    asked = changed(spec.dataset, lam, embedder=spec.embedder)
    open_ = [name for name in asked if name not in {"the base", *(row.change for row in rows)}]
    return said + [f"Not among these runs: {'; '.join(open_)}."] * bool(open_)


def chosen_on_validation(rows: Sequence[Row]) -> tuple[list[float], float, list[int], Comparison] | None:
    """DMRec-M minus its base, if its lambda is the best on validation, no matching among the choices where it was run.

    Returns:
        The lambdas that share seeds, the best of them, the seeds, and the comparison; None where there is no choice.
    """
    published = next(row.runs[0].spec for row in rows if row.change == AS_PUBLISHED)
    along = [row for row in rows if row.runs[0].spec.with_(lam=published.lam, seed=published.seed) == published]
    seeds = set.intersection(*({run.spec.seed for run in row.runs} for row in along))
    if len(along) < 2 or not seeds:
        return None
    by_lam = {row.runs[0].spec.lam: row for row in along}
    best = best_on_validation([run for row in along for run in row.runs if run.spec.seed in seeds])[0].spec.lam
    row = by_lam[best]
    over = compare(*([run for run in each if run.spec.seed in seeds] for each in (row.runs, row.base)), METRIC)
    return sorted(by_lam), best, sorted(seeds), over


def in_words(lam: float) -> str:
    """`1, no matching`: a lambda of DMRec-M."""
    return f"{lam:g}" + ", no matching" * (lam == STRATEGIES[DEFAULT_STRATEGY].lam_without_matching)


def _if_validation_chooses(rows: Sequence[Row]) -> list[str]:
    """Where DMRec-M stands then, as a sentence."""
    found = chosen_on_validation(rows)
    if found is None:
        return []
    lams, best, seeds, over = found
    side = {HOLDS: "above it", FAILS: "below it"}.get(over.judged.verdict, "above or below is not decided")
    choices, ran = ", ".join(f"{lam:g}" for lam in lams), ", ".join(map(str, seeds))
    return [
        f"Let validation choose λ from {choices} (seeds {ran}): {in_words(best)}, {over.difference:+} from the base, "
        f"{side}."
    ]


RANKS = {HOLDS: "better", FAILS: "worse", UNDECIDED: "not decided"}  # what a verdict on "it is better" says
ONE_SEED = "one seed"
SAID = {
    HOLDS: "Changed so, it ranks better than DMRec-M as published",
    FAILS: "Changed so, it ranks worse",
    UNDECIDED: "Not decided, as seeds and users must agree",
    ONE_SEED: "Run with one seed, which decides nothing alone",
}


def drawn(rows: Sequence[Row], changes: Collection[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `figures.kept.changed_alone` draws.

    Args:
        rows: as `interventions` gives them.
        changes: those whose training is drawn, of their first seed; "the base" is the base's beside the first row.

    Returns:
        Curves (change, epoch, value) and differences from the base (change, mean, low, high: over users).
    """
    first = {row.change: row.runs[0] for row in rows} | {"the base": rows[0].base[0]}
    curves = []
    for change, run in first.items():
        if change in changes:
            told = run.history
            history = (pd.read_csv(StringIO(told)) if isinstance(told, str) else told).dropna(subset=[VALID])
            curves.append(pd.DataFrame({"change": change, "epoch": history["epoch"], "value": history[VALID]}))
    differences = [{"change": row.change, **_ends(row.over_base.over_users)} for row in rows]
    return pd.concat(curves, ignore_index=True), pd.DataFrame(differences)


def _ends(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def make_interventions(options: argparse.Namespace) -> int:
    """Train what the options of the command `interventions` ask for, and print what it says; its exit status."""
    asked = changed(options.dataset, options.lam, embedder=options.embedder)
    specs = {name: spec.in_precision(options.precision) for name, spec in asked.items()}
    wanted = [spec for spec in specs.values() for spec in grid(spec, seed=options.seeds)]
    with ctrl_c() as cancel:
        results = sweep(wanted, cancel=cancel, device=options.device, workers=options.workers, runs=options.runs)
    rows = interventions(results, specs)
    print("\n\n".join([as_markdown(rows), *findings(rows)]))
    return 0
