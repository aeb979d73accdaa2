"""What the lambda panel knows: how a run gets onto the line, and how any point of it, trained or not, is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import plotly.graph_objects as go

from dmrec_core.analysis.line import LambdaLine
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import METRICS, draw_lambda
from dmrec_core.figures.live.users import top_table
from dmrec_core.matching import DEFAULT_STRATEGY, VARIANTS, Strategy
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, cached, run


@dataclass(frozen=True)
class Trainer:
    """How the runs are trained that a panel asks for.

    Args:
        seed: of these runs.
        device: "auto", "cpu", "cuda", "mps".
        runs: the runs folder; by default `runs_folder()`.
        train: what trains a spec, called as `runs.run`.
    """

    seed: int = 2024
    device: str = "auto"
    runs: Path | None = None
    train: Callable[..., RunResult] = run

    def __call__(self, spec: RunSpec, dataset: RecDataset, **hooks: object) -> RunResult:
        """The result of a run; `hooks` are `progress` and `cancel`, as `runs.run` takes them."""
        return self.train(spec, dataset, runs=self.runs, device=self.device, **hooks)


class LambdaScene:
    """A line of runs, the runs trained since, and the drawing of one spec. No widget in here.

    Args:
        dataset_name: a name `load_dataset` knows.
        strategies: those that can be asked for.
        grid: runs over lambda and seeds, and base runs.
        split: "test" or "valid".
        trainer: of the runs asked for; by default `Trainer()`.
        dataset: the data, if not the one that `dataset_name` loads.
    """

    def __init__(
        self,
        dataset_name: str,
        strategies: Sequence[str | Strategy],
        grid: Sequence[RunResult] = (),
        split: str = "test",
        trainer: Trainer | None = None,
        dataset: RecDataset | None = None,
    ) -> None:
        self.dataset_name, self.strategies, self.trainer = dataset_name, tuple(strategies), trainer or Trainer()
        theirs = {result.spec.strategy: result.spec for result in reversed(grid)}
        self.templates = {
            name: theirs.get(name) or paper_settings(dataset_name, strategy=name) for name in self.strategies
        }
        self.dataset = load(self.templates[self.strategies[0]]) if dataset is None else dataset
        self.line = LambdaLine(grid, self.dataset, split=split)

    def start(self, given: Mapping[str, object]) -> dict[str, object]:
        """The values to begin with: lam, strategy, variant, metric, user; those given, and a default for the others.

        Raises:
            ValueError: a control that the panel does not have, or a value that its control does not offer.
        """
        offered = {"strategy": self.strategies, "variant": VARIANTS, "metric": tuple(METRICS), "user": self.line.people}
        if not isinstance(given, Mapping) or not given.keys() <= {"lam", *offered}:
            raise ValueError(f"start must map controls, of {['lam', *offered]}, to values; got {given!r}")
        default = {"strategy": DEFAULT_STRATEGY, "variant": VARIANTS[0], "metric": "recall@20"}
        values = {**default, "user": self.line.first_person, **given}
        for name, choices in offered.items():
            if values[name] not in choices:
                raise ValueError(f"{name} must be one of {list(choices)}; got {values[name]!r}")
        lam = values.get("lam")
        lam = (self.templates[values["strategy"]].lam or 0.5) if lam is None else lam
        if not isinstance(lam, Real) or not 0 <= lam <= 1:
            raise ValueError(f"lam must be a number in [0, 1]; got {lam!r}")
        return values | {"lam": float(lam)}

    def spec(self, strategy: str, variant: str, lam: float, warm: bool = False) -> RunSpec:
        """The run at a point; its settings are those of the grid.

        Where it was not trained yet, a warm one starts from the weights of the nearest run of its seed.
        """
        spec = self.templates[strategy].with_(variant=variant, lam=round(lam, 4), seed=self.trainer.seed)
        return self.line.warm(spec) if warm and spec not in self.line.known else spec

    def find(self, spec: RunSpec) -> RunResult | None:
        """A run's result, if it was trained at any time."""
        if spec not in self.line.known and (result := cached(spec, self.dataset, self.trainer.runs)) is not None:
            self.line.add(result)
        return self.line.known.get(spec)

    def train(self, spec: RunSpec, **hooks: object) -> RunResult:
        """Train a run, or read it from the runs folder; takes minutes on large data, may be called in a thread."""
        return self.trainer(spec, self.dataset, **hooks)

    def measure(self, spec: RunSpec) -> None:
        """See to it that a spec is on the line: found, or trained now."""
        if self.find(spec) is None:
            self.line.add(self.train(spec))

    def draw(self, spec: RunSpec, metric: str, user: int) -> go.Figure:
        """The linked views at a spec; nothing is trained."""
        return draw_lambda(self.line, spec, metric, user, self.strategies)

    def table(self, spec: RunSpec, user: int) -> str:
        """One user's top ten at the nearest trained run, as HTML."""
        shown = self.line.nearest(spec)
        if shown is None and self.line.neighbours(spec):
            return "<p>These runs were measured elsewhere: there is no model here to look into.</p>"
        if shown is None:
            return "<p>Nothing is trained for this strategy and variant yet: let the slider rest, and it will be.</p>"
        return top_table(self.dataset, shown, user, self.line.base_snapshot(self.trainer.seed))

    def draw_measured(self, lam: float, strategy: str, variant: str, metric: str, user: int) -> go.Figure:
        """The linked views at a point that is trained first, where it is not."""
        spec = self.spec(strategy, variant, lam)
        self.measure(spec)
        return self.draw(spec, metric, user)

    def tell(self, lam: float, strategy: str, variant: str, user: int, **_: object) -> str:
        """The table of a point."""
        return self.table(self.spec(strategy, variant, lam), user)
