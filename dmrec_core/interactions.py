"""Mini-batches of users and the one layer through which models see interactions.

A user's row of the interaction matrix is almost empty (about 0.1 % of the items), so it stays a list of item ids. On a
CPU the first layer sums the weight rows of those items; on a GPU a dense matrix product is faster. Every such choice
between a processor and a GPU, here and in the baselines, is asked of `suits_a_gpu`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DENSE_AT_MOST = 2**27  # numbers: 512 MiB in float32
_gpu_way: bool | None = None  # what `computed_as_on_a_gpu` asks for


def suits_a_gpu(x: Tensor) -> bool:
    """Whether to compute with `x` as suits a GPU (dense, all at once), not a CPU (sparse, in pieces for its cache)."""
    return x.device.type != "cpu" if _gpu_way is None else _gpu_way


@contextmanager
def computed_as_on_a_gpu(gpu: bool = True) -> Iterator[None]:
    """Go a GPU's way on any device while it lasts, or a CPU's; the numbers are the same up to rounding.

    Example:
        >>> rows = InteractionRows(torch.tensor([0, 3]), torch.tensor([0, 1]), None, 4)
        >>> table = torch.arange(8.0).view(4, 2)
        >>> with computed_as_on_a_gpu():
        ...     torch.testing.assert_close(rows.sum_of(table), table[[0, 3]])
    """
    global _gpu_way
    before, _gpu_way = _gpu_way, gpu
    try:
        yield
    finally:
        _gpu_way = before


@dataclass(frozen=True)
class InteractionRows:
    """Rows of a sparse user-item matrix, ragged.

    Args:
        items: item ids of all rows, one after another, `(nnz,)` int64.
        offsets: where each row starts in `items`, `(B,)` int64.
        values: the entries, `(nnz,)` float, or None for all ones.
        n_items: number of columns.
    """

    items: Tensor
    offsets: Tensor
    values: Tensor | None
    n_items: int

    @classmethod
    def from_csr(cls, matrix: sp.csr_matrix, users: np.ndarray, device: torch.device | str = "cpu") -> InteractionRows:
        """Take rows `users` of a binary CSR matrix."""
        counts = np.diff(matrix.indptr)[users]
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        # position of every entry: its row's start in the matrix plus its place in the row
        place = np.arange(counts.sum(), dtype=np.int64) - np.repeat(offsets, counts)
        items = matrix.indices[np.repeat(matrix.indptr[users].astype(np.int64), counts) + place].astype(np.int64)
        return cls(torch.from_numpy(items).to(device), torch.from_numpy(offsets).to(device), None, int(matrix.shape[1]))

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def counts(self) -> Tensor:
        """Entries per row, `(B,)` int64."""
        return torch.diff(F.pad(self.offsets, (0, 1), value=len(self.items)))  # no copy from the processor

    @property
    def row_index(self) -> Tensor:
        """The row each entry belongs to, `(nnz,)` int64."""
        return torch.repeat_interleave(
            torch.arange(len(self), device=self.items.device), self.counts, output_size=len(self.items)
        )

    def dropout(self, p: float, generator: torch.Generator | None = None) -> InteractionRows:
        """Drop each entry with probability `p` and scale the rest by 1 / (1 - p), as `nn.Dropout` does."""
        if p == 0:
            return self
        kept = torch.rand(len(self.items), generator=generator, device=self.items.device) >= p
        kept = kept.float() / (1 - p)
        return replace(self, values=kept if self.values is None else self.values * kept)

    def only(self, mask: Tensor) -> InteractionRows:
        """The entries where `mask` `(nnz,)` is true; rows may become empty."""
        before = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.cumsum(0)])
        values = None if self.values is None else self.values[mask]
        return InteractionRows(self.items[mask], before[self.offsets], values, self.n_items)

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The rows as a dense matrix, `(B, n_items)`."""
        values = torch.ones(len(self.items), device=self.items.device) if self.values is None else self.values
        out = torch.zeros(len(self), self.n_items, dtype=dtype, device=self.items.device)
        return out.index_put_((self.row_index, self.items), values.to(dtype), accumulate=True)

    def sum_of(self, table: Tensor) -> Tensor:
        r"""Weighted sum of the rows' item vectors, $X T$: `table` is `(n_items, k)`, the result `(B, k)`."""
        if suits_a_gpu(table) and len(self) * self.n_items <= DENSE_AT_MOST:
            return self.dense(table.dtype) @ table
        values = None if self.values is None else self.values.to(table.dtype)
        return F.embedding_bag(self.items, table, self.offsets, mode="sum", per_sample_weights=values)


@dataclass(frozen=True)
class UserBatch:
    """A mini-batch of users, as every model sees it.

    Args:
        users: user ids, `(B,)` int64.
        rows: their training interactions: what is to be reconstructed.
        inputs: what the encoders read: `rows`, after dropout while training.
        generator: the source of all randomness of this step; None when scoring.
        epoch: epoch of this step, from 0; annealed terms read it.
        step: optimiser steps taken before this one.
        training: True inside a loss, where inputs (and, in CVGA, the encoder's output) are dropped out.
    """

    users: Tensor
    rows: InteractionRows
    inputs: InteractionRows
    generator: torch.Generator | None = None
    epoch: int = 0
    step: int = 0
    training: bool = False

    def corrupted(self, dropout: float) -> UserBatch:
        """The same batch with dropped-out inputs, for a loss. Both spaces read the same drop, as published."""
        return replace(self, inputs=self.rows.dropout(dropout, self.generator), training=True)

    def __len__(self) -> int:
        return len(self.users)


def user_batch(matrix: sp.csr_matrix, users: np.ndarray, device: torch.device | str = "cpu", **fields) -> UserBatch:
    """Build the batch of the given user ids from the training matrix."""
    rows = InteractionRows.from_csr(matrix, users, device)
    return UserBatch(torch.as_tensor(users, dtype=torch.int64, device=device), rows, rows, **fields)


def user_batches(matrix: sp.csr_matrix, batch_size: int, device: torch.device | str = "cpu") -> Iterator[UserBatch]:
    """All users in order, in chunks: the batches scoring walks through."""
    for start in range(0, matrix.shape[0], batch_size):
        yield user_batch(matrix, np.arange(start, min(start + batch_size, matrix.shape[0])), device)


class InteractionLinear(nn.Module):
    """A linear layer over interaction rows: `(B, n_items)` sparse in, `(B, out)` dense out.

    The weight is stored item by item, `(n_items, out)`, the transpose of `nn.Linear`'s, and starts like `nn.Linear`'s:
    uniform in ±1/sqrt(n_items).

    Example:
        >>> layer = InteractionLinear(4, 2)
        >>> rows = InteractionRows(torch.tensor([0, 3]), torch.tensor([0, 1]), None, 4)
        >>> torch.testing.assert_close(layer(rows), rows.dense() @ layer.weight + layer.bias)
    """

    def __init__(self, n_items: int, out_features: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_items)
        self.weight = nn.Parameter(torch.empty(n_items, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))

    def forward(self, rows: InteractionRows) -> Tensor:
        """Apply the layer to `(B, n_items)` rows."""
        return rows.sum_of(self.weight) + self.bias
