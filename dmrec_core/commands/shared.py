"""The options that several commands take: one spelling, one meaning, one default each.

What stands before the semicolon of a help text is the meaning, the same in every command; what follows it is the
command's own.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from dmrec_core.commands.outcome import WrongCall

SEEDS = (2024, 2025, 2026)
RUNS_AT_ONCE = "runs at once (default: one a core on a CPU, one on a GPU)"


class Parser(argparse.ArgumentParser):
    """A command's parser: it raises what it refuses, and takes the data set before, between or after options."""

    def error(self, message: str) -> NoReturn:
        """Refuse the call.

        Raises:
            WrongCall: always.
        """
        raise WrongCall(message)


class _DataSet(argparse.Action):
    """The first word or `--dataset`, whichever was given: an absent first word, its own default, sets nothing."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        if values is not self.default:
            namespace.dataset = values


def dataset(parser: Parser, default: str | None = "toy") -> None:
    """The data set, as the first word or as `--dataset`; one must be named where there is no default."""
    said = f"default: {default}" if default else "needed"
    what = f"a data set's name, or a folder with your own ({said})"
    parser.add_argument("dataset", nargs="?", action=_DataSet, metavar="DATASET", help=what)
    parser.add_argument("--dataset", dest="dataset", action=_DataSet, metavar="DATASET", help="the same, as an option")
    parser.set_defaults(dataset=default)


def reading(parser: Parser) -> None:
    """`--min-rating`, `--split`, `--split-seed`, for every command that may be the first on a folder."""
    add = parser.add_argument_group("your own folder (kept there as reading.json for the next commands)").add_argument
    add("--min-rating", metavar="NUMBER", help="rows of this rating or more are likes (the paper: 3); COLUMN=NUMBER "
        "names the column; none: every row is a like")  # fmt: skip
    add("--split", choices=("random", "time"), help="hold out items at random (the default), or each user's newest")
    add("--split-seed", type=int, metavar="SEED", help="of the random split (default: 2024)")


def seeds(parser: Parser) -> None:
    """`--seeds`."""
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=list(SEEDS),
        metavar="SEED",
        help=f"an interval needs two, a word about luck more (default: {' '.join(map(str, SEEDS))})",
    )


def seed(parser: Parser) -> None:
    """`--seed`, where there is one only."""
    parser.add_argument("--seed", type=int, default=SEEDS[0], help="of all that is drawn (default: %(default)s)")


def models(parser: Parser, names: Sequence[str]) -> None:
    """`--models`."""
    what = f"of {', '.join(names)} (default: all)"
    parser.add_argument("--models", nargs="+", choices=names, default=list(names), metavar="MODEL", help=what)


def strategy(parser: Parser, strategies: Sequence[str]) -> None:
    """`--strategy`."""
    what = "how the spaces are matched (default: %(default)s)"
    parser.add_argument("--strategy", choices=strategies, default=strategies[-1], help=what)


def matching(parser: Parser, strategies: Sequence[str]) -> None:
    """`--strategy` and `--lam`."""
    strategy(parser, strategies)
    lam(parser)


def lam(parser: Parser) -> None:
    """`--lam`."""
    parser.add_argument(
        "--lam", type=float, metavar="LAMBDA", help="lambda (default: the paper's, or 0.5 where it has none)"
    )


def embedder(parser: Parser, more: str = "") -> None:
    """`--embedder`; `more` is what else the command takes."""
    what = "what turns texts into vectors: auto, minilm or tfidf (default: %(default)s)"
    parser.add_argument("--embedder", default="auto", help=what + (more and f"; {more}"))


def precision(parser: Parser) -> None:
    """`--precision`."""
    what = (
        "of the runs' matrix products; bf16 is faster where the processor has units for it, and refused elsewhere "
        "(default: %(default)s)"
    )
    parser.add_argument("--precision", default="float32", choices=("float32", "bf16"), help=what)


def device(parser: Parser) -> None:
    """`--device`."""
    what = "auto, cpu, cuda, cuda:N or mps (default: %(default)s)"
    parser.add_argument("--device", type=device_name, default="auto", help=what)


def training(parser: Parser) -> None:
    """`--device`, `--workers` and `--runs`, of a command that trains."""
    device(parser)
    parser.add_argument("--workers", type=count, metavar="N", help=RUNS_AT_ONCE)
    runs(parser)


def scheduler(parser: Parser, more: str = "") -> None:
    """`--scheduler`; `more` is what else the command says of it."""
    what = (
        "train on the workers of the Dask scheduler tcp://HOST:PORT, or, with local, of one on this machine (default: "
        "DMREC_SCHEDULER, or without Dask on this machine)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help=what + (more and f"; {more}"))


def runs(parser: Parser) -> None:
    """`--runs`."""
    what = "where runs are kept (default: DMREC_RUNS, or runs/ of the checkout)"
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help=what)


def out(parser: Parser, default: str, metavar: str = "FOLDER") -> None:
    """`--out`."""
    parser.add_argument("--out", type=Path, metavar=metavar, help=f"where the results go; {default} if not given")


def notebooks(parser: Parser) -> None:
    """`--notebooks`."""
    what = "the notebooks' folder (default: notebooks/ of the checkout)"
    parser.add_argument("--notebooks", type=Path, metavar="FOLDER", help=what)


def endpoint(parser: Parser) -> None:
    """Where a language model or an embeddings model answers, and how it is asked."""
    add = parser.add_argument_group("the endpoint").add_argument
    add("--base-url", metavar="URL", help="up to and with /v1")
    add("--model", help="the model's name on that server")
    add(
        "--key-variable",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="NAME of the environment variable with the key (default: %(default)s); unset: no key is sent",
    )
    add(
        "--insecure",
        action="store_true",
        help="send the key over plain http to another machine, too; say so only on a network you trust",
    )
    add("--concurrency", type=count, default=8, metavar="N", help="requests under way at once (default: %(default)s)")
    add("--timeout", type=float, default=120, metavar="SECONDS", help="for one answer (default: %(default)s)")
    add("--wait", type=float, default=300, metavar="SECONDS", help="for a server that is silent (default: %(default)s)")


def count(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        ArgumentTypeError: it is not.
    """
    if not re.fullmatch(r"0*[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1; got {text!r}")
    return int(text)


def device_name(text: str) -> str:
    """A device as torch calls it, or "auto".

    Raises:
        ArgumentTypeError: it is none.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda, cuda:N or mps; got {text!r}")
    return text
