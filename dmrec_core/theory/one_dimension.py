"""The numbers behind the pictures of two Gaussians: one latent dimension, exact or by quadrature, no drawing."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, geometric_composite, log_density, moment_matched_composite
from dmrec_core.matching import (
    DEFAULT_STRATEGY,
    MatchingTerms,
    composite_divergence,
    cpdm,
    fuse,
    godm,
    mddm,
    strategy_of,
)

PARAMETERS = ("collaborative mean", "collaborative log-variance", "language mean", "language log-variance")


def gaussian(mean: float | Tensor | np.ndarray, std: float | Tensor | np.ndarray) -> DiagonalGaussian:
    """One-dimensional Gaussians in double precision, `(B, 1)`; scalars give one of them.

    Example:
        >>> gaussian(0.0, 1.0).logvar
        tensor([[0.]], dtype=torch.float64)
    """
    mean, std = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float64).reshape(-1, 1) for v in (mean, std)))
    return DiagonalGaussian(mean, 2 * std.log())


def density(x: np.ndarray, g: DiagonalGaussian) -> np.ndarray:
    """The density of one Gaussian at the points x, `(n,)`."""
    return log_density(torch.from_numpy(x).reshape(-1, 1), g).exp().numpy()


def quadrature_kl(log_p: np.ndarray, log_q: np.ndarray, step: float) -> float:
    """The integral of p log(p/q) over an even grid, nats; what p does not reach counts nothing."""
    return float((np.exp(log_p) * (log_p - log_q)).sum() * step)


class SingleFits(NamedTuple):
    """One Gaussian fitted to two tastes, by each direction of the divergence; (mean, std) each."""

    covering: tuple[float, float]  # minimises KL(target || q)
    seeking: tuple[float, float]  # minimises KL(q || target)
    kl_covering: tuple[float, float]  # KL(target || q), KL(q || target) of the covering fit
    kl_seeking: tuple[float, float]  # the same two of the seeking fit


GRID = np.linspace(-12.0, 12.0, 2401)


def log_two_tastes(x: np.ndarray, separation: float, share: float, width: float) -> np.ndarray:
    """Log-density of a user with two tastes: `share` of them at the left mode, the rest at the right one."""
    modes = gaussian(np.array([-separation / 2, separation / 2]), width)
    parts = log_density(torch.from_numpy(x).reshape(-1, 1, 1), modes).numpy() + np.log([share, 1 - share])
    return np.logaddexp(parts[:, 0], parts[:, 1])


@lru_cache(maxsize=256)
def single_fits(separation: float, share: float = 0.5, width: float = 0.7) -> SingleFits:
    """The best single Gaussian for a target with two modes, in each direction of the KL divergence.

    Args:
        separation: between the modes.
        share: of the left mode, in (0, 1).
        width: standard deviation of each mode.
    """
    target = log_two_tastes(GRID, separation, share, width)
    step = GRID[1] - GRID[0]
    mean = (1 - 2 * share) * separation / 2
    covering = (mean, math.sqrt(width**2 + share * (1 - share) * separation**2))  # the target's own moments

    def seeking_loss(parameters: np.ndarray) -> float:
        return quadrature_kl(_log_density(*parameters), target, step)

    starts = [(-separation / 2, math.log(width)), (separation / 2, math.log(width)), (mean, math.log(covering[1]))]
    fits = [minimize(seeking_loss, np.array(start), method="Nelder-Mead") for start in starts]
    best = min(fits, key=lambda fit: round(fit.fun, 6))  # of two equal wells the left one, on every machine
    seeking = (float(best.x[0]), float(math.exp(best.x[1])))
    both = []
    for fit in (covering, seeking):
        own = _log_density(fit[0], math.log(fit[1]))
        both.append((quadrature_kl(target, own, step), quadrature_kl(own, target, step)))
    return SingleFits(covering, seeking, *both)


def _log_density(mean: float, log_std: float) -> np.ndarray:
    return -0.5 * ((GRID - mean) * math.exp(-log_std)) ** 2 - log_std - 0.5 * math.log(2 * math.pi)


class CompositeCurves(NamedTuple):
    """Eq. 12 against the distance between the means, for the three readings of the composite prior; `(n,)` each."""

    separations: np.ndarray
    mixture: np.ndarray  # Eq. 11 as printed
    moment_matched: np.ndarray  # variant "paper"
    geometric: np.ndarray  # variant "published"


@lru_cache(maxsize=256)
def composite_curves(alpha: float, std: float = 1.0, furthest: float = 10.0, points: int = 41) -> CompositeCurves:
    """D_CP of q = N(0, 1) and p = N(separation, std^2), in nats; the mixture's by quadrature."""
    separations = np.linspace(0.0, furthest, points)
    q, p = gaussian(np.zeros(points), 1.0), gaussian(separations, std)
    closed = [
        composite_divergence(q, p, composite(q, p, alpha)).numpy()
        for composite in (moment_matched_composite, geometric_composite)
    ]
    x = np.linspace(-8 - 6 * std, furthest + 8 + 6 * std, 3001)
    z = torch.from_numpy(x).reshape(-1, 1, 1)
    log_q, log_p = (log_density(z, side).numpy() for side in (q, p))  # (3001, points)
    mixture = np.logaddexp(math.log(alpha) + log_q, math.log1p(-alpha) + log_p)
    exact = sum((np.exp(side) * (side - mixture)).sum(0) * (x[1] - x[0]) for side in (log_q, log_p))
    return CompositeCurves(separations, exact, *closed)


