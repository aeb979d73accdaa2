"""`run(spec)`: a run's result from its folder if it is there, resumed if it is not finished, trained otherwise."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import filelock
import pandas as pd
import torch

import dmrec_core
from dmrec_core.data import RecDataset
from dmrec_core.data.cache import home
from dmrec_core.recommender import Recommender
from dmrec_core.records.checkout import find_checkout
from dmrec_core.records.files import collect, read_json, write_whole
from dmrec_core.runs.build import build_model
from dmrec_core.runs.folder import (
    HISTORY,
    METRICS,
    NOT_KEPT,
    PER_USER,
    PROGRESS,
    RESUME,
    SPEC,
    SPLITS,
    WEIGHTS,
    faults,
    put,
    read_metrics,
    read_per_user,
    seal,
    set_aside,
    to_keep,
)
from dmrec_core.runs.inputs import fingerprint, load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.training.checkpoint import Checkpoint, CheckpointError, load_tensors, save_tensors
from dmrec_core.training.device import device_name
from dmrec_core.training.evaluate import RankingMetrics, evaluate, metric_names
from dmrec_core.training.fit import FitResult, Progress, TrainingCancelled, fit
from dmrec_core.training.solve import solve


@dataclass(frozen=True)
class RunResult:
    """A finished run, read from its folder.

    Args:
        spec: what was run.
        folder: `spec.json, history.csv, metrics.json, per_user.safetensors, weights.safetensors`.
        metrics: split -> metric -> mean over users.
        per_user: split -> per-user metrics, for sparsity groups and paired tests.
        record: best epoch, why it stopped, seconds, and provenance (device, threads, versions, data fingerprint).
    """

    spec: RunSpec
    folder: Path
    metrics: Mapping[str, Mapping[str, float]]
    per_user: Mapping[str, RankingMetrics]
    record: Mapping[str, object]

    @property
    def has_weights(self) -> bool:
        """Whether there is a model to look into; a run that came as its measurements has none."""
        return self.record.get("weights") != NOT_KEPT

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: seconds, loss terms, validation metrics where evaluated."""
        return pd.read_csv(self._whole(HISTORY))

    def model(self, dataset: RecDataset | None = None) -> Recommender:
        """The trained model, on the CPU, ready to score.

        A closed form whose solution is too large to keep, see `run`, is solved again.

        Raises:
            CheckpointError: its weights are damaged, or it came without any.
        """
        if not self.has_weights:
            raise CheckpointError(
                f"{self.folder} holds what a run measured, without its weights; delete that folder, and the run is "
                "trained here when it is asked for again"
            )
        model = untrained(self.spec, dataset, runs=self.folder.parent)
        put(model, load_tensors(self._whole(WEIGHTS))[0], self.folder / WEIGHTS)
        return model.eval()

    def _whole(self, name: str) -> Path:
        if why := faults(self.folder).get(name):
            raise CheckpointError(f"{self.folder / name} cannot be used ({why}); run it again: it will be made again")
        return self.folder / name


def runs_folder() -> Path:
    """Where runs are kept: `DMREC_RUNS`, else `runs/` of the checkout, else `runs/` in the cache folder."""
    if given := os.environ.get("DMREC_RUNS"):
        return Path(given)
    return (find_checkout() or home()) / "runs"


def folder_of(spec: RunSpec, dataset: RecDataset | None = None, runs: Path | None = None) -> Path:
    """The folder a run has, or will have."""
    dataset = load(spec) if dataset is None else dataset
    runs, of_data = runs or runs_folder(), fingerprint(dataset, spec.uses_language)
    name = f"{Path(spec.dataset).resolve().name}-{spec.model}"
    folder = runs / f"{name}-{spec.as_trained.strategy}-{spec.key(of_data)}"
    before = runs / f"{name}-{spec.strategy}-{spec.own_key(of_data)}"  # when each strategy trained its own
    return before if (before / METRICS).exists() and not (folder / METRICS).exists() else folder


def cached(spec: RunSpec, dataset: RecDataset | None = None, runs: Path | None = None) -> RunResult | None:
    """The result of a run if it is complete and whole on disk, else None; a warning names what is damaged."""
    folder = folder_of(spec, dataset, runs)
    result = _read(spec, folder)
    if result is not None:
        return None if _lacks_a_metric(result) else result
    if (folder / METRICS).exists():
        wrong = "; ".join(f"{name}: {why}" for name, why in faults(folder).items())
        warnings.warn(f"{folder} is not whole ({wrong}); run it again: what is damaged is made again", stacklevel=2)
    return None


