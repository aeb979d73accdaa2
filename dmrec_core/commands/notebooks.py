"""The two halves of every notebook: NN_name.py is the source, NN_name.ipynb the same cells with what they show on toy.

    python -m dmrec_core notebooks check                 compare them, and fail where they differ or outputs are stale
    python -m dmrec_core notebooks sync                  rebuild every .ipynb from its .py
    python -m dmrec_core notebooks execute [--only 05]   run those whose outputs are stale, and keep what they show

Outputs carry a stamp: a hash of the cells they are of, one of themselves, and the numbers versions of the runs shown.
They are stale where a cell, its tags or a model's numbers version changed since, or where another program wrote them.
The last digits of a number are a processor's own and never make them stale. sync keeps fresh outputs and drops others;
execute goes on where it was interrupted, and figures (make figures) leaves these files as they are.

What is edited in an .ipynb alone is overwritten by sync; JupyterLab saves both halves.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared
from dmrec_core.commands.outcome import WrongCall


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    parser.add_argument("what", choices=("check", "sync", "execute"), help="compare, rebuild, or run what is stale")
    add = parser.add_argument_group("execute").add_argument
    add("--only", nargs="+", default=[], metavar="NN", help="run only these, by number or name: --only 05 09")
    add("--again", action="store_true", help="run those too whose outputs are fresh")
    shared.notebooks(parser)


def perform(options: argparse.Namespace) -> int:
    """Check the pairs, after a rebuild where one is asked for; or execute.

    Raises:
        WrongCall: an option of execute without it.
    """
    if options.what == "execute":
        from dmrec_core.upkeep.execute import execute

        return execute(options.notebooks, options.only, options.again)
    if options.only or options.again:
        raise WrongCall(f"--only and --again are of `notebooks execute`; {options.what} looks at every pair")
    from dmrec_core.upkeep.pairs import check_or_sync

    return check_or_sync(options.notebooks, options.what == "sync")
