"""Renew the generated parts of README.md: tables made from the code and from figures/."""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail where README.md is stale")


def perform(options: argparse.Namespace) -> int:
    """Renew README.md, or look whether it is as it would be written."""
    from dmrec_core.upkeep.readme import renew

    return renew(options.check)
