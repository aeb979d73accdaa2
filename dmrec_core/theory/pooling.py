"""What MDDM's two divergences add up to: one divergence from a single, pooled prior."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, kl


def log_linear_pool(a: DiagonalGaussian, b: DiagonalGaussian, weight: float) -> DiagonalGaussian:
    r"""The normalised product $a^{w}\,b^{1-w}$: precisions add with their weights, means are averaged by precision.

    $\sigma^{-2}=w\,\sigma_a^{-2}+(1-w)\,\sigma_b^{-2}$,
    $\mu=\sigma^2\big[w\,\mu_a/\sigma_a^{2}+(1-w)\,\mu_b/\sigma_b^{2}\big]$

    Minimising $w\,D_{KL}(q\|a)+(1-w)\,D_{KL}(q\|b)$ over q is minimising $D_{KL}(q\|\text{pool})$: the two differ by
    `pool_constant`, in which q does not occur. With a the prior and b the language distribution this is Eq. 15, so
    MDDM puts one user-specific prior in the place of $\mathcal N(0, I)$.

    Args:
        a, b: `(B, d)`.
        weight: w in [0, 1], the share of a.

    Returns:
        The pool, `(B, d)`; b where w is 0, a where w is 1.

    Raises:
        ValueError: the weight is outside [0, 1].

    Example:
        >>> a = DiagonalGaussian(torch.zeros(1, 1), torch.zeros(1, 1))
        >>> b = DiagonalGaussian(torch.full((1, 1), 2.0), torch.zeros(1, 1))
        >>> log_linear_pool(a, b, 0.5).mean
        tensor([[1.]])

    Source: a consequence of Eq. 15 that the paper does not state; log-linear pooling is Genest and Zidek 1986.
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must lie in [0, 1]; got {weight}")
    precision_a, precision_b = weight * torch.exp(-a.logvar), (1 - weight) * torch.exp(-b.logvar)
    precision = precision_a + precision_b
    return DiagonalGaussian((precision_a * a.mean + precision_b * b.mean) / precision, -precision.log())


def pool_constant(a: DiagonalGaussian, b: DiagonalGaussian, weight: float) -> Tensor:
    r"""$w\,D_{KL}(q\|a)+(1-w)\,D_{KL}(q\|b)-D_{KL}(q\|\text{pool})$, the same for every q; `(B,)`, nats.

    It is $-\log\int a^w b^{1-w}$, and 0 only where a equals b (or w is 0 or 1).
    """
    pool = log_linear_pool(a, b, weight)
    return weight * kl(pool, a) + (1 - weight) * kl(pool, b)
