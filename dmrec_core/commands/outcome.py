"""How a command ends, the same for all: what its exit status says, how it is stopped, and what it may print."""

from __future__ import annotations

import dis
import signal
import sys
from collections.abc import Callable
from pathlib import Path

DONE, FAILED, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130
MEANING = """\
exit status: 0 done, 1 failed and said why, 2 a wrong call, 130 interrupted.
Ctrl-C or a plain kill stops a command; what was finished is kept, and the same command goes on from there."""
KEPT = "what was finished is kept; the same command goes on from here"
PACKAGE = str(Path(__file__).resolve().parents[1])
EXPLAINED = ValueError, ArithmeticError, RuntimeError, ImportError, MemoryError


class WrongCall(ValueError):
    """A call that cannot be meant: the message says what to write instead."""


def prepare() -> None:
    """Let a plain kill end like Ctrl-C, which a background shell would ignore, and let no character fail a run.

    What a terminal or a log file has no character for is written as its number, `\\u03bb`.
    """
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")


def outcome(work: Callable[[], int], call: str) -> int:
    """The exit status of `work`; why it is not 0 is said on standard error.

    A wrong call is one that argparse refuses, or a value that no run could accept: a plain ValueError of the kit. Its
    other errors, and the system's, are failures. Faults that nobody foresaw pass through, with their traceback.

    Args:
        work: a command with its options; a KeyboardInterrupt of its own says what is kept.
        call: how the command is called, for the hint after a wrong call.
    """
    try:
        return work()
    except KeyboardInterrupt as stopped:
        _say(f"\ninterrupted: {str(stopped) or KEPT}")
        return INTERRUPTED
    except Exception as error:
        if not _is_explained(error):
            raise
        wrong = isinstance(error, WrongCall) or type(error) is ValueError
        _say(f"error: {error}{_another_place(error)}" + f"\nwhat it takes: {call} --help" * wrong)
        return WRONG_CALL if wrong else FAILED


def _another_place(error: Exception) -> str:
    """Where the system refused one of the kit's own folders: the variable that names another."""
    if not isinstance(error, OSError):
        return ""
    from dmrec_core.data.cache import home
    from dmrec_core.runs.store import runs_folder

    places = {"DMREC_RUNS": runs_folder(), "DMREC_HOME": home()}
    return next((f"; {name} names another folder" for name, place in places.items() if str(place) in str(error)), "")


def _is_explained(error: Exception) -> bool:
    """Whether the message is meant for whoever called: the system's, of a kind of the kit's own, or raised by it.

    What a library raises, a ValueError too, is a fault of the kit's: it should not have been called so.
    """
    if isinstance(error, OSError) or type(error).__module__.startswith("dmrec_core."):
        return True
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code
    raised = code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]  # by a `raise`, not inside a call
    return isinstance(error, EXPLAINED) and raised and code.co_filename.startswith(PACKAGE)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
