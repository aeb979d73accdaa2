"""What the lambda panel knows: the grid, the runs trained since, and how to draw any point between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import plotly.graph_objects as go

from dmrec_core.analysis.snapshots import Snapshot, crowd, take_snapshot, typical_users
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import Curve, Here, base_level, curves_of, draw_lambda
from dmrec_core.figures.live.users import top_table
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, cached, load


class LambdaScene:
    """Runs by spec, snapshots of them, and the drawing of one spec, trained or not. No widget in here.

    Args:
        dataset_name: a name `load_dataset` knows.
        strategies: those that can be asked for.
        grid: runs over lambda and seeds, and base runs.
        seed: of the runs asked for.
        split: "test" or "valid".
        device, runs, train: as `experiments.run`; `train` may be another function with its arguments.
        dataset: the data, if not the one that `dataset_name` loads.
    """

    def __init__(
        self,
        dataset_name: str,
        strategies: Sequence[str],
        grid: Sequence[RunResult],
        seed: int,
        split: str,
        device: str,
        runs: Path | None,
        train: Callable[..., RunResult],
        dataset: RecDataset | None = None,
    ) -> None:
        self.dataset_name, self.strategies, self.seed, self.split = dataset_name, tuple(strategies), seed, split
        self.device, self.runs, self.trainer, self.grid = device, runs, train, list(grid)
        theirs = {result.spec.strategy: result.spec for result in reversed(self.grid)}
        self.templates = {
            name: theirs.get(name) or paper_settings(dataset_name, strategy=name) for name in self.strategies
        }
        self.dataset = load(self.templates[self.strategies[0]]) if dataset is None else dataset
        self.known: dict[RunSpec, RunResult] = {result.spec: result for result in self.grid}
        self.tried: list[RunResult] = []  # in this sitting
        self.people = typical_users(self.dataset)
        self.users = crowd(self.dataset, self.people)
        self._snapshots: dict[RunSpec, Snapshot] = {}
        self._curves: dict[str, list[Curve]] = {}

    def spec(self, strategy: str, variant: str, lam: float) -> RunSpec:
        """The run at a point; its settings are those of the grid."""
        return self.templates[strategy].with_(variant=variant, lam=round(lam, 4), seed=self.seed)

    def find(self, spec: RunSpec) -> RunResult | None:
        """A run's result, if it was trained at any time."""
        if spec not in self.known and (result := cached(spec, self.dataset, self.runs)) is not None:
            self.learn(result)
        return self.known.get(spec)

    def train(self, spec: RunSpec, **hooks: object) -> RunResult:
        """Train a run, or read it from the runs folder; takes minutes on large data, may be called in a thread."""
        return self.trainer(spec, self.dataset, runs=self.runs, device=self.device, **hooks)

    def learn(self, result: RunResult) -> None:
        """Remember a run that is not of the grid."""
        if result.spec not in self.known:
            self.known[result.spec] = result
            self.tried.append(result)

    def neighbours(self, spec: RunSpec) -> list[RunResult]:
        """The trained runs that differ from a spec in lambda only, nearest first."""
        same = [result for known, result in list(self.known.items()) if _same_but_lambda(known, spec)]
        return sorted(same, key=lambda result: abs(result.spec.lam - spec.lam))

    def snapshot(self, result: RunResult) -> Snapshot:
        """A run seen through the crowd; its model is loaded once."""
        if result.spec not in self._snapshots:
            reference = next(iter(self._snapshots.values()), None)
            self._snapshots[result.spec] = take_snapshot(result, self.dataset, self.users, reference)
        return self._snapshots[result.spec]

    @property
    def base(self) -> Snapshot | None:
        """The base model's snapshot, of the same seed if there is one."""
        plain = [result for result in self.grid if result.spec.strategy == "base" and result.spec.kl_weight == 1]
        plain.sort(key=lambda result: result.spec.seed != self.seed)
        return self.snapshot(plain[0]) if plain else None

    def here(self, spec: RunSpec, metric: str) -> Here:
        """The marker: measured where the run is known, else interpolated on the grid's curve."""
        result = self.known.get(spec)
        if result is not None:
            return Here(spec.strategy, spec.variant, spec.lam, result.metrics[self.split][metric], True)
        mine = [c for c in self.curves(metric) if (c.strategy, c.variant) == (spec.strategy, spec.variant)]
        return Here(spec.strategy, spec.variant, spec.lam, mine[0].at(spec.lam) if mine else None, False)

    def curves(self, metric: str) -> list[Curve]:
        """The grid's curves, computed once a metric."""
        if metric not in self._curves:
            self._curves[metric] = curves_of(self.grid, metric, self.split)
        return self._curves[metric]

    def terms(self, spec: RunSpec) -> dict[str, float]:
        """Mean loss terms: of the run, or linearly between its two neighbours; empty where there is none on a side."""
        near = self.neighbours(spec)
        below = next((result for result in near if result.spec.lam <= spec.lam), None)
        above = next((result for result in near if result.spec.lam >= spec.lam), None)
        if below is None or above is None:
            return {}
        left, right = (self.snapshot(result).mean_terms() for result in (below, above))
        gap = above.spec.lam - below.spec.lam
        share = (spec.lam - below.spec.lam) / gap if gap else 0.0
        return {name: (1 - share) * left[name] + share * right[name] for name in left}

    def shown(self, spec: RunSpec) -> Snapshot | None:
        """The trained run nearest to a spec: spaces and rankings are never interpolated."""
        near = self.neighbours(spec)
        return self.snapshot(near[0]) if near else None

    def draw(self, spec: RunSpec, metric: str, user: int) -> go.Figure:
        """The linked views at a spec; nothing is trained."""
        tried = [
            (result.spec.lam, result.metrics[self.split][metric])
            for result in self.tried
            if (result.spec.strategy, result.spec.variant) == (spec.strategy, spec.variant)
        ]
        return draw_lambda(
            self.here(spec, metric),
            self.curves(metric),
            base_level(self.grid, metric, self.split),
            self.shown(spec),
            self.terms(spec),
            user,
            metric,
            self.split,
            tried,
            self.strategies,
        )

    def table(self, spec: RunSpec, user: int) -> str:
        """One user's top ten at the nearest trained run, as HTML."""
        shown = self.shown(spec)
        if shown is None:
            return "<p>Nothing is trained for this strategy and variant yet: let the slider rest, and it will be.</p>"
        return top_table(self.dataset, shown, user, self.base)


def _same_but_lambda(a: RunSpec, b: RunSpec) -> bool:
    return a.lam is not None and (a if a.lam == b.lam else a.with_(lam=b.lam)) == b
