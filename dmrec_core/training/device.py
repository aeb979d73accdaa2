"""Where a model is computed, in which precision, on how many threads, and from which seed."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dmrec_core.records.ranges import short

SMALL = 5e7  # multiplications a mini-batch below which a second thread costs more than it brings
TOO_SLOW = 1.5  # times float32's seconds, from which bf16 is refused or not measured
LONG = 1e9  # multiplications a mini-batch from which a step in bf16 takes seconds, where there are no units for it


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


@functools.cache
def bf16_ratio(device: torch.device) -> float:
    """How long a matrix product takes in bfloat16, as a multiple of float32's time; timed once a process.

    About a half where a processor or GPU has units for it, and 30 to 500 where it has none and torch converts number by
    number (pytorch#146508).
    """
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        square, seconds = torch.ones(256, 256, dtype=dtype, device=device), []
        for _ in range(4):  # the first one warms up
            start = time.perf_counter()
            (square @ square)[0, 0].item()  # waits for the device
            seconds.append(time.perf_counter() - start)
        best[dtype] = min(seconds[1:])
    return best[torch.bfloat16] / best[torch.float32]


def require_fast(precision: str, device: torch.device, work: float) -> None:
    """Refuse bf16 where it would be slower than float32 by more than half, for a model whose steps are long.

    Raises:
        ValueError: it would; the message says by how much.
    """
    if precision == "bf16" and work >= LONG and (ratio := bf16_ratio(device)) > TOO_SLOW:
        raise ValueError(
            f"precision is 'bf16', and on this {device.type} a matrix product takes {ratio:.0f} times as long in bf16 "
            "as in float32: it has no units for it. Train in 'float32' here; runs kept in bf16 are read as they are"
        )


@contextmanager
def matrix_precision(precision: str, device: torch.device) -> Iterator[None]:
    """Matrix products in bfloat16 while it lasts, for "bf16"; sums and weights stay in float32."""
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield
