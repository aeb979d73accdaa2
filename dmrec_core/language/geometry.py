"""The shape of a cloud of text vectors: which are near, and how narrow the cone is that all of them lie in."""

from __future__ import annotations

import numpy as np

from dmrec_core.data.dataset import SemanticVectors


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float64; a row of zeros stays one."""
    rows = np.asarray(vectors, dtype=np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def mean_cosine(vectors: np.ndarray) -> float:
    r"""Mean cosine over all pairs of different rows: the anisotropy of a cloud; 0 for directions that cancel.

    $\frac{1}{n(n-1)}\sum_{i\ne j}\hat w_i^\top\hat w_j = \frac{\|\sum_i\hat w_i\|^2-n}{n(n-1)}$, so no pair need be
    visited

    Args:
        vectors: `(n, d_s)`, at least two rows.

    Raises:
        ValueError: fewer than two rows.

    Example:
        >>> mean_cosine(np.eye(3))
        0.0
        >>> round(mean_cosine(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 5.0]])), 3)
        0.333

    Source: Ethayarajh 2019 measures anisotropy as the mean cosine of random pairs; here all pairs.
    """
    n = len(vectors)
    if n < 2:
        raise ValueError(f"a mean over pairs needs at least 2 vectors; got {n}")
    total = unit_rows(vectors).sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def pair_cosines(vectors: np.ndarray, pairs: int = 20_000, seed: int = 2024) -> np.ndarray:
    """Cosines of random pairs of different rows, `(pairs,)`: for a histogram; `mean_cosine` needs no sample."""
    rng = np.random.default_rng(seed)
    first = rng.integers(len(vectors), size=pairs)
    second = (first + rng.integers(1, len(vectors), size=pairs)) % len(vectors)
    rows = unit_rows(vectors)
    return np.einsum("ij,ij->i", rows[first], rows[second])


def nearest(vectors: np.ndarray, row: int, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The n rows with the largest cosine to one row, itself left out; ids and cosines, nearest first.

    Example:
        >>> ids, cosines = nearest(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), row=0, n=1)
        >>> ids.tolist(), cosines.round(3).tolist()
        ([2], [0.707])
    """
    rows = unit_rows(vectors)
    cosines = rows @ rows[row]
    cosines[row] = -np.inf
    ids = np.argsort(-cosines, kind="stable")[: min(n, len(rows) - 1)]
    return ids, cosines[ids]


def centred(vectors: SemanticVectors) -> SemanticVectors:
    r"""The vectors without the direction that all of them share: $w - \bar w_{\mathcal I}$, rows of length 1.

    Users and items lose the same vector, the mean of the item vectors. Named `"<embedder>, centred"`.

    Example:
        >>> vectors = SemanticVectors(np.eye(2) + 1, np.eye(2) + 1, embedder="shifted")
        >>> centred(vectors).embedder
        'shifted, centred'
    """
    mean = unit_rows(vectors.item).mean(axis=0)
    user, item = (unit_rows(unit_rows(side) - mean).astype(np.float32) for side in (vectors.user, vectors.item))
    # a vector equal to the mean keeps its old direction: it says nothing, and zeros would have no direction at all
    for new, old in ((user, vectors.user), (item, vectors.item)):
        empty = ~new.any(axis=1)
        new[empty] = unit_rows(old)[empty]
    return SemanticVectors(user=user, item=item, embedder=f"{vectors.embedder}, centred")
