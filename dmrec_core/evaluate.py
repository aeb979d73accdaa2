"""Full ranking: Recall@N and NDCG@N over all items a user has not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.data import RecDataset
from dmrec_core.interactions import InteractionRows, user_batch
from dmrec_core.recommender import Recommender

CUTOFFS = (5, 10, 20)  # the N of the authors' logs


@dataclass(frozen=True)
class RankingMetrics:
    """How well each user's held-out items were ranked.

    Args:
        users: the users with at least one item in the split, `(n,)`; the others are skipped.
        per_user: "recall@20" and so on -> `(n,)` float64, in [0, 1].
    """

    users: np.ndarray
    per_user: Mapping[str, np.ndarray]

    def means(self) -> dict[str, float]:
        """Each metric's mean over users."""
        return {name: float(values.mean()) for name, values in self.per_user.items()}


def top_items(scores: Tensor, n: int) -> Tensor:
    """The n best items of each row, best first, `(B, n)`; among equal scores the lower item id comes first.

    `torch.topk` leaves the order of ties open, so a metric could change from machine to machine. Rows with a tie at the
    cut, which are rare, take a full stable sort.

    Example:
        >>> top_items(torch.tensor([[0.0, 2.0, 2.0, 1.0]]), 2)
        tensor([[1, 2]])
    """
    n = min(n, scores.shape[1])
    values, items = scores.topk(min(n + 1, scores.shape[1]), dim=1)  # one more shows whether there is a tie at the cut
    tied = (values[:, n - 1 : n] == values[:, n:]).any(1).nonzero().squeeze(1)
    items, by_id = items[:, :n].sort(dim=1)
    order = values.gather(1, by_id).argsort(dim=1, descending=True, stable=True)
    best = items.gather(1, order)
    if len(tied):
        best[tied] = scores[tied].argsort(dim=1, descending=True, stable=True)[:, :n]
    return best


def ranking_metrics(hits: Tensor, relevant: Tensor, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, Tensor]:
    r"""Recall@N and NDCG@N from the hits along each user's ranking.

    $\mathrm{Recall@}N = |\text{hits}| / |T_u|$,
    $\mathrm{NDCG@}N = \sum_{r\le N,\,\text{hit}} \tfrac1{\log_2(r+1)}
    \Big/ \sum_{r=1}^{\min(N,|T_u|)} \tfrac1{\log_2(r+1)}$

    Args:
        hits: True where the item at rank r is held out, `(B, max N)`, best rank first.
        relevant: $|T_u|$, `(B,)`, at least 1.
        cutoffs: the values of N.

    Returns:
        name -> `(B,)` float64. Recall divides by $|T_u|$ even where N is smaller, as published.
    """
    discount = 1 / torch.log2(torch.arange(2, max(cutoffs) + 2, dtype=torch.float64, device=hits.device))
    ideal = discount.cumsum(0)
    hits = torch.nn.functional.pad(hits, (0, max(0, max(cutoffs) - hits.shape[1]))).double()
    metrics = {}
    for n in cutoffs:
        metrics[f"recall@{n}"] = hits[:, :n].sum(1) / relevant
        metrics[f"ndcg@{n}"] = (hits[:, :n] * discount[:n]).sum(1) / ideal[relevant.clamp(max=n) - 1]
    return metrics


def evaluate(
    model: Recommender,
    dataset: RecDataset,
    split: str = "test",
    cutoffs: Sequence[int] = CUTOFFS,
    batch_size: int = 1024,
    device: torch.device | str | None = None,
) -> RankingMetrics:
    """Rank all items for every user of a split; only training items are masked, for validation and test alike.

    Args:
        model: anything with `score`.
        dataset: its training interactions are the model's input.
        split: "valid" or "test".
        cutoffs: the values of N.
        batch_size: users scored at once.
        device: where the model lives; by default where its first parameter is.

    Returns:
        Per-user metrics.

    Raises:
        ValueError: the split is unknown or empty.
        FloatingPointError: the model scored NaN; the message names the first such user.
    """
    held_out = _split(dataset, split)
    users = np.flatnonzero(np.diff(held_out.indptr))
    if not len(users):
        few = np.diff((dataset.train + dataset.valid + dataset.test).indptr).max() < 3
        raise ValueError(
            f"data set {dataset.name!r} has no interaction in its {split} split, so there is nothing to rank; "
            + (
                "no user has 3 items, the fewest of which one can be held out for each split: gather more of each user"
                if few
                else "mark some with it, or leave the column `split` out and they are drawn for you"
            )
        )
    if device is None:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    parts: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for start in range(0, len(users), batch_size):
            chunk = users[start : start + batch_size]
            batch = user_batch(dataset.train, chunk, device)
            scores = model.score(batch)
            broken = scores.amax(1).isnan()  # a maximum is NaN where anything is
            if broken.any():
                raise FloatingPointError(f"{type(model).__name__} scored NaN for user {int(batch.users[broken][0])}")
            scores[batch.rows.row_index, batch.rows.items] = -torch.inf
            wanted = InteractionRows.from_csr(held_out, chunk, device)
            is_wanted = torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
            is_wanted[wanted.row_index, wanted.items] = True
            hits = is_wanted.gather(1, top_items(scores, max(cutoffs)))
            parts.append(ranking_metrics(hits, wanted.counts, cutoffs))
    model.train(was_training)
    return RankingMetrics(users, {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]})


def _split(dataset: RecDataset, split: str) -> sp.csr_matrix:
    if split not in ("valid", "test"):
        raise ValueError(f"split must be 'valid' or 'test'; got {split!r}")
    return getattr(dataset, split)
