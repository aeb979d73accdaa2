"""What are a language model's texts worth? One table for one data set.

DMRec on the same interactions with the texts that came with the data, with extracts, with titles alone, and with
TF-IDF in the embedder's place; equal lambda and equal seeds, compared in pairs. The base model, which reads no text,
stands below. texts.md and texts.json go to figures/, those of any other data set than toy to figures/<dataset>/.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.matching import STRATEGIES
    from dmrec_core.runs.spec import PROFILES

    others = [kind for kind in PROFILES if kind != "given"]
    shared.dataset(parser)
    shared.seeds(parser)
    shared.matching(parser, list(STRATEGIES))
    parser.add_argument("--beside", choices=others, nargs="+", default=others, metavar="KIND",
        help=f"texts to put beside the given ones, of {', '.join(others)} (default: all)")  # fmt: skip
    shared.embedder(parser, "the TF-IDF arm has its own")
    shared.training(parser)
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Make the table."""
    from dmrec_core.paper.texts import make_texts_table

    return make_texts_table(options)
