"""A Jupyter kernel that ends once its parent, process PID, is gone: `python -m dmrec_core.upkeep.kernel PID -f FILE`.

ipykernel watches its parent as well, but not until it is up, and where an orphan goes to another process than number 1
(a desktop session, a container with an init of its own) it may wait for ever.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress


def _end_with(parent: int, connection: str) -> None:
    """Wait until `parent` is no longer this process's parent, then end this process at once, and its connection file.

    The parent wrote that file, and would have removed it.
    """
    while os.getppid() == parent:
        time.sleep(1)
    with suppress(OSError):
        os.unlink(connection)
    os._exit(1)


if __name__ == "__main__":
    parent = int(sys.argv.pop(1))
    threading.Thread(target=_end_with, args=(parent, sys.argv[sys.argv.index("-f") + 1]), daemon=True).start()
    if sys.path[0] in ("", os.getcwd()):  # a file beside the notebook does not stand in for a library of the kernel's
        del sys.path[0]
    if sys.platform != "win32":  # there it is a handle, for interrupts
        os.environ["JPY_PARENT_PID"] = "1"  # ipykernel watches no such parent; it would end first, and the file stay
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
