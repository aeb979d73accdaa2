"""How mass moves between two diagonal Gaussians: the coupling that attains Eq. 8, and what lies on the way."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian


def transport_map(p: DiagonalGaussian, q: DiagonalGaussian, x: Tensor) -> Tensor:
    r"""Where the cheapest plan sends the mass that p has at x.

    $T(x) = \mu_q + \frac{\sigma_q}{\sigma_p}(x-\mu_p)$: every dimension is shifted and stretched

    Args:
        p: where the mass is, `(B, d)`.
        q: where it goes, `(B, d)`.
        x: points of p, `(..., B, d)`.

    Returns:
        Their images, distributed as q, `(..., B, d)`. $E\|x-T(x)\|^2$ is `wasserstein2_squared(p, q)`.

    Example:
        >>> p = DiagonalGaussian(torch.zeros(1, 1), torch.zeros(1, 1))
        >>> q = DiagonalGaussian(torch.full((1, 1), 3.0), torch.log(torch.full((1, 1), 4.0)))
        >>> transport_map(p, q, torch.tensor([[1.0]]))
        tensor([[5.]])

    Source: the minimiser of Eq. 8 for Gaussians with commuting covariances.
    """
    return q.mean + torch.exp(0.5 * (q.logvar - p.logvar)) * (x - p.mean)


def displacement(p: DiagonalGaussian, q: DiagonalGaussian, time: float) -> DiagonalGaussian:
    r"""The Gaussian on the way from p (time 0) to q (time 1): means and *standard deviations* interpolate linearly.

    $\mu_t=(1-t)\mu_p+t\mu_q$, $\sigma_t=(1-t)\sigma_p+t\sigma_q$. Its W2 distance to p is t times the whole.

    Raises:
        ValueError: time outside [0, 1].

    Source: McCann 1997.
    """
    if not 0 <= time <= 1:
        raise ValueError(f"time must lie in [0, 1]; got {time}")
    return DiagonalGaussian(torch.lerp(p.mean, q.mean, time), 2 * torch.lerp(p.std, q.std, time).log())


def coupling_cost(x: Tensor, y: Tensor) -> Tensor:
    r"""Mean squared distance of a coupling's pairs, $\int\|x-y\|^2\,d\gamma(x,y)$: `(S, d)` twice, a scalar."""
    if x.shape != y.shape:
        raise ValueError(f"a coupling pairs points one to one; got {tuple(x.shape)} and {tuple(y.shape)}")
    return (x - y).square().sum(-1).mean()
