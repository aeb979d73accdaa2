"""Recommenders that are solved, not trained: what they share, and how text is added to them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import LossTerms, Recommender


class ClosedForm(Recommender):
    r"""A recommender whose one parameter is the solution of equations.

    $s_u = f(x_u; W) + \gamma\, x_u Z Z^\top$ with $Z$ the item vectors at length 1, so that $\gamma$ weighs the sum of
    text cosines between the history and each item. $ZZ^\top$ is never formed.

    It is made unsolved; `solve` finds W, or `load_state_dict` brings it. The state is W alone: interactions and vectors
    come with the data.

    Args:
        train: binary CSR matrix X, `(n_users, n_items)`.
        shape: of W.
        item_vectors: `(n_items, d_s)`, read where `text_weight` is not 0.
        text_weight: $\gamma$, 0 or more.

    Raises:
        ValueError: a negative weight, or a weight without vectors that fit.
    """

    def __init__(
        self, train: sp.csr_matrix, shape: tuple[int, int], item_vectors: Tensor | None = None, text_weight: float = 0.0
    ) -> None:
        super().__init__()
        self.interactions, self.text_weight = train, text_weight
        require(text_weight >= 0, "text_weight is a weight, 0 or more", text_weight)
        self.register_buffer("text", unit_rows(item_vectors, train.shape[1]) if text_weight else None, persistent=False)
        self.weight = nn.Parameter(torch.full(shape, torch.nan), requires_grad=False)  # not a number until solved

    @abstractmethod
    def solution(self) -> Tensor:
        """W from the interactions (and vectors), of the shape given."""

    @abstractmethod
    def preference(self, batch: UserBatch) -> Tensor:
        """$f(x_u; W)$, the scores before text is added, `(B, n_items)`."""

    def solve(self) -> Self:
        """Find W, the same every time, and return the model."""
        with torch.no_grad():
            self.weight.data = self.solution().to(self.weight)
        return self

    def loss(self, batch: UserBatch) -> LossTerms:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} is solved, not trained: call solve()")

    def score(self, batch: UserBatch) -> Tensor:
        """`(B, n_items)`.

        Raises:
            RuntimeError: it is not solved yet.
        """
        if self.weight[0, 0].isnan():
            raise RuntimeError(f"{type(self).__name__} is not solved yet: call solve(), or load a solved one's state")
        scores = self.preference(batch)
        if self.text is not None:
            scores = scores + self.text_weight * batch.rows.sum_of(self.text) @ self.text.T
        return scores


def unit_rows(item_vectors: Tensor | None, n_items: int) -> Tensor:
    """Item vectors at length 1, `(n_items, d_s)`, float32.

    Raises:
        ValueError: there are none, or not one for each item.
    """
    if item_vectors is None or item_vectors.ndim != 2 or len(item_vectors) != n_items:
        found = "none" if item_vectors is None else tuple(item_vectors.shape)
        raise ValueError(
            f"text is read here, so item vectors ({n_items}, d_s) are needed; got {found}: "
            "make them with dmrec_core.language.with_language(dataset), or take what reads clicks only"
        )
    return F.normalize(item_vectors.float(), dim=1)


def require(condition: bool, expected: str, found: object) -> None:
    """Raise ValueError, saying what was expected and what was found, unless the condition holds (NaN never does)."""
    if not condition:
        raise ValueError(f"{expected}; got {found!r}")
