"""CVGA, collaborative variational graph auto-encoder: a graph convolution as encoder (base model two of three)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import InteractionLinear, InteractionRows, UserBatch
from dmrec_core.likelihood import fused_multinomial_nll
from dmrec_core.recommender import Backbone, fixed_noise


class CVGA(Backbone):
    r"""A graph convolution with one weight row per item as encoder, a linear decoder.

    $H = \hat R W + b$ with $\hat R = D_U^{-1/2} R D_I^{-1/2}$; $[\mu, \log\sigma^2] = \mathrm{dropout}(H)$;
    logits $= z V^\top + c$

    Row u of $\hat R W$ needs the items of u alone, so only a batch's rows are ever encoded: the same numbers as
    encoding all users at every step. The encoder reads the interactions whole; what is dropped out is its output.

    Args:
        train: binary CSR matrix, `(n_users, n_items)`; its item degrees are kept.
        latent: d.
        dropout: share of the entries of H dropped while training, and of the input rows the language branch reads.
        divide_kl_by_batch: divide the divergence terms by the number of users in the batch once more (weight about
            1/1024), as the plain CVGA was released; DMRec on CVGA was released without.
        sample_at_test: decode a sample at test time, as the plain CVGA was released, not the mean. The noise belongs to
            the user, so that a score does not depend on whom it is computed with.

    Example:
        >>> train = sp.csr_matrix(np.eye(3, 4, dtype=np.float32))
        >>> CVGA(train, latent=2).decode(torch.zeros(3, 2)).shape
        torch.Size([3, 4])

    Source: Zhang et al. 2023 (CVGA); the switches are where its two releases differ.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        latent: int = 64,
        dropout: float = 0.3,
        divide_kl_by_batch: bool = False,
        sample_at_test: bool = False,
    ) -> None:
        super().__init__()
        n_users, n_items = train.shape
        self.latent = latent
        self.input_dropout = dropout
        self.divide_kl_by_batch = divide_kl_by_batch
        degrees = np.bincount(train.indices, minlength=n_items)
        scale = torch.from_numpy(1 / np.sqrt(np.maximum(degrees, 1))).float()
        self.register_buffer("item_scale", scale, persistent=False)
        noise = fixed_noise(n_users, latent) if sample_at_test else None
        self.register_buffer("noise", noise, persistent=False)
        self.convolution = InteractionLinear(n_items, 2 * latent)
        self.decoder = nn.Linear(latent, n_items)

    def posterior(self, batch: UserBatch) -> DiagonalGaussian:
        """`(B, n_items)` whole rows -> `(B, d)` Gaussian; entries dropped out inside a loss."""
        heads = self.convolution(_normalized_rows(batch.rows, self.item_scale))
        if batch.training and self.input_dropout > 0:
            kept = torch.rand(heads.shape, generator=batch.generator, device=heads.device) >= self.input_dropout
            heads = heads * kept / (1 - self.input_dropout)
        return DiagonalGaussian.from_heads(heads)

    def decode(self, z: Tensor) -> Tensor:
        """`(B, d)` -> `(B, n_items)` logits."""
        return self.decoder(z)

    def reconstruction(self, z: Tensor, batch: UserBatch) -> dict[str, Tensor]:
        """The same value as through `decode`, without a second `(B, n_items)` buffer."""
        return {"reconstruction": fused_multinomial_nll(z, self.decoder.weight, self.decoder.bias, batch.rows)}

    def annealing(self, batch: UserBatch) -> float:
        """1, or 1 / B."""
        return 1 / len(batch) if self.divide_kl_by_batch else 1.0

    def scoring_latent(self, q: DiagonalGaussian, batch: UserBatch) -> Tensor:
        """The mean, or the user's own fixed sample."""
        return q.mean if self.noise is None else q.mean + q.std * self.noise[batch.users]


def _normalized_rows(rows: InteractionRows, item_scale: Tensor) -> InteractionRows:
    r"""Rows of $D_U^{-1/2} R D_I^{-1/2}$.

    Args:
        rows: binary rows of R.
        item_scale: $d_i^{-1/2}$, `(n_items,)`.

    Returns:
        The rows with entries $1/\sqrt{d_u d_i}$.
    """
    user_scale = rows.counts.clamp(min=1).to(item_scale.dtype).rsqrt()
    return replace(rows, values=user_scale[rows.row_index] * item_scale[rows.items])
