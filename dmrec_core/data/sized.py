"""Interactions of a size of one's choice, drawn at random: for measurements of time and memory, not of recall."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from dmrec_core.data.dataset import RecDataset


def sized_dataset(n_users: int, n_items: int, n_interactions: int, seed: int = 0) -> RecDataset:
    r"""Training interactions as skewed as real ones, and at most one test item a user.

    User u trains on item $u \bmod I$. Of the other pairs the user is drawn evenly and the item as
    $\lfloor I v^2\rfloor$ with v uniform on [0, 1): a head of popular items and a long tail.

    Args:
        n_users, n_items: U and I.
        n_interactions: in train; at least U, at most a third of U I.
        seed: of all that is drawn.

    Raises:
        ValueError: sizes that cannot be.

    Example:
        >>> data = sized_dataset(40, 30, 200)
        >>> data.n_users, data.n_items, data.train.nnz, data.test.nnz <= 40
        (40, 30, 200, True)
    """
    if not 0 < n_users <= n_interactions <= n_users * n_items // 3:
        raise ValueError(
            f"{n_interactions:,} interactions of {n_users:,} users with {n_items:,} items: at least one a user, and at "
            "most a third of all pairs"
        )
    rng, users = np.random.default_rng(seed), np.arange(n_users)
    own = users * n_items + users % n_items
    cells = np.unique(own)
    while len(cells) < n_interactions:
        more = n_interactions - len(cells)
        drawn = rng.integers(0, n_users, more) * n_items + (n_items * rng.random(more) ** 2).astype(int)
        cells = np.unique(np.concatenate([cells, drawn]))
    train = _matrix(cells, n_users, n_items)
    held_out = users * n_items + (users + 1 + rng.integers(0, n_items - 1, n_users)) % n_items
    test = _matrix(held_out[~np.isin(held_out, cells)], n_users, n_items)
    nothing = sparse.csr_matrix(train.shape, dtype=np.float32)
    name = f"{n_users:,} users, {n_items:,} items, {n_interactions:,} interactions"
    return RecDataset(name, n_users, n_items, train, nothing, test)


def _matrix(cells: np.ndarray, n_users: int, n_items: int) -> sparse.csr_matrix:
    ones = np.ones(len(cells), np.float32)
    return sparse.csr_matrix((ones, (cells // n_items, cells % n_items)), shape=(n_users, n_items))
