"""Progress that can be read in a terminal, in a notebook and in a log: what is running, how far, how long still."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dmrec_core.training.fit import Progress, TrainingCancelled


def clock(seconds: float) -> str:
    """`0:07`, `3:20`, `1:02:05`.

    Example:
        >>> clock(200)
        '3:20'
    """
    seconds = round(seconds)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """While it lasts, Ctrl-C and a plain kill do not interrupt: what it yields, called, says whether there was one.

    Raises:
        KeyboardInterrupt: after all, where work was cancelled for it; the message says how much is unfinished.
    """
    pressed = threading.Event()
    stops = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(stop, lambda *_: pressed.set()) for stop in stops]
    try:
        yield pressed.is_set
    except TrainingCancelled as error:
        raise KeyboardInterrupt(f"{error}; the same command goes on from here") from error
    finally:
        for stop, handler in zip(stops, before, strict=True):
            signal.signal(stop, handler)


def describe(progress: Progress) -> str:
    """One line: epoch, loss terms, validation, best, time left if nothing improves from here."""
    terms = " + ".join(f"{name} {value:.2f}" for name, value in progress.terms.items())
    valid = progress.valid.get("recall@20")
    shown = (
        ""
        if valid is None
        else f"; valid Recall@20 {valid:.4f} (best {progress.best:.4f}, epoch {progress.best_epoch})"
    )
    left = f"; at most {clock(progress.seconds_left)} left unless it improves"
    return f"epoch {progress.epoch}/{progress.epochs}: {terms}{shown}{left}"


class ProgressLine:
    """Prints a status line that overwrites itself in a terminal, and one line every few seconds elsewhere.

    Args:
        every: seconds between lines where they cannot be overwritten.

    Example:
        >>> line = ProgressLine()
        >>> line("epoch 3")        # doctest: +SKIP
    """

    def __init__(self, every: float = 10.0) -> None:
        self.every, self.last, self.live = every, 0.0, sys.stderr.isatty()

    def __call__(self, text: str, final: bool = False) -> None:
        """Show `text`; the final line is always shown and ends the line."""
        now = time.monotonic()
        if self.live:
            print(f"\r\033[K{text}", end="\n" if final else "", file=sys.stderr, flush=True)
        elif final or now - self.last >= self.every:
            print(text, file=sys.stderr, flush=True)
        else:
            return
        self.last = now
