"""Measure how far one model for every lambda lies from a run at each.

DMRec on Mult-VAE is trained at 0, 0.25, 0.5, 0.75 and 1, a run each, and once at a lambda drawn anew for every batch,
from the same seeds; scores mixed from two neighbouring runs are measured beside. Both are approximations.
conditional.md and conditional.json go to figures/, those of any other data set than toy to figures/<dataset>/.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.matching import DEFAULT_STRATEGY, STRATEGIES

    shared.dataset(parser)
    shared.seeds(parser)
    parser.add_argument("--strategy", choices=list(STRATEGIES), default=DEFAULT_STRATEGY,
        help="how the spaces are matched (default: %(default)s)")  # fmt: skip
    shared.embedder(parser)
    shared.training(parser)
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Make the record."""
    from dmrec_core.every_lambda.record import make_record

    return make_record(options)
