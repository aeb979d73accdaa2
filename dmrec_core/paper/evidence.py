"""What runs say about each statement of the paper: one function a statement, evidence -> our number and a verdict.

A lambda that validation chose and that means no matching decides nothing: the strategy is not in play, and would be
compared with itself or with its base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmrec_core.analysis.comparisons import Comparison, best_on_validation, compare, more_in_the_sparsest
from dmrec_core.analysis.statistics import mean_interval, sparsity_groups
from dmrec_core.analysis.summaries import activities, activity_counts
from dmrec_core.analysis.verdicts import NOT_IN_PLAY, UNTESTED, Judged, jointly, judged
from dmrec_core.data import RecDataset
from dmrec_core.matching import STRATEGIES, strategy_of
from dmrec_core.runs.models import LANGUAGE_MODELS
from dmrec_core.runs.store import RunResult
from dmrec_core.training.evaluate import metric_label

EQUAL_WITHIN = 0.01  # two settings within one per cent of the base's metric are called equal


class Evidence:
    """The runs at hand, and ways to ask them.

    Args:
        results: of one data set, embedder and variant; what `specs` lists, and any other backbones or baselines.
        dataset: what they ran on.
    """

    def __init__(self, results: Sequence[RunResult], dataset: RecDataset) -> None:
        # a run may stand in two rows of a table: tuning may choose what was there before
        self.results, self.dataset = list({run.spec: run for run in results}.values()), dataset
        self.groups = sparsity_groups(dataset)

    def runs(self, strategy: str, model: str = "mult-vae", **fields: object) -> list[RunResult]:
        """Runs with these fields; fields not named are at their defaults, except lambda, which may be any."""
        wanted = {"kl_weight": 1.0, "vectors": "real", "aggregate": True} | fields
        return [
            run
            for run in self.results
            if (run.spec.strategy, run.spec.model) == (strategy, model)
            and all(getattr(run.spec, name) == value for name, value in wanted.items())
        ]

    def tuned(self, strategy: str, model: str = "mult-vae") -> list[RunResult]:
        """The runs at the lambda that is best on validation; none where no run matches: nothing was to choose."""
        runs = self.runs(strategy, model)
        return best_on_validation(runs) if any(_in_play([run]) for run in runs) else []

    def choices(self, strategy: str, model: str = "mult-vae") -> int:
        """How many lambdas validation could choose from."""
        return len({run.spec.lam for run in self.runs(strategy, model)})

    def at_same_lambda(self, ablated: Sequence[RunResult]) -> list[RunResult]:
        """DMRec-M at the lambda of some ablation's runs ("Add" has none: then the tuned one)."""
        lam = ablated[0].spec.lam
        return self.tuned("mddm") if ablated[0].spec.strategy == "add" else self.runs("mddm", lam=lam)

    @cached_property
    def activity(self) -> pd.DataFrame:
        """`summaries.activity_counts` of the base and the tuned DMRec-M, by seed, of the runs that have weights."""
        runs = [run for run in (*self.tuned("mddm"), *self.runs("base")) if run.has_weights]
        return activity_counts(activities(runs, self.dataset)).set_index("seed")


class Answer(NamedTuple):
    """What runs say of one statement.

    Args:
        ours: our number or numbers, in words; "" where there are no runs.
        judged: the verdict.
        runs: which it came from.
        tuned_over: settings that validation chose the strategy from; 0 where nothing was chosen.
    """

    ours: str
    judged: Judged
    runs: Sequence[RunResult]
    tuned_over: int = 0


NOTHING = Answer("", Judged(UNTESTED), ())


def _said(name: str, found: Comparison, metric: str = "Recall@20") -> str:
    p = "" if found.p_users is None else f", p over users {found.p_users:.1g}"
    return f"{name}: {metric} {found}{p}"


def _at_lambda(ours: Sequence[RunResult]) -> str:
    """`λ = 0.4`, and what it means where that is no matching at all."""
    return f"λ = {ours[0].spec.lam:g}{'' if _in_play(ours) else ', no matching'}"