def finished(dataset: str, runs: Path | None = None) -> list[RunResult]:
    """Every finished and whole run on a data set, in the order of their folders' names.

    Those of an older numbers version are left out, and those of a strategy or a model of one's own, which only the
    notebook that defines it can name.
    """
    found = []
    for path in sorted((runs or runs_folder()).glob(f"*/{METRICS}")):
        try:
            spec = RunSpec.from_json(read_json(path.with_name(SPEC)))
            of_data = read_metrics(path.parent)["record"]["fingerprint"]
        except (OSError, ValueError, TypeError, KeyError):  # damaged, of another version, or one's own
            continue
        names = tuple(f"-{key}" for key in (spec.key(of_data), spec.own_key(of_data)))
        if spec.dataset == dataset and path.parent.name.endswith(names):
            found += [result for result in [_read(spec, path.parent)] if result is not None]
    return found


def run(
    spec: RunSpec,
    dataset: RecDataset | None = None,
    *,
    runs: Path | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    checkpoint_seconds: float = 30.0,
) -> RunResult:
    """The result of a run: from its folder if complete, resumed if interrupted, trained otherwise.

    A file that is damaged or another run's is renamed to `*.damaged`, with a warning, and made again: from the weights
    where these are whole, otherwise by training. A metric that was not known when the run was kept is measured now, by
    its weights; nothing is trained for it. Two processes that ask for the same run at once train it once: the
    second waits for the first.

    A linear reference is solved, on the CPU: one run whatever the seed, with nothing to resume. Its solution is kept
    as weights are where it takes 16 MiB at most; an item-item matrix of over 2,048 items takes more, and is found
    again, in seconds to a minute, where the model itself is asked for.

    Args:
        spec: what to run.
        dataset: its data, if not the one `load(spec)` gives.
        runs: parent of the run folders; by default `runs_folder()`.
        device: "auto", "cpu", "cuda", "mps".
        progress: called after every epoch.
        cancel: asked before every mini-batch, and while waiting for another process.
        checkpoint_seconds: seconds between checkpoints at least.

    Returns:
        The complete result.

    Raises:
        TrainingCancelled, TrainingDiverged, CheckpointError: as `fit`.
        MemoryError: a closed form's item-item matrix does not fit; the message says its size.

    Example:
        >>> from dmrec_core.runs.presets import paper_settings
        >>> result = run(paper_settings("toy", strategy="mddm"))        # doctest: +SKIP
        >>> result.metrics["test"]["recall@20"]                          # doctest: +SKIP
    """
    dataset = load(spec) if dataset is None else dataset
    folder = folder_of(spec, dataset, runs)
    result = _read(spec, folder)
    if result is not None and not _lacks_a_metric(result):
        return result
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, cancel):
        collect(folder)
        result = _read(spec, folder)
        if result is None:
            _make(spec, dataset, folder, device, progress, cancel, checkpoint_seconds)
        elif _lacks_a_metric(result):
            _judge(result.model(dataset), dataset, folder, result.record)
    return _read(spec, folder)


def _lacks_a_metric(result: RunResult) -> bool:
    return any(not set(metric_names()) <= set(result.metrics[split]) for split in SPLITS)


def pretraining_run(spec: RunSpec) -> RunSpec | None:
    """The run that this one starts from, on the same data with the same seed; None if none.

    A warm start's is the same run at another lambda, from its own initial weights; otherwise LightGCN at its preset.
    """
    if spec.warm is not None:
        return spec.with_(lam=spec.warm, warm=None)
    if spec.pretraining is None:
        return None
    return paper_settings(spec.dataset, spec.pretraining, options=spec.options, seed=spec.seed)


