"""Diagonal Gaussians and the distances between them (Eq. 3, 8, 9, 11, 14)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

MIN_LOGVAR, MAX_LOGVAR = -30.0, 30.0  # e^30 squared still fits float32; a wider head output is noise, not information


class DiagonalGaussian(NamedTuple):
    r"""A batch of Gaussians with diagonal covariance, one per user.

    Eq. 3.  $q_\phi(z_u|x_u) = \mathcal N(\mu_u, \mathrm{diag}[\sigma_u^2])$, kept as $\mu$ and $\log\sigma^2$.

    Args:
        mean: $\mu$, `(B, d)`.
        logvar: $\log\sigma^2$, `(B, d)`.

    Example:
        >>> q = DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> kl_to_standard_normal(q)
        tensor([0., 0.])

    Source: Eq. 3.
    """

    mean: Tensor
    logvar: Tensor

    @classmethod
    def from_heads(cls, heads: Tensor) -> DiagonalGaussian:
        """Split a network's `(B, 2d)` output: the first half is the mean, the second the log-variance.

        Raises:
            ValueError: the last dimension is odd, so it cannot be two halves.
        """
        if heads.shape[-1] % 2:
            raise ValueError(f"a Gaussian head needs an even width, mean then log-variance; got {tuple(heads.shape)}")
        mean, logvar = heads.to(_at_least_float32(heads.dtype)).chunk(2, dim=-1)
        return cls(mean, logvar.clamp(MIN_LOGVAR, MAX_LOGVAR))

    @property
    def std(self) -> Tensor:
        """Standard deviation, `(B, d)`."""
        return torch.exp(0.5 * self.logvar)

    @property
    def variance(self) -> Tensor:
        """Variance, `(B, d)`."""
        return torch.exp(self.logvar)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        r"""Reparameterised draw $z = \mu + \sigma\epsilon$, $\epsilon\sim\mathcal N(0, I)$, `(B, d)`."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + self.std * noise


