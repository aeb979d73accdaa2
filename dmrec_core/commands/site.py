"""Build the site: the kept notebooks in reading order, the live figures in them, and what the runs say.

Pages go to build/site; open index.html. They need no server, no kernel and no network. Nothing is run: a page shows
what its notebook is kept with, and a notebook whose outputs are stale is named (`notebooks execute` renews it).
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    shared.out(parser, "build/site of the checkout")


def perform(options: argparse.Namespace) -> int:
    """Build."""
    from dmrec_core.upkeep.site import build_site

    build_site(options.out)
    return 0
