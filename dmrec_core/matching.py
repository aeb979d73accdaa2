"""The distribution-matching strategies: GODM, CPDM, MDDM and the paper's ablations (Eq. 10-13, 15).

Each strategy takes the same three batches of Gaussians and returns two numbers per user:

* `q`: collaborative, from interactions; `p`: language, from texts; `fused`: what z is drawn from;
* `prior`: the pull towards $\\mathcal N(0, I)$; `matching`: the pull of the two spaces towards each other.

Both are already weighted by lambda, so their sum is $L_{DM}$. Lambda is one number, or one a user, `(B,)`: terms
are per user, so the same number in either form gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dmrec_core.gaussian import (
    DiagonalGaussian,
    add_independent,
    geometric_composite,
    kl,
    kl_to_standard_normal,
    moment_matched_composite,
    multiply_variances,
    wasserstein2,
    wasserstein2_squared,
)
from dmrec_core.records.ranges import known

Lam = float | Tensor  # lambda: one for all users, or one a user, (B,)
Variant = Literal["published", "paper"]
VARIANTS: tuple[Variant, ...] = ("published", "paper")
ROOT_EPSILON = 1e-7  # the published code writes 10e-8 under GODM's root


class MatchingTerms(NamedTuple):
    """The two halves of $L_{DM}$ per user, weights included; `(B,)` each, in nats (GODM's matching: latent units)."""

    prior: Tensor
    matching: Tensor

    @property
    def total(self) -> Tensor:
        """$L_{DM}$ per user, `(B,)`."""
        return self.prior + self.matching


@dataclass(frozen=True)
class Strategy:
    """One way to match the two spaces: its equation, and what the rest of the kit must know of it.

    Your own is a function like `godm` and one of these. Give the object wherever a strategy's name is taken: it trains,
    sweeps, appears in the figures and moves under the slider.

    Args:
        terms: `(q, p, fused, lam, variant) -> MatchingTerms`, a pure function of Gaussians; `lam` a number or `(B,)`.
        label: short, for legends.
        long_name: for titles and tables.
        highest_lam: the largest lambda that means anything: 1 where lambda is a share, infinity where it is a weight,
            0 where it is not used.
        lam_without_matching: the lambda at which the language space is not matched; it is still fused.

    Example:
        >>> def squared(q, p, fused, lam, variant="published"):
        ...     return MatchingTerms(kl_to_standard_normal(fused), lam * (q.mean - p.mean).square().sum(1))
        >>> mine = Strategy(squared, "DMRec-S", "squared distance of means")
        >>> mine.terms is squared and str(mine)
        'squared'
    """

    terms: Callable[..., MatchingTerms]
    label: str
    long_name: str
    highest_lam: float = math.inf
    lam_without_matching: float = 0.0

    @property
    def is_share(self) -> bool:
        """Whether lambda shares out one budget: then lambda 0 leaves the language space alone."""
        return 0 < self.highest_lam == self.lam_without_matching

    def __str__(self) -> str:
        return next((name for name, known in ALL_STRATEGIES.items() if known is self), self.terms.__name__)

    def check(self, lam: Lam) -> None:
        """Refuse a lambda that means nothing here.

        Args:
            lam: one lambda, or one a user, `(B,)`.

        Raises:
            ValueError: the message names the range and the first value outside of it; or lambda has another shape.
        """
        given = torch.as_tensor(lam, dtype=torch.float64, device="cpu")
        if given.dim() > 1:  # (B, 1) would weigh every user's term by every user's lambda
            raise ValueError(f"lambda is one number, or one a user, (B,); got shape {tuple(given.shape)}")
        outside = given[~((given >= 0) & (given <= self.highest_lam))]  # also catches NaN
        if len(outside):
            upper = "inf)" if self.highest_lam == math.inf else f"{self.highest_lam:g}]"
            raise ValueError(f"lambda must lie in [0, {upper} for {self.long_name}; got {outside[0]:.10g}")


def fuse(q: DiagonalGaussian, p: DiagonalGaussian, variant: Variant = "published") -> DiagonalGaussian:
    """The distribution z is drawn from: `multiply_variances` as published, `add_independent` as the paper words it."""
    return add_independent(q, p) if _is_paper(variant) else multiply_variances(q, p)


def godm(
    q: DiagonalGaussian, p: DiagonalGaussian, fused: DiagonalGaussian, lam: Lam, variant: Variant = "published"
) -> MatchingTerms:
    r"""Global optimality for distribution matching: move one distribution's mass onto the other.

    Eq. 10.  $L_{GODM} = D_{KL}(q_\phi\|p_z) + \lambda\,D_{2\text{-}WD}(p_\varphi, q_\phi)$

    Args:
        q: collaborative distribution, `(B, d)`.
        p: language distribution, `(B, d)`.
        fused: what z is drawn from, `(B, d)`.
        lam: weight of the distance, >= 0.
        variant: `"published"` takes the root of W2 squared and the prior of `fused`; `"paper"` is as printed.

    Returns:
        Per-user terms, `(B,)` each.

    Source: Eq. 10.
    """
    STRATEGIES["godm"].check(lam)
    if _is_paper(variant):
        return MatchingTerms(kl_to_standard_normal(q), lam * wasserstein2_squared(p, q))
    return MatchingTerms(kl_to_standard_normal(fused), lam * wasserstein2(p, q, ROOT_EPSILON))


def composite_divergence(q: DiagonalGaussian, p: DiagonalGaussian, composite: DiagonalGaussian) -> Tensor:
    r"""How far both distributions lie from their composite prior.

    Eq. 12.  $D_{CP}(p_\varphi,q_\phi) = D_{KL}(p_\varphi\|p_{com}) + D_{KL}(q_\phi\|p_{com})$

    Returns:
        One number per user, `(B,)`, in nats. The paper calls this the Jensen-Shannon divergence at alpha 1/2; that one
        has a factor 1/2 and the mixture itself as its centre.

    Source: Eq. 12.
    """
    return kl(p, composite) + kl(q, composite)


def cpdm(
    q: DiagonalGaussian,
    p: DiagonalGaussian,
    fused: DiagonalGaussian,
    lam: Lam,
    variant: Variant = "published",
    alpha: float = 0.5,
) -> MatchingTerms:
    r"""Composite prior for distribution matching: draw both distributions towards a shared one between them.

    Eq. 13.  $L_{CPDM} = D_{KL}(q_\phi\|p_z) + \lambda\,D_{CP}(p_\varphi, q_\phi)$

    Args:
        q: collaborative distribution, `(B, d)`.
        p: language distribution, `(B, d)`.
        fused: what z is drawn from, `(B, d)`.
        lam: weight of the divergence, >= 0.
        variant: `"published"` sets `fused` in q's place and averages log-variances; `"paper"` matches q with p through
            the moments of Eq. 11's mixture.
        alpha: share of q (published: of `fused`) in the composite prior.

    Returns:
        Per-user terms, `(B,)` each, nats.

    Source: Eq. 13.
    """
    STRATEGIES["cpdm"].check(lam)
    if _is_paper(variant):
        composite = moment_matched_composite(q, p, alpha)
        return MatchingTerms(kl_to_standard_normal(q), lam * composite_divergence(q, p, composite))
    composite = geometric_composite(fused, p, alpha)
    return MatchingTerms(kl_to_standard_normal(fused), lam * composite_divergence(fused, p, composite))


def mddm(
    q: DiagonalGaussian, p: DiagonalGaussian, fused: DiagonalGaussian, lam: Lam, variant: Variant = "published"
) -> MatchingTerms:
    r"""Mixing divergence for distribution matching: share one KL budget between the prior and the language space.

    Eq. 15.  $L_{MDDM} = \lambda\,D_{KL}(q_\phi\|p_z) + (1-\lambda)\,D_{KL}(q_\phi\|p_\varphi)$

    Args:
        q: collaborative distribution, `(B, d)`.
        p: language distribution, `(B, d)`.
        fused: what z is drawn from, `(B, d)`.
        lam: share of the prior, in [0, 1]; 0 is no prior.
        variant: `"published"` sets `fused` in q's place; `"paper"` is the equation as printed.

    Returns:
        Per-user terms, `(B,)` each, nats.

    Source: Eq. 15.
    """
    STRATEGIES["mddm"].check(lam)
    posterior = q if _is_paper(variant) else fused
    return MatchingTerms(lam * kl_to_standard_normal(posterior), (1 - lam) * kl(posterior, p))


def without_mixing(
    q: DiagonalGaussian, p: DiagonalGaussian, fused: DiagonalGaussian, lam: Lam, variant: Variant = "published"
) -> MatchingTerms:
    r"""Ablation "w/o Mixing": MDDM with lambda as an added weight, $D_{KL}(q\|p_z)+\lambda D_{KL}(q\|p_\varphi)$.

    Source: the paper's ablation study (Figure 5).
    """
    ABLATIONS["without_mixing"].check(lam)
    posterior = q if _is_paper(variant) else fused
    return MatchingTerms(kl_to_standard_normal(posterior), lam * kl(posterior, p))


def add_only(
    q: DiagonalGaussian, p: DiagonalGaussian, fused: DiagonalGaussian, lam: Lam = 0.0, variant: Variant = "published"
) -> MatchingTerms:
    """Ablation "Add": the two distributions are added for reconstruction and never matched; lambda is unused.

    Source: the paper's ablation study (Figure 5).
    """
    prior = kl_to_standard_normal(q if _is_paper(variant) else fused)
    return MatchingTerms(prior, prior.new_zeros(prior.shape))


STRATEGIES = {
    "godm": Strategy(godm, "DMRec-G", "GODM (DMRec-G)"),
    "cpdm": Strategy(cpdm, "DMRec-C", "CPDM (DMRec-C)"),
    "mddm": Strategy(mddm, "DMRec-M", "MDDM (DMRec-M)", highest_lam=1.0, lam_without_matching=1.0),
}
ABLATIONS = {
    "without_mixing": Strategy(without_mixing, "w/o Mixing", "MDDM without mixing"),
    "add": Strategy(add_only, "Add", "addition without matching", highest_lam=0.0),
}
ALL_STRATEGIES = STRATEGIES | ABLATIONS
DEFAULT_STRATEGY = "mddm"  # the paper's best


def strategy_of(strategy: str | Strategy) -> Strategy:
    """The strategy of this name, or the object itself.

    Raises:
        ValueError: no strategy has that name.

    Example:
        >>> strategy_of("mddm").label
        'DMRec-M'
    """
    if isinstance(strategy, Strategy):
        return strategy
    return ALL_STRATEGIES[known("strategy", strategy, ALL_STRATEGIES)]


def _is_paper(variant: str) -> bool:
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}; got {variant!r}")
    return variant == "paper"
