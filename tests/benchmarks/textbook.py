"""DMRec on Mult-VAE as a textbook would write it: dense rows, dense layers, log_softmax."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TextbookDMRec(nn.Module):
    """The published MDDM model over a dense interaction matrix `(n_users, n_items)` in float32."""

    def __init__(self, train: sp.csr_matrix, user_vectors: Tensor, item_vectors: Tensor, lam: float = 0.6) -> None:
        super().__init__()
        self.x = torch.from_numpy(train.toarray())
        self.user_vectors, self.item_vectors, self.lam = user_vectors, item_vectors, lam
        n_items, d_s = item_vectors.shape
        self.encoder = nn.Sequential(nn.Linear(n_items, 600), nn.Tanh(), nn.Linear(600, 400))
        self.meta = nn.Sequential(nn.Linear(d_s, 600), nn.Tanh(), nn.Linear(600, 400))
        self.decoder = nn.Sequential(nn.Linear(200, 600), nn.Tanh(), nn.Linear(600, n_items))

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


def info_nce(anchor: Tensor, candidates: Tensor, own: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of all cosines with each anchor's own candidate, `(B,)`."""
    cosines = F.normalize(anchor, dim=1) @ F.normalize(candidates, dim=1).T
    return F.cross_entropy(cosines / temperature, own, reduction="none")


def rlmrec_contrast(users: Tensor, items: Tensor, user_texts: Tensor, item_texts: Tensor, batch) -> Tensor:
    """RLMRec-C's three contrasts, one row for every pair of the batch, `(B,)`."""
    in_batch = torch.arange(len(batch))
    total = info_nce(users[batch.users], user_texts, batch.users, 0.2)
    for side in (batch.positives, batch.negatives[:, 0]):
        total = total + info_nce(items[side], item_texts[side], in_batch, 0.2)
    return total


def rank_one_user_at_a_time(
    scores: np.ndarray, train: sp.csr_matrix, test: sp.csr_matrix, n: int = 20
) -> dict[str, float]:
    """Recall@n and NDCG@n with a Python loop over users."""
    recall, ndcg = [], []
    for user in range(train.shape[0]):
        wanted = set(test.indices[test.indptr[user] : test.indptr[user + 1]])
        if not wanted:
            continue
        row = scores[user].copy()
        row[train.indices[train.indptr[user] : train.indptr[user + 1]]] = -1e8
        best = np.argsort(-row, kind="stable")[:n]
        gains = [1 / np.log2(rank + 2) for rank, item in enumerate(best) if item in wanted]
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(n, len(wanted))))
        recall.append(len(gains) / len(wanted))
        ndcg.append(sum(gains) / ideal)
    return {f"recall@{n}": float(np.mean(recall)), f"ndcg@{n}": float(np.mean(ndcg))}
