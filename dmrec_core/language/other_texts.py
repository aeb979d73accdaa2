"""The language space from other texts than those that came with the data: how much is a language model's profile worth?

Nothing is asked of a language model here. Users are described from training items only, as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmrec_core.data.dataset import Profiles
from dmrec_core.data.errors import DataError
from dmrec_core.language.embedders import Embedder, semantic_vectors
from dmrec_core.language.profiles import extractive_profiles

if TYPE_CHECKING:
    from dmrec_core.data.dataset import RecDataset


def with_language_from(dataset: RecDataset, texts: str, embedder: str | Embedder = "auto") -> RecDataset:
    """The data set with its texts replaced and its language space made from the new ones.

    Args:
        dataset: with titles, item texts or both; its own user texts and vectors are not looked at.
        texts: ``"extractive"``: what ``ExtractiveProfiler`` picks from titles and item texts, for items and for users
            (where the item texts were written by a model, an extract of those; no model writes of the users).
            ``"titles"``: an item is its title, a user the titles of six sampled training items; on ``yelp-xrec`` the
            only texts that no language model had a hand in.
        embedder: as for ``semantic_vectors``.

    Returns:
        The data set; ``language.embedder`` ends in ``", extractive profiles"`` or ``", titles only"``.

    Raises:
        ValueError: other ``texts``; a DataError: none to work with.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> with_language_from(toy_dataset(), "titles").language.embedder
        'tfidf-svd-128, titles only'
    """
    if texts == "extractive":
        told, name = dataset.with_profiles(extractive_profiles(dataset)), "extractive profiles"
    elif texts == "titles":
        if dataset.titles is None or not any(dataset.titles):
            raise DataError(f"data set {dataset.name!r} has no titles")
        nothing = Profiles(("",) * dataset.n_items, None, "titles only (no language model)")
        told, name = dataset.with_profiles(nothing), "titles only"
    else:
        raise ValueError(f"texts must be 'extractive' or 'titles'; got {texts!r}")
    vectors = semantic_vectors(replace(told, language=None), embedder)
    return told.with_language(replace(vectors, embedder=f"{vectors.embedder}, {name}"))