def _in_play(ours: Sequence[RunResult]) -> bool:
    spec = ours[0].spec
    return spec.lam != strategy_of(spec.strategy).lam_without_matching


def _judged(found: Comparison, *chosen: Sequence[RunResult]) -> Judged:
    """The verdict on a difference, where what validation chose is in play."""
    return found.judged if all(map(_in_play, chosen)) else Judged(NOT_IN_PLAY)


def beats(strategy: str) -> Callable[[Evidence], Answer]:
    """A strategy, tuned, against the base: both headline metrics."""

    def test(evidence: Evidence) -> Answer:
        ours, base = evidence.tuned(strategy), evidence.runs("base")
        if not (ours and base):
            return NOTHING
        found = {metric_label(metric): compare(ours, base, metric) for metric in ("recall@20", "ndcg@20")}
        text = "; ".join(_said(_at_lambda(ours), each, metric) for metric, each in found.items())
        said = jointly({metric: _judged(each, ours) for metric, each in found.items()})
        return Answer(text, said, [*ours, *base], evidence.choices(strategy))

    return test


def mddm_is_best(evidence: Evidence) -> Answer:
    """DMRec-M against each of the two other strategies, all tuned."""
    runs = {strategy: evidence.tuned(strategy) for strategy in STRATEGIES}
    if not all(runs.values()):
        return NOTHING
    found = {other: compare(runs["mddm"], runs[other]) for other in ("godm", "cpdm")}
    mine, theirs = _at_lambda(runs["mddm"]), {other: _at_lambda(runs[other]) for other in found}
    named = {other: f"over {STRATEGIES[other].label}" for other in found}
    text = "; ".join(_said(f"{mine}, {named[other]} ({theirs[other]})", each) for other, each in found.items())
    said = jointly({named[other]: _judged(each, runs["mddm"]) for other, each in found.items()})
    return Answer(text, said, _all(runs), evidence.choices("mddm"))


def sparse_users_gain_most(evidence: Evidence) -> Answer:
    """The gain in the sparsest group, and how much larger it is than all other users'."""
    ours, base, groups = evidence.tuned("mddm"), evidence.runs("base"), evidence.groups
    if not (ours and base) or len(groups.upper) < 2:
        return NOTHING
    sparsest = compare(ours, base, "ndcg@20", users=groups.group == 0)
    others = compare(ours, base, "ndcg@20", users=groups.group > 0)
    more, over_users = more_in_the_sparsest(ours, base, groups)
    text = (
        f"{_at_lambda(ours)}; {_said(f'{groups.labels()[0]} interactions', sparsest, 'NDCG@20')}; "
        f"{_said('all others', others, 'NDCG@20')}; the first minus the second {format(more, '+')}"
    )
    parts = {"the sparsest": _judged(sparsest, ours), "the first minus the second": judged(more, over_users)}
    return Answer(text, jointly(parts), [*ours, *base], evidence.choices("mddm"))


def more_active(which: str) -> Callable[[Evidence], Answer]:
    """Mean log activity of DMRec-M, tuned, against the base's; `which` mean of DMRec-M. No number a user."""

    def test(evidence: Evidence) -> Answer:
        ours, base = evidence.tuned("mddm"), evidence.runs("base")
        if not (ours and base):
            return NOTHING
        counts = evidence.activity
        if set(counts["strategy"]) != {"base", "mddm"}:
            return NOTHING
        mine = counts[(counts["strategy"] == "mddm") & (counts["which"] == which)]["mean_log_activity"]
        theirs = counts[counts["strategy"] == "base"]["mean_log_activity"]
        difference = mean_interval((mine - theirs).dropna().to_numpy())
        text = (
            f"{_at_lambda(ours)}; mean ln a: {format(difference, '+')} against the base (how much a weaker prior "
            "explains: notebook 07)"
        )
        said = judged(difference) if _in_play(ours) else Judged(NOT_IN_PLAY)
        return Answer(text, said, [*ours, *base], evidence.choices("mddm"))

    return test


