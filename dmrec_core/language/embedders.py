"""From texts to the language space: one interface, four embedders behind it, one cache below.

An embedder is anything with a ``name`` and ``embed(texts) -> (n, d_s)``. Ours: ``MiniLM``,
``SentenceTransformerEmbedder``, ``EndpointEmbedder`` and ``TfidfSvd``; each states its batches, dtype, normalisation
and truncation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from dmrec_core.language.endpoint_embedder import EndpointEmbedder
from dmrec_core.language.sentence_embedders import MiniLM, SentenceTransformerEmbedder
from dmrec_core.language.tfidf import TfidfSvd
from dmrec_core.language.user_texts import MISSING, item_texts, user_texts
from dmrec_core.language.vector_cache import CHUNK, checked, embed_cached

if TYPE_CHECKING:
    from dmrec_core.data.dataset import RecDataset, SemanticVectors

__all__ = [
    "Embedder",
    "EndpointEmbedder",
    "MiniLM",
    "SentenceTransformerEmbedder",
    "TfidfSvd",
    "choose_embedder",
    "semantic_vectors",
    "with_language",
]


@runtime_checkable
class Embedder(Protocol):
    """Texts in, vectors out.

    Two members more are used where they are there: ``identity``, a string holding everything that decides a vector,
    without which nothing is cached, and ``fit(item_texts)``, called before the first ``embed``.
    """

    @property
    def name(self) -> str:
        """What figures print."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """``(n, d_s)`` float32."""


def choose_embedder(embedder: str | Embedder, dataset_name: str = "") -> Embedder:
    """The embedder of that name; an embedder is returned as it is.

    Args:
        embedder: ``"minilm"``, ``"tfidf"``, ``"auto"`` or an object. ``"auto"`` is MiniLM where it is installed and
            TF-IDF otherwise, and always TF-IDF for ``toy``, which should start at once.
        dataset_name: decides ``"auto"``.

    Raises:
        ValueError: no embedder has that name.
        TypeError: the object is not an embedder.

    Example:
        >>> choose_embedder("auto", "toy").name
        'tfidf-svd-128'
    """
    if not isinstance(embedder, str):
        if not isinstance(embedder, Embedder):
            raise TypeError(f"an embedder has .name and .embed(texts), got {type(embedder).__name__}")
        return embedder
    if embedder == "auto":
        embedder = "minilm" if dataset_name != "toy" and MiniLM.available() else "tfidf"
    known = {"minilm": MiniLM, "tfidf": TfidfSvd}
    if embedder not in known:
        raise ValueError(
            f"no embedder is called {embedder!r}: say 'auto', 'minilm' or 'tfidf', or pass an object, "
            f"SentenceTransformerEmbedder({embedder!r}) for a model of that name"
        )
    return known[embedder]()


def semantic_vectors(
    dataset: RecDataset,
    embedder: str | Embedder = "auto",
    *,
    cache: bool = True,
    progress: bool | Callable[[int, int], None] = True,
) -> SemanticVectors:
    r"""The users' and items' places in the language space.

    Eq. 5.

    $$w_u = f_{text}(s_u),\qquad w_i = f_{text}(s_i),\qquad w \in R^{1\times d_s}$$

    Args:
        dataset: with profiles or titles. Users without a profile get a text from their training items (``user_texts``).
        embedder: as in ``choose_embedder``; with ``"auto"``, vectors the data set already has are kept.
        cache: keep vectors on disk, so that a text is embedded once and an interrupted run goes on where it was.
        progress: ``True`` for a bar on stderr where the work is more than a moment's, or a function of (done, total).

    Returns:
        ``user (U, d_s)``, ``item (I, d_s)``, and in ``embedder`` what made them.

    Raises:
        ValueError: the data set has neither texts nor vectors.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> vectors = semantic_vectors(toy_dataset(), "tfidf")
        >>> vectors.embedder, vectors.user.shape
        ('tfidf-svd-128', (600, 128))

    Source: Eq. 5; blank texts are embedded as "None", RLMRec's word for a missing field.
    """
    from dmrec_core.data.dataset import SemanticVectors

    if embedder == "auto" and dataset.language is not None:
        return dataset.language
    chosen = choose_embedder(embedder, dataset.name)
    items = item_texts(dataset)
    given = dataset.profiles.user if dataset.profiles is not None else None
    users = user_texts(dataset) if given is None else given
    if hasattr(chosen, "fit"):
        chosen.fit(items)
    else:
        items, users = _filled(items), _filled(users)
    vectors = _embed(chosen, [*items, *users], cache, progress)
    return SemanticVectors(user=vectors[len(items) :], item=vectors[: len(items)], embedder=chosen.name)


def with_language(dataset: RecDataset, embedder: str | Embedder = "auto", **options: object) -> RecDataset:
    """The data set with its language space filled in; ``options`` as for ``semantic_vectors``.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> with_language(toy_dataset()).language.embedder
        'tfidf-svd-128'
    """
    return dataset.with_language(semantic_vectors(dataset, embedder, **options))


def _filled(texts: Sequence[str]) -> list[str]:
    return [text if text.strip() else MISSING for text in texts]


def _embed(
    embedder: Embedder, texts: list[str], cache: bool, progress: bool | Callable[[int, int], None]
) -> np.ndarray:
    identity = getattr(embedder, "identity", None)
    if not cache or identity is None:
        return checked(embedder.embed(texts), texts)
    if callable(progress):
        return embed_cached(embedder.embed, identity, texts, on_progress=progress)
    with _Bar(f"embedding with {embedder.name}", shown=progress) as bar:
        return embed_cached(embedder.embed, identity, texts, on_progress=bar)


class _Bar:
    """A bar that appears only where there is more than one chunk to embed."""

    def __init__(self, title: str, shown: bool) -> None:
        self._title, self._shown = title, shown
        self._bar: tqdm | None = None

    def __enter__(self) -> _Bar:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None and self._shown and total - done > CHUNK:
            quiet = 0.5 if sys.stderr.isatty() else 10.0  # seconds between lines; a notebook's log keeps each
            self._bar = tqdm(total=total, initial=done, desc=self._title, unit="text", mininterval=quiet)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()
