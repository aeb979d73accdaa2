"""Imported first in the fork server of a sweep, and nowhere else: a kill of the whole group leaves its workers up.

They end when the process that runs the sweep says so, or is gone; so a run is stopped at a checkpoint, whoever is sent
the signal. Ctrl-C is ignored there already. The server itself hears that the process is gone only after its imports,
which take long on a busy machine, so it looks every second.
"""

import os
import signal

PARENT = os.getppid()


def _end_with_the_parent(signum: int, frame: object) -> None:
    """End this server once the process that started it is gone; a worker, forked from it, has no such clock."""
    if os.getppid() != PARENT:
        os._exit(1)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGALRM, _end_with_the_parent)
signal.setitimer(signal.ITIMER_REAL, 1, 1)
