"""What runs say about each statement of the paper: one function a statement, evidence -> our number and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from dmrec_core.analysis.comparisons import Comparison, best_on_validation, compare, more_in_the_sparsest
from dmrec_core.analysis.statistics import mean_interval, sparsity_groups
from dmrec_core.analysis.summaries import activities, activity_counts
from dmrec_core.analysis.verdicts import UNTESTED, all_of, verdict, verdict_equal
from dmrec_core.data import RecDataset
from dmrec_core.matching import STRATEGIES, strategy_of
from dmrec_core.runs.models import LANGUAGE_MODELS
from dmrec_core.runs.store import RunResult

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
        """The runs at the lambda that is best on validation; none where there are no such runs."""
        runs = self.runs(strategy, model)
        return best_on_validation(runs) if runs else []

    def at_same_lambda(self, ablated: Sequence[RunResult]) -> list[RunResult]:
        """DMRec-M at the lambda of some ablation's runs ("Add" has none: then the tuned one)."""
        lam = ablated[0].spec.lam
        return self.tuned("mddm") if ablated[0].spec.strategy == "add" else self.runs("mddm", lam=lam)

    @cached_property
    def activity(self) -> pd.DataFrame:
        """`summaries.activity_counts` of the base and the tuned DMRec-M, by seed, of the runs that have weights."""
        runs = [run for run in (*self.tuned("mddm"), *self.runs("base")) if run.has_weights]
        return activity_counts(activities(runs, self.dataset)).set_index("seed")


Answer = tuple[str, str, Sequence[RunResult]]  # our number, verdict, the runs it came from
NOTHING: Answer = ("", UNTESTED, ())


def _said(name: str, found: Comparison, metric: str) -> str:
    p = "" if found.p_users is None else f", p over users {found.p_users:.1g}"
    kind, _, n = metric.partition("@")
    return f"{name}: {'NDCG' if kind == 'ndcg' else kind.capitalize()}@{n} {found}{p}"


def _at_lambda(ours: Sequence[RunResult]) -> str:
    """`λ = 0.4`, and what it means where that is no matching at all."""
    spec = ours[0].spec
    nothing = spec.lam == strategy_of(spec.strategy).lam_without_matching
    return f"λ = {spec.lam:g}{', no matching' if nothing else ''}"


def beats(strategy: str) -> Callable[[Evidence], Answer]:
    """A strategy, tuned, against the base: both headline metrics."""

    def test(evidence: Evidence) -> Answer:
        ours, base = evidence.tuned(strategy), evidence.runs("base")
        if not (ours and base):
            return NOTHING
        found = {metric: compare(ours, base, metric) for metric in ("recall@20", "ndcg@20")}
        lines = [_said(_at_lambda(ours), each, metric) for metric, each in found.items()]
        return "; ".join(lines), all_of([verdict(each.difference) for each in found.values()]), [*ours, *base]

    return test


def mddm_is_best(evidence: Evidence) -> Answer:
    """DMRec-M against each of the two other strategies, all tuned."""
    runs = {strategy: evidence.tuned(strategy) for strategy in STRATEGIES}
    if not all(runs.values()):
        return NOTHING
    found = {other: compare(runs["mddm"], runs[other]) for other in ("godm", "cpdm")}
    mine, theirs = _at_lambda(runs["mddm"]), {other: _at_lambda(runs[other]) for other in found}
    lines = [_said(f"{mine}, over {STRATEGIES[o].label} ({theirs[o]})", each, "recall@20") for o, each in found.items()]
    return "; ".join(lines), all_of([verdict(each.difference) for each in found.values()]), _all(runs)


def sparse_users_gain_most(evidence: Evidence) -> Answer:
    """The gain in the sparsest group, and how much larger it is than all other users'."""
    ours, base, groups = evidence.tuned("mddm"), evidence.runs("base"), evidence.groups
    if not (ours and base) or len(groups.upper) < 2:
        return NOTHING
    sparsest = compare(ours, base, "ndcg@20", users=groups.group == 0)
    others = compare(ours, base, "ndcg@20", users=groups.group > 0)
    more = more_in_the_sparsest(ours, base, groups)
    text = (
        f"{_said(f'{groups.labels()[0]} interactions', sparsest, 'ndcg@20')}; "
        f"{_said('all others', others, 'ndcg@20')}; the first minus the second {format(more, '+')}"
    )
    return text, all_of([verdict(sparsest.difference), verdict(more)]), [*ours, *base]


