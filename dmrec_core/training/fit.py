"""Algorithm 1: fit a model, watch the validation set, stop early, resume exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import LossTerms, Recommender
from dmrec_core.records.ranges import checked
from dmrec_core.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_tensors,
    pack_training,
    save_tensors,
    unpack_training,
)
from dmrec_core.training.device import derived_seed, enough_threads, matrix_precision, require_fast, resolve_device
from dmrec_core.training.evaluate import CUTOFFS, evaluate, metric_label

if TYPE_CHECKING:
    from dmrec_core.data import RecDataset


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained; the defaults are the published ones.

    Source: the published configuration; Sec. 3.1 of the paper says "20 consecutive iterations" for the patience.
    """

    epochs: int = 1000  # at most
    batch_size: int = 1024  # users (pairs, for models trained on pairs)
    learning_rate: float = 1e-3  # Adam's
    weight_decay: float = 0.0
    evaluate_every: int = 3  # epochs: validation at 0, 3, 6, ...
    patience: int = 20  # evaluations without strict improvement before stopping: 60 epochs
    monitor: str = "recall@20"  # on the validation split
    precision: str = "float32"  # or "bf16": matrix products in bfloat16, sums and weights in float32

    def __post_init__(self) -> None:
        for field_ in fields(self):
            object.__setattr__(self, field_.name, checked(field_.name, getattr(self, field_.name)))
        metric_label(self.monitor)


class TrainingCancelled(Exception):
    """The run was cancelled; its last checkpoint, if it has a folder, stays and resumes it."""


class TrainingDiverged(FloatingPointError):
    """A loss term became NaN or infinite; the message names epoch, batch and term."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands, handed to the `progress` callback after every epoch."""

    epoch: int  # epochs done
    epochs: int  # epochs if nothing improves from here: where early stopping would end the run
    terms: dict[str, float]  # this epoch's mean loss terms
    valid: dict[str, float]  # the latest validation metrics
    best: float  # the monitored metric at its best
    best_epoch: int
    seconds: float  # spent so far, earlier sittings included
    seconds_left: float  # until early stopping, if nothing improves from here


@dataclass
class _State:
    """Everything about an unfinished run that is not a tensor."""

    epoch: int = 0  # the next one to run
    step: int = 0
    seconds: float = 0.0
    best: float = float("-inf")
    best_epoch: int = -1
    misses: int = 0  # evaluations since the best
    history: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class FitResult:
    """What `fit` leaves beside the trained weights."""

    history: list[dict]  # one row an epoch: epoch, seconds, loss terms, validation metrics where evaluated
    best_epoch: int
    stopped: str  # "patience" or "epochs"; a closed form says so
    seconds: float
    peak_mib: float | None = None  # of a closed form; None where it is not measured
    processor_seconds: float | None = None  # likewise


