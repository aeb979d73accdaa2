"""The two halves of every notebook: NN_name.py is the source, NN_name.ipynb the same cells without outputs.

    python -m dmrec_core notebooks check     compare them, and fail where they differ
    python -m dmrec_core notebooks sync      rebuild every .ipynb from its .py

What is edited in an .ipynb alone is overwritten by sync; JupyterLab saves both halves.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    parser.add_argument("what", choices=("check", "sync"), help="compare, or rebuild")
    shared.notebooks(parser)


def perform(options: argparse.Namespace) -> int:
    """Check the pairs, after a rebuild where one is asked for."""
    from dmrec_core.upkeep.pairs import check_or_sync

    return check_or_sync(options.notebooks, options.what == "sync")
