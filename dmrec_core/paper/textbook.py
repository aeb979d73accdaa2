"""DMRec on Mult-VAE as a textbook would write it, to measure against: dense rows, dense layers, log_softmax."""

from __future__ import annotations

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TextbookDMRec(nn.Module):
    r"""DMRec-M as published, on Mult-VAE, over a dense matrix of interactions in float32.

    Eqs. 3, 6, 7, 15, 18 and 19, each in the one line that first comes to mind.

    Args:
        train: binary, `(U, I)`.
        user_vectors, item_vectors: `(U, d_s)` and `(I, d_s)`.
        lam: the prior's share.
        hidden, latent: widths of every hidden layer and of z.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        lam: float = 0.6,
        hidden: int = 600,
        latent: int = 200,
    ) -> None:
        super().__init__()
        self.x = torch.from_numpy(train.toarray())
        self.user_vectors, self.item_vectors, self.lam = user_vectors, item_vectors, lam
        n_items, d_s = item_vectors.shape
        self.encoder = nn.Sequential(nn.Linear(n_items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.meta = nn.Sequential(nn.Linear(d_s, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, n_items))

    def loss(self, users: Tensor) -> Tensor:
        """Batch loss of the published MDDM."""
        x = self.x[users]
        h = F.dropout(x, 0.3)
        mu_c, logvar_c = self.encoder(h).chunk(2, 1)
        mu_l, logvar_l = self.meta(h @ self.item_vectors + self.user_vectors[users]).chunk(2, 1)
        mu, logvar = mu_c + mu_l, logvar_c + logvar_l
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        reconstruction = -(x * F.log_softmax(self.decoder(z), 1)).sum(1)
        prior = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
        ratio = logvar.exp() / logvar_l.exp()
        matching = -0.5 * (1 + ratio.log() - (mu - mu_l) ** 2 / logvar_l.exp() - ratio).sum(1)
        return (reconstruction + self.lam * prior + (1 - self.lam) * matching).mean()

    def epoch(self, optimizer: torch.optim.Optimizer, batch_size: int = 1024) -> None:
        """One pass over all users."""
        for users in torch.randperm(len(self.x)).split(batch_size):
            optimizer.zero_grad()
            self.loss(users).backward()
            optimizer.step()