def fit(
    model: Recommender,
    dataset: RecDataset,
    settings: TrainSettings = TrainSettings(),
    *,
    seed: int = 2024,
    device: str | torch.device = "auto",
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FitResult:
    r"""Train a model in place and leave it with the weights of its best validation epoch.

    Alg. 1.  For every mini-batch of users: fetch their interactions and vectors, compute $q_\phi$ and $p_\varphi$,
    reconstruct, add $L_{DM}$, and take one step on the mean gradient.

    All randomness of an epoch comes from a generator seeded with `(seed, epoch)`. So a run that was killed and resumes
    from its last checkpoint repeats the lost epochs bit for bit, on the same machine, with the same number of threads.

    Args:
        model: trained in place.
        dataset: training interactions, and the validation split that stops the training.
        settings: see `TrainSettings`.
        seed: of shuffling, dropout and sampling; the initial weights are the caller's.
        device: "auto", "cpu", "cuda", "mps".
        checkpoint: the file to save to and, if it exists, to resume from; None keeps nothing.
        progress: called after every epoch.
        cancel: asked before every mini-batch; True raises `TrainingCancelled`.

    Returns:
        The history, the best epoch and why the run stopped.

    Raises:
        TrainingCancelled: `cancel` said so.
        TrainingDiverged: a loss term is NaN or infinite.
        CheckpointError: the checkpoint is not a readable one of this model.
        ValueError: the precision is bf16, for which this device has no units.
    """
    device = resolve_device(device)
    model.to(device)
    work = settings.batch_size * sum(p.numel() for p in model.parameters())
    require_fast(settings.precision, device, work)
    with enough_threads(work):
        return _Fit(model, dataset, settings, seed, device, checkpoint, progress, cancel).run()


@dataclass
class _Fit:
    """One call of `fit`, with its arguments."""

    model: Recommender
    dataset: RecDataset
    settings: TrainSettings
    seed: int
    device: torch.device
    checkpoint: Checkpoint | None
    progress: Callable[[Progress], None] | None
    cancel: Callable[[], bool] | None

    def run(self) -> FitResult:
        model, settings, kept = self.model, self.settings, self.checkpoint
        optimizer = model.optimizer(settings.learning_rate, settings.weight_decay)
        state, best_weights = _State(), _copy(model)
        if kept is not None and kept.path.exists():
            tensors, saved = load_tensors(kept.path)
            if saved.pop("run", kept.run) != kept.run:
                raise CheckpointError(f"{kept.path} is of another run; delete it to start this one afresh")
            if set(saved) != {field_.name for field_ in fields(_State)}:
                raise CheckpointError(
                    f"{kept.path} does not say where its run stood; delete it to start that run afresh"
                )
            best_weights = unpack_training(tensors, model, optimizer)
            state = _State(**saved)
        last_saved = time.monotonic()

        while state.epoch < settings.epochs and state.misses < settings.patience:
            started = time.monotonic()
            terms = self._one_epoch(optimizer, state)
            row: dict = {"epoch": state.epoch, **terms}
            if state.epoch % settings.evaluate_every == 0:
                valid = evaluate(model, self.dataset, "valid", _cutoffs(settings.monitor), device=self.device).means()
                row |= {f"valid_{name}": value for name, value in valid.items()}
                if valid[settings.monitor] > state.best:
                    state.best, state.best_epoch, state.misses = valid[settings.monitor], state.epoch, 0
                    best_weights = _copy(model)
                else:
                    state.misses += 1
            state.seconds += time.monotonic() - started
            state.epoch += 1
            state.history.append({**row, "seconds": state.seconds})
            if self.progress is not None:
                self.progress(_progress(state, settings, terms))
            if kept is not None and time.monotonic() - last_saved >= kept.seconds:
                save_tensors(
                    kept.path, pack_training(model, best_weights, optimizer), asdict(state) | {"run": kept.run}
                )
                last_saved = time.monotonic()

        model.load_state_dict(best_weights)
        stopped = "patience" if state.misses >= settings.patience else "epochs"
        return FitResult(state.history, state.best_epoch, stopped, state.seconds)

    def _one_epoch(self, optimizer: torch.optim.Optimizer, state: _State) -> dict[str, float]:
        model, settings = self.model, self.settings
        model.train()
        order = torch.Generator().manual_seed(derived_seed(self.seed, state.epoch, "order"))
        noise = torch.Generator(self.device).manual_seed(derived_seed(self.seed, state.epoch, "noise"))
        sums: dict[str, Tensor] = {}
        batches = 0
        for batch in model.batches(self.dataset.train, settings.batch_size, state.epoch, order, self.device):
            if self.cancel is not None and self.cancel():
                raise TrainingCancelled(f"cancelled in epoch {state.epoch}, batch {batches}")
            batch = replace(batch, generator=noise, epoch=state.epoch, step=state.step)
            optimizer.zero_grad(set_to_none=True)
            with matrix_precision(settings.precision, self.device):
                loss = model.loss(batch)
                total = loss.total
            if not torch.isfinite(total):
                raise _diverged(loss, batch, batches)
            total.backward()
            optimizer.step()
            state.step += 1
            batches += 1
            for name, mean in loss.means().items():
                sums[name] = sums.get(name, 0) + mean
        return {name: float(value) / batches for name, value in sums.items()}


def _diverged(loss: LossTerms, batch: UserBatch, index: int) -> TrainingDiverged:
    values = {name: float(mean) for name, mean in loss.means().items()}
    bad = [name for name, value in values.items() if not abs(value) < float("inf")]
    return TrainingDiverged(
        f"epoch {batch.epoch}, batch {index}: {', '.join(bad) or 'the total'} is not finite (terms: {values}). "
        "A smaller learning rate or lambda usually helps; the last checkpoint is untouched."
    )


def _progress(state: _State, settings: TrainSettings, terms: dict[str, float]) -> Progress:
    evaluations_left = settings.patience - state.misses
    last = (state.epoch - 1) // settings.evaluate_every * settings.evaluate_every  # epoch of the latest evaluation
    end = min(settings.epochs, last + evaluations_left * settings.evaluate_every + 1)
    valid = next((row for row in reversed(state.history) if f"valid_{settings.monitor}" in row), {})
    return Progress(
        epoch=state.epoch,
        epochs=end,
        terms=terms,
        valid={name.removeprefix("valid_"): value for name, value in valid.items() if name.startswith("valid_")},
        best=state.best,
        best_epoch=state.best_epoch,
        seconds=state.seconds,
        seconds_left=state.seconds / state.epoch * (end - state.epoch),
    )


def _cutoffs(monitor: str) -> tuple[int, ...]:
    return tuple(sorted({*CUTOFFS, int(monitor.split("@")[1])}))


def _copy(model: Recommender) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