def more_active(which: str) -> Callable[[Evidence], Answer]:
    """Mean log activity of DMRec-M, tuned, against the base's; `which` mean of DMRec-M."""

    def test(evidence: Evidence) -> Answer:
        ours, base = evidence.tuned("mddm"), evidence.runs("base")
        if not (ours and base):
            return NOTHING
        counts = evidence.activity
        if set(counts["strategy"]) != {"base", "mddm"}:
            return NOTHING
        mine = counts[(counts["strategy"] == "mddm") & (counts["which"] == which)]["mean_log_activity"]
        theirs = counts[counts["strategy"] == "base"]["mean_log_activity"]
        difference = mean_interval((mine - theirs).to_numpy())
        text = f"mean ln a: {format(difference, '+')} against the base (how much a weaker prior explains: notebook 07)"
        return text, verdict(difference), [*ours, *base]

    return test


def hurts(strategy: str, **fields: object) -> Callable[[Evidence], Answer]:
    """The full DMRec-M against an ablation."""

    def test(evidence: Evidence) -> Answer:
        ablated = evidence.runs(strategy, **fields)
        full = evidence.at_same_lambda(ablated) if ablated else []
        if not full:
            return NOTHING
        found = compare(full, ablated)
        name = f"full ({_at_lambda(full)}) minus ablated"
        return _said(name, found, "recall@20"), verdict(found.difference), [*full, *ablated]

    return test


def collapses_at_zero(evidence: Evidence) -> Answer:
    """The base against DMRec-M at λ = 0."""
    at_zero, base = evidence.runs("mddm", lam=0.0), evidence.runs("base")
    if not (at_zero and base):
        return NOTHING
    found = compare(base, at_zero)
    return _said("base minus DMRec-M at λ = 0", found, "recall@20"), verdict(found.difference), [*at_zero, *base]


def is_the_base_at_one(evidence: Evidence) -> Answer:
    """DMRec-M at λ = 1 against the base, which it should equal."""
    at_one, base = evidence.runs("mddm", lam=1.0), evidence.runs("base")
    if not (at_one and base):
        return NOTHING
    found = compare(at_one, base)
    margin = EQUAL_WITHIN * float(np.mean([run.metrics["test"]["recall@20"] for run in base]))
    text = f"{_said('DMRec-M at λ = 1 minus base', found, 'recall@20')}; equal would be within ± {margin:.4f}"
    return text, verdict_equal(found.difference, margin), [*at_one, *base]


def rises_from_zero(strategy: str) -> Callable[[Evidence], Answer]:
    """The best λ above 0 against λ = 0."""

    def test(evidence: Evidence) -> Answer:
        at_zero = evidence.runs(strategy, lam=0.0)
        weighted = [run for run in evidence.runs(strategy) if run.spec.lam > 0]
        if not (at_zero and weighted):
            return NOTHING
        best = best_on_validation(weighted)
        found = compare(best, at_zero)
        name = f"λ = {best[0].spec.lam:g} minus λ = 0"
        return _said(name, found, "recall@20"), verdict(found.difference), [*best, *at_zero]

    return test


def helps_other_backbones(evidence: Evidence) -> Answer:
    """DMRec-M against the base on every other backbone there are runs of.

    Of several bases (CVGA's KL term is divided by the batch size, or not; a KL weight was tuned as lambda was) the best
    on validation is the one to beat.
    """
    found, runs = {}, []
    for model in ("cvga", "l-diffrec"):
        ours = evidence.tuned("mddm", model)
        bases = [run for run in evidence.results if (run.spec.strategy, run.spec.model) == ("base", model)]
        if ours and bases:
            base = best_on_validation(bases)
            found[f"{model}, {_at_lambda(ours)}"] = compare(ours, base)
            runs += [*ours, *base]
    if not found:
        return NOTHING
    text = "; ".join(_said(name, each, "recall@20") for name, each in found.items())
    return text, all_of([verdict(each.difference) for each in found.values()]), runs


def beats_language_baselines(evidence: Evidence) -> Answer:
    """DMRec-M against every other recommender with a language model there are runs of."""
    ours = evidence.tuned("mddm")
    others = {model: evidence.runs("base", model) for model in LANGUAGE_MODELS}
    others = {model: best_on_validation(runs) for model, runs in others.items() if runs}
    if not (ours and others):
        return NOTHING
    found = {model: compare(ours, runs) for model, runs in others.items()}
    text = "; ".join(_said(f"over {model}", each, "recall@20") for model, each in found.items())
    text = f"{_at_lambda(ours)}: {text}"
    return text, all_of([verdict(each.difference) for each in found.values()]), [*ours, *_all(others)]


def _all(runs: dict[str, list[RunResult]]) -> list[RunResult]:
    return [run for group in runs.values() for run in group]
