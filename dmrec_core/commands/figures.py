"""Run every notebook and make its figures again.

Figures go to build/figures/ (those of another data set to build/figures/<dataset>/), executed notebooks to build/. A
notebook that fails leaves build/NN_name.failed.ipynb and the others still run; an interrupted one leaves nothing half
made, and what it had trained is kept.

At the end each number is compared with the one that figures/ keeps, also in build/reproduction.md. figures/ and the
README, which is made from it, change with --keep only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    add = parser.add_argument
    shared.dataset(parser)
    add("--only", nargs="+", default=[], metavar="NN", help="run only these, by number or name: --only 05 09")
    add("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="set a notebook parameter; repeatable; a name that no notebook declares is refused")  # fmt: skip
    shared.device(parser)
    shared.scheduler(parser)
    add("--keep", nargs="?", const="changed", choices=("changed", "all"),
        help="then put them into figures/, in the place of those kept there, and renew the README; "
        "where the numbers are the same the kept files stay, but for --keep all")  # fmt: skip
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")
    add("--build", type=Path, metavar="FOLDER", help="for the executed notebooks (default: build/ of the checkout)")
    shared.notebooks(parser)
    add("--cell-timeout", type=shared.count, default=3600, metavar="SECONDS",
        help="longest time for one cell (default: %(default)s)")  # fmt: skip
    add("--list", action="store_true", help="list the notebooks and their parameters, run nothing")


def perform(options: argparse.Namespace) -> int:
    """Run the notebooks."""
    from dmrec_core.runs.cluster import served
    from dmrec_core.upkeep.make_figures import make_figures

    with served(options.scheduler):
        return make_figures(options)
