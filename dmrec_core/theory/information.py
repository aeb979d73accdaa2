"""What matching does to information: the identity of Eq. 16, the bound of Eq. 17, and a world where both are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, log_density
from dmrec_core.theory.monte_carlo import Estimate, draws_from, mean_of_draws


class Information(NamedTuple):
    """What the code z holds about interactions and, as far as p can read it, about texts; nats."""

    interactions: Estimate  # I(z; x)
    texts: Estimate  # the lower bound of I(z; s) that p gives


def information(
    q: DiagonalGaussian,
    p: DiagonalGaussian,
    samples: int = 1,
    generator: torch.Generator | None = None,
    chunk: int = 512,
) -> Information:
    r"""Split the mean divergence of q from p into what z knows of interactions minus what p knows of z.

    Eq. 16.  $E_{q(x_u,s_u)}\,D_{KL}(q_\phi(z_u|x_u)\,\|\,p_\varphi(z_u|s_u)) = I(z_u;x_u)-\tilde I(z_u;s_u)$

    With $q(z)$ the average of $q_\phi(z|x_u)$ over users,
    $I(z;x)=E[\log q_\phi(z|x_u)-\log q(z)]$ and $\tilde I(z;s)=E[\log p_\varphi(z|s_u)-\log q(z)]$. The latter is below
    $I(z;s)$ by $E\,D_{KL}(q(z|s_u)\|p_\varphi(z|s_u))$.

    Args:
        q: one posterior per user, `(B, d)`.
        p: the language distributions of the same users, `(B, d)`.
        samples: draws per user and term; the two terms take draws of their own.
        generator: of the draws.
        chunk: users whose draws are compared with all B posteriors at once.

    Returns:
        Both terms with standard errors. q(z) is the average over the B users given, so $I(z;x)$ cannot exceed
        $\log B$: give enough users.

    Source: Eq. 16, which writes p(z|s). The model's p reads the clicks, too (Eq. 7): the second term then bounds
    I(z; s, x), and in the published code q is the fused distribution.
    """
    return Information(
        mean_of_draws(_log_ratio(q, q, samples, generator, chunk)),
        mean_of_draws(_log_ratio(q, p, samples, generator, chunk)),
    )


def _log_ratio(q: DiagonalGaussian, numerator: DiagonalGaussian, samples: int, generator, chunk: int) -> Tensor:
    """`log numerator(z | u) - log q(z)` at draws z from each user's q, averaged over a user's draws, `(B,)`."""
    z = draws_from(q, samples, generator)  # (S, B, d)
    own = log_density(z, numerator)  # (S, B)
    average = torch.stack([_log_average(q, row, chunk) for row in z])
    return (own - average).mean(0)


def _log_average(q: DiagonalGaussian, z: Tensor, chunk: int) -> Tensor:
    """log of the average posterior density at each point, `(B, d) -> (B,)`."""
    parts = [torch.logsumexp(log_density(part.unsqueeze(1), q), dim=1) for part in z.split(chunk)]
    return torch.cat(parts) - math.log(len(q.mean))


def information_bottleneck(texts: float, interactions: float, beta: float) -> float:
    r"""Keep what texts explain, forget the rest of the interactions.

    Eq. 17.  $L_{IB}=I(z_u;s_u)-\beta I(z_u;x_u)\ge\tilde I(z_u;s_u)-I(z_u;x_u)=-D_{KL}(q_\phi\|p_\varphi)$,
    $\beta\in[0,1]$

    Args:
        texts: $I(z;s)$, nats.
        interactions: $I(z;x)$, nats.
        beta: how strongly interactions are to be forgotten, in [0, 1]; not the lambda of the strategies.

    Returns:
        $L_{IB}$, nats; larger is better. `-kl(q, p).mean()` is below it for every beta in [0, 1].

    Raises:
        ValueError: beta is outside [0, 1], where the bound need not hold.

    Example:
        >>> information_bottleneck(texts=1.0, interactions=2.0, beta=0.25)
        0.5

    Source: Eq. 17.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"the bound of Eq. 17 needs beta in [0, 1]; got {beta}")
    return texts - beta * interactions


@dataclass(frozen=True)
class LinearGaussianWorld:
    r"""A world with one latent dimension where every term of Eq. 16 and 17 has a closed form.

    Interactions are one number $x\sim\mathcal N(0,1)$, texts another, $s=\rho x+\sqrt{1-\rho^2}\,\epsilon$. The encoder
    is $q(z|x)=\mathcal N(ax, v)$, the language side $p(z|s)=\mathcal N(cs, w)$.

    Example:
        >>> world = LinearGaussianWorld(rho=0.8)
        >>> abs(world.interactions - world.texts_bound - world.divergence) < 1e-9
        True

    Source: textbook Gaussian channels; the names are those of Eq. 16.
    """

    rho: float = 0.8  # correlation of texts with interactions, in (-1, 1)
    a: float = 1.0  # gain of the encoder
    v: float = 0.25  # variance of q(z|x)
    c: float = 0.6  # gain of the language side
    w: float = 0.8  # variance of p(z|s)

    def __post_init__(self) -> None:
        if not -1 < self.rho < 1:
            raise ValueError(f"rho must lie strictly between -1 and 1; got {self.rho}")
        if not (self.v > 0 and self.w > 0):
            raise ValueError(f"variances must be positive; got v={self.v}, w={self.w}")

    @property
    def interactions(self) -> float:
        r"""$I(z;x)=\tfrac12\log(1+a^2/v)$."""
        return 0.5 * math.log1p(self.a**2 / self.v)

    @property
    def texts(self) -> float:
        r"""$I(z;s)=-\tfrac12\log\big(1-a^2\rho^2/(a^2+v)\big)$."""
        return -0.5 * math.log1p(-((self.a * self.rho) ** 2) / (self.a**2 + self.v))

    @property
    def given_texts(self) -> tuple[float, float]:
        r"""Gain and variance of the true $q(z|s)=\mathcal N(a\rho s,\ v+a^2(1-\rho^2))$."""
        return self.a * self.rho, self.v + self.a**2 * (1 - self.rho**2)

    @property
    def misreading(self) -> float:
        r"""$E\,D_{KL}(q(z|s)\|p(z|s))=I(z;s)-\tilde I(z;s)$: what the language side gets wrong."""
        gain, variance = self.given_texts
        ratio = variance / self.w
        return 0.5 * (ratio - 1 - math.log(ratio) + (gain - self.c) ** 2 / self.w)

    @property
    def texts_bound(self) -> float:
        r"""$\tilde I(z;s)$; it may be negative, where p is worse than knowing nothing."""
        return self.texts - self.misreading

    @property
    def divergence(self) -> float:
        r"""$E\,D_{KL}(q(z|x)\|p(z|s))$, worked out on its own: Eq. 14 averaged over x and s."""
        ratio = self.v / self.w
        distance = self.a**2 - 2 * self.a * self.c * self.rho + self.c**2  # E (ax - cs)^2
        return 0.5 * (ratio - 1 - math.log(ratio) + distance / self.w)

    def draw(
        self, users: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
    ) -> tuple[DiagonalGaussian, DiagonalGaussian]:
        """q and p of `users` users with random x and s, `(users, 1)` each."""
        x, noise = torch.randn(2, users, 1, generator=generator, dtype=dtype)
        s = self.rho * x + math.sqrt(1 - self.rho**2) * noise
        return (
            DiagonalGaussian(self.a * x, torch.full_like(x, math.log(self.v))),
            DiagonalGaussian(self.c * s, torch.full_like(s, math.log(self.w))),
        )
