r"""References that score by one item-item matrix, $s_u = x_u B$: item-kNN, EASE$^R$ and L3AE."""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.baselines.closed_form import ClosedForm, require, unit_rows
from dmrec_core.interactions import UserBatch
from dmrec_core.records.memory import require_square

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}  # of the solution; B itself is kept in float32
INSTEAD = "take GFCF, IALS or popularity, which hold no item-item matrix, or leave out rare items"


class _ItemToItem(ClosedForm):
    """Scores $x_u B$ with a dense B, `(n_items, n_items)`, whose diagonal is 0.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        precision: the solution is found in "float32" or "float64".
        text: `item_vectors` and `text_weight`, as `ClosedForm`.

    Raises:
        MemoryError: B does not fit; `solve` raises it too, where B fits and what is needed to find it does not.
    """

    workings = 2  # matrices of B's size held at once while solving

    def __init__(self, train: sp.csr_matrix, precision: str = "float32", **text: object) -> None:
        require(precision in PRECISIONS, f"precision must be one of {', '.join(PRECISIONS)}", precision)
        n_items = train.shape[1]
        require_square(type(self).__name__, n_items, 1, 4, INSTEAD)
        super().__init__(train, (n_items, n_items), **text)
        self.precision = PRECISIONS[precision]

    def co_counts(self) -> Tensor:
        r"""$G = X^\top X$, `(n_items, n_items)`: users two items share; on the diagonal, users of each.

        Raises:
            MemoryError: the workings of the solution do not fit.
        """
        n_items = self.interactions.shape[1]
        require_square(f"solving {type(self).__name__}", n_items, self.workings, self.precision.itemsize, INSTEAD)
        return torch.from_numpy((self.interactions.T @ self.interactions).toarray()).to(self.precision)

    def preference(self, batch: UserBatch) -> Tensor:
        """$x_u B$, `(B, n_items)`."""
        return batch.rows.sum_of(self.weight)


class ItemKNN(_ItemToItem):
    r"""Items that the same users took, by the cosine of their columns of X, the few-user ones shrunk.

    $B_{ij} = \dfrac{G_{ij}}{\sqrt{G_{ii}G_{jj}} + h}$ where i is among the k items most similar to j (with those as
    similar as the k-th), 0 elsewhere and on the diagonal; $G = X^\top X$.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        shrinkage: h, 0 or more.
        neighbours: k; None keeps all.
        shared: `precision`, `item_vectors` and `text_weight`, as `_ItemToItem`.

    Example:
        >>> train = sp.csr_matrix(torch.tensor([[1.0, 1, 0], [1, 1, 1]]).numpy())
        >>> ItemKNN(train, shrinkage=2).solve().weight.round(decimals=3)      # 2 / (2 + 2), 1 / (sqrt 2 + 2)
        tensor([[0.0000, 0.5000, 0.2930],
                [0.5000, 0.0000, 0.2930],
                [0.2930, 0.2930, 0.0000]])

    Source: Sarwar et al. 2001, "Item-based collaborative filtering"; the shrunk cosine as Ferrari Dacrema et al. 2019.
    """

    workings = 4

    def __init__(
        self, train: sp.csr_matrix, shrinkage: float = 10.0, neighbours: int | None = None, **shared: object
    ) -> None:
        require(shrinkage >= 0, "shrinkage must be 0 or more", shrinkage)
        require(neighbours is None or neighbours >= 1, "neighbours must be 1 or more, or None for all", neighbours)
        super().__init__(train, **shared)
        self.shrinkage, self.neighbours = shrinkage, neighbours

    def solution(self) -> Tensor:
        """B, `(n_items, n_items)`."""
        similarity = self.co_counts()
        root = similarity.diagonal().sqrt()
        similarity /= torch.outer(root, root).clamp_(min=1).add_(self.shrinkage)  # an item of no user shares none
        similarity.fill_diagonal_(0)
        if self.neighbours is not None and self.neighbours < len(similarity):
            least = similarity.topk(self.neighbours, dim=1).values[:, -1]  # it is symmetric: rows are columns
            similarity[similarity < least] = 0  # column j keeps what is at least as near as j's k-th
        return similarity


class EASE(_ItemToItem):
    r"""EASE$^R$: each item's column regressed on all the others, with one ridge.

    $B = \arg\min_B \|X - XB\|_F^2 + \lambda\|B\|_F^2$ with $\mathrm{diag}(B) = 0$, which is
    $B_{ij} = -P_{ij}/P_{jj}$ off the diagonal, $P = (X^\top X + \lambda I)^{-1}$.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        l2: $\lambda$, above 0.
        shared: `precision`, `item_vectors` and `text_weight`, as `_ItemToItem`.

    Example:
        >>> train = sp.csr_matrix(torch.tensor([[1.0, 1], [1, 0]]).numpy())
        >>> EASE(train, l2=1.0).solve().weight                      # 1 / (2 + 1), 1 / (1 + 1)
        Parameter containing:
        tensor([[0.0000, 0.3333],
                [0.5000, 0.0000]])

    Source: Steck 2019, "Embarrassingly shallow autoencoders for sparse data".
    """

    workings = 3

    def __init__(self, train: sp.csr_matrix, l2: float = 500.0, **shared: object) -> None:
        require(l2 > 0, "l2 must be above 0", l2)
        super().__init__(train, **shared)
        self.l2 = l2

    def solution(self) -> Tensor:
        """B, `(n_items, n_items)`."""
        inverse = _ridge_inverse(self.co_counts(), self.l2)
        inverse /= -inverse.diagonal()
        return inverse.fill_diagonal_(0)