def _matching_terms(
    strategy: str, q: DiagonalGaussian, p: DiagonalGaussian, lam: float, variant: str, alpha: float = 0.5
) -> MatchingTerms:
    """A strategy's terms for q and p, with z drawn from `fuse(q, p, variant)`; alpha matters for CPDM alone."""
    terms = strategy_of(strategy).terms
    more = {"alpha": alpha} if terms is cpdm else {}
    return terms(q, p, fuse(q, p, variant), lam, variant, **more)


class Field(NamedTuple):
    """L_DM and its downhill direction over one side's (mean, log-variance); arrays are `(n_logvar, n_mean)`."""

    means: np.ndarray
    logvars: np.ndarray
    loss: np.ndarray
    down_mean: np.ndarray  # minus the derivative with respect to the mean
    down_logvar: np.ndarray

    @property
    def slope(self) -> np.ndarray:
        """Length of the gradient."""
        return np.hypot(self.down_mean, self.down_logvar)

    @property
    def lowest(self) -> tuple[float, float]:
        """(mean, log-variance) of the grid's lowest point."""
        row, column = np.unravel_index(np.argmin(self.loss), self.loss.shape)
        return float(self.means[column]), float(self.logvars[row])


def gradient_field(
    strategy: str,
    variant: str = "paper",
    lam: float = 0.5,
    alpha: float = 0.5,
    moves: str = "collaborative",
    fixed: tuple[float, float] = (1.5, -1.0),
    n: int = 25,
) -> Field:
    """Where L_DM pushes one side while the other stays put.

    Args:
        strategy, variant, lam, alpha: as in `dmrec_core.matching`.
        moves: "collaborative" or "language"; the other side is fixed.
        fixed: (mean, log-variance) of the side that stays.
        n: grid points along each axis.
    """
    if moves not in ("collaborative", "language"):
        raise ValueError(f"moves must be 'collaborative' or 'language'; got {moves!r}")
    means, logvars = np.linspace(-4, 4, n), np.linspace(-4, 3, n)
    grid = torch.from_numpy(np.stack(np.meshgrid(means, logvars), -1).reshape(-1, 2)).requires_grad_()
    side = DiagonalGaussian(grid[:, :1], grid[:, 1:])
    other = DiagonalGaussian(*(torch.full_like(grid[:, :1], value) for value in fixed))
    q, p = (side, other) if moves == "collaborative" else (other, side)
    loss = _matching_terms(strategy, q, p, lam, variant, alpha).total
    (gradient,) = torch.autograd.grad(loss.sum(), grid)
    down = -gradient.numpy().reshape(n, n, 2)
    return Field(means, logvars, loss.detach().numpy().reshape(n, n), down[..., 0], down[..., 1])


def pull_on_parameters(
    strategy: str, variant: str, lam: float, alpha: float = 0.5, q=(0.8, -0.5), p=(-0.4, 0.3)
) -> dict[str, float]:
    """The derivative of the *matching* term alone with respect to each of the four parameters, at one point.

    Args:
        strategy, variant, lam, alpha: as in `dmrec_core.matching`.
        q, p: (mean, log-variance) of each side.

    Example:
        >>> pull = pull_on_parameters("mddm", "published", lam=0.5)
        >>> abs(pull["language mean"]) < 1e-12
        True
    """
    values = torch.tensor([*q, *p], dtype=torch.float64, requires_grad=True)
    mean_q, logvar_q, mean_p, logvar_p = values.reshape(4, 1, 1)
    terms = _matching_terms(
        strategy, DiagonalGaussian(mean_q, logvar_q), DiagonalGaussian(mean_p, logvar_p), lam, variant, alpha
    )
    if not terms.matching.requires_grad:
        return dict.fromkeys(PARAMETERS, 0.0)
    (gradient,) = torch.autograd.grad(terms.matching.sum(), values)
    return dict(zip(PARAMETERS, gradient.tolist(), strict=True))


