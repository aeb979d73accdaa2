"""Between two models that are there: their scores mixed, an approximation of the run that is not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from dmrec_core.interactions import UserBatch
from dmrec_core.recommender import LossTerms, Recommender


def between(lower: Tensor, upper: Tensor, share: float) -> Tensor:
    r"""An approximation of the scores between two lambdas: the geometric mean of the neighbours' item probabilities.

    $s = (1-a)\log\mathrm{softmax}(s_-) + a\log\mathrm{softmax}(s_+)$ with
    $a = (\lambda-\lambda_-)/(\lambda_+-\lambda_-)$

    Logits have no common origin, as a number added to all of a user's changes nothing; log-probabilities have one. At
    shares 0 and 1 the ranking is the neighbour's own.

    Args:
        lower, upper: logits at the two lambdas, `(B, n_items)`.
        share: $a$, in [0, 1]: how far from the lower lambda to the upper one.

    Returns:
        Scores, `(B, n_items)`, logarithms that need not sum to a distribution.

    Raises:
        ValueError: the shapes differ, or the share lies outside of [0, 1].

    Example:
        >>> one, other = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> [int(between(one, other, share).argmax()) for share in (0.0, 0.5, 0.9)]
        [0, 0, 1]
    """
    if lower.shape != upper.shape:
        raise ValueError(f"both must score the same users and items; got {tuple(lower.shape)}, {tuple(upper.shape)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1]; got {share}")
    return torch.lerp(torch.log_softmax(lower, 1), torch.log_softmax(upper, 1), share)


class Between(Recommender):
    """Two models as one, an approximation of what lies between them: it scores by `between`, and is not trained."""

    def __init__(self, lower: Recommender, upper: Recommender, share: float) -> None:
        super().__init__()
        self.lower, self.upper, self.share = lower, upper, share

    def loss(self, batch: UserBatch) -> LossTerms:
        """There is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("a mix of two models' scores is not trained: train its two models")

    def score(self, batch: UserBatch) -> Tensor:
        """Mixed log-probabilities, `(B, n_items)`."""
        return between(self.lower.score(batch), self.upper.score(batch), self.share)


def neighbours(knots: Collection[float], lam: float) -> tuple[float, float]:
    """The knots that a lambda lies between; at a knot, that one twice.

    Raises:
        ValueError: lambda lies outside of the knots; nothing is known beyond them.

    Example:
        >>> neighbours([0.0, 0.25, 1.0], 0.3), neighbours([0.0, 0.25, 1.0], 0.25)
        ((0.25, 1.0), (0.25, 0.25))
    """
    below, above = [knot for knot in knots if knot <= lam], [knot for knot in knots if knot >= lam]
    if not below or not above:
        named = ", ".join(f"{knot:g}" for knot in sorted(knots))
        raise ValueError(f"lambda {lam:g} lies outside of the trained ones ({named}): nothing is known there")
    return max(below), min(above)


def at_knots(models: Mapping[float, Recommender], lam: float) -> Recommender:
    """The model of this lambda: one of those there are, or an approximation between its two neighbours.

    Args:
        models: lambda -> its trained model: the knots.
        lam: from the lowest knot to the highest.

    Returns:
        At a knot that knot's own model, else a `Between`.

    Raises:
        ValueError: as `neighbours`.

    Example:
        >>> at_knots({0.0: "model of 0", 1.0: "model of 1"}, 1.0)
        'model of 1'
    """
    lower, upper = neighbours(models, lam)
    if lower == upper:
        return models[lower]
    return Between(models[lower], models[upper], (lam - lower) / (upper - lower))
