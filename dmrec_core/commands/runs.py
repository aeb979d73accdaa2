"""List the runs on a data set, setting by setting; save what they measured, or take what was saved as runs.

With --save, the measurements of every finished run go to figures/<dataset>/runs/, about 30 kB each: spec, record,
history, and which of every user's best 20 places were hits. With --take they become finished runs here, without
weights: tables, claims and curves over lambda are made of them at once, and what is not there yet is trained. What
looks into a model (notebooks 07 and 13, recommend) needs runs that were trained here.

With --explored, what the page of notebook 13 shows of twelve users at every lambda of one seed goes to
figures/<dataset>/explored.json, titles and texts among it: see that the data's licence lets you give these away.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    shared.dataset(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--save", action="store_true", help="write the measurements of the runs that are not kept yet")
    what.add_argument("--take", action="store_true", help="make finished runs of the measurements that are kept")
    what.add_argument("--explored", action="store_true", help="write what twelve users look like, texts included")
    parser.add_argument("--kept", type=Path, metavar="FOLDER",
        help="where measurements are kept (default: runs/ beside the data set's figures in the checkout)")  # fmt: skip
    shared.runs(parser)


def perform(options: argparse.Namespace) -> int:
    """Keep, take, and list."""
    from dmrec_core.paper.ledger import kept_measurements, list_runs

    status = list_runs(options)
    if options.explored:
        from dmrec_core.figures.twins import keep_explored
        from dmrec_core.runs.store import finished

        kept = options.kept or kept_measurements(options.dataset).parent
        page = keep_explored(finished(options.dataset, options.runs), kept)
        print("no longer line of λ than is kept" if page is None else f"twelve users at every λ of one seed: {page}")
    return status
