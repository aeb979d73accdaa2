"""The language space: profiles written from items and histories (Eq. 4), and vectors of those profiles (Eq. 5)."""

from dmrec_core.language.embedders import (
    Embedder,
    MiniLM,
    SentenceTransformerEmbedder,
    TfidfSvd,
    semantic_vectors,
    with_language,
)
from dmrec_core.language.user_texts import user_texts

__all__ = [
    "Embedder",
    "MiniLM",
    "SentenceTransformerEmbedder",
    "TfidfSvd",
    "semantic_vectors",
    "user_texts",
    "with_language",
]
