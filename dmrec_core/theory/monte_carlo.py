"""Estimates by sampling, which always carry their own standard error."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, log_density, log_mixture_density


class Estimate(NamedTuple):
    """A Monte Carlo estimate and how far it may be off; equal shapes, nats unless said otherwise."""

    value: Tensor
    standard_error: Tensor


def mean_of_draws(draws: Tensor) -> Estimate:
    r"""Mean over the first dimension, with the standard error $s/\sqrt S$.

    Args:
        draws: independent draws, `(S, ...)`, S at least 2.

    Raises:
        ValueError: fewer than two draws, which have no standard error.

    Example:
        >>> mean_of_draws(torch.tensor([0.0, 1.0, 2.0])).value
        tensor(1.)
    """
    if len(draws) < 2:
        raise ValueError(f"a standard error needs at least 2 draws; got {len(draws)}")
    return Estimate(draws.mean(0), draws.std(0) / len(draws) ** 0.5)


def draws_from(q: DiagonalGaussian, samples: int, generator: torch.Generator | None = None) -> Tensor:
    r"""Independent draws $z = \mu + \sigma\epsilon$ from each Gaussian of a batch, `(samples, B, d)`."""
    shape = (samples, *q.mean.shape)
    noise = torch.randn(shape, generator=generator, device=q.mean.device, dtype=q.mean.dtype)
    return q.mean + q.std * noise


def kl_by_sampling(
    q: DiagonalGaussian,
    log_target: Callable[[Tensor], Tensor],
    samples: int = 1024,
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""Divergence of q from any density, for targets whose KL has no closed form.

    $D_{KL}(q\|p) = E_q[\log q(z) - \log p(z)]$

    Args:
        q: where z is drawn from, `(B, d)`.
        log_target: $\log p$, from `(S, B, d)` to `(S, B)`.
        samples: S.
        generator: of the draws.

    Returns:
        `(B,)`, nats.

    Example:
        >>> q = DiagonalGaussian(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> kl_by_sampling(q, lambda z: log_density(z, q), samples=8).value
        tensor([0.])
    """
    z = draws_from(q, samples, generator)
    return mean_of_draws(log_density(z, q) - log_target(z))


def composite_divergence_by_sampling(
    q: DiagonalGaussian,
    p: DiagonalGaussian,
    alpha: float = 0.5,
    samples: int = 1024,
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""$D_{KL}(p\|p_{com})+D_{KL}(q\|p_{com})$ with the mixture itself as $p_{com}$, as Eq. 11 and 12 print it.

    At most $-\log\alpha-\log(1-\alpha)$ however far q and p are apart, since the mixture contains both.

    Returns:
        `(B,)`, nats.
    """
    halves = [
        kl_by_sampling(side, lambda z: log_mixture_density(z, q, p, alpha), samples, generator) for side in (p, q)
    ]
    errors = torch.stack([half.standard_error for half in halves])
    return Estimate(halves[0].value + halves[1].value, errors.square().sum(0).sqrt())
