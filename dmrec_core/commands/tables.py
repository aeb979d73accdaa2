"""Make Tables 2 and 3: our numbers, and the paper's beside them where it has any.

`--tables linear` makes a third: references solved in closed form (popularity, item-kNN, EASE, GF-CF, iALS, L3AE), each
over its whole grid, with and without text, validation choosing. They need no seed, and seconds to a minute a setting.

What has been run before is read from runs/; the rest is run now, several runs at once on a CPU. A stop loses at most
half a minute of each run. Tables go to figures/, those of any other data set than toy to figures/<dataset>/.

With --tune the first seed chooses: DMRec's lambda, the base's KL weight and one setting of each other model are tried
at five values each, or at as many as are given, with that seed alone, the best on its validation split is kept, and
only that is run with the other seeds. So a tuned row of three seeds costs seven runs, not fifteen. Tuned tables stand
beside the others, as table2_tuned and table3_tuned.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared

TABLES = "2", "3", "linear"


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.runs.models import CARDS

    add = parser.add_argument
    shared.dataset(parser)
    shared.seeds(parser)
    add("--tables", nargs="+", choices=TABLES, default=["2", "3"], metavar="N", help="2, 3, linear (default: 2 3)")
    shared.models(parser, list(CARDS))
    add("--tune", type=float, nargs="*", metavar="VALUE",
        help="let the first seed's validation choose lambda, and every rival's setting alike, among these values "
        "(alone: a grid of five)")  # fmt: skip
    shared.embedder(parser)
    add("--without-language", action="store_true", help="only rows that read no vectors, for data without texts")
    add("--epochs", type=shared.count, metavar="N", help="at most so many: a rehearsal of the command, not a result")
    add("--patience", type=shared.count, metavar="N",
        help="evaluations without a gain before a run stops (default: each model's own)")  # fmt: skip
    shared.precision(parser)
    shared.training(parser)
    shared.scheduler(parser)
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Make the tables."""
    from dmrec_core.paper.make_tables import make_tables
    from dmrec_core.runs.cluster import served

    with served(options.scheduler, options.workers):
        return make_tables(options)
