"""Mult-VAE for large catalogues: its likelihood in blocks of items, or sampled."""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.backbones import MultVAE
from dmrec_core.catalogues.likelihood import blocked_multinomial_nll, sampled_multinomial_nll
from dmrec_core.interactions import UserBatch

SETTINGS = "items_at_once", "draws"
SMOOTHING = 0.75  # of the clicks that items are drawn by; as word2vec draws its negatives


class LargeMultVAE(MultVAE):
    r"""Mult-VAE whose loss never holds a number for each user and item of a mini-batch.

    Encoder, decoder and start are `MultVAE`'s, to the last bit; only how the reconstruction is computed differs.

    Args:
        train: `(n_users, n_items)` training interactions; the draws follow them.
        items_at_once: compute it exactly in blocks of so many items, see `blocked_multinomial_nll`; 0: do not.
        draws: estimate it from so many items, drawn with weights (clicks + 1)^0.75, see `sampled_multinomial_nll`; 0:
            do not.
        sizes: hidden, latent and dropout, as `MultVAE`'s.

    Raises:
        ValueError: both, or neither.
    """

    def __init__(self, train: sp.csr_matrix, items_at_once: int = 0, draws: int = 0, **sizes: float) -> None:
        if (items_at_once > 0) == (draws > 0) or min(items_at_once, draws) < 0:
            raise ValueError(f"set either items_at_once or draws, above 0; got {items_at_once} and {draws}")
        super().__init__(train.shape[1], **sizes)
        self.items_at_once, self.draws = items_at_once, draws
        if draws:
            clicks = torch.from_numpy(train.getnnz(0)).double().add(1).pow(SMOOTHING)
            self.register_buffer("proposal", clicks / clicks.sum(), persistent=False)

    def nll(self, hidden: Tensor, batch: UserBatch) -> Tensor:
        """`MultVAE.nll`, in blocks or estimated."""
        last = hidden, self.decoder_output.weight, self.decoder_output.bias, batch.rows
        if self.items_at_once:
            return blocked_multinomial_nll(*last, self.items_at_once)
        return sampled_multinomial_nll(*last, self.draws, self.proposal, batch.generator)
