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

from dmrec_core.records.files import write_whole


class Checkpoint(NamedTuple):
    """Where an unfinished training is kept, and how often.

    Args:
        path: of the file; if it exists, the training resumes from it.
        seconds: between two savings at least.
    """

    path: Path
    seconds: float = 30.0


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and what to do."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping | None = None) -> None:
    """Write tensors, and a JSON-able `state` beside them, atomically."""
    metadata = {"state": json.dumps(state)} if state is not None else None
    # a copy of each: safetensors refuses views that share memory
    contents = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(contents, metadata))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what `save_tensors` wrote.

    Raises:
        CheckpointError: the file is truncated or is not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({error}); delete it to start that run afresh"
        ) from error


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
        model.load_state_dict(groups["model"])
    except RuntimeError as error:
        raise CheckpointError(f"the checkpoint belongs to another model: {error}") from error
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in groups["optimizer"].items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
    return groups["best"]
