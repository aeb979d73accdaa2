"""Memory: what is free, what does not fit, and the most that something took."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import torch

MIB, GIB = 2**20, 2**30
CONTAINER = Path("/sys/fs/cgroup")  # where Linux tells a container its limits


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
    """The most held since `begin_peak`, which gave `start`, MiB above it; None where the system does not tell.

    On a CPU that is what was resident, on a GPU what was allocated.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    most = resident_mib("VmHWM")
    return None if device.type != "cpu" or most is None else most - start


def resident_mib(what: str) -> float | None:
    """`VmRSS`, resident now, or `VmHWM`, its peak, MiB; None where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{what}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 / MIB if found else None


def free_memory() -> int:
    """Bytes a process may still take: what the machine has free, or what its container leaves, if that is less."""
    free, limit = psutil.virtual_memory().available, CONTAINER / "memory.max"
    if limit.exists() and (most := limit.read_text().strip()) != "max":
        taken = int((CONTAINER / "memory.current").read_text())
        cached = re.search(r"^inactive_file (\d+)$", (CONTAINER / "memory.stat").read_text(), re.MULTILINE)
        free = min(free, int(most) - taken + (int(cached[1]) if cached else 0))  # files in the cache make room
    return max(free, 0)


def require_square(who: str, n_items: int, matrices: int, bytes_each: int, instead: str) -> None:
    """Refuse, before it is asked for, an item-item matrix that does not fit.

    Args:
        who: named in the message.
        n_items: I.
        matrices: how many of I x I are held at once.
        bytes_each: of one entry.
        instead: what to take then.

    Raises:
        MemoryError: what it takes, what is free, and what to take instead.
    """
    needed, free = matrices * bytes_each * n_items**2, free_memory()
    if needed > free:
        raise MemoryError(
            f"{who} takes {needed / GIB:,.1f} GiB, {matrices} x {n_items:,} x {n_items:,} items x {bytes_each} bytes, "
            f"and {free / GIB:,.1f} GiB of memory are free: {instead}"
        )
