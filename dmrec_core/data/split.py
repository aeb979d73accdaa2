"""The per-user split every data set of the kit uses when it does not bring its own."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def split_per_user(
    interactions: sparse.csr_matrix, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, sparse.csr_matrix, sparse.csr_matrix]:
    r"""Hold out a fifth of every user's items for test, another fifth for validation.

    Users in ascending id; a user's n items, in ascending id, are shuffled; with $k = \max(1, \mathrm{round}(0.2 n))$
    the first k are test, the next k valid, the rest train. A user with fewer than 3 items keeps all of them in train.

    Args:
        interactions: (U, I) binary.
        rng: one generator for all users, so the split depends on their order.

    Returns:
        train, valid, test, each (U, I) float32.

    Example:
        >>> ten = sparse.csr_matrix(np.ones((1, 10)))
        >>> [int(part.nnz) for part in split_per_user(ten, np.random.default_rng(0))]
        [6, 2, 2]
    """
    matrix = sparse.csr_matrix(interactions, copy=True)
    matrix.sort_indices()
    items = matrix.indices
    part = np.zeros(len(items), dtype=np.int8)  # 0 train, 1 valid, 2 test
    for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        rng.shuffle(items[start:end])
        held_out = max(1, round(0.2 * (end - start))) if end - start >= 3 else 0
        part[start : start + held_out] = 2
        part[start + held_out : start + 2 * held_out] = 1
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    train, valid, test = (
        sparse.csr_matrix((np.ones(keep.sum(), np.float32), (users[keep], items[keep])), shape=matrix.shape)
        for keep in (part == 0, part == 1, part == 2)
    )
    return train, valid, test
