"""LLMRec's augmented interactions: per user one liked and one disliked item out of a pool of candidates."""

from __future__ import annotations

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from dmrec_core.interactions import user_batches
from dmrec_core.recommender import Recommender, top_items


def candidate_pool(recommender: Recommender, train: sp.csr_matrix, size: int = 10) -> Tensor:
    r"""$C_u$: the items a trained recommender puts first for each user, training items left out, `(n_users, size)`.

    Args:
        recommender: any trained model.
        train: binary CSR matrix, `(n_users, n_items)`.
        size: items a pool; LLMRec tries 3, 10 and 30.

    Raises:
        ValueError: some user has fewer items left than that.

    Source: Wei et al. 2024 (LLMRec), section 3.1.
    """
    left = train.shape[1] - int(train.getnnz(axis=1).max())
    if not 1 < size <= left:
        raise ValueError(f"a pool needs 2 to {left} items here (what is left to the busiest user); got {size}")
    device = next(recommender.parameters()).device
    pools = []
    with torch.inference_mode():
        for batch in user_batches(train, 1024, device):
            scores = recommender.score(batch)
            scores[batch.rows.row_index, batch.rows.items] = -torch.inf
            pools.append(top_items(scores, size).cpu())
    return torch.cat(pools).clone()  # a clone outside inference mode can be trained with


def edges_by_cosine(user_vectors: Tensor, item_vectors: Tensor, pool: Tensor) -> Tensor:
    r"""A **proxy** for the language model's choice: the candidate nearest to the user's text, and the farthest.

    $i^+ = \arg\max_{i\in C_u}\cos(w_u, w_i)$, $i^- = \arg\min_{i\in C_u}\cos(w_u, w_i)$

    LLMRec asks a language model to choose, given the user's history. Where one is at hand, hand its choices to `LLMRec`
    instead of these.

    Args:
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        pool: $C_u$, `(n_users, c)` item ids.

    Returns:
        The edges, `(n_users, 2)`: liked item, disliked item.

    Example:
        >>> edges_by_cosine(torch.tensor([[1.0, 0.0]]), torch.eye(2), torch.tensor([[1, 0]]))
        tensor([[0, 1]])
    """
    items = F.normalize(item_vectors, dim=-1)[pool]  # (n_users, c, d_s)
    cosines = torch.einsum("us,ucs->uc", F.normalize(user_vectors, dim=-1), items)
    choice = torch.stack([cosines.argmax(1), cosines.argmin(1)], dim=1)
    return pool.gather(1, choice)
