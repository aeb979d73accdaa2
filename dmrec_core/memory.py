"""The most memory something took: on a CPU the process's resident peak, on a GPU what was allocated."""

from __future__ import annotations

import re
from pathlib import Path

import torch

MIB = 2**20


def begin_peak(device: torch.device) -> float | None:
    """Forget earlier peaks; the memory in use now, MiB."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return 0.0
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is resident now
    except OSError:  # not Linux, or not allowed: the peak of what came before then hides part of what follows
        pass
    return resident_mib("VmRSS")


def peak(device: torch.device, start: float | None) -> float | None:
    """MiB above `start`, which `begin_peak` gave; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    most = resident_mib("VmHWM")
    return None if device.type != "cpu" or most is None else most - start


def resident_mib(what: str) -> float | None:
    """`VmRSS`, resident now, or `VmHWM`, its peak, MiB; None where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{what}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 / MIB if found else None
