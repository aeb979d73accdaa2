"""What a user's text is made of: a few of the items they trained on, never anything later.

The pipeline behind the paper's data writes a user profile from sampled interacted items and does not say whether
validation or test interactions were among them. Here only ``dataset.train`` is read, so nothing can leak.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from dmrec_core.data.errors import DataError
from dmrec_core.data.sources import DATASETS
from dmrec_core.language.words import first_words

if TYPE_CHECKING:
    from dmrec_core.data.dataset import RecDataset

MISSING = "None"
"""What stands for a text that is not there, as in RLMRec's prompts."""


def item_texts(dataset: RecDataset) -> tuple[str, ...]:
    """One text per item: its profile, or its title where the profile is blank.

    Args:
        dataset: with ``profiles``, ``titles`` or both.

    Returns:
        ``n_items`` texts; blank only where an item has neither.

    Raises:
        DataError: the data set has no texts at all.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> dataset = toy_dataset()
        >>> len(item_texts(dataset)) == dataset.n_items
        True

    Source: Eq. 4's $s_i$; the summary only is embedded, as RLMRec does.
    """
    titles, profiles = _fields(dataset)
    return tuple(profile.strip() or title.strip() for title, profile in zip(titles, profiles, strict=True))


def sampled_training_items(dataset: RecDataset, max_items: int = 6, seed: int = 2024) -> list[np.ndarray]:
    """For each user, at most ``max_items`` of their training items, drawn uniformly, in ascending id.

    A user's draw depends on ``seed``, the user's id and the user's training row only: adding a user changes no other's.
    In your own data the id is yours; in a data set of the kit it is the user's place, which never moves.

    Args:
        dataset: only ``train`` is read.
        max_items: items per user; the paper's source names no number, its example prompts hold six.
        seed: of the draw.

    Returns:
        ``n_users`` arrays of item ids.

    Raises:
        ValueError: ``max_items`` is not positive.
    """
    if max_items < 1:
        raise ValueError(f"max_items must be at least 1, got {max_items}")
    train, samples = dataset.train, []
    for user in range(dataset.n_users):
        items = train.indices[train.indptr[user] : train.indptr[user + 1]]
        if len(items) > max_items:
            rng = np.random.default_rng([seed, _identity(dataset, user)])
            items = rng.choice(np.sort(items), max_items, replace=False)
        samples.append(np.sort(items))
    return samples


def _identity(dataset: RecDataset, user: int) -> int:
    if dataset.user_ids is None or dataset.name in DATASETS:
        return user
    return int.from_bytes(hashlib.sha256(str(dataset.user_ids[user]).encode("utf-8", "surrogatepass")).digest()[:8])


def user_texts(
    dataset: RecDataset, max_items: int = 6, seed: int = 2024, max_words_per_item: int = 24
) -> tuple[str, ...]:
    r"""One text per user, from training items only: a line ``title: profile`` for each sampled item.

    $$s_u = \text{join}\big(\{(\text{title}_i, s_i) : i \in \text{sample}(M(u))\}\big)$$

    with $M(u)$ the user's training items.

    Args:
        dataset: with ``profiles``, ``titles`` or both.
        max_items: lines per user, sampled uniformly.
        seed: of the sample.
        max_words_per_item: each item's profile is cut to so many words. Six lines of 24 words stay below the 256 word
            pieces at which MiniLM truncates, so that no sampled item is silently dropped.

    Returns:
        ``n_users`` texts.

    Raises:
        DataError: the data set has no texts.
        ValueError: a limit is not positive.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> texts = user_texts(toy_dataset(), max_items=2)
        >>> max(text.count("\n") for text in texts)
        1

    Source: Eq. 4's $s_u$ without a language model; sampling as in RLMRec's user prompts (six items in its examples).
    """
    if max_words_per_item < 1:
        raise ValueError(f"max_words_per_item must be at least 1, got {max_words_per_item}")
    titles, profiles = _fields(dataset)
    lines = []
    for title, profile in zip(titles, profiles, strict=True):
        short = first_words(profile, max_words_per_item)
        lines.append(": ".join(part for part in (title.strip(), short) if part))
    samples = sampled_training_items(dataset, max_items, seed)
    return tuple("\n".join(lines[item] for item in sample if lines[item]) for sample in samples)


def _fields(dataset: RecDataset) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Titles and profiles, blank where missing."""
    if dataset.profiles is None and dataset.titles is None:
        raise DataError(
            f"data set {dataset.name!r} has neither item profiles nor titles, so there is no text to embed. "
            "Give it item texts or vectors of your own (load_own reads both)."
        )
    blank = ("",) * dataset.n_items
    titles = blank if dataset.titles is None else tuple(dataset.titles)
    profiles = blank if dataset.profiles is None else tuple(dataset.profiles.item)
    return titles, profiles
