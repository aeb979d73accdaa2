"""Training state on disk: one safetensors file that appears whole or not at all and cannot execute code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dmrec_core.records.files import digest, write_whole
from dmrec_core.records.ranges import cut


class Checkpoint(NamedTuple):
    """Where an unfinished training is kept, and how often.

    Args:
        path: of the file; if it exists, the training resumes from it.
        seconds: between two savings at least.
        run: what this training is called; a checkpoint of another one is refused.
    """

    path: Path
    seconds: float = 30.0
    run: str = ""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and what to do."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping | None = None) -> None:
    """Write tensors, and a JSON-able `state` beside them, whole or not at all, with a checksum of both."""
    # a copy of each: safetensors refuses views that share memory
    contents = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    metadata = {} if state is None else {"state": json.dumps(state)}
    write_whole(path, save(contents, metadata | {"sha256": _digest(contents, metadata.get("state", ""))}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what `save_tensors` wrote; files of earlier versions, which have no checksum, too.

    Raises:
        CheckpointError: the file is truncated, changed since, or is not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if metadata.get("sha256") not in (None, _digest(tensors, metadata.get("state", ""))):
            raise ValueError("its checksum does not match")
        state = json.loads(metadata.get("state", "{}"))
        if not isinstance(state, dict):
            raise ValueError("its state is none")
    except (SafetensorError, ValueError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({cut(str(error), 200)}); delete it to start that run afresh"
        ) from error
    return tensors, state


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    """Over names, types, shapes and bytes."""
    parts = [
        ((name, str(tensor.dtype), list(tensor.shape)), tensor.reshape(-1).view(torch.uint8).numpy().data)
        for name, tensor in sorted(tensors.items())
    ]
    return digest([("state", state.encode()), *parts])


def pack_training(
    model: torch.nn.Module, best: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """All tensors an exact resume needs, flat: the model's, the best so far, the optimiser's."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    return tensors


def unpack_training(
    tensors: Mapping[str, Tensor], model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Put `pack_training`'s tensors back; returns the best weights so far.

    Raises:
        CheckpointError: the tensors do not fit this model.
    """
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = value
    try:
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in groups["optimizer"].items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = value
        model.load_state_dict(groups["best"])
        model.load_state_dict(groups["model"])
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the checkpoint belongs to another model: {cut(str(error), 400)}") from error
    return groups["best"]
