"""References that need no item-item matrix: a graph filter (GF-CF) and matrix factorisation (iALS)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from dmrec_core.baselines.closed_form import ClosedForm, require
from dmrec_core.baselines.graph import BipartiteGraph
from dmrec_core.interactions import UserBatch, user_batches


class GFCF(ClosedForm):
    r"""GF-CF: what LightGCN does without training, two steps over the graph and an ideal low-pass filter.

    $s_u = x_u\bigl(\tilde R^\top\tilde R + \alpha\, D_I^{-1/2} V V^\top D_I^{1/2}\bigr)$,
    $\tilde R = D_U^{-1/2} X D_I^{-1/2}$, V its k leading right singular vectors, `(n_items, k)`.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        k: singular vectors, fewer than users and items.
        filter_weight: $\alpha$, of the low-pass filter, 0 or more.
        text: `item_vectors` and `text_weight`, as `ClosedForm`.

    Example:
        >>> train = sp.csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], dtype=np.float32))
        >>> model = GFCF(train, k=1).solve()
        >>> model.weight.abs().round(decimals=3).flatten()          # proportional to the root of each item's users
        tensor([0.5000, 0.7070, 0.5000])

    Source: Shen et al. 2021, "How powerful is graph convolution for recommendation?"; the roots of $D_I$ around the
    filter as their code has them.
    """

    def __init__(self, train: sp.csr_matrix, k: int = 64, filter_weight: float = 1.0, **text: object) -> None:
        require(filter_weight >= 0, "filter_weight must be 0 or more", filter_weight)
        require(1 <= k < min(train.shape), f"k must be from 1 to {min(train.shape) - 1}, below users and items", k)
        super().__init__(train, (train.shape[1], k), **text)
        self.filter_weight, self.graph = filter_weight, BipartiteGraph(train)
        users_of = torch.from_numpy(np.bincount(train.indices, minlength=train.shape[1])).float()
        self.register_buffer("root", users_of.sqrt()[:, None], persistent=False)  # D_I^{1/2}

    def solution(self) -> Tensor:
        """V, `(n_items, k)`."""
        train, weights = self.interactions, self.graph.to_users_weight.double().cpu().numpy()
        normalised = sp.csr_matrix((weights, train.indices, train.indptr), shape=train.shape)
        start = np.random.default_rng(0).standard_normal(min(train.shape))  # so that V is the same every time
        return torch.from_numpy(svds(normalised, self.weight.shape[1], v0=start)[2].T.copy())

    def preference(self, batch: UserBatch) -> Tensor:
        """Both filters, `(B, n_items)`."""
        smoothed = self.graph.to_items(self.graph.to_users(batch.rows.dense().T)).T
        low = batch.rows.sum_of(self.weight / self.root.clamp(min=1)) @ (self.weight * self.root).T
        return smoothed + self.filter_weight * low


class IALS(ClosedForm):
    r"""Implicit alternating least squares: every unseen pair is a weak zero.

    $\min_{W,H}\ \sum_{(u,i)\in X}(1 - w_u^\top h_i)^2 + \alpha_0\sum_{u,i}(w_u^\top h_i)^2
    + \lambda\Bigl(\sum_u n_u\|w_u\|^2 + \sum_i n_i\|h_i\|^2\Bigr)$,
    $n_u = |M(u)| + \alpha_0 I$ and $n_i$ likewise. With the other side fixed each row is solved,
    $w_u = \bigl(\sum_{i\in M(u)}h_ih_i^\top + \alpha_0 H^\top H + \lambda n_u I\bigr)^{-1}\sum_{i\in M(u)}h_i$,
    users and items in turn. The state is H, `(n_items, d)`; a user's $w_u$ is solved when scored.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        latent: d; the workings hold `n x d x d` numbers for the larger side n.
        unobserved: $\alpha_0$, above 0.
        reg: $\lambda$, above 0.
        sweeps: over users and items.
        seed: of the first H.
        text: `item_vectors` and `text_weight`, as `ClosedForm`.

    Example:
        >>> train = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32))
        >>> model = IALS(train, latent=2, unobserved=0.1).solve()
        >>> scores = model.score(next(user_batches(train, 3)))
        >>> bool((scores[train.toarray() > 0].min() > scores[train.toarray() == 0].max()))
        True

    Source: Hu, Koren and Volinsky 2008; weights and regulariser as Rendle et al. 2022, "Revisiting the performance of
    iALS", with their exponent at 1.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        latent: int = 32,
        unobserved: float = 0.03,
        reg: float = 0.03,
        sweeps: int = 16,
        seed: int = 0,
        **text: object,
    ) -> None:
        for name, value in {"latent": latent, "unobserved": unobserved, "reg": reg, "sweeps": sweeps}.items():
            require(value > 0, f"{name} must be above 0", value)
        super().__init__(train, (train.shape[1], latent), **text)
        self.unobserved, self.reg, self.sweeps, self.seed = unobserved, reg, sweeps, seed

    def other_side(self, batches: Iterable[UserBatch], known: Tensor) -> Tensor:
        """The least-squares vectors of the batches' rows, `(rows, d)`, given those of the other side, `(n, d)`."""
        latent, found = known.shape[1], []
        gram, outer = known.T @ known, (known[:, :, None] * known[:, None, :]).flatten(1)  # h h^T, (n, d * d)
        for rows in (batch.rows for batch in batches):
            normal = rows.sum_of(outer).view(-1, latent, latent).add_(self.unobserved * gram)
            ridge = self.reg * (rows.counts + self.unobserved * len(known))  # λ n_u
            normal.diagonal(dim1=1, dim2=2).add_(ridge[:, None])
            found.append(torch.cholesky_solve(rows.sum_of(known)[:, :, None], torch.linalg.cholesky(normal))[:, :, 0])
        return torch.cat(found)

    def solution(self) -> Tensor:
        """H, `(n_items, d)`."""
        n_items, latent = self.weight.shape
        items = torch.randn(n_items, latent, generator=torch.Generator().manual_seed(self.seed)) * 0.1 / latent**0.5
        by_item = self.interactions.T.tocsr()
        for _ in range(self.sweeps):
            users = self.other_side(user_batches(self.interactions, 512), items)
            items = self.other_side(user_batches(by_item, 512), users)
        return items

    def preference(self, batch: UserBatch) -> Tensor:
        r"""$w_u^\top h_i$, `(B, n_items)`."""
        return self.other_side([batch], self.weight) @ self.weight.T