def hurts(strategy: str, **fields: object) -> Callable[[Evidence], Answer]:
    """The full DMRec-M against an ablation."""

    def test(evidence: Evidence) -> Answer:
        ablated = evidence.runs(strategy, **fields)
        full = evidence.at_same_lambda(ablated) if ablated else []
        if not full:
            return NOTHING
        found = compare(full, ablated)
        tuned_over = evidence.choices("mddm") if strategy == "add" else 0
        text = _said(f"full ({_at_lambda(full)}) minus ablated", found)
        return Answer(text, _judged(found, full), [*full, *ablated], tuned_over)

    return test


def collapses_at_zero(evidence: Evidence) -> Answer:
    """The base against DMRec-M at λ = 0."""
    at_zero, base = evidence.runs("mddm", lam=0.0), evidence.runs("base")
    if not (at_zero and base):
        return NOTHING
    text = _said("DMRec-M at λ = 0 minus base", compare(at_zero, base))
    return Answer(text, _judged(compare(base, at_zero)), [*at_zero, *base])


def is_the_base_at_one(evidence: Evidence) -> Answer:
    """DMRec-M at λ = 1 against the base, which it should equal."""
    at_one, base = evidence.runs("mddm", lam=1.0), evidence.runs("base")
    if not (at_one and base):
        return NOTHING
    found = compare(at_one, base)
    margin = EQUAL_WITHIN * float(np.mean([run.metrics["test"]["recall@20"] for run in base]))
    text = f"{_said('DMRec-M at λ = 1 minus base', found)}; equal would be within ± {margin:.4f}"
    return Answer(text, judged(found.difference, found.over_users, margin), [*at_one, *base])


def rises_from_zero(strategy: str) -> Callable[[Evidence], Answer]:
    """The best λ above 0 against λ = 0."""

    def test(evidence: Evidence) -> Answer:
        at_zero = evidence.runs(strategy, lam=0.0)
        weighted = [run for run in evidence.runs(strategy) if run.spec.lam > 0]
        if not (at_zero and weighted):
            return NOTHING
        best = best_on_validation(weighted)
        found = compare(best, at_zero)
        text = _said(f"λ = {best[0].spec.lam:g} minus λ = 0", found)
        return Answer(text, _judged(found), [*best, *at_zero], len({run.spec.lam for run in weighted}))

    return test


def helps_other_backbones(evidence: Evidence) -> Answer:
    """DMRec-M against the base on every other backbone there are runs of.

    Of several bases (CVGA's KL term is divided by the batch size, or not; a KL weight was tuned as lambda was) the best
    on validation is the one to beat.
    """
    found, parts, runs = {}, {}, []
    for model in ("cvga", "l-diffrec"):
        ours = evidence.tuned("mddm", model)
        bases = [run for run in evidence.results if (run.spec.strategy, run.spec.model) == ("base", model)]
        if ours and bases:
            base = best_on_validation(bases)
            found[f"{model}, {_at_lambda(ours)}"] = each = compare(ours, base)
            parts[model] = _judged(each, ours)
            runs += [*ours, *base]
    if not found:
        return NOTHING
    text = "; ".join(_said(name, each) for name, each in found.items())
    return Answer(text, jointly(parts), runs, max(evidence.choices("mddm", model) for model in parts))


def beats_language_baselines(evidence: Evidence) -> Answer:
    """DMRec-M against every other recommender with a language model there are runs of."""
    ours = evidence.tuned("mddm")
    others = {model: evidence.runs("base", model) for model in LANGUAGE_MODELS}
    others = {f"over {model}": best_on_validation(runs) for model, runs in others.items() if runs}
    if not (ours and others):
        return NOTHING
    found = {name: compare(ours, runs) for name, runs in others.items()}
    text = f"{_at_lambda(ours)}: " + "; ".join(_said(name, each) for name, each in found.items())
    said = jointly({name: _judged(each, ours) for name, each in found.items()})
    return Answer(text, said, [*ours, *_all(others)], evidence.choices("mddm"))


def _all(runs: dict[str, list[RunResult]]) -> list[RunResult]:
    return [run for group in runs.values() for run in group]
