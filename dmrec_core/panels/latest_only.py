"""One worker thread for a panel: the newest job wins, older ones are told to stop, results arrive on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmrec_core.training.fit import TrainingCancelled


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Args:
        kind: "started", "progress", "done", "cancelled" or "failed".
        job: what was submitted.
        value: the result of "done", the exception of "failed", whatever `progress` was given.
    """

    kind: str
    job: Any
    value: Any = None


class LatestOnly:
    """Runs jobs one at a time in one thread; a new job replaces the waiting one and cancels the running one.

    The thread lives only while there is work. `submit` and `cancel` may be called from any thread: a front end may
    deliver a callback on another thread than the one the kernel runs cells on.

    Args:
        work: `work(job, cancelled, progress)`, called in the worker thread. It asks `cancelled()` often and raises
            `TrainingCancelled` when it is True; `progress(value)` reports how far it is.
        tell: called with every `Event` of the newest job, on the event loop; never after a newer job was submitted.
        loop: where `tell` is called; None calls it in the worker thread itself.
    """

    def __init__(
        self,
        work: Callable[[Any, Callable[[], bool], Callable[[Any], None]], Any],
        tell: Callable[[Event], None],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.work, self.tell, self.loop = work, tell, loop
        self.submitted = self.finished = self.superseded = 0
        self._changed = threading.Condition()
        self._newest = 0
        self._waiting: tuple[int, Any, float] | None = None
        self._thread: threading.Thread | None = None
        self._running: tuple[int, Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is running or waiting."""
        with self._changed:
            return self._waiting is not None or self._running is not None

    def submit(self, job: Any, settle: float = 0.0) -> None:
        """Run `job` instead of whatever runs or waits.

        Args:
            job: handed to `work`.
            settle: seconds to wait first, in which a still newer job may replace it without having started.
        """
        with self._changed:
            self._newest += 1
            self.submitted += 1
            self.superseded += self._waiting is not None or self._running is not None
            self._waiting = (self._newest, job, settle)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work_off, name="dmrec-panel", daemon=True)
                self._thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs were submitted, ended with a result that was still wanted, and gave way to a newer one."""
        return {"submitted": self.submitted, "finished": self.finished, "superseded": self.superseded}

    def cancel(self, silently: bool = False) -> bool:
        """Stop what runs and forget what waits; whether there was anything.

        Args:
            silently: without the event "cancelled", because something else took the job's place.
        """
        with self._changed:
            stopped = self._running[1] if self._running else self._waiting[1] if self._waiting else None
            was_busy = self._running is not None or self._waiting is not None
            self._newest += 1
            self._waiting = None
            self.superseded += was_busy and silently
            self._changed.notify_all()
            newest = self._newest
        if was_busy and not silently:
            self._say(newest, Event("cancelled", stopped))
        return was_busy

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing runs or waits."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _work_off(self) -> None:
        while True:
            with self._changed:
                if self._waiting is None:
                    self._thread = None  # under the lock: a submit from now on starts a new thread
                    return
                number, job, settle = self._waiting
                if settle and self._changed.wait_for(lambda n=number: self._newest != n, timeout=settle):
                    continue
                self._waiting, self._running = None, (number, job)
            try:
                self._run(number, job)
            finally:
                with self._changed:
                    self._running = None

    def _run(self, number: int, job: Any) -> None:
        self._say(number, Event("started", job))
        try:
            result = self.work(
                job, lambda: self._newest != number, lambda v: self._say(number, Event("progress", job, v))
            )
        except TrainingCancelled:
            self._say(number, Event("cancelled", job))  # silent after a newer job, and after `cancel`, which says so
        except Exception as error:  # noqa: BLE001 (a thread's error would go to a log that nobody reads)
            self._say(number, Event("failed", job, error))
        else:
            with self._changed:
                self.finished += self._newest == number
            self._say(number, Event("done", job, result))

    def _say(self, number: int, event: Event) -> None:
        """Deliver an event unless a newer job has come: asked when it is sent, and again when it arrives."""

        def deliver() -> None:
            if number == self._newest:
                self.tell(event)

        if self.loop is None:
            deliver()
        elif number == self._newest and not self.loop.is_closed():  # closed: the kernel is going down
            self.loop.call_soon_threadsafe(deliver)
