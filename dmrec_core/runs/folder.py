"""A run's folder: what a finished one holds, whether it is whole, and what becomes of a file that is not.

`metrics.json`, written last, says that a run is finished; it holds the checksums of the other files and its own. What
was trained is in `weights.safetensors` with its history and record: from it, all others can be made again. Only a run
that came as its measurements, see `measurements`, has none.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.recommender import Recommender
from dmrec_core.records.files import digest, file_digest, read_json, temporary_for, write_whole
from dmrec_core.records.ranges import cut
from dmrec_core.training.checkpoint import CheckpointError, load_tensors
from dmrec_core.training.evaluate import RankingMetrics

SPLITS = ("valid", "test")
SPEC, HISTORY, PER_USER = "spec.json", "history.csv", "per_user.safetensors"
WEIGHTS, METRICS = "weights.safetensors", "metrics.json"
MEASURED = SPEC, HISTORY, PER_USER
FILES = *MEASURED, WEIGHTS
FINISHED = *FILES, METRICS
NOT_KEPT = "not kept"  # what a record says of its weights where there are none
RESUME, PROGRESS = "resume.safetensors", "progress.json"  # of an unfinished run
KEPT_AT_MOST = 2**24  # bytes of a closed form's solution: an item-item matrix of up to 2,048 items


def seal(folder: Path, metrics: Mapping, record: Mapping, names: Collection[str] = FILES) -> None:
    """Write `metrics.json`: the run is finished, and its other files, `names`, are to stay as they are now."""
    files = {name: file_digest(folder / name) for name in names}
    values = {"metrics": metrics, "record": record, "run": folder.name, "files": files}
    write_whole(folder / METRICS, json.dumps(values | {"sha256": _checksum(values)}, indent=1).encode())
    for name in (RESUME, PROGRESS):
        (folder / name).unlink(missing_ok=True)


def faults(folder: Path) -> dict[str, str]:
    """What is wrong with the files of a finished run: name -> why. Nothing where it is whole.

    Files of earlier versions, which have no checksums, are whole if they can be read and agree with each other.
    """
    found: dict[str, str | None] = {}
    sealed: dict = {}
    try:
        sealed = read_metrics(folder)
    except (OSError, ValueError) as problem:
        found[METRICS] = str(problem)
    expected = sealed.get("files", {})
    for name in expected or FILES:
        found[name] = _fault(folder / name, expected.get(name))
    if not expected and not any(found.values()):
        found[METRICS] = _disagreement(sealed["metrics"], read_per_user(folder))
    return {name: why for name, why in found.items() if why}


def deliver(files: Mapping[str, bytes], folder: Path) -> None:
    """Put the files of a run that was finished elsewhere into its folder here: all of them, whole, or none.

    Raises:
        CheckpointError: they did not arrive whole, or are another run's.
    """
    place = temporary_for(folder)
    arrived = place / folder.name
    try:
        for name in FINISHED:
            if name in files:
                write_whole(arrived / name, files[name])
        if wrong := faults(arrived):
            said = "; ".join(f"{name}: {why}" for name, why in wrong.items())
            raise CheckpointError(f"{folder.name} did not arrive whole ({cut(said, 300)})")
        for name in FINISHED:  # the last one says that the run is finished
            os.replace(arrived / name, folder / name)
        for name in (RESUME, PROGRESS):
            (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path to fill, which becomes `folder` when the block ends well; nothing is left where it does not."""
    place = temporary_for(folder)
    try:
        yield place / folder.name
        os.replace(place / folder.name, folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def read_metrics(folder: Path) -> dict:
    """`metrics.json`: `metrics` (split -> metric -> mean over users), `record` and, since there are checksums, `files`.

    Raises:
        OSError: it is not there.
        ValueError: it is damaged, or another run's.
    """
    path = folder / METRICS
    values = read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("record"), dict):
        raise ValueError(f"{path}: no metrics of a run")
    said = values.pop("sha256", None)
    if said not in (None, _checksum(values)):
        raise ValueError(f"{path}: its checksum does not match")
    if values.get("run", folder.name) != folder.name:
        raise ValueError(f"{path}: the metrics of {cut(str(values['run']))}, another run")
    metrics = values.get("metrics")
    if not isinstance(metrics, dict) or not all(isinstance(metrics.get(split), dict) for split in SPLITS):
        raise ValueError(f"{path}: no metrics for {' and '.join(SPLITS)}")
    return values


def read_per_user(folder: Path) -> dict[str, RankingMetrics]:
    """`per_user.safetensors`: split -> per-user metrics.

    Raises:
        ValueError: it is damaged (a `CheckpointError`), or another kind of file.
    """
    tensors, _ = load_tensors(folder / PER_USER)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    ranked = {}
    for split in SPLITS:
        mine = {name.removeprefix(f"{split}."): array for name, array in arrays.items() if name.startswith(f"{split}.")}
        if "users" not in mine:
            raise ValueError(f"{folder / PER_USER}: no users of {split}")
        ranked[split] = RankingMetrics(mine.pop("users"), mine)
    return ranked


def to_keep(model: Recommender) -> Mapping[str, Tensor]:
    """The weights that are kept: all, but none of a closed form whose solution is larger than `KEPT_AT_MOST`."""
    tensors = model.state_dict()
    size = sum(tensor.nbytes for tensor in tensors.values())
    return {} if isinstance(model, ClosedForm) and size > KEPT_AT_MOST else tensors


def put(model: Recommender, tensors: Mapping[str, Tensor], path: Path) -> None:
    """The weights that were kept at `path` into the model; a closed form of which none were is solved.

    Raises:
        CheckpointError: they are another model's.
    """
    if isinstance(model, ClosedForm) and not tensors:
        model.solve()
        return
    try:
        model.load_state_dict(tensors)
    except RuntimeError as problem:
        raise CheckpointError(f"{path} holds the weights of another model: {cut(str(problem), 300)}") from problem


def set_aside(path: Path, why: str) -> None:
    """Rename a file that cannot be used to `*.damaged`, and say so; one that is not there is none to speak of."""
    with suppress(FileNotFoundError):
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        warnings.warn(f"{path} cannot be used ({cut(why, 300)}); it is now {aside.name} and made again", stacklevel=3)


def _fault(path: Path, expected: str | None) -> str | None:
    try:
        if expected is not None:
            return None if file_digest(path) == expected else "its checksum does not match"
        if path.suffix == ".safetensors":
            load_tensors(path)
        elif path.suffix == ".json":
            read_json(path)
        elif "epoch" not in pd.read_csv(path):
            return "no history of a training"
    except FileNotFoundError:
        return "it is missing"
    except (OSError, ValueError) as problem:
        return cut(str(problem), 300)
    return None


def _disagreement(metrics: Mapping[str, Mapping[str, float]], per_user: Mapping[str, RankingMetrics]) -> str | None:
    for split, ranked in per_user.items():
        means = ranked.means()
        said = {name: metrics[split].get(name) for name in means}
        if not all(isinstance(value, int | float) for value in said.values()):
            return f"{split} lacks metrics that {PER_USER} has"
        if not np.allclose(list(said.values()), list(means.values()), rtol=1e-9, equal_nan=True):
            return f"its means of {split} are not those of {PER_USER}"
    return None


def _checksum(values: Mapping) -> str:
    return digest([("metrics", json.dumps(values, sort_keys=True).encode())])
