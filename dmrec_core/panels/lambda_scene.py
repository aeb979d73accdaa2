"""What the lambda panel knows: how a run gets onto the line, and how any point of it, trained or not, is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import plotly.graph_objects as go

from dmrec_core.analysis.line import LambdaLine
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import METRICS, draw_lambda
from dmrec_core.figures.live.users import top_table
from dmrec_core.matching import VARIANTS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, cached, load


class LambdaScene:
    """A line of runs, the runs trained since, and the drawing of one spec. No widget in here.

    Args:
        dataset_name: a name `load_dataset` knows.
        strategies: those that can be asked for.
        grid: runs over lambda and seeds, and base runs.
        seed: of the runs asked for.
        split: "test" or "valid".
        device, runs, train: as `runs.run`; `train` may be another function with its arguments.
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
        self.dataset_name, self.strategies, self.seed = dataset_name, tuple(strategies), seed
        self.device, self.runs, self.trainer = device, runs, train
        theirs = {result.spec.strategy: result.spec for result in reversed(grid)}
        self.templates = {
            name: theirs.get(name) or paper_settings(dataset_name, strategy=name) for name in self.strategies
        }
        self.dataset = load(self.templates[self.strategies[0]]) if dataset is None else dataset
        self.line = LambdaLine(grid, self.dataset, split=split)

    def start(self, strategy: str, lam: float | None, metric: str) -> dict[str, object]:
        """The values to begin with: lam, strategy, variant, metric, user.

        Raises:
            ValueError: a strategy or metric that cannot be asked for, or a lambda outside of the slider.
        """
        if strategy not in self.strategies:
            raise ValueError(f"strategy must be one of {list(self.strategies)}; got {strategy!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}; got {metric!r}")
        lam = (self.templates[strategy].lam or 0.5) if lam is None else float(lam)
        if not 0 <= lam <= 1:
            raise ValueError(f"start must be a lambda in [0, 1]; got {lam}")
        people = self.line.people
        user = people[len(people) // 3]
        return {"lam": lam, "strategy": strategy, "variant": VARIANTS[0], "metric": metric, "user": user}

    def spec(self, strategy: str, variant: str, lam: float) -> RunSpec:
        """The run at a point; its settings are those of the grid."""
        return self.templates[strategy].with_(variant=variant, lam=round(lam, 4), seed=self.seed)

    def find(self, spec: RunSpec) -> RunResult | None:
        """A run's result, if it was trained at any time."""
        if spec not in self.line.known and (result := cached(spec, self.dataset, self.runs)) is not None:
            self.line.add(result)
        return self.line.known.get(spec)

    def train(self, spec: RunSpec, **hooks: object) -> RunResult:
        """Train a run, or read it from the runs folder; takes minutes on large data, may be called in a thread."""
        return self.trainer(spec, self.dataset, runs=self.runs, device=self.device, **hooks)

    def measure(self, spec: RunSpec) -> None:
        """See to it that a spec is on the line: found, or trained now."""
        if self.find(spec) is None:
            self.line.add(self.train(spec))

    def draw(self, spec: RunSpec, metric: str, user: int) -> go.Figure:
        """The linked views at a spec; nothing is trained."""
        line = self.line
        return draw_lambda(
            line.here(spec, metric),
            line.curves(metric),
            line.base_level(metric),
            line.nearest(spec),
            line.terms(spec),
            user,
            metric,
            line.split,
            line.tried(spec, metric),
            self.strategies,
        )

    def table(self, spec: RunSpec, user: int) -> str:
        """One user's top ten at the nearest trained run, as HTML."""
        shown = self.line.nearest(spec)
        if shown is None:
            return "<p>Nothing is trained for this strategy and variant yet: let the slider rest, and it will be.</p>"
        return top_table(self.dataset, shown, user, self.line.base_snapshot(self.seed))

    def draw_measured(self, lam: float, strategy: str, variant: str, metric: str, user: int) -> go.Figure:
        """The linked views at a point that is trained first, where it is not."""
        spec = self.spec(strategy, variant, lam)
        self.measure(spec)
        return self.draw(spec, metric, user)

    def tell(self, lam: float, strategy: str, variant: str, user: int, **_: object) -> str:
        """The table of a point."""
        return self.table(self.spec(strategy, variant, lam), user)
