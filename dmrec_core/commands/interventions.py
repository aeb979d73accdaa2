"""Why does matching help or hurt on a data set? DMRec-M on Mult-VAE with one thing changed at a time.

DMRec-M, its base, and either with another lambda, prior, strategy, patience or vectors, on equal seeds. What is not
there yet is trained. `runs DATASET --save` then keeps what it measured, which notebook 12 and RESULTS.md show.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    shared.dataset(parser)
    shared.seeds(parser)
    shared.lam(parser)
    shared.embedder(parser)
    shared.precision(parser)
    shared.training(parser)


def perform(options: argparse.Namespace) -> int:
    """Train, keep and compare."""
    from dmrec_core.paper.interventions import make_interventions

    return make_interventions(options)
