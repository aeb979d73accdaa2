"""From plans to rows: run what is missing, choose on validation, compare on equal seeds and users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmrec_core.analysis.comparisons import Comparison, best_on_validation, compare
from dmrec_core.analysis.statistics import Interval, metric_over_seeds
from dmrec_core.data import RecDataset
from dmrec_core.paper.plan import Plan, tuned_setting
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, pretraining_run
from dmrec_core.runs.sweeps import sweep

HEADLINE = "recall@20"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        plan: what it is.
        runs: one a seed; of a model that is solved, one.
        ours: metric -> mean over seeds with its 95 % interval.
        beyond: the row compared with -> the comparison, in `HEADLINE`.
    """

    plan: Plan
    runs: Sequence[RunResult]
    ours: Mapping[str, Interval]
    beyond: Mapping[str, Comparison]

    @property
    def spec(self) -> RunSpec:
        """What was run, at the first seed: the one that chose it."""
        return self.runs[0].spec

    @property
    def chosen(self) -> str:
        """What was chosen, if anything was: `λ = 0.6, the best on validation with seed 2024 of 0.2, 0.4, ...`."""
        if len(self.plan.options) < 2:
            return ""
        if self.spec.solved:
            mine = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.spec.settings)
            return f"{mine}, the best on validation of {len(self.plan.options)} settings"
        best = f"the best on validation with seed {self.spec.seed} of"
        if self.spec.lam is not None:
            return f"λ = {self.spec.lam:g}, {best} {_listed(o.lam for o in self.plan.options)}"
        if not self.spec.card.is_backbone:
            (name, mine), values = tuned_setting(self.spec), [tuned_setting(o)[1] for o in self.plan.options]
            return f"{name.replace('_', ' ')} {mine:g}, {best} {_listed(values)}"
        undivided = dict(self.spec.settings).get("divide_kl_by_batch") is False
        weights = _listed(o.kl_weight for o in self.plan.options)
        return f"KL weight {self.spec.kl_weight:g}{', not divided' * undivided}, {best} {weights}"

    def off(self, metric: str) -> float | None:
        """Ours minus the printed number; None where none is printed."""
        return self.ours[metric].mean - self.plan.paper[metric] if self.plan.paper else None

    def off_in_standard_errors(self, metric: str) -> float | None:
        """The same over the standard error of our mean; None with one seed. The paper's own spread is not printed."""
        values = [run.metrics["test"][metric] for run in self.runs]
        if self.plan.paper is None or len(values) < 2 or np.ptp(values) == 0:
            return None
        return self.off(metric) / (np.std(values, ddof=1) / np.sqrt(len(values)))


def fill(
    plans: Sequence[Plan],
    seeds: Sequence[int],
    metrics: Sequence[str],
    dataset: RecDataset | None = None,
    **how: object,
) -> list[Row]:
    """Run what has no result yet, and return the rows.

    Where a plan has several options, all of them are run with the first seed only; the best on that run's validation
    split is then run with the other seeds. Base and DMRec are chosen alike, and the test split has no say.

    Args:
        plans: the rows wanted.
        seeds: of every row; the first one chooses.
        metrics: to be shown, of the test split.
        dataset: the runs' data, if not what each spec loads by itself.
        how: `runs`, `device`, `workers`, `scheduler`, `progress`, `cancel`, as `sweep`.

    Raises:
        ValueError: no seed is given, or a plan is compared with a row that is not there.
    """
    if not len(seeds):
        raise ValueError("a table needs at least one seed")
    missing = {other for plan in plans for other in plan.against} - {plan.key for plan in plans}
    if missing:
        raise ValueError(f"rows are compared with {sorted(missing)}, which are not in the table")
    # a row without a choice needs no first round: all of its seeds run at once
    first = {plan.key: _seeded(plan.options, seeds if len(plan.options) == 1 else seeds[:1]) for plan in plans}
    tried = _run(first, dataset, how)
    best = {plan.key: best_on_validation(tried[plan.key], HEADLINE)[0].spec for plan in plans}
    chosen = _run({key: _seeded([spec], seeds) for key, spec in best.items()}, dataset, how)
    return [
        Row(
            plan,
            chosen[plan.key],
            {metric: metric_over_seeds(chosen[plan.key], metric) for metric in metrics},
            {other: compare(chosen[plan.key], chosen[other], HEADLINE) for other in plan.against},
        )
        for plan in plans
    ]


def _run(specs: Mapping[str, list[RunSpec]], dataset: RecDataset | None, how: Mapping) -> dict[str, list[RunResult]]:
    """The runs of each key's specs; those they start from are begun first, and counted."""
    every = [spec for mine in specs.values() for spec in mine]
    wanted = list(dict.fromkeys([*filter(None, map(pretraining_run, every)), *every]))
    by_spec = dict(zip(wanted, sweep(wanted, dataset, **how), strict=True))
    return {key: [by_spec[spec] for spec in mine] for key, mine in specs.items()}


def _seeded(options: Sequence[RunSpec], seeds: Sequence[int]) -> list[RunSpec]:
    # what is solved has no seed, and so one run
    return list(dict.fromkeys(spec.with_(seed=seed) for spec in options for seed in seeds))


def _listed(values) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))
