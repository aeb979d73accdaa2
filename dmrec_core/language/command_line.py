"""What the two commands accept, and the help a person can follow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dmrec_core.data import DATASETS
from dmrec_core.language.templates import TEMPLATES

DATASET_HELP = f"""{", ".join(DATASETS)}; or a folder of your own with interactions.csv (user, item) and items.csv
(item, and text, title or the template's fields)"""

PROFILES = """\
Write a profile of every item and every user (Eq. 4), with a language model behind any OpenAI-compatible
endpoint, or with no model at all (--extractive). Users are described by training items only.

  see what would be asked, and what it would cost; asks nothing:
    python -m dmrec_core.language profiles my-data --base-url http://localhost:11434/v1 --model llama3.2 --dry-run
  do it; interrupt with Ctrl-C, run the same again to go on:
    python -m dmrec_core.language profiles my-data --base-url http://localhost:11434/v1 --model llama3.2
  a hosted model: put the key into the environment, never on the command line:
    read -rs OPENAI_API_KEY && export OPENAI_API_KEY
    python -m dmrec_core.language profiles my-data --base-url https://api.openai.com/v1 --model gpt-4o-mini \\
        --price-prompt 0.15 --price-answer 0.60
  your own words: write a template to a file, edit it, use it:
    python -m dmrec_core.language profiles my-data --template books --show-template > mine.json
    python -m dmrec_core.language profiles my-data --template mine.json ...
"""

EMBED = """\
Turn profiles, or titles and texts, into vectors (Eq. 5) and write them to one file.

    python -m dmrec_core.language embed my-data                      MiniLM where it is installed, else TF-IDF
    python -m dmrec_core.language embed my-data --embedder tfidf     no model
    python -m dmrec_core.language embed my-data --embedder BAAI/bge-small-en-v1.5     any sentence-transformers model
    python -m dmrec_core.language embed my-data --base-url http://localhost:11434/v1 --model nomic-embed-text

Vectors are cached by text and embedder: an interrupted run goes on where it was.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of ``python -m dmrec_core.language``."""
    top = argparse.ArgumentParser(
        prog="python -m dmrec_core.language", description="The language space: profiles, and vectors of profiles."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="profiles | embed")
    plain = argparse.RawDescriptionHelpFormatter
    profiles = commands.add_parser("profiles", description=PROFILES, formatter_class=plain, help="write profiles")
    embed = commands.add_parser("embed", description=EMBED, formatter_class=plain, help="make vectors")
    for command in (profiles, embed):
        command.add_argument("dataset", help=DATASET_HELP)
        command.add_argument("--out", type=Path, help="the file to write; in your folder, or here, if not given")
        server = command.add_argument_group("the endpoint")
        server.add_argument("--base-url", help="up to and with /v1")
        server.add_argument("--model", help="the model's name on that server")
        server.add_argument(
            "--key-variable",
            default="OPENAI_API_KEY",
            metavar="NAME",
            help="NAME of the environment variable with the key (default: OPENAI_API_KEY); unset: no key is sent",
        )
        server.add_argument(
            "--insecure",
            action="store_true",
            help="send the key over plain http to another machine, too; say so only on a network you trust",
        )
        server.add_argument("--concurrency", type=int, default=8, help="requests under way at once (default: 8)")
        server.add_argument("--timeout", type=float, default=120, help="seconds for one answer (default: 120)")
        server.add_argument(
            "--patience", type=float, default=300, help="seconds to wait for a server that does not answer (300)"
        )
    _profile_options(profiles)
    embed.add_argument(
        "--embedder",
        default="auto",
        help="auto, minilm, tfidf, or a sentence-transformers model by name or folder (default: auto)",
    )
    embed.add_argument("--profiles", type=Path, help="a file that the profiles command wrote")
    return top


def _profile_options(profiles: argparse.ArgumentParser) -> None:
    profiles.add_argument("--extractive", action="store_true", help="extract profiles; no language model is asked")
    profiles.add_argument("--dry-run", action="store_true", help="show three prompts and the estimate; ask nothing")
    profiles.add_argument("--retry-failed", action="store_true", help="ask again where both answers were invalid")
    profiles.add_argument("--seed", type=int, default=2024, help="of the sampled items and reviews (default: 2024)")
    told = profiles.add_argument_group("what is told")
    told.add_argument("--template", default="items", help=f"{', '.join(TEMPLATES)}, or an edited file (default: items)")
    told.add_argument("--show-template", action="store_true", help="print the template as a file to edit, and stop")
    told.add_argument("--reviews", type=Path, help="csv or parquet: user, item, review; later ones are not looked at")
    told.add_argument(
        "--items",
        choices=("write", "keep"),
        help="write item profiles, or keep those the data set came with (default: keep for the published data sets)",
    )
    asked = profiles.add_argument_group("how it is asked")
    asked.add_argument(
        "--setting",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=JSON",
        help="sent with every request, e.g. temperature=0 or max_tokens=500; NAME=null leaves a default out",
    )
    asked.add_argument("--price-prompt", type=float, help="dollars per million prompt tokens")
    asked.add_argument("--price-answer", type=float, help="dollars per million answer tokens")


def _setting(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=JSON")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a bare word is a string
