"""Measure how far one model for every lambda lies from a run at each.

DMRec on Mult-VAE is trained at some lambdas, a run each, and once at a lambda drawn anew for every batch, from the same
seeds; scores mixed from two neighbouring runs are measured beside. Both are approximations.
conditional.md and conditional.json go to figures/, those of any other data set than toy to figures/<dataset>/.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared
from dmrec_core.commands.outcome import WrongCall


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.every_lambda.record import LAMS
    from dmrec_core.matching import STRATEGIES

    shared.dataset(parser)
    shared.seeds(parser)
    shared.strategy(parser, list(STRATEGIES))
    parser.add_argument("--lambdas", type=float, nargs="+", default=list(LAMS), metavar="LAMBDA",
        help="lambdas of the runs; two or more from 0 to 1 (default: %(default)s)")  # fmt: skip
    shared.embedder(parser)
    shared.precision(parser)
    shared.training(parser)
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Make the record.

    Raises:
        WrongCall: the lambdas are fewer than two, or out of the range that the model is trained at.
    """
    if len({*options.lambdas}) < 2 or not all(0 <= lam <= 1 for lam in options.lambdas):
        raise WrongCall(f"--lambdas takes two or more from 0 to 1; got {' '.join(map(str, options.lambdas))}")
    from dmrec_core.every_lambda.record import make_record

    return make_record(options)
