"""What `fit` is to a model that is trained, for one that is solved: the solution, its seconds and its memory."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable

import torch

from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.records.memory import begin_peak, peak
from dmrec_core.training.fit import FitResult, Progress, TrainingCancelled

CLOSED_FORM = "closed form"  # why it stopped


def solve(
    build: Callable[[], ClosedForm],
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[ClosedForm, FitResult]:
    """Build a closed form and solve it, on the CPU.

    Args:
        build: gives the model; what building takes is counted.
        progress: called once, at the end.
        cancel: asked once, before it begins: a factorisation cannot be stopped half way.

    Returns:
        The solved model; and as its one epoch the seconds, with the highest memory above what was held before, MiB, and
        the processor's seconds, summed over threads and without waiting for other processes.

    Raises:
        TrainingCancelled: `cancel` said so.
        MemoryError: an item-item matrix that does not fit.

    Example:
        >>> import scipy.sparse as sp
        >>> from dmrec_core.baselines import EASE
        >>> model, found = solve(lambda: EASE(sp.identity(3, format="csr", dtype="float32")))
        >>> found.stopped, len(found.history)
        ('closed form', 1)
    """
    if cancel is not None and cancel():
        raise TrainingCancelled("cancelled before it was solved")
    _give_back_memory()
    cpu = torch.device("cpu")
    start, began, used = begin_peak(cpu), time.perf_counter(), time.process_time()
    model = build().solve()
    seconds, used = time.perf_counter() - began, time.process_time() - used
    highest = peak(cpu, start)
    if progress is not None:
        progress(Progress(1, 1, {}, {}, float("nan"), 0, seconds, 0.0))
    return model, FitResult([{"epoch": 0, "seconds": seconds}], 0, CLOSED_FORM, seconds, highest, used)


def _give_back_memory() -> None:
    """Let go of the model before, also what the C library would keep: the next peak is then the next model's own."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
