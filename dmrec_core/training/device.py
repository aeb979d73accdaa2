"""Where a model is computed, in which precision, on how many threads, and from which seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dmrec_core.records.ranges import short

SMALL = 5e7  # multiplications a mini-batch below which a second thread costs more than it brings


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """`"auto"` is CUDA where there is one, else Apple's MPS, else the CPU."""
    if str(device) != "auto":
        try:
            found = torch.device(device)
        except RuntimeError as error:
            raise ValueError(f"device must be 'auto', 'cpu', 'cuda' or 'mps'; got {short(device)}") from error
        if found.type == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is 'cuda', and torch finds no CUDA here; 'auto' takes what there is")
        return found
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """`cpu`, `mps`, or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def derived_seed(*parts: object) -> int:
    """One 63-bit seed from several values, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def enough_threads(work: float) -> Iterator[None]:
    """One thread for a small model: its steps are shorter than what threads spend waiting for one another.

    So small runs give the same bits whatever the number of cores, and do not crawl on a busy machine.

    Args:
        work: multiplications a mini-batch, about.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def matrix_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Matrix products in bfloat16 while it lasts, for "bf16"; sums and weights stay in float32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield
