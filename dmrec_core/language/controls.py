"""Vectors that should not help: the negative controls of every claim about language.

Each names itself in ``embedder``, so that no figure can pass a control off as the real thing.
"""

from __future__ import annotations

import numpy as np

from dmrec_core.data.dataset import SemanticVectors


def shuffled(vectors: SemanticVectors, seed: int) -> SemanticVectors:
    """The same vectors, given to the wrong users and items: the cloud keeps its shape, the link to interactions goes.

    Args:
        vectors: of U users and I items.
        seed: of the two permutations.

    Returns:
        Vectors of the same shapes, named ``"<embedder>, shuffled"``.

    Example:
        >>> vectors = SemanticVectors(np.eye(3), np.eye(3), embedder="one-hot")
        >>> shuffled(vectors, seed=0).embedder
        'one-hot, shuffled'
    """
    rng = np.random.default_rng([seed, 0])
    return SemanticVectors(
        user=rng.permutation(vectors.user), item=rng.permutation(vectors.item), embedder=f"{vectors.embedder}, shuffled"
    )


def random_like(vectors: SemanticVectors, seed: int) -> SemanticVectors:
    r"""Random directions with the same widths and norms.

    $$w' = \lVert w \rVert\, g / \lVert g \rVert,\qquad g \sim \mathcal N(0, I)$$

    Args:
        vectors: whose shapes and norms are kept.
        seed: of the directions.

    Returns:
        Vectors of the same shapes, named ``"random like <embedder>"``.

    Example:
        >>> vectors = SemanticVectors(2 * np.eye(3), np.eye(3), embedder="one-hot")
        >>> np.linalg.norm(random_like(vectors, seed=0).user, axis=1).round(3).tolist()
        [2.0, 2.0, 2.0]
    """
    rng = np.random.default_rng([seed, 1])
    user, item = (_with_norms_of(rng.standard_normal(side.shape), side) for side in (vectors.user, vectors.item))
    return SemanticVectors(user=user, item=item, embedder=f"random like {vectors.embedder}")


def noisy(vectors: SemanticVectors, share: float, seed: int) -> SemanticVectors:
    r"""A blend of each vector with a random one, rescaled to its old norm: a dial from the real thing to nothing.

    $$w' \propto (1 - \rho)\, w + \rho\, \lVert w \rVert\, g / \lVert g \rVert,\quad
    \lVert w' \rVert = \lVert w \rVert$$

    Args:
        vectors: to blend.
        share: $\rho$ in [0, 1]; 0 changes nothing, 1 is ``random_like``.
        seed: of the random directions.

    Returns:
        Vectors of the same shapes, named ``"<embedder>, noise <share>"``.

    Raises:
        ValueError: ``share`` is outside [0, 1].

    Example:
        >>> vectors = SemanticVectors(np.eye(3), np.eye(3), embedder="one-hot")
        >>> noisy(vectors, 0.25, seed=0).embedder
        'one-hot, noise 0.25'
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    noise = random_like(vectors, seed)
    user, item = (
        _with_norms_of((1 - share) * real + share * random, real)
        for real, random in ((vectors.user, noise.user), (vectors.item, noise.item))
    )
    return SemanticVectors(user=user, item=item, embedder=f"{vectors.embedder}, noise {share:g}")


def _with_norms_of(rows: np.ndarray, model: np.ndarray) -> np.ndarray:
    """``rows`` scaled to the norms of ``model``'s rows; both (n, d)."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = np.linalg.norm(model, axis=1, keepdims=True)
    return (rows * (wanted / np.maximum(norms, 1e-12))).astype(np.float32)
