"""One training, kept at many times: validation says for each lambda which of them it would have stopped at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from dmrec_core.data import RecDataset
from dmrec_core.every_lambda.between import at_knots, neighbours
from dmrec_core.every_lambda.model import ConditionalDMRec
from dmrec_core.recommender import Recommender
from dmrec_core.training.checkpoint import Checkpoint, CheckpointError, load_tensors, save_tensors
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import Progress, TrainSettings, fit

Weights = Mapping[str, Tensor]


def stop_epochs(epochs: int) -> list[int]:
    """When the weights are kept: dense early, where a small lambda stops, and each time a third or a half later.

    Example:
        >>> stop_epochs(100)
        [3, 6, 9, 12, 18, 24, 36, 48, 72, 96]
    """
    return sorted(stop for k in range(20) for stop in (3 * 2**k, 9 * 2**k) if stop <= epochs)


def train_stops(
    model: ConditionalDMRec,
    dataset: RecDataset,
    settings: TrainSettings,
    *,
    seed: int = 2024,
    device: str | torch.device = "auto",
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> dict[int, Weights]:
    """Train with `fit`, and keep the weights of every `stop_epochs` on the way.

    `fit` watches the model's own lambda, and ends when that one no longer improves: let it be one that takes long,
    which for a share of the prior is a large one. Cancelled or killed, it resumes exactly: the stops so far lie beside
    the checkpoint.

    Args:
        model: trained in place.
        dataset, settings, seed, device, progress, cancel: as `fit`.
        checkpoint: as `fit`; the stops are kept as `NAME.stop-N.safetensors` in its folder.

    Returns:
        Epochs done -> the model's weights.

    Raises:
        TrainingCancelled, TrainingDiverged, CheckpointError: as `fit`; the last also for a stop of another run.
        ValueError: the settings allow fewer epochs than the first stop needs.
    """
    wanted = stop_epochs(settings.epochs)
    if not wanted:
        raise ValueError(f"the first stop is after 3 epochs; settings allow {settings.epochs}: give it more")
    stops: dict[int, Weights] = {}

    def keep(now: Progress) -> None:
        if now.epoch in wanted:
            stops[now.epoch] = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            if checkpoint is not None:
                save_tensors(_file(checkpoint, now.epoch), stops[now.epoch], {"run": checkpoint.run})
        if progress is not None:
            progress(now)

    resumed = checkpoint is not None and checkpoint.path.exists()
    fitted = fit(
        model, dataset, settings, seed=seed, device=device, checkpoint=checkpoint, progress=keep, cancel=cancel
    )
    for stop in wanted:
        if resumed and stop <= len(fitted.history) and stop not in stops:
            stops[stop] = _read(_file(checkpoint, stop), checkpoint.run)
    return dict(sorted(stops.items()))


def _file(checkpoint: Checkpoint, stop: int) -> Path:
    return checkpoint.path.with_name(f"{checkpoint.path.stem}.stop-{stop}.safetensors")


def _read(path: Path, run: str) -> Weights:
    if not path.exists():
        raise CheckpointError(f"{path} is missing; delete the checkpoint beside it to train its run afresh")
    tensors, state = load_tensors(path)
    if state.get("run") != run:
        raise CheckpointError(f"{path} is of another run; delete it and the checkpoint beside it to train afresh")
    return tensors


def costs_of_one_stop(valid: Mapping[float, Mapping[int, float]]) -> dict[int, float]:
    r"""What the worst-off lambda loses if all stop at one time.

    $c(t) = \max_\lambda\big[\max_{t'}V_\lambda(t')-V_\lambda(t)\big]$

    It is 0 at some time only if one time is best for every lambda.

    Args:
        valid: lambda -> epochs done -> $V_\lambda(t)$, the metric on validation.

    Returns:
        Epochs done -> the cost, in units of the metric, for the times at which every lambda was judged.

    Example:
        >>> costs = costs_of_one_stop({0.0: {3: 0.25, 6: 0.125}, 1.0: {3: 0.0, 6: 0.5}})
        >>> costs
        {3: 0.5, 6: 0.125}
    """
    best = {lam: max(measured.values()) for lam, measured in valid.items()}
    times = set.intersection(*(set(measured) for measured in valid.values()))
    return {t: max(best[lam] - measured[t] for lam, measured in valid.items()) for t in sorted(times)}


@dataclass(frozen=True)
class EveryLambda:
    """A conditional model with the stop that validation chose for each lambda of a grid: an approximation of a run.

    Args:
        model: the conditional model; its own weights are those of none of the stops.
        stops: epochs done -> weights.
        valid: lambda of the grid -> epochs done -> the metric on validation.
    """

    model: ConditionalDMRec
    stops: Mapping[int, Weights]
    valid: Mapping[float, Mapping[int, float]]

    @cached_property
    def chosen(self) -> dict[float, int]:
        """The stop of each lambda of the grid: the first of the best ones on validation."""
        return {lam: max(measured, key=measured.get) for lam, measured in self.valid.items()}

    @cached_property
    def common(self) -> int:
        """The one stop for all at which the worst-off lambda loses least on validation."""
        costs = costs_of_one_stop(self.valid)
        return min(costs, key=costs.get)

    def stopped(self, stop: int) -> ConditionalDMRec:
        """A copy of the model with the weights of one stop.

        Raises:
            KeyError: the weights were not kept at that time.
        """
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.stops[stop])
        return model.eval()

    def at(self, lam: float) -> Recommender:
        """The approximation at any lambda within the grid.

        On the grid the model of its stop, asked for lambda. Between two, where these stop at different times, both,
        asked for lambda, with their scores mixed by `between`.

        Raises:
            ValueError: lambda lies outside of the grid.
        """
        near = {knot: self.chosen[knot] for knot in neighbours(self.valid, lam)}
        models = {stop: self.stopped(stop).at(lam) for stop in set(near.values())}
        return (
            next(iter(models.values())) if len(models) == 1 else at_knots({k: models[s] for k, s in near.items()}, lam)
        )


def choose_stops(
    model: ConditionalDMRec,
    stops: Mapping[int, Weights],
    dataset: RecDataset,
    lams: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    metric: str = "recall@20",
) -> EveryLambda:
    """Judge every stop at every lambda on validation.

    Args:
        model: the one that was trained.
        stops: what `train_stops` gave.
        dataset: its data.
        lams: the grid, in [0, 1].
        metric: what is compared.
    """
    judged = copy.deepcopy(model)
    valid: dict[float, dict[int, float]] = {lam: {} for lam in lams}
    for stop, weights in stops.items():
        judged.load_state_dict(weights)
        for lam in lams:
            cutoff = (int(metric.partition("@")[2]),)
            valid[lam][stop] = evaluate(judged.at(lam), dataset, "valid", cutoff).means()[metric]
    return EveryLambda(judged, stops, valid)