def kl(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    r"""Kullback-Leibler divergence from p to q.

    Eq. 14.  $D_{KL}(q\|p) = \tfrac12\sum_k\big[\sigma_q^2/\sigma_p^2 + (\mu_q-\mu_p)^2/\sigma_p^2 - 1
    + \log\sigma_p^2 - \log\sigma_q^2\big]$

    Args:
        q: the distribution the expectation is taken over, `(B, d)`.
        p: the reference, `(B, d)`.

    Returns:
        One number per user, `(B,)`, in nats; 0 exactly where q equals p.

    Raises:
        ValueError: the two batches differ in shape.

    Example:
        >>> one = DiagonalGaussian(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        >>> kl(one, DiagonalGaussian(torch.tensor([[0.0]]), torch.tensor([[0.0]])))
        tensor([0.5000])

    Source: Eq. 14, diagonal case; ratios are taken as differences of logs, so no epsilon is needed.
    """
    _same_shape(q, p)
    difference = q.logvar - p.logvar
    # exp(a) - 1 - a is written with expm1: the naive form loses all digits where q is near p
    terms = torch.expm1(difference) - difference + (q.mean - p.mean).square() * torch.exp(-p.logvar)
    return 0.5 * terms.sum(-1)


def kl_to_standard_normal(q: DiagonalGaussian) -> Tensor:
    r"""Divergence of q from the prior $p_z = \mathcal N(0, I)$: `kl(q, p)` with $\mu_p=0$, $\sigma_p^2=1$.

    Returns:
        One number per user, `(B,)`, in nats.

    Source: the second term of Eq. 2.
    """
    return 0.5 * (torch.expm1(q.logvar) - q.logvar + q.mean.square()).sum(-1)


def wasserstein2_squared(p: DiagonalGaussian, q: DiagonalGaussian) -> Tensor:
    r"""Squared 2-Wasserstein distance between diagonal Gaussians.

    Eq. 9.  $\|\mu_p-\mu_q\|^2 + \mathrm{Tr}\big(\Sigma_p+\Sigma_q-2(\Sigma_p^{1/2}\Sigma_q\Sigma_p^{1/2})^{1/2}\big)
    = \|\mu_p-\mu_q\|^2 + \|\sigma_p-\sigma_q\|^2$ for diagonal $\Sigma$

    Args:
        p: `(B, d)`.
        q: `(B, d)`; the distance is symmetric.

    Returns:
        One number per user, `(B,)`, in squared latent units. Eq. 9 prints no root; `wasserstein2` takes it.

    Source: Eq. 9; Dowson and Landau 1982.
    """
    _same_shape(p, q)
    return (p.mean - q.mean).square().sum(-1) + (p.std - q.std).square().sum(-1)


def wasserstein2(p: DiagonalGaussian, q: DiagonalGaussian, epsilon: float = 0.0) -> Tensor:
    r"""2-Wasserstein distance, the cost of moving p's mass onto q with squared Euclidean ground cost.

    Eq. 8 with n = 2.  $D_{2\text{-}WD} = \big[\min_\gamma\int\|x-y\|^2\,d\gamma(x,y)\big]^{1/2}$

    Args:
        p: `(B, d)`.
        q: `(B, d)`.
        epsilon: added under the root, where it makes the slope at p = q zero instead of undefined; the published code
            adds 1e-7.

    Returns:
        One number per user, `(B,)`, in latent units.

    Source: Eq. 8; in closed form the root of Eq. 9.
    """
    return (wasserstein2_squared(p, q) + epsilon).sqrt()


def multiply_variances(q: DiagonalGaussian, p: DiagonalGaussian) -> DiagonalGaussian:
    r"""The published fusion: $\mu=\mu_q+\mu_p$ and $\log\sigma^2=\log\sigma_q^2+\log\sigma_p^2$.

    Adding log-variances multiplies variances, so this is *not* the sum of two independent Gaussians
    (`add_independent`), although Sec. 2.4 of the paper speaks of one.

    Source: the published code; no equation of the paper.
    """
    _same_shape(q, p)
    return DiagonalGaussian(q.mean + p.mean, q.logvar + p.logvar)


def add_independent(q: DiagonalGaussian, p: DiagonalGaussian) -> DiagonalGaussian:
    r"""The sum of two independent Gaussians: means add, variances add, $\sigma^2=\sigma_q^2+\sigma_p^2$.

    Source: Sec. 2.4 of the paper, in words.
    """
    _same_shape(q, p)
    return DiagonalGaussian(q.mean + p.mean, torch.logaddexp(q.logvar, p.logvar))


def geometric_composite(q: DiagonalGaussian, p: DiagonalGaussian, alpha: float = 0.5) -> DiagonalGaussian:
    r"""The composite prior as the published code has it: means and *log*-variances averaged.

    $\mu=\alpha\mu_q+(1-\alpha)\mu_p$, $\log\sigma^2=\alpha\log\sigma_q^2+(1-\alpha)\log\sigma_p^2$

    Source: the published code in place of Eq. 11, where $\alpha$ is fixed at 1/2.
    """
    _same_shape(q, p)
    _is_share("alpha", alpha)
    return DiagonalGaussian(torch.lerp(p.mean, q.mean, alpha), torch.lerp(p.logvar, q.logvar, alpha))


def moment_matched_composite(q: DiagonalGaussian, p: DiagonalGaussian, alpha: float = 0.5) -> DiagonalGaussian:
    r"""The Gaussian with the mean and variance of the mixture that Eq. 11 prints.

    $\mu=\alpha\mu_q+(1-\alpha)\mu_p$,
    $\sigma^2=\alpha\sigma_q^2+(1-\alpha)\sigma_p^2+\alpha(1-\alpha)(\mu_q-\mu_p)^2$

    The KL divergence to a mixture has no closed form; this is its closest Gaussian (in KL from the mixture).

    Source: the moments of Eq. 11; `log_mixture_density` is Eq. 11 itself.
    """
    _same_shape(q, p)
    _is_share("alpha", alpha)
    variance = alpha * q.variance + (1 - alpha) * p.variance + alpha * (1 - alpha) * (q.mean - p.mean).square()
    return DiagonalGaussian(torch.lerp(p.mean, q.mean, alpha), variance.log())


def log_density(z: Tensor, q: DiagonalGaussian) -> Tensor:
    r"""$\log\mathcal N(z|\mu,\sigma^2)$ summed over dimensions: `(..., B, d) -> (..., B)`, nats."""
    standard = (z - q.mean).square() * torch.exp(-q.logvar)
    return -0.5 * (standard + q.logvar + math.log(2 * math.pi)).sum(-1)


def log_mixture_density(z: Tensor, q: DiagonalGaussian, p: DiagonalGaussian, alpha: float = 0.5) -> Tensor:
    r"""Log density of the composite prior as printed, a mixture of the two distributions.

    Eq. 11.  $p_{com}=\alpha\,\mathcal N(\mu_q,\Sigma_q)+(1-\alpha)\,\mathcal N(\mu_p,\Sigma_p)$

    Args:
        z: points, `(..., B, d)`.
        q: collaborative distribution, `(B, d)`.
        p: language distribution, `(B, d)`.
        alpha: share of q, in (0, 1).

    Returns:
        `(..., B)`, nats.

    Source: Eq. 11.
    """
    _same_shape(q, p)
    _is_share("alpha", alpha)
    parts = torch.stack([math.log(alpha) + log_density(z, q), math.log1p(-alpha) + log_density(z, p)])
    return torch.logsumexp(parts, dim=0)


def _same_shape(a: DiagonalGaussian, b: DiagonalGaussian) -> None:
    shapes = [tuple(t.shape) for t in (a.mean, a.logvar, b.mean, b.logvar)]
    if len(set(shapes)) != 1:
        raise ValueError(f"means and log-variances must share one shape (B, d); got {shapes}")


def _is_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1; got {value}")


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
