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


def split_in_order(users: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Hold out by a given order: the first k of a user's items are test, the next k valid, the rest train.

    k is as in `split_per_user`, and so are users with fewer than 3 items. What becomes of a user's items depends on
    that user's rows alone.

    Args:
        users: (n,) the user of each interaction.
        order: (n,) the interactions sorted by user and, within a user, by what is held out first.

    Returns:
        (n,) 0 train, 1 valid, 2 test, for the interactions as they were given.

    Example:
        >>> split_in_order(np.array([7, 7, 7, 9]), np.array([2, 0, 1, 3])).tolist()
        [1, 0, 2, 0]
    """
    _, first, count = np.unique(users[order], return_index=True, return_counts=True)
    held_out = np.where(count >= 3, np.maximum(1, np.round(0.2 * count)), 0).astype(int)
    place, held_out = np.arange(len(order)) - np.repeat(first, count), np.repeat(held_out, count)
    part = np.empty(len(order), dtype=np.int8)
    part[order] = np.where(place < held_out, 2, np.where(place < 2 * held_out, 1, 0))
    return part
