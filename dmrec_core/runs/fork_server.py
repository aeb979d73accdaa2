"""Imported first in the fork server of a sweep, without effect elsewhere: a kill of the group leaves its workers up.

They end when the process that runs the sweep says so, or is gone; so a run is stopped at a checkpoint, whoever is sent
the signal. Ctrl-C is ignored there already. The server itself hears that the process is gone only after its imports,
which take long on a busy machine, so it looks every second.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext

OWNER = "DMREC_SWEEPS_OF"  # in the server's environment alone: the process it was started by


@contextmanager
def _owned() -> Iterator[None]:
    os.environ[OWNER] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[OWNER]


def start(context: ForkServerContext, preload: list[str]) -> None:
    """Start the fork server of this process where it does not run, and have it import this module and `preload`."""
    from multiprocessing import forkserver  # not everywhere

    context.set_forkserver_preload([__name__, *preload])
    with _owned():
        forkserver.ensure_running()


def _end_with(owner: int) -> None:
    """Have this server end within a second of its owner; a worker, forked from it, has no such clock."""

    def look(signum: int, frame: object) -> None:
        if os.getppid() != owner:
            os._exit(1)

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)


if OWNER in os.environ:
    _end_with(int(os.environ.pop(OWNER)))