def untrained(
    spec: RunSpec,
    dataset: RecDataset | None = None,
    *,
    runs: Path | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Recommender:
    """The model of a run before its first step, on the CPU; what it starts from is trained first, as a run of its own.

    Args:
        spec, dataset, runs, device, progress, cancel: as `run`.
    """
    dataset = load(spec) if dataset is None else dataset
    first = pretraining_run(spec)
    if first is None:
        return build_model(spec, dataset)
    how = {"runs": runs, "device": device, "progress": progress, "cancel": cancel}
    begun = run(first, dataset, **how).model(dataset)
    if spec.warm is None:
        return build_model(spec, dataset, begun)
    model = untrained(spec.with_(warm=None), dataset, **how)
    model.load_state_dict(begun.state_dict())
    return model


def locked(folder: Path, cancel: Callable[[], bool] | None) -> filelock.AcquireReturnProxy:
    """The lock of a run's folder, once no other process holds it.

    Raises:
        TrainingCancelled: `cancel` said so while waiting.
    """
    lock = filelock.FileLock(folder / ".lock")
    while True:
        try:
            return lock.acquire(timeout=0.2)
        except filelock.Timeout:
            if cancel is not None and cancel():
                raise TrainingCancelled("cancelled while another process was training this run") from None


def _make(
    spec: RunSpec,
    dataset: RecDataset,
    folder: Path,
    device: str,
    progress: Callable[[Progress], None] | None,
    cancel: Callable[[], bool] | None,
    checkpoint_seconds: float,
) -> None:
    """What is missing of a run, from its weights where they are whole and its own, otherwise by training."""
    for name, why in faults(folder).items():
        set_aside(folder / name, why)
    _write_json(folder / SPEC, spec.as_trained.to_json())
    weights = folder / WEIGHTS
    tensors, state = load_tensors(weights) if weights.exists() else ({}, {})
    if state.get("run", folder.name) != folder.name:
        set_aside(weights, f"it is of {state['run']}, another run")
    if state.get("run") == folder.name:
        model = untrained(spec, dataset, runs=folder.parent, device=device, progress=progress, cancel=cancel)
        put(model, tensors, weights)
    else:
        if spec.solved:
            model, fitted = solve(lambda: build_model(spec, dataset), progress, cancel)
        else:
            model, fitted = _fitted(spec, dataset, folder, device, progress, cancel, checkpoint_seconds)
        state = {"run": folder.name, "record": _record(spec, dataset, model, fitted), "history": fitted.history}
        save_tensors(weights, to_keep(model), state)
    _write_history(folder / HISTORY, state["history"])
    _judge(model, dataset, folder, state["record"])


def _judge(model: Recommender, dataset: RecDataset, folder: Path, record: Mapping[str, object]) -> None:
    """Rank every split, and say with it that the run is finished."""
    tensors, metrics = {}, {}
    for split in SPLITS:
        ranked = evaluate(model, dataset, split)
        metrics[split] = ranked.means()
        tensors[f"{split}.users"] = torch.from_numpy(ranked.users)
        tensors |= {f"{split}.{name}": torch.from_numpy(values) for name, values in ranked.per_user.items()}
    save_tensors(folder / PER_USER, tensors)
    seal(folder, metrics, record)


def _fitted(
    spec: RunSpec,
    dataset: RecDataset,
    folder: Path,
    device: str,
    progress: Callable[[Progress], None] | None,
    cancel: Callable[[], bool] | None,
    checkpoint_seconds: float,
) -> tuple[Recommender, FitResult]:
    """The trained model; a checkpoint that cannot be used is set aside, and a new model trained from its first step."""
    last_told = 0.0

    def report(now: Progress) -> None:
        nonlocal last_told
        if time.monotonic() - last_told > 1:
            _write_json(folder / PROGRESS, {"epoch": now.epoch, "epochs": now.epochs, "seconds": now.seconds})
            last_told = time.monotonic()
        if progress is not None:
            progress(now)

    while True:
        model = untrained(spec, dataset, runs=folder.parent, device=device, progress=progress, cancel=cancel)
        try:
            return model, fit(
                model,
                dataset,
                spec.train,
                seed=spec.seed,
                device=device,
                checkpoint=Checkpoint(folder / RESUME, checkpoint_seconds, folder.name),
                progress=report,
                cancel=cancel,
            )
        except CheckpointError as problem:
            set_aside(folder / RESUME, str(problem))


def _record(spec: RunSpec, dataset: RecDataset, model: Recommender, fitted: FitResult) -> dict:
    device = next(model.parameters()).device
    return {
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "stopped": fitted.stopped,
        "seconds": round(fitted.seconds, 3),
        **({"peak_mib": fitted.peak_mib, "processor_seconds": fitted.processor_seconds} if spec.solved else {}),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "kit": dmrec_core.__version__,
        "fingerprint": fingerprint(dataset, spec.uses_language),
        "profiles": spec.profiles if spec.uses_language else "none",
        "embedder": dataset.language.embedder if spec.uses_language else "none",
    }


def _read(spec: RunSpec, folder: Path) -> RunResult | None:
    """The result, or None where it is not finished or not whole."""
    if not (folder / METRICS).exists() or faults(folder):
        return None
    with suppress(OSError):  # what a process left that was killed as it finished; the folder may be read-only
        (folder / RESUME).unlink(missing_ok=True)
        (folder / PROGRESS).unlink(missing_ok=True)
    values = read_metrics(folder)
    return RunResult(spec, folder, values["metrics"], read_per_user(folder), values["record"])


def _write_json(path: Path, values: Mapping) -> None:
    write_whole(path, json.dumps(values, indent=1).encode())


def _write_history(path: Path, history: list[dict]) -> None:
    columns = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(history)
    write_whole(path, text.getvalue().encode())


def forget(spec: RunSpec, dataset: RecDataset | None = None, runs: Path | None = None) -> None:
    """Delete a run's folder, finished or not; of a run without matching, that of all its names."""
    shutil.rmtree(folder_of(spec, dataset, runs), ignore_errors=True)
