"""Imported first in the fork server of a sweep, and nowhere else: a kill of the whole group leaves its workers up.

They end when the process that runs the sweep says so, or is gone; so a run is stopped at a checkpoint, whoever is sent
the signal. Ctrl-C is ignored there already.
"""

import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
