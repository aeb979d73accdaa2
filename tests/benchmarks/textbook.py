"""What the benchmarks compare with, as a textbook would write it; the model itself is `dmrec_core.paper.textbook`."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor


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


def alpharec_loss(model: torch.nn.Module, means: Tensor, adjacency: Tensor, batch) -> Tensor:
    """AlphaRec's loss: every node's vector through the network, a sparse matrix, one vector for each negative.

    Args:
        model: whose weights and vectors are read.
        means: of users' items' vectors, `(n_users, d_s)`.
        adjacency: symmetric normalised, sparse, `(n_nodes, n_nodes)`.
        batch: its pairs.
    """
    layers = [model.to_taste(torch.cat([means, model.item_vectors]))]
    for _ in range(model.layers):
        layers.append(adjacency @ layers[-1])
    users, items = F.normalize(sum(layers) / len(layers), dim=1).split([len(means), len(model.item_vectors)])
    chosen = torch.cat([batch.positives.unsqueeze(1), batch.negatives], dim=1)
    cosines = (users[batch.users].unsqueeze(1) * items[chosen]).sum(-1)
    return F.cross_entropy(cosines / model.temperature, torch.zeros(len(batch), dtype=torch.int64))


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
