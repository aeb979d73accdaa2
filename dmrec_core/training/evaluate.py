"""Full ranking: Recall@K and NDCG@K over all items a user has not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.interactions import InteractionRows, user_batch
from dmrec_core.recommender import Recommender, top_items
from dmrec_core.records.ranges import short

if TYPE_CHECKING:
    from dmrec_core.data import RecDataset

CUTOFFS = (5, 10, 20)  # the N of the authors' logs
SCORES_AT_ONCE = 2**25  # users times items of an evaluation: 128 MiB in float32


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


@dataclass(frozen=True)
class Metric:
    """A ranking metric: how it is printed, and its value.

    Args:
        label: `Recall`, before the cut-off.
        of: from the hits along the best N items, `(B, N)` float64, and $|T_u|$, `(B,)`, to one number a user, `(B,)`.
    """

    label: str
    of: Callable[[Tensor, Tensor], Tensor]


def _recall(hits: Tensor, relevant: Tensor) -> Tensor:
    return hits.sum(1) / relevant


def _ndcg(hits: Tensor, relevant: Tensor) -> Tensor:
    n = hits.shape[1]
    discount = 1 / torch.log2(torch.arange(2, n + 2, dtype=torch.float64, device=hits.device))
    return (hits * discount).sum(1) / discount.cumsum(0)[relevant.clamp(max=n) - 1]


METRICS = {"recall": Metric("Recall", _recall), "ndcg": Metric("NDCG", _ndcg)}
"""Every metric of the kit; one more entry, and it is measured, kept and printed like the others."""


def metric_names(cutoffs: Sequence[int] = CUTOFFS) -> tuple[str, ...]:
    """What an evaluation measures: `recall@5`, `ndcg@5`, ..."""
    return tuple(f"{kind}@{n}" for n in cutoffs for kind in METRICS)


def metric_label(name: str) -> str:
    """How a metric is printed.

    Raises:
        ValueError: it is none of `METRICS`, or has no cut-off.

    Example:
        >>> metric_label("ndcg@20")
        'NDCG@20'
    """
    kind, _, n = name.partition("@")
    if kind not in METRICS or not n.isascii() or not n.isdigit() or int(n) < 1:
        raise ValueError(
            f"a metric is one of {', '.join(METRICS)} with its cut-off, like 'recall@20'; got {short(name)}"
        )
    return f"{METRICS[kind].label}@{n}"


def ranking_metrics(hits: Tensor, relevant: Tensor, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, Tensor]:
    r"""Recall@K and NDCG@K from the hits along each user's ranking.

    $\mathrm{Recall@}K = |\text{hits}| / |T_u|$,
    $\mathrm{NDCG@}K = \sum_{r\le K,\,\text{hit}} \tfrac1{\log_2(r+1)}
    \Big/ \sum_{r=1}^{\min(K,|T_u|)} \tfrac1{\log_2(r+1)}$

    Args:
        hits: True where the item at rank r is held out, `(B, max K)`, best rank first.
        relevant: $|T_u|$, `(B,)`, at least 1.
        cutoffs: the values of K.

    Returns:
        name -> `(B,)` float64. Recall divides by $|T_u|$ even where K is smaller, as published.
    """
    hits = torch.nn.functional.pad(hits, (0, max(0, max(cutoffs) - hits.shape[1]))).double()
    return {f"{kind}@{n}": metric.of(hits[:, :n], relevant) for n in cutoffs for kind, metric in METRICS.items()}


def users_at_once(n_items: int) -> int:
    """How many users are scored together: 1024, or fewer where there are over 32,768 items.

    Example:
        >>> users_at_once(9_000), users_at_once(1_000_000)
        (1024, 33)
    """
    return min(1024, max(1, SCORES_AT_ONCE // n_items))


def evaluate(
    model: Recommender,
    dataset: RecDataset,
    split: str = "test",
    cutoffs: Sequence[int] = CUTOFFS,
    batch_size: int | None = None,
    device: torch.device | str | None = None,
) -> RankingMetrics:
    """Rank all items for every user of a split; only training items are masked, for validation and test alike.

    Args:
        model: anything with `score`.
        dataset: its training interactions are the model's input.
        split: "valid" or "test".
        cutoffs: the values of N.
        batch_size: users scored at once; None: see `users_at_once`.
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
    batch_size = users_at_once(dataset.n_items) if batch_size is None else batch_size
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
            parts.append(ranking_metrics(hits.cpu(), wanted.counts.cpu(), cutoffs))  # Apple's GPUs have no float64
    model.train(was_training)
    return RankingMetrics(users, {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]})


def _split(dataset: RecDataset, split: str) -> sp.csr_matrix:
    if split not in ("valid", "test"):
        raise ValueError(f"split must be 'valid' or 'test'; got {split!r}")
    return getattr(dataset, split)
