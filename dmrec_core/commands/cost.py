"""Measure time and memory of each model.

Every model runs a few epochs and evaluations in a process of its own, one after another, on the CPU and on the GPU
where there is one. cost.md and cost.json go to figures/, those of any other data set than toy to figures/<dataset>/;
they are written anew after every model. Times are comparable within one session only, so a stopped one is not gone on
with: --models measures the others. What is solved, not trained, has no epochs: `tables --tables linear` measures it.

With --growth, generated data in the place of a data set: users, items and interactions are doubled one at a time, and
growth.md and growth.json say with which power of each the time and memory of a model grow, solved ones beside.
"""

from __future__ import annotations

import argparse

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.runs.models import CARDS

    add = parser.add_argument
    shared.dataset(parser)
    shared.models(parser, list(CARDS))
    add("--timed-epochs", type=shared.count, default=3, metavar="N",
        help="epochs to be timed, after a first one (default: %(default)s)")  # fmt: skip
    add("--threads", type=shared.count, metavar="N",
        help="at most; on a busy machine 1 gives the steadiest times (default: torch's choice)")  # fmt: skip
    add("--devices", nargs="+", type=shared.device_name, metavar="DEVICE",
        help="cpu, cuda, cuda:N, mps (default: the CPU, and a GPU if there is one)")  # fmt: skip
    add("--growth", action="store_true", help="on generated data of growing size, on one thread of the CPU")
    shared.out(parser, "build/figures/ of the checkout; with figures they are kept")


def perform(options: argparse.Namespace) -> int:
    """Measure the models."""
    if options.growth:
        from dmrec_core.paper.growth import measure_growth

        return measure_growth(options)
    from dmrec_core.paper.cost import measure_models

    return measure_models(options)
