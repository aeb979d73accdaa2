"""Mult-VAE, the variational autoencoder with a multinomial likelihood (base model one of three)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import InteractionLinear, UserBatch
from dmrec_core.likelihood import fused_multinomial_nll
from dmrec_core.recommender import Backbone


class MultVAE(Backbone):
    r"""Encoder n_items -> hidden (tanh) -> 2d, decoder d -> hidden (tanh) -> n_items.

    The encoder gives $q_\phi(z_u|x_u)$, the decoder the multinomial's logits. Rows are read as they are: the original
    Mult-VAE divides them by their length, DMRec's code does not.

    Args:
        n_items: number of items.
        hidden: width of both hidden layers.
        latent: d.
        dropout: share of input interactions dropped while training.

    Source: Liang et al. 2018; sizes from DMRec's published code.
    """

    def __init__(self, n_items: int, hidden: int = 600, latent: int = 200, dropout: float = 0.3) -> None:
        super().__init__()
        self.latent = latent
        self.input_dropout = dropout
        self.encoder_input = InteractionLinear(n_items, hidden)
        self.encoder_heads = nn.Linear(hidden, 2 * latent)
        self.decoder_hidden = nn.Linear(latent, hidden)
        self.decoder_output = nn.Linear(hidden, n_items)

    def posterior(self, batch: UserBatch) -> DiagonalGaussian:
        """`(B, n_items)` rows -> `(B, d)` Gaussian."""
        return DiagonalGaussian.from_heads(self.encoder_heads(torch.tanh(self.encoder_input(batch.inputs))))

    def decode(self, z: Tensor) -> Tensor:
        """`(B, d)` -> `(B, n_items)` logits."""
        return self.decoder_output(torch.tanh(self.decoder_hidden(z)))

    def reconstruction(self, z: Tensor, batch: UserBatch) -> dict[str, Tensor]:
        """The same value as through `decode`, without a second `(B, n_items)` buffer."""
        return {"reconstruction": self.nll(torch.tanh(self.decoder_hidden(z)), batch)}

    def nll(self, hidden: Tensor, batch: UserBatch) -> Tensor:
        """$-\\log p_\\theta(x_u|z_u)$ of each user, `(B,)`, from the decoder's hidden layer, `(B, hidden)`."""
        return fused_multinomial_nll(hidden, self.decoder_output.weight, self.decoder_output.bias, batch.rows)
