"""Rankings that learn nothing: what a number must beat before it means anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import LossTerms, Recommender

if TYPE_CHECKING:
    from dmrec_core.data import RecDataset, SemanticVectors


class TextSimilarity(Recommender):
    r"""Score an item by the dot product of its text vector with the user's, $w_u^\top w_i$: texts alone, no click.

    RLMRec reports this ranking, under the name "semantic embeddings only", as a sanity check of the vectors.

    Args:
        vectors: of U users and I items.
    """

    def __init__(self, vectors: SemanticVectors) -> None:
        super().__init__()
        self.register_buffer("user", torch.from_numpy(vectors.user), persistent=False)
        self.register_buffer("item", torch.from_numpy(vectors.item), persistent=False)

    def loss(self, batch: UserBatch) -> LossTerms:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} has nothing to train; evaluate it as it is")

    def score(self, batch: UserBatch) -> Tensor:
        """`(B, n_items)`."""
        return self.user[batch.users] @ self.item.T


class Popularity(ClosedForm):
    """Score an item by the number of users who trained on it, the same for everybody.

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        text: `item_vectors` and `text_weight`, as `ClosedForm`.

    Example:
        >>> Popularity(sp.csr_matrix([[1.0, 1, 0], [1, 0, 0]])).solve().weight
        Parameter containing:
        tensor([[2., 1., 0.]])
    """

    def __init__(self, train: sp.csr_matrix, **text: object) -> None:
        super().__init__(train, (1, train.shape[1]), **text)

    def solution(self) -> Tensor:
        """Users of each item, `(1, n_items)`."""
        return torch.from_numpy(np.asarray(self.interactions.sum(axis=0), dtype=np.float32).reshape(1, -1))

    def preference(self, batch: UserBatch) -> Tensor:
        """The same row for everybody, `(B, n_items)`."""
        return self.weight.repeat(len(batch), 1)


def chance_recall(dataset: RecDataset, n: int = 20, split: str = "test") -> float:
    r"""Recall@K of a random order of the items a user has not trained on: the mean of $\min(1, K/(N-|M(u)|))$.

    Example:
        >>> from dmrec_core.data import toy_dataset
        >>> round(chance_recall(toy_dataset()), 3)
        0.068
    """
    users = np.flatnonzero(np.diff(getattr(dataset, split).indptr))
    candidates = dataset.n_items - np.diff(dataset.train.indptr)[users]
    return float(np.minimum(1.0, n / candidates).mean())
