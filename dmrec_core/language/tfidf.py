"""Word counts as vectors: the embedder that needs no model at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dmrec_core.data.errors import DataError
from dmrec_core.language.words import WORD, without_blanks, words

if TYPE_CHECKING:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

WITHOUT_BLANKS = 0.01
"""Share of the item texts from which on a corpus is read as one in a script without blanks."""


class TfidfSvd:
    r"""TF-IDF of words, reduced by a truncated SVD fitted on the item texts, rows of unit norm.

    $$W = \mathrm{rows}\big(\hat X V_k\big) / \lVert\cdot\rVert_2,\qquad \hat X \approx U_k S_k V_k^\top$$

    Lower-cased words, sub-linear term frequency, no stop list, nothing truncated; float32 out. A text without a single
    known word (an empty one, say) gets the mean item vector: it says nothing of that text, and a row of zeros would
    have no direction at all. There is nothing random left: the SVD's seed is fixed.

    Where one item text in a hundred or more is in a script without blanks (Chinese, Japanese, Thai, ...), that script's
    single characters and pairs of neighbours are its words, and ``name`` says so. Elsewhere words stay as they are.

    Args:
        dim: numbers per text; fewer where the corpus has fewer words or texts, and then ``name`` says so.

    Raises:
        ValueError: ``dim`` is not positive; at ``embed``, not fitted yet.
        DataError: at ``fit``, fewer than two words.

    Example:
        >>> embedder = TfidfSvd(dim=2).fit(["red wine", "white wine", "strong coffee"])
        >>> embedder.embed(["wine", "coffee", ""]).shape
        (3, 2)

    Source: Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 1990.
    """

    def __init__(self, dim: int = 128) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self.dim = dim
        self._characters = False
        self._vectorizer: TfidfVectorizer | None = None
        self._svd: TruncatedSVD | None = None
        self._mean: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Method and size, as figures print it."""
        return f"tfidf-svd-{self.dim}{', characters' if self._characters else ''}"

    def fit(self, texts: Sequence[str]) -> TfidfSvd:
        """Learn words, weights and directions from the item texts.

        Args:
            texts: the items' texts; blank ones are ignored.

        Returns:
            Itself.
        """
        from sklearn.decomposition import TruncatedSVD  # a second to import, and not every user of the room needs it
        from sklearn.feature_extraction.text import TfidfVectorizer
        from threadpoolctl import threadpool_limits

        corpus = [text for text in texts if text.strip()]
        different = {word for text in corpus for word in words(text)}
        if len(different) < 2:
            raise DataError(
                f"{len(texts)} item texts hold {len(different)} different words; TF-IDF needs two to tell them apart"
            )
        self._characters = sum(map(without_blanks, corpus)) >= WITHOUT_BLANKS * len(corpus)
        options = {"tokenizer": _characters, "token_pattern": None} if self._characters else {"token_pattern": WORD}
        vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float64, **options)
        counts = vectorizer.fit_transform(corpus)  # (n, n_terms)
        self.dim = min(self.dim, *counts.shape)
        # Small products: threads only get in each other's way. sklearn divides by a variance that may be zero.
        with threadpool_limits(1), np.errstate(invalid="ignore"):
            self._svd = TruncatedSVD(self.dim, n_iter=7, random_state=2024).fit(counts)
        self._vectorizer = vectorizer
        mean = self._directions(counts).mean(axis=0)
        self._mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return self

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The texts' vectors in the space that ``fit`` learned.

        Args:
            texts: n strings.

        Returns:
            ``(n, dim)`` float32.
        """
        if self._vectorizer is None or self._mean is None:
            raise ValueError("TfidfSvd has no vocabulary yet: call fit(item_texts) first (semantic_vectors does)")
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        vectors = self._directions(self._vectorizer.transform(list(texts)))
        vectors[~vectors.any(axis=1)] = self._mean
        return vectors.astype(np.float32)

    def _directions(self, counts: np.ndarray) -> np.ndarray:
        vectors = self._svd.transform(counts)  # (n, dim)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12)


def _characters(text: str) -> list[str]:
    return words(text, sizes=(1, 2))
