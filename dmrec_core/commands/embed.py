"""Turn profiles, or titles and texts, into vectors (Eq. 5) and write them to one file.

    python -m dmrec_core embed my-data                      MiniLM where it is installed, else TF-IDF
    python -m dmrec_core embed my-data --embedder tfidf     no model
    python -m dmrec_core embed my-data --embedder BAAI/bge-small-en-v1.5     any sentence-transformers model
    python -m dmrec_core embed my-data --base-url http://localhost:11434/v1 --model nomic-embed-text

Vectors are cached by text and embedder, so none is computed twice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dmrec_core.commands import shared


def add_options(parser: shared.Parser) -> None:
    """What it takes."""
    shared.dataset(parser, default=None)
    shared.reading(parser)
    shared.embedder(parser, "or a sentence-transformers model, by name or folder")
    what = "a file that the profiles command wrote (default: profiles.json in your folder)"
    parser.add_argument("--profiles", type=Path, metavar="FILE", help=what)
    shared.out(parser, "vectors.npz in your folder", metavar="FILE")
    shared.endpoint(parser)


def perform(options: argparse.Namespace) -> int:
    """Make the vectors."""
    from dmrec_core.language.steps import make_vectors

    return make_vectors(options)
