"""Judge the paper's statements by the runs kept in runs/; nothing is trained.

A verdict is given by the 95 % intervals of a paired difference, over seeds and over users, which must agree, for every
setting that has been run with all the seeds. Notebooks 09 to 11 and the tables command make such runs. claims.md and
claims.json go to figures/, those of any other data set than toy to figures/<dataset>/.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.matching import VARIANTS

    add = parser.add_argument
    shared.dataset(parser)
    shared.seeds(parser)
    add("--lambdas", type=float, nargs="+", default=[0.0, 0.25, 0.5, 0.75, 1.0], metavar="LAMBDA",
        help="lambdas of the runs; looked for besides the tables' (default: notebook 09's)")  # fmt: skip
    add("--statements", nargs="+", metavar="KEY", help="only these, by their keys in claims.json (default: all)")
    shared.embedder(parser)
    add("--variant", choices=VARIANTS, default="published", help="of the runs (default: %(default)s)")
    shared.precision(parser)
    shared.runs(parser)
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Judge what the kept runs can say."""
    from dmrec_core.paper.claims_at_hand import judge_kept

    return judge_kept(options)
