"""Loss-conditional training: one DMRec whose weights are trained at many lambdas and asked for any one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dmrec_core.backbones import MultVAE
from dmrec_core.dmrec import DMRec, Spaces
from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import UserBatch
from dmrec_core.matching import fuse
from dmrec_core.meta_network import base_network
from dmrec_core.recommender import LossTerms, Recommender
from dmrec_core.training.device import derived_seed

Film = list[tuple[Tensor, Tensor]]  # scale and shift of each modulated layer, (b, width)


def features(lam: Tensor) -> Tensor:
    r"""What a network reads of lambda: $[2\lambda-1,\ \log_{10}(\lambda+0.02)+0.7]$, both about -1 to 1.

    The logarithm spreads the lambdas near 0, where a little of the prior changes most.

    Args:
        lam: `(b,)`, in [0, 1].

    Returns:
        `(b, 2)`.

    Example:
        >>> [[round(x, 2) for x in row] for row in features(torch.tensor([0.0, 1.0])).tolist()]
        [[-1.0, -1.0], [1.0, 0.71]]
    """
    return torch.stack([2 * lam - 1, torch.log10(lam + 0.02) + 0.7], 1)


def modulate(units: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    r"""Feature-wise linear modulation of hidden units: $(1+\gamma)\odot h + \beta$.

    Args:
        units: $h$, `(B, width)`.
        scale, shift: $\gamma$ and $\beta$, `(B, width)`, or `(1, width)` for all users alike.

    Returns:
        `(B, width)`; at scale and shift 0 the units themselves, to the last bit.

    Example:
        >>> modulate(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, 3.0]]))
        tensor([[1.5000, 3.0000]])

    Source: Perez et al. 2018.
    """
    return units * (1 + scale) + shift


class ConditionalDMRec(Recommender):
    r"""DMRec on Mult-VAE at every lambda at once: an approximation of one run at each.

    $\min_\theta\ E_{\lambda\sim U(0,1)}\,E_u\big[L_{rec}(u;\theta_\lambda) + L_{DM}(u;\theta_\lambda,\lambda)\big]$,
    where $\theta_\lambda$ is shared weights whose layers, all but the decoder's last, are modulated: a small network of
    `features` gives each layer's scale and shift. Its last layer starts at zero, so that the first step's model is, at
    any lambda, the `DMRec` it was made from.

    All lambdas share one clock. A run stops when its own lambda is best on validation; one set of weights cannot stop
    at two times, so `train_stops` keeps these at several.

    Args:
        start: the untrained model of a run. This one takes its layers, and answers for its lambda until `at` says
            another.
        seed: of the small network's initial weights.
        per_user: draw a lambda for every user of a batch; otherwise one for all of them.
        hidden: width of the small network's two hidden layers.

    Raises:
        ValueError: the backbone is another than Mult-VAE, or the strategy has no lambda.

    Example:
        >>> from dmrec_core import MetaNetwork
        >>> meta = MetaNetwork(torch.ones(3, 5), torch.ones(4, 5), latent=2, hidden=8)
        >>> model = ConditionalDMRec(DMRec(MultVAE(4, hidden=8, latent=2), meta, strategy="mddm", lam=0.5))
        >>> model.at(0.25).lam
        0.25

    Source: Dosovitskiy and Djolonga 2020 (training at drawn coefficients); Perez et al. 2018 (the modulation).
    """

    def __init__(self, start: DMRec, seed: int = 2024, per_user: bool = False, hidden: int = 64) -> None:
        super().__init__()
        backbone = start.backbone
        if not isinstance(backbone, MultVAE):
            raise ValueError(f"ConditionalDMRec modulates Mult-VAE's layers; got a {type(backbone).__name__}")
        if not start.strategy.highest_lam:
            raise ValueError(f"{start.strategy.long_name} has no lambda to be trained at")
        self.backbone, self.meta_network = backbone, start.meta_network
        self.strategy, self.variant, self.lam = start.strategy, start.variant, start.lam
        self.per_user, self.fixed = per_user, False
        modulated = (backbone.encoder_input.bias, backbone.encoder_heads.bias, start.meta_network.layers[0].bias,
                     start.meta_network.layers[2].bias, backbone.decoder_hidden.bias)  # fmt: skip
        self.widths = [len(bias) for bias in modulated]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, "film"))
            last = nn.Linear(hidden, 2 * sum(self.widths))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.film = nn.Sequential(nn.Linear(2, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last)

    def at(self, lam: float) -> ConditionalDMRec:
        """The same weights, not a copy of them, for one lambda: it scores there, and is trained there alone.

        Raises:
            ValueError: the lambda is out of the strategy's range, or out of [0, 1], where it is trained.
        """
        self.strategy.check(lam)
        if not lam <= 1:
            raise ValueError(f"ConditionalDMRec is trained at lambdas from 0 to 1; got {lam}")
        there = copy.copy(self)
        there.lam, there.fixed = float(lam), True
        return there

    def spaces(self, batch: UserBatch, film: Film) -> Spaces:
        """q, p and the fused posterior of each user, `(B, d)` each, as `DMRec.spaces`, every layer modulated."""
        encoder, heads, language, language_heads, _ = film
        backbone, meta = self.backbone, self.meta_network
        hidden = torch.tanh(modulate(backbone.encoder_input(batch.inputs), *encoder))
        q = DiagonalGaussian.from_heads(modulate(backbone.encoder_heads(hidden), *heads))
        own = meta.user_vectors.index_select(0, batch.users)
        inputs = base_network(batch.inputs, meta.item_vectors, own) if meta.aggregate else own
        hidden = torch.tanh(modulate(meta.layers[0](inputs), *language))
        p = DiagonalGaussian.from_heads(modulate(meta.layers[2](hidden), *language_heads))
        return Spaces(q, p, fuse(q, p, self.variant))

    def loss(self, batch: UserBatch) -> LossTerms:
        """Reconstruction, prior and matching term of each user, at drawn lambdas, or at one after `at`."""
        batch = batch.corrupted(self.backbone.input_dropout)
        lam = self._lams(batch)
        film = self._film(lam)
        spaces = self.spaces(batch, film)
        hidden = self._decoder_hidden(spaces.fused.sample(batch.generator), film)
        matching = self.strategy.terms(*spaces, lam, self.variant)
        reconstruction = self.backbone.nll(hidden, batch)
        return LossTerms({"reconstruction": reconstruction, "prior": matching.prior, "matching": matching.matching})

    def score(self, batch: UserBatch) -> Tensor:
        """Logits at the fused mean for this model's lambda, `(B, n_items)`."""
        film = self._film(batch.users.new_full((1,), self.lam, dtype=torch.float32))
        return self.backbone.decoder_output(self._decoder_hidden(self.spaces(batch, film).fused.mean, film))

    def _lams(self, batch: UserBatch) -> Tensor:
        size = len(batch) if self.per_user else 1
        if self.fixed:
            return batch.users.new_full((size,), self.lam, dtype=torch.float32)
        return torch.rand(size, generator=batch.generator, device=batch.users.device)

    def _film(self, lam: Tensor) -> Film:
        parts = self.film(features(lam)).split([width for width in self.widths for _ in range(2)], dim=1)
        return list(zip(parts[::2], parts[1::2], strict=True))

    def _decoder_hidden(self, z: Tensor, film: Film) -> Tensor:
        return torch.tanh(modulate(self.backbone.decoder_hidden(z), *film[-1]))