class L3AE(_ItemToItem):
    r"""Language-enhanced linear autoencoder: EASE$^R$ drawn towards what the items' texts say of each other.

    1. From the vectors $Z$ (here at length 1), each item from all the others:
       $C = \arg\min_C \|Z^\top - Z^\top C\|_F^2 + \lambda_t\|C\|_F^2$ with $\mathrm{diag}(C) = 0$, which is
       $C_{ij} = H_{ij}/(1 - H_{jj})$ off the diagonal, $H = Z(Z^\top Z + \lambda_t I)^{-1}Z^\top$: the prediction of a
       ridge that left the item out.
    2. From the clicks: $B = \arg\min_B \|X - XB\|_F^2 + \lambda\|B\|_F^2 + \mu\|B - C\|_F^2$ with
       $\mathrm{diag}(B) = 0$, which is $B = \mu PC - P\,\mathrm{diagMat}(\gamma)$ off the diagonal,
       $P = (X^\top X + (\lambda+\mu)I)^{-1}$, $\gamma_j = (1 + \mu(PC)_{jj})/P_{jj}$.

    With $\mu = 0$ it is `EASE`.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        item_vectors: `(n_items, d_s)`.
        l2: $\lambda$, above 0.
        l2_text: $\lambda_t$, above 0.
        distillation: $\mu$, 0 or more.
        shared: `precision` and `text_weight`, as `_ItemToItem`.

    Example:
        >>> train = sp.csr_matrix(torch.tensor([[1.0, 1, 0], [1, 0, 1]]).numpy())
        >>> vectors = torch.tensor([[1.0, 0], [0, 1], [0, 1]])                  # items 1 and 2 say the same
        >>> B = L3AE(train, vectors, l2=1.0, l2_text=1.0, distillation=10.0).solve().weight
        >>> bool(B[1, 2] > B[1, 0] and EASE(train, l2=1.0).solve().weight[1, 2] < 0)
        True

    Source: Moon, Park and Lee 2025, "LLM-enhanced linear autoencoders for recommendation", arXiv 2508.13500; H, which
    needs no second inverse of that size, and the length of 1, so that $\lambda_t$ means the same for every embedder,
    are ours.
    """

    workings = 5

    def __init__(
        self,
        train: sp.csr_matrix,
        item_vectors: Tensor,
        l2: float = 500.0,
        l2_text: float = 10.0,
        distillation: float = 100.0,
        **shared: object,
    ) -> None:
        require(l2 > 0, "l2 must be above 0", l2)
        require(l2_text > 0, "l2_text must be above 0", l2_text)
        require(distillation >= 0, "distillation must be 0 or more", distillation)
        super().__init__(train, item_vectors=item_vectors, **shared)
        self.register_buffer("vectors", unit_rows(item_vectors, train.shape[1]), persistent=False)
        self.l2, self.l2_text, self.distillation = l2, l2_text, distillation

    def text_weights(self) -> Tensor:
        """C, `(n_items, n_items)`, from the vectors alone."""
        vectors = self.vectors.to("cpu", self.precision)
        hat = vectors @ _ridge_inverse(vectors.T @ vectors, self.l2_text) @ vectors.T
        hat /= 1 - hat.diagonal()
        return hat.fill_diagonal_(0)

    def solution(self) -> Tensor:
        """B, `(n_items, n_items)`."""
        inverse = _ridge_inverse(self.co_counts(), self.l2 + self.distillation)  # P
        drawn = self.distillation * (inverse @ self.text_weights())  # μPC
        drawn -= inverse * ((1 + drawn.diagonal()) / inverse.diagonal())
        return drawn.fill_diagonal_(0)


def _ridge_inverse(gram: Tensor, l2: float) -> Tensor:
    r"""$(G + \lambda I)^{-1}$ by Cholesky, `(n, n)`; `gram` is used up.

    Example:
        >>> _ridge_inverse(torch.tensor([[1.0, 1.0], [1.0, 1.0]]), 1.0).round(decimals=3)     # of [[2, 1], [1, 2]]
        tensor([[ 0.6670, -0.3330],
                [-0.3330,  0.6670]])
    """
    gram.diagonal().add_(l2)
    return torch.cholesky_inverse(torch.linalg.cholesky(gram))
