"""DMRec itself, and the base model it is compared with (Eq. 1, 2, 19; the loop body of Algorithm 1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, kl_to_standard_normal
from dmrec_core.interactions import UserBatch
from dmrec_core.matching import VARIANTS, Strategy, Variant, fuse, strategy_of
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.recommender import Backbone, LossTerms, Recommender


class Spaces(NamedTuple):
    """The three distributions of each user: collaborative q, language p, and the fused one z is drawn from."""

    collaborative: DiagonalGaussian
    language: DiagonalGaussian
    fused: DiagonalGaussian


class _AroundABackbone(Recommender):
    backbone: Backbone

    def optimizer(self, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """The backbone's recipe: Adam, unless it has its own."""
        return self.backbone.optimizer(self, learning_rate, weight_decay)


class BaseModel(_AroundABackbone):
    r"""A backbone trained on its own, by the negative evidence lower bound.

    Eq. 2.  $-\log p(x_u) \le -E_{q_\phi}[\log p_\theta(x_u|z_u)] + w\,D_{KL}(q_\phi(z_u|x_u)\,\|\,p(z_u))$

    Args:
        backbone: encoder and decoder.
        kl_weight: w; 1 is the bound itself (and Eq. 1), other values the "equal tuning" of the base.

    Source: Eq. 2.
    """

    def __init__(self, backbone: Backbone, kl_weight: float = 1.0) -> None:
        super().__init__()
        if not kl_weight >= 0:
            raise ValueError(f"kl_weight must be a number >= 0; got {kl_weight}")
        self.backbone = backbone
        self.kl_weight = kl_weight

    def loss(self, batch: UserBatch) -> LossTerms:
        """Reconstruction and prior term of each user."""
        batch = batch.corrupted(self.backbone.input_dropout)
        q = self.backbone.posterior(batch)
        terms = self.backbone.reconstruction(q.sample(batch.generator), batch)
        terms["prior"] = self.kl_weight * self.backbone.annealing(batch) * kl_to_standard_normal(q)
        return LossTerms(terms)

    def score(self, batch: UserBatch) -> Tensor:
        """Logits at the posterior mean, `(B, n_items)`."""
        return self.backbone.decode(self.backbone.scoring_latent(self.backbone.posterior(batch), batch))


class DMRec(_AroundABackbone):
    r"""Any backbone, plus a language space, matched by one of the strategies.

    Eq. 19.  $L_{DMRec} = L_{rec} + L_{DM}$, $L_{DM}\in\{L_{GODM}, L_{CPDM}, L_{MDDM}\}$

    Args:
        backbone: encoder and decoder of the collaborative space.
        meta_network: from texts' vectors to the language space.
        strategy: a name of `matching.ALL_STRATEGIES`, or a `Strategy` of your own.
        lam: lambda, the coefficient that governs the matching.
        variant: "published" (the authors' code) or "paper" (the equations as printed).

    Example:
        >>> from dmrec_core.backbones import MultVAE
        >>> meta = MetaNetwork(torch.ones(3, 5), torch.ones(4, 5), latent=2, hidden=8)
        >>> model = DMRec(MultVAE(4, hidden=8, latent=2), meta, strategy="mddm", lam=0.5)

    Source: Eq. 19; one call of `loss` is one pass of Algorithm 1's loop body.
    """

    def __init__(
        self,
        backbone: Backbone,
        meta_network: MetaNetwork,
        strategy: str | Strategy,
        lam: float,
        variant: Variant = "published",
    ) -> None:
        super().__init__()
        self.strategy = strategy_of(strategy)
        self.strategy.check(lam)
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {VARIANTS}; got {variant!r}")
        self.backbone = backbone
        self.meta_network = meta_network
        self.lam, self.variant = lam, variant

    def spaces(self, batch: UserBatch) -> Spaces:
        """q, p and the fused posterior of each user of the batch, `(B, d)` each."""
        q, p = self.backbone.posterior(batch), self.meta_network(batch)
        return Spaces(q, p, fuse(q, p, self.variant))

    def loss(self, batch: UserBatch) -> LossTerms:
        """Reconstruction, prior and matching term of each user."""
        batch = batch.corrupted(self.backbone.input_dropout)
        spaces = self.spaces(batch)
        terms = self.backbone.reconstruction(spaces.fused.sample(batch.generator), batch)
        matching = self.strategy.terms(*spaces, self.lam, self.variant)
        weight = self.backbone.annealing(batch)
        return LossTerms({**terms, "prior": weight * matching.prior, "matching": weight * matching.matching})

    def score(self, batch: UserBatch) -> Tensor:
        """Logits at the fused mean, `(B, n_items)`."""
        return self.backbone.decode(self.backbone.scoring_latent(self.spaces(batch).fused, batch))
