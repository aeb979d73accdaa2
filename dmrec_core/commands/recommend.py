"""What to show whom: train DMRec on your data and write a list for every user.

The base model is trained beside it, so that you see whether the texts helped. Runs are kept: the same command again
reads them back. The settings are the paper's for data it does not have; lambda is not tuned (`python -m dmrec_core
tables my-data --tune` does that).
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.matching import STRATEGIES
    from dmrec_core.runs.models import BACKBONES, LINEAR
    from dmrec_core.runs.spec import PROFILES

    add = parser.add_argument
    shared.dataset(parser, default=None)
    shared.reading(parser)
    add("-n", type=shared.count, default=10, metavar="N", help="items per user (default: %(default)s)")
    shared.matching(parser, list(STRATEGIES))
    add("--backbone", choices=[*BACKBONES, *LINEAR], default="mult-vae",
        help=f"the base model (default: %(default)s); {', '.join(LINEAR)} are solved, and stand alone")  # fmt: skip
    add("--texts", choices=PROFILES, default="given", help="which texts are read (default: %(default)s)")
    shared.embedder(parser, "auto takes your vectors.npz if there is one")
    shared.seed(parser)
    shared.training(parser)
    shared.out(parser, "recommendations.csv in your folder", metavar="FILE")


def perform(options: argparse.Namespace) -> int:
    """Train, rank, write."""
    from dmrec_core.runs.recommend import recommend

    return recommend(options)
