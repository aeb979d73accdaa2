"""Write a profile of every item and every user (Eq. 4).

With a language model behind any OpenAI-compatible endpoint, or with no model at all (--extractive). Users are described
by training items only. Your folder has interactions.csv (user, item) and items.csv (item, and text, title or the
template's fields).

  see what would be asked, and what it would cost; asks nothing:
    python -m dmrec_core profiles my-data --base-url http://localhost:11434/v1 --model llama3.2 --dry-run
  do it; interrupt with Ctrl-C, run the same again to go on:
    python -m dmrec_core profiles my-data --base-url http://localhost:11434/v1 --model llama3.2
  a hosted model: put the key into the environment, never on the command line:
    read -rs OPENAI_API_KEY && export OPENAI_API_KEY
    python -m dmrec_core profiles my-data --base-url https://api.openai.com/v1 --model gpt-4o-mini \\
        --price-prompt 0.15 --price-answer 0.60
  your own words: write a template to a file, edit it, use it:
    python -m dmrec_core profiles my-data --template books --show-template > mine.json
    python -m dmrec_core profiles my-data --template mine.json ...
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    from dmrec_core.language.templates import TEMPLATES

    add = parser.add_argument
    shared.dataset(parser, default=None)
    shared.reading(parser)
    add("--extractive", action="store_true", help="extract profiles; no language model is asked")
    add("--dry-run", action="store_true", help="show three prompts and the estimate; ask nothing")
    add("--retry-failed", action="store_true", help="ask again where both answers were invalid")
    shared.seed(parser)
    shared.out(parser, "profiles.json in your folder", metavar="FILE")
    told = parser.add_argument_group("what is told").add_argument
    told("--template", default="items", help=f"{', '.join(TEMPLATES)}, or an edited file (default: %(default)s)")
    told("--show-template", action="store_true", help="print the template as a file to edit, and stop")
    told("--reviews", type=Path, metavar="FILE", help="csv or parquet: user, item, review; later ones are not read")
    what = "write item profiles, or keep those the data set came with (default: keep the published ones)"
    told("--items", choices=("write", "keep"), help=what)
    shared.endpoint(parser)
    asked = parser.add_argument_group("how it is asked").add_argument
    what = "sent with every request, e.g. temperature=0 or max_tokens=500; NAME=null leaves a default out"
    asked("--setting", action="append", default=[], type=_setting, metavar="NAME=JSON", help=what)
    asked("--price-prompt", type=float, metavar="DOLLARS", help="per million prompt tokens")
    asked("--price-answer", type=float, metavar="DOLLARS", help="per million answer tokens")


def _setting(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=JSON")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # a bare word is a string


def perform(options: argparse.Namespace) -> int:
    """Write the profiles."""
    from dmrec_core.language.steps import make_profiles

    return make_profiles(options)
