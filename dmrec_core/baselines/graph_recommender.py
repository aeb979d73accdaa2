"""What the graph baselines share: two tables of node embeddings, scored by their dot product."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.baselines.sampling import PairBatch, PairSampler
from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import Recommender


class GraphRecommender(Recommender):
    """A recommender whose users and items are points in one space.

    Embeddings are functions of the parameters alone: they are computed once after each `eval()` and kept for scoring.

    Args:
        train: binary CSR matrix of the training interactions, `(n_users, n_items)`.
    """

    def __init__(self, train: sp.csr_matrix) -> None:
        super().__init__()
        self.sampler = PairSampler(train)
        self._kept: tuple[tuple, tuple[Tensor, Tensor]] | None = None

    @abstractmethod
    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Final embeddings of all users `(n_users, d)` and items `(n_items, d)`, on the full graph."""

    def score(self, batch: UserBatch) -> Tensor:
        """Dot products with every item, `(B, n_items)`."""
        keep = not (self.training or torch.is_grad_enabled())
        users, items = self._kept_embeddings() if keep else self.embeddings()
        return users[batch.users] @ items.T

    def train(self, mode: bool = True) -> GraphRecommender:
        """Switch between training and scoring; either way, embeddings are computed anew."""
        self._kept = None
        return super().train(mode)

    def batches(
        self, train: sp.csr_matrix, batch_size: int, epoch: int, generator: torch.Generator, device: torch.device
    ) -> Iterator[PairBatch]:
        """Every training pair once, with one fresh negative."""
        return self.sampler.every_pair(batch_size, generator, device)

    def _kept_embeddings(self) -> tuple[Tensor, Tensor]:
        # a parameter's version counts in-place changes (though not those of fused optimisers, hence `train` above);
        # its address changes with .to() and .double()
        state = tuple((p.data_ptr(), p._version) for p in self.parameters())
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self.embeddings()
        return self._kept[1]


def pair_scores(users: Tensor, items: Tensor, batch: PairBatch) -> tuple[Tensor, Tensor]:
    """Dot products of a batch's users with their positives, `(B,)`, and with their first negatives, `(B,)`."""
    anchor = users[batch.users]
    return (anchor * items[batch.positives]).sum(-1), (anchor * items[batch.negatives[:, 0]]).sum(-1)