def mean_slopes(distances: np.ndarray, language_std: float = 1.0) -> dict[str, np.ndarray]:
    """How hard each matching term, at weight 1, pulls on the first distribution's mean, against the means' distance.

    Args:
        distances: of N(distance, 1) from N(0, language_std^2), `(n,)`.
        language_std: of the second distribution.

    Returns:
        Reading of the term -> slope, `(n,)`; the mixture's by quadrature, the others by the core's own gradient.
    """
    second = gaussian(np.zeros(len(distances)), language_std)
    slopes = {}
    for name, terms, lam, variant in (
        ("GODM, Eq. 9 (paper)", godm, 1.0, "paper"),
        ("GODM, its root (published)", godm, 1.0, "published"),
        ("CPDM, moments (paper)", cpdm, 1.0, "paper"),
        ("CPDM, geometric (published)", cpdm, 1.0, "published"),
        ("MDDM, Eq. 15 (paper)", mddm, 0.0, "paper"),
    ):
        mean = torch.from_numpy(np.asarray(distances, dtype=np.float64)).reshape(-1, 1).requires_grad_()
        first = DiagonalGaussian(mean, torch.zeros_like(mean))
        matching = terms(first, second, first, lam, variant).matching
        slopes[name] = torch.autograd.grad(matching.sum(), mean)[0].squeeze(-1).numpy()
    slopes["CPDM, the mixture itself"] = np.array([_mixture_slope(float(d), language_std) for d in distances])
    return slopes


def _mixture_slope(distance: float, language_std: float) -> float:
    reach = 9 * max(1.0, language_std)
    x = np.linspace(min(0.0, distance) - reach, max(0.0, distance) + reach, 20001)
    z = torch.from_numpy(x).reshape(-1, 1, 1)
    sides = [log_density(z, g).flatten().numpy() for g in (gaussian(distance, 1.0), gaussian(0.0, language_std))]
    mixture = np.logaddexp(*sides) - math.log(2)
    # the derivative of both divergences with respect to the first mean is E_first[(x - mean) log(first / mixture)]
    return float((np.exp(sides[0]) * (x - distance) * (sides[0] - mixture)).sum() * (x[1] - x[0]))


class PosteriorPath(NamedTuple):
    """The posterior that one user ends with, for every lambda of a grid; `(n,)` each."""

    lams: np.ndarray
    mean: np.ndarray
    std: np.ndarray


LAMBDAS = np.linspace(0.0, 1.0, 21)


@lru_cache(maxsize=256)
def posterior_path(
    strategy: str = DEFAULT_STRATEGY,
    variant: str = "paper",
    items: int = 2,
    text_mean: float = 2.0,
    text_std: float = 0.7,
    taste: float = -1.0,
) -> PosteriorPath:
    r"""What a user's posterior becomes if it is free to move and the text's distribution stays put.

    The user's items vote for `taste`: the reconstruction is $\tfrac n2E[(z-\text{taste})^2]$ with n items, of variance
    1 each. Added is $L_{DM}$; the sum is minimised over q for every lambda.

    Returns:
        Mean and standard deviation of what z is drawn from (`fuse(q, p)` where published, q in the paper's variant,
        whose L_DM knows no other).
    """
    p = gaussian(text_mean, text_std)
    means, log_stds = np.linspace(-4, 4, 161), np.linspace(-3, 1.5, 91)
    grid = torch.from_numpy(np.stack(np.meshgrid(means, log_stds), -1).reshape(-1, 2))

    def losses(points: Tensor) -> tuple[Tensor, Tensor, DiagonalGaussian]:
        """Loss at lambda 0 and at 1, between which it is linear, and what z is drawn from."""
        z = DiagonalGaussian(points[:, :1], 2 * points[:, 1:])
        text = DiagonalGaussian(p.mean.expand_as(z.mean), p.logvar.expand_as(z.mean))
        # published: z is the fused distribution and q what is left of it; paper: z is q
        q = DiagonalGaussian(z.mean - text.mean, z.logvar - text.logvar) if variant == "published" else z
        fused = z if variant == "published" else fuse(q, text, variant)
        votes = 0.5 * items * ((z.mean - taste).square() + z.variance).squeeze(-1)
        ends = [votes + strategy_of(strategy).terms(q, text, fused, lam, variant).total for lam in (0.0, 1.0)]
        return ends[0], ends[1], z

    at_zero, at_one, _ = losses(grid)
    lams = torch.from_numpy(LAMBDAS)
    start = grid[torch.argmin(torch.outer(1 - lams, at_zero) + torch.outer(lams, at_one), dim=1)]
    points = _newton(lambda x: (1 - lams) * losses(x)[0] + lams * losses(x)[1], start)
    return PosteriorPath(LAMBDAS, points[:, 0].numpy(), points[:, 1].exp().numpy())


def _newton(loss, points: Tensor, steps: int = 6) -> Tensor:
    """Polish grid minima: rows are independent problems in two unknowns; a step that does not help is not taken."""
    for _ in range(steps):
        x = points.clone().requires_grad_()
        value = loss(x)
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        rows = [torch.autograd.grad(gradient[:, k].sum(), x, retain_graph=True)[0] for k in range(2)]
        hessian = torch.stack(rows, dim=1) + 1e-9 * torch.eye(2, dtype=x.dtype)
        moved = points - torch.linalg.solve(hessian, gradient.detach())
        better = loss(moved) <= value.detach()
        points = torch.where(better.unsqueeze(1), moved, points).detach()
    return points
