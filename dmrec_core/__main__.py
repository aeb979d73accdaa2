"""One command for all that is not a notebook: `python -m dmrec_core COMMAND ...`; alone it lists what there is."""

from __future__ import annotations

import argparse
import difflib
import sys
from importlib import import_module

from dmrec_core import __version__
from dmrec_core.commands.outcome import DONE, MEANING, WrongCall, outcome, prepare
from dmrec_core.commands.shared import Parser

CALL = "python -m dmrec_core"
COMMANDS = {
    "the paper's figures, tables and statements": {
        "figures": "run the notebooks and make their figures",
        "tables": "make Tables 2 and 3, our numbers beside the paper's",
        "claims": "judge the paper's statements by the runs that are kept",
        "texts": "compare a language model's texts with extracts, titles and none",
        "interventions": "ask why matching helps or hurts: one thing changed at a time",
        "conditional": "measure one model for every lambda against a run at each",
        "runs": "list the runs there are; save what they measured, or take what was saved",
        "cost": "measure time and memory of every model",
    },
    "your own data": {
        "profiles": "write a profile of every item and user, with a language model or without one",
        "embed": "turn profiles or texts into vectors",
        "recommend": "train DMRec and write a list for every user",
    },
    "upkeep of the checkout": {
        "notebooks": "check, rebuild or execute the .ipynb half of every notebook",
        "readme": "renew the generated parts of README.md",
        "site": "build the notebooks as pages that need no kernel",
    },
}
NAMES = [name for group in COMMANDS.values() for name in group]


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` name; its exit status, see `commands.outcome`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return DONE
    if arguments[0] == "--version":
        print(f"dmrec-kit {__version__}")
        return DONE
    name, *rest = arguments
    return outcome(lambda: _perform(name, rest), f"{CALL} {name}" if name in NAMES else CALL)


def overview() -> str:
    """All commands, a line each."""
    lines = [f"usage: {CALL} COMMAND [options]", f"       {CALL} COMMAND --help", f"       {CALL} --version"]
    for group, commands in COMMANDS.items():
        lines += ["", f"{group}:", *(f"  {name:<14}{what}" for name, what in commands.items())]
    return "\n".join([*lines, "", MEANING])


def parser_of(name: str) -> Parser:
    """The parser of one command; its module is imported now."""
    command = import_module(f"dmrec_core.commands.{name}")
    plain = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        f"{CALL} {name}", description=command.__doc__, epilog=MEANING, formatter_class=plain, allow_abbrev=False
    )
    command.add_options(parser)
    parser.set_defaults(perform=command.perform)
    return parser


def _perform(name: str, arguments: list[str]) -> int:
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise WrongCall(f"there is no command {name!r}{hint} There are {', '.join(NAMES)}")
    options = parser_of(name).parse_intermixed_args(arguments)
    options.arguments = [name, *arguments]
    if getattr(options, "dataset", "") is None:
        raise WrongCall("which data set? Give its name, or the folder with your own, after the command")
    return options.perform(options)


if __name__ == "__main__":
    prepare()
    sys.exit(main())
