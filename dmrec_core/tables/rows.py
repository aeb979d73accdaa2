"""From plans to rows: run what is missing, choose on validation, compare on equal seeds and users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmrec_core.analysis import Interval, metric_over_seeds
from dmrec_core.comparisons import Comparison, best_on_validation, compare
from dmrec_core.data import RecDataset
from dmrec_core.experiments import RunResult, pretraining_run
from dmrec_core.spec import RunSpec
from dmrec_core.sweep import sweep
from dmrec_core.tables.plan import Plan

HEADLINE = "recall@20"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        plan: what it is.
        runs: one a seed.
        ours: metric -> mean over seeds with its 95 % interval.
        beyond: the row compared with -> the comparison, in `HEADLINE`.
    """

    plan: Plan
    runs: Sequence[RunResult]
    ours: Mapping[str, Interval]
    beyond: Mapping[str, Comparison]

    @property
    def spec(self) -> RunSpec:
        """What was run, at its first seed."""
        return self.runs[0].spec

    @property
    def chosen(self) -> str:
        """What was chosen on validation, if anything was: `λ = 0.6 of 0.2, 0.4, ...`."""
        if len(self.plan.options) < 2:
            return ""
        if self.spec.lam is not None:
            return f"λ = {self.spec.lam:g}, the best on validation of {_listed(o.lam for o in self.plan.options)}"
        undivided = dict(self.spec.settings).get("divide_kl_by_batch") is False
        weights = _listed(o.kl_weight for o in self.plan.options)
        return f"KL weight {self.spec.kl_weight:g}{', not divided' * undivided}, the best on validation of {weights}"

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

    Args:
        plans: the rows wanted.
        seeds: of every row.
        metrics: to be shown, of the test split.
        dataset: the runs' data, if not what each spec loads by itself.
        how: `runs`, `device`, `workers`, `executor`, `progress`, `cancel`, as `sweep`.

    Raises:
        ValueError: no seed is given, or a plan is compared with a row that is not there.
    """
    if not len(seeds):
        raise ValueError("a table needs at least one seed")
    missing = {other for plan in plans for other in plan.against} - {plan.key for plan in plans}
    if missing:
        raise ValueError(f"rows are compared with {sorted(missing)}, which are not in the table")
    specs = [spec.with_(seed=seed) for plan in plans for spec in plan.options for seed in seeds]
    first = [run for run in map(pretraining_run, specs) if run is not None]  # begun first, and counted
    wanted = list(dict.fromkeys([*first, *specs]))
    found = sweep(wanted, dataset, **how)
    by_spec = dict(zip(wanted, found, strict=True))
    chosen = {
        plan.key: best_on_validation([by_spec[spec.with_(seed=s)] for spec in plan.options for s in seeds], HEADLINE)
        for plan in plans
    }
    return [
        Row(
            plan,
            chosen[plan.key],
            {metric: metric_over_seeds(chosen[plan.key], metric) for metric in metrics},
            {other: compare(chosen[plan.key], chosen[other], HEADLINE) for other in plan.against},
        )
        for plan in plans
    ]


def _listed(values) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))
