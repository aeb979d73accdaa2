"""Vectors that should not help, or that help without a word: the controls of every claim about language.

Each names itself in ``embedder``, so that no figure can pass a control off as the real thing.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

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


def of_clicks(vectors: SemanticVectors, train: sp.csr_matrix) -> SemanticVectors:
    r"""Item2Vec vectors of the training clicks in the texts' place: a second view of the clicks, which reads nothing.

    With $c_{ij}$ the users who clicked both items and $c_i = \sum_j c_{ij}$, skip-gram with negative sampling
    factorises, in the limit, $\mathrm{PMI}_{ij} = \ln c_{ij} \sum_{kl} c_{kl} / (c_i c_j)$; here its positive part is
    factorised at once,

    $$\mathrm{PMI}^+ \approx U S U^\top,\qquad w_i \propto (U \sqrt{S})_i,\qquad w_u \propto \sum_{i \in u} w_i,$$

    each rescaled to the length of the vector it stands for. Nothing is drawn. An item that nobody clicked together with
    another, or a user of such items only, gets the items' mean: it says nothing of them.

    Args:
        vectors: whose widths and lengths are kept; where there are fewer items, the last numbers are zero.
        train: the training clicks, `(U, I)`.

    Returns:
        Vectors of the same shapes, named ``"clicks in place of <embedder>"``.

    Example:
        >>> clicks = sp.csr_matrix([[1, 1, 0, 0], [0, 0, 1, 1]])
        >>> vectors = SemanticVectors(np.ones((2, 3)), np.ones((4, 3)), embedder="one")
        >>> near = of_clicks(vectors, clicks).item
        >>> bool(near[0] @ near[1] > 2.9), bool(abs(near[0] @ near[2]) < 0.1)
        (True, True)

    Source: Levy and Goldberg, Neural word embedding as implicit matrix factorization (NIPS 2014); Barkan and
    Koenigstein, Item2Vec (2016).
    """
    clicks = sp.csr_matrix(train, dtype=np.float64)
    together = (clicks.T @ clicks).tolil()
    together.setdiag(0)
    together = together.tocoo()
    of_item = np.maximum(np.asarray(together.sum(1)).ravel(), 1)
    information = np.log(together.data * together.data.sum() / of_item[together.row] / of_item[together.col])
    positive = sp.csr_matrix((np.maximum(information, 0), (together.row, together.col)), shape=together.shape)
    positive.eliminate_zeros()
    n_items, width = vectors.item.shape
    if width >= n_items - 1:
        values, directions = np.linalg.eigh(positive.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(n_items)  # so that they are the same every time
        values, directions = eigsh(positive, width, which="LA", v0=start)
    best = np.argsort(-values)[:width]
    item = np.zeros((n_items, width))
    item[:, : len(best)] = directions[:, best] * np.sqrt(np.maximum(values[best], 0))
    item[positive.getnnz(axis=1) == 0] = 0  # not what is left of rounding
    user, mean = clicks @ item, item.mean(0)
    for side in (user, item):
        side[~side.any(axis=1)] = mean
    return SemanticVectors(
        user=_with_norms_of(user, vectors.user),
        item=_with_norms_of(item, vectors.item),
        embedder=f"clicks in place of {vectors.embedder}",
    )


def _with_norms_of(rows: np.ndarray, model: np.ndarray) -> np.ndarray:
    """``rows`` scaled to the norms of ``model``'s rows; both (n, d)."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = np.linalg.norm(model, axis=1, keepdims=True)
    return (rows * (wanted / np.maximum(norms, 1e-12))).astype(np.float32)
