"""Mini-batches of pairs: an interaction, and items the user has not chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor


@dataclass(frozen=True)
class PairBatch:
    """A mini-batch of interactions with negatives, for models trained on pairs.

    Args:
        users: user ids, `(B,)` int64.
        positives: an item of each user's training items, `(B,)`.
        negatives: items outside them, `(B, k)`.
        generator, epoch, step: as in `UserBatch`.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    generator: torch.Generator | None = None
    epoch: int = 0
    step: int = 0

    def __len__(self) -> int:
        return len(self.users)


PACKED = 2**28  # bytes: up to this size, which items a user has is one bit each; above, a sorted list is searched


class PairSampler:
    """Draws positives and negatives for users; all randomness comes from the generator it is handed.

    Args:
        train: binary CSR matrix, `(n_users, n_items)`, indices sorted.

    Raises:
        ValueError: a user has every item, so there is no negative to draw.

    Example:
        >>> sampler = PairSampler(sp.csr_matrix(np.array([[1, 0, 1], [0, 1, 1]], dtype=np.float32)))
        >>> sampler.negatives(torch.tensor([0, 1]), 2, torch.Generator().manual_seed(0))
        tensor([[1, 1],
                [0, 0]])
    """

    def __init__(self, train: sp.csr_matrix) -> None:
        self.n_users, self.n_items = train.shape
        counts = np.diff(train.indptr)
        if counts.max(initial=0) >= self.n_items:
            raise ValueError(f"user {counts.argmax()} has all {self.n_items} items: no negative can be drawn")
        self.items = torch.from_numpy(train.indices.astype(np.int64))
        self.starts = torch.from_numpy(train.indptr[:-1].astype(np.int64))
        self.counts = torch.from_numpy(counts.astype(np.int64))
        self.users = torch.repeat_interleave(torch.arange(self.n_users), self.counts)
        self._packed = self._keys = None
        if self.n_users * self.n_items <= 8 * PACKED:
            self._packed = _packed_rows(train)
        else:
            self._keys = self.users * self.n_items + self.items  # ascending: one number per interaction

    def positives(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """One training item of each user, uniformly, `(B,)`."""
        share = torch.rand(len(users), generator=generator, dtype=torch.float64)
        return self.items[self.starts[users] + (share * self.counts[users]).long()]

    def negatives(self, users: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """k items of each user outside their training items, uniformly and with replacement, `(B, k)`."""
        drawn = torch.randint(self.n_items, (len(users), k), generator=generator)
        wrong = self._are_chosen(users, drawn).nonzero()
        while len(wrong):
            again = torch.randint(self.n_items, (len(wrong),), generator=generator)
            drawn[wrong[:, 0], wrong[:, 1]] = again
            wrong = wrong[self._are_chosen(users[wrong[:, 0]], again.unsqueeze(1)).squeeze(1)]
        return drawn

    def _are_chosen(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether each of k items `(B, k)` is among the training items of its user `(B,)`."""
        if self._packed is not None:  # 20 times faster than the search: a user's row is short and read k times
            bytes_ = self._packed[users].gather(1, items >> 3)
            return (bytes_ >> items.to(torch.uint8).bitwise_and_(7)).bitwise_and_(1).bool()
        key = users.unsqueeze(1) * self.n_items + items
        place = torch.searchsorted(self._keys, key).clamp(max=len(self._keys) - 1)
        return self._keys[place] == key

    def every_pair(
        self, batch_size: int, generator: torch.Generator, device: torch.device, k: int = 1
    ) -> Iterator[PairBatch]:
        """One epoch: every interaction once, shuffled, with k fresh negatives each; the last partial batch is kept.

        Source: RLMRec's LightGCN.
        """
        for pairs in torch.randperm(len(self.items), generator=generator).split(batch_size):
            yield self._batch(self.users[pairs], self.items[pairs], k, generator, device)

    def users_in_turn(
        self, batch_size: int, generator: torch.Generator, device: torch.device, k: int = 1
    ) -> Iterator[PairBatch]:
        """As many pairs as interactions, but every user equally often: each time one random positive.

        Source: AlphaRec.
        """
        for turns in torch.randperm(len(self.items), generator=generator).split(batch_size):
            users = turns % self.n_users
            yield self._batch(users, self.positives(users, generator), k, generator, device)

    def users_at_random(
        self, batch_size: int, generator: torch.Generator, device: torch.device, k: int = 1
    ) -> Iterator[PairBatch]:
        """`n_interactions // batch_size + 1` batches of different random users, one random positive each.

        Source: NGCF's sampler, which LLMRec uses.
        """
        for _ in range(len(self.items) // batch_size + 1):
            users = torch.randperm(self.n_users, generator=generator)[:batch_size]
            yield self._batch(users, self.positives(users, generator), k, generator, device)

    def _batch(
        self, users: Tensor, positives: Tensor, k: int, generator: torch.Generator, device: torch.device
    ) -> PairBatch:
        negatives = self.negatives(users, k, generator)
        return PairBatch(users.to(device), positives.to(device), negatives.to(device))


def _packed_rows(train: sp.csr_matrix) -> Tensor:
    """The matrix with eight items a byte, item i in bit i mod 8 of byte i // 8, `(n_users, ceil(n_items / 8))`."""
    packed = np.zeros((train.shape[0], -(-train.shape[1] // 8)), dtype=np.uint8)
    users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    np.bitwise_or.at(packed, (users, train.indices >> 3), (1 << (train.indices & 7)).astype(np.uint8))
    return torch.from_numpy(packed)
