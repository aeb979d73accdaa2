"""Runs along lambda, with the base model beside them: their curves, the nearest run, what lies between two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dmrec_core.analysis.snapshots import Snapshot, crowd, take_snapshot, typical_users
from dmrec_core.analysis.statistics import Interval, mean_interval
from dmrec_core.data import RecDataset
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult


@dataclass(frozen=True)
class Curve:
    """A metric over lambda for one strategy: mean over seeds with its 95 % interval (NaN bounds for one seed)."""

    strategy: str
    variant: str
    lam: np.ndarray  # (n,) ascending
    mean: np.ndarray  # (n,)
    low: np.ndarray  # (n,)
    high: np.ndarray  # (n,)
    seeds: int

    def at(self, lam: float) -> float | None:
        """The mean between the two neighbouring lambdas, linearly; None outside of the grid."""
        if len(self.lam) < 2 or not self.lam[0] <= lam <= self.lam[-1]:
            return None
        return float(np.interp(lam, self.lam, self.mean))


@dataclass(frozen=True)
class Here:
    """Where the reader stands: a lambda, the metric there, and whether a run measured it."""

    strategy: str
    variant: str
    lam: float
    value: float | None  # None: not known, neither trained nor between two trained runs
    measured: bool
    warm: float | None = None  # the lambda of the run that the measured one started from

    def words(self, metric: str) -> str:
        """`λ = 0.45: Recall@20 0.3982, interpolated between trained runs`; `metric` is its label."""
        if self.value is None:
            return f"λ = {self.lam:.2f}: not trained yet"
        how = "measured" if self.measured else "interpolated between trained runs"
        if self.measured and self.warm is not None:
            how += f" on a run that started from the weights of λ = {self.warm:.2f}"
        return f"λ = {self.lam:.2f}: {metric} {self.value:.4f}, {how}"


class LambdaLine:
    """Runs by strategy, variant, lambda and seed, and the base model's runs beside them.

    Curves and levels are those of `results`. A run that is added later is found, and is a neighbour, but moves no
    curve: it has one seed where they have several. Runs that came as their measurements count for curves alone: spaces,
    rankings and loss terms are those of the nearest run that has a model.

    Args:
        results: runs with a lambda, and base runs; a base with another KL weight than 1 is left out.
        dataset: their data; only snapshots need it.
        people: whom one may look at; by default twelve with test items, from the shortest history to the longest.
        split: "test" or "valid".
        crowd_size: users of a snapshot, `people` among them.

    Example:
        >>> LambdaLine([]).curves("recall@20")
        []
    """

    def __init__(
        self,
        results: Iterable[RunResult],
        dataset: RecDataset | None = None,
        people: Sequence[int] | None = None,
        split: str = "test",
        crowd_size: int = 300,
    ) -> None:
        results = list(results)
        self.runs = [result for result in results if result.spec.lam is not None]
        self.base = [result for result in results if result.spec.lam is None and result.spec.kl_weight == 1]
        self.dataset, self.split, self.crowd_size = dataset, split, crowd_size
        self.added: list[RunResult] = []
        self.known: dict[RunSpec, RunResult] = {result.spec: result for result in results}
        self._people = people
        self._snapshots: dict[RunSpec, Snapshot] = {}
        self._curves: dict[str, list[Curve]] = {}

    @property
    def lams(self) -> list[float]:
        """Every lambda that was run, ascending."""
        return sorted({result.spec.lam for result in self.runs})

    def at(self, strategy: str, lam: float, variant: str | None = None) -> list[RunResult]:
        """The runs of one point, one a seed; of every variant where none is named."""
        point = strategy, lam
        here = [result for result in self.runs if (result.spec.strategy, result.spec.lam) == point]
        return [result for result in here if variant in (None, result.spec.variant)]

    def single(self) -> dict[float, RunResult]:
        """Lambda -> run, ascending, where there is one strategy, variant and seed.

        Raises:
            ValueError: there is no run, or runs differ in more than lambda.
        """
        kinds = {result.spec.with_(lam=0.5).label.replace("λ=0.5 ", "") for result in self.runs}
        if len({result.spec.with_(lam=0.5) for result in self.runs}) != 1:
            raise ValueError(
                "expected runs of one strategy, variant and seed that differ in lambda only; got "
                + (f"{len(self.runs)} runs of {', '.join(sorted(kinds))}" if kinds else "no run with a lambda")
            )
        return {result.spec.lam: result for result in sorted(self.runs, key=lambda result: result.spec.lam)}

    def add(self, result: RunResult) -> None:
        """Remember a run that is not of the results given."""
        if result.spec not in self.known:
            self.known[result.spec] = result
            self.added.append(result)

    # Numbers

    def curves(self, metric: str) -> list[Curve]:
        """One curve a strategy and variant, in order of appearance; computed once a metric."""
        if metric not in self._curves:
            pairs = dict.fromkeys((result.spec.strategy, result.spec.variant) for result in self.runs)
            self._curves[metric] = [self._curve(*pair, metric) for pair in pairs]
        return self._curves[metric]

    def _curve(self, strategy: str, variant: str, metric: str) -> Curve:
        points = {lam: runs for lam in self.lams if (runs := self.at(strategy, lam, variant))}
        intervals = [mean_interval([run.metrics[self.split][metric] for run in runs]) for runs in points.values()]
        mean, low, high = (np.array([getattr(i, name) for i in intervals]) for name in ("mean", "low", "high"))
        return Curve(strategy, variant, np.array(list(points)), mean, low, high, max(i.n for i in intervals))

    def base_level(self, metric: str) -> Interval | None:
        """The base model's metric over its seeds, or None where no base run is given."""
        values = [result.metrics[self.split][metric] for result in self.base]
        return mean_interval(values) if values else None

    def here(self, spec: RunSpec, metric: str) -> Here:
        """A point of the line: measured where the run is known, else interpolated on its curve, and marked as that."""
        if (result := self.known.get(spec)) is not None:
            return Here(spec.strategy, spec.variant, spec.lam, result.metrics[self.split][metric], True, spec.warm)
        mine = [c for c in self.curves(metric) if (c.strategy, c.variant) == (spec.strategy, spec.variant)]
        return Here(spec.strategy, spec.variant, spec.lam, mine[0].at(spec.lam) if mine else None, False)

    def tried(self, spec: RunSpec, metric: str) -> list[tuple[float, float]]:
        """Lambda and metric of the runs added for a spec's strategy and variant."""
        kind = spec.strategy, spec.variant
        mine = [result for result in self.added if (result.spec.strategy, result.spec.variant) == kind]
        return [(result.spec.lam, result.metrics[self.split][metric]) for result in mine]

    # Runs and what they look like

    def neighbours(self, spec: RunSpec) -> list[RunResult]:
        """The known runs that differ from a spec in lambda and in what they started from only, nearest first."""
        same = [result for known, result in list(self.known.items()) if _same_but_lambda(known, spec)]
        return sorted(same, key=lambda result: (abs(result.spec.lam - spec.lam), result.spec != spec))

    def warm(self, spec: RunSpec) -> RunSpec:
        """A spec that starts from the nearest known run which itself did not, and has weights; as it is if none."""
        begun = (result for result in self.neighbours(spec) if result.has_weights and result.spec.warm is None)
        near = next((result for result in begun if result.spec.lam != spec.lam), None)
        return spec if near is None else spec.with_(warm=near.spec.lam)

    @cached_property
    def people(self) -> list[int]:
        """Whom one may look at: user ids, as they were given or from the shortest history to the longest."""
        return [int(user) for user in (typical_users(self.dataset) if self._people is None else self._people)]

    @cached_property
    def first_person(self) -> int:
        """Whom to look at first: the quietest of `people` with a test item among the ten best of the middle run.

        Of several strategies, the default one's, where views begin. Someone whose items are all out of reach shows
        nothing when lambda moves. Where nobody has one, or no run is there, the person a third of the way to the
        longest history.
        """
        there = sorted(filter(_has_a_model, self.runs), key=lambda result: result.spec.lam)
        runs = [run for run in there if run.spec.strategy == DEFAULT_STRATEGY] or there
        if runs:
            middle = self.snapshot(runs[len(runs) // 2])
            for user in self.people:
                if middle.hits[middle.row(user)].any():
                    return user
        return self.people[len(self.people) // 3]

    @cached_property
    def users(self) -> np.ndarray:
        """The users of every snapshot: `people` in a crowd."""
        return crowd(self.dataset, np.array(self.people, dtype=int), self.crowd_size)

    def snapshot(self, result: RunResult) -> Snapshot:
        """A run seen through the crowd, turned as the first one was; its model is loaded once."""
        if result.spec not in self._snapshots:
            reference = next(iter(self._snapshots.values()), None)
            self._snapshots[result.spec] = take_snapshot(result, self.dataset, self.users, reference)
        return self._snapshots[result.spec]

    def nearest(self, spec: RunSpec) -> Snapshot | None:
        """The known run nearest to a spec that can be looked into: spaces and rankings are never interpolated."""
        near = next(filter(_has_a_model, self.neighbours(spec)), None)
        return None if near is None else self.snapshot(near)

    def base_snapshot(self, seed: int) -> Snapshot | None:
        """The base model's, of that seed if there is one."""
        base = min(filter(_has_a_model, self.base), key=lambda result: result.spec.seed != seed, default=None)
        return None if base is None else self.snapshot(base)

    def terms(self, spec: RunSpec) -> dict[str, float]:
        """Mean loss terms: of the run, or linearly between its two neighbours; empty where there is none on a side."""
        near = list(filter(_has_a_model, self.neighbours(spec)))
        below = next((result for result in near if result.spec.lam <= spec.lam), None)
        above = next((result for result in near if result.spec.lam >= spec.lam), None)
        if below is None or above is None:
            return {}
        left, right = (self.snapshot(result).mean_terms() for result in (below, above))
        gap = above.spec.lam - below.spec.lam
        share = (spec.lam - below.spec.lam) / gap if gap else 0.0
        return {name: (1 - share) * left[name] + share * right[name] for name in left}


def _has_a_model(result: RunResult) -> bool:
    """A run that came as its measurements is on the curves, and has nothing else to show."""
    return result.has_weights


def _same_but_lambda(a: RunSpec, b: RunSpec) -> bool:
    return a.lam is not None and (a if (a.lam, a.warm) == (b.lam, b.warm) else a.with_(lam=b.lam, warm=b.warm)) == b
