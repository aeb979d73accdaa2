"""Rankings that learn nothing: what a number must beat before it means anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import LossTerms, Recommender

if TYPE_CHECKING:
    from dmrec_core.data import RecDataset, SemanticVectors


class _Untrained(Recommender):
    """A ranking without parameters."""

    def loss(self, batch: UserBatch) -> LossTerms:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} has nothing to train; evaluate it as it is")


class TextSimilarity(_Untrained):
    r"""Score an item by the dot product of its text vector with the user's, $w_u^\top w_i$: texts alone, no click.

    RLMRec reports this ranking, under the name "semantic embeddings only", as a sanity check of the vectors.

    Args:
        vectors: of U users and I items.
    """

    def __init__(self, vectors: SemanticVectors) -> None:
        super().__init__()
        self.register_buffer("user", torch.from_numpy(vectors.user), persistent=False)
        self.register_buffer("item", torch.from_numpy(vectors.item), persistent=False)

    def score(self, batch: UserBatch) -> Tensor:
        """`(B, n_items)`."""
        return self.user[batch.users] @ self.item.T


class Popularity(_Untrained):
    """Score an item by the number of users who trained on it, the same for everybody.

    Args:
        dataset: its training interactions are counted.
    """

    def __init__(self, dataset: RecDataset) -> None:
        super().__init__()
        counts = np.asarray(dataset.train.sum(axis=0), dtype=np.float32).ravel()
        self.register_buffer("counts", torch.from_numpy(counts), persistent=False)

    def score(self, batch: UserBatch) -> Tensor:
        """`(B, n_items)`."""
        return self.counts.expand(len(batch), -1).clone()


def chance_recall(dataset: RecDataset, n: int = 20, split: str = "test") -> float:
    r"""Recall@N of a random order of the items a user has not trained on: the mean of $\min(1, N/(I-|M(u)|))$.

    Example:
        >>> from dmrec_core.data import toy_dataset
        >>> round(chance_recall(toy_dataset()), 3)
        0.068
    """
    users = np.flatnonzero(np.diff(getattr(dataset, split).indptr))
    candidates = dataset.n_items - np.diff(dataset.train.indptr)[users]
    return float(np.minimum(1.0, n / candidates).mean())
