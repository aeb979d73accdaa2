"""What the two spaces hold of real users: numbers for notebooks 02 and 03, no drawing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dmrec_core.analysis.snapshots import SPACES
from dmrec_core.data import RecDataset
from dmrec_core.dmrec import DMRec, Spaces
from dmrec_core.gaussian import DiagonalGaussian, kl_to_standard_normal
from dmrec_core.interactions import InteractionRows, UserBatch, user_batch, user_batches
from dmrec_core.matching import fuse
from dmrec_core.meta_network import MetaNetwork, base_network
from dmrec_core.recommender import Backbone
from dmrec_core.runs.store import RunResult
from dmrec_core.theory.elbo import (
    evidence_lower_bound,
    evidence_on_a_grid,
    importance_weighted_bound,
    log_importance_weights,
)

HISTORIES = {"1-2": 2, "3-4": 4, "5-8": 8, "9-16": 16, "17-32": 32, "33 and more": np.inf}  # label -> most items


def by_history(table: pd.DataFrame) -> pd.DataFrame:
    """Means of the other columns over users with similar numbers of `items`; groups without users are left out."""
    labels = pd.cut(table["items"], [0, *HISTORIES.values()], labels=list(HISTORIES)).rename("history")
    return table.groupby(labels, observed=True).mean()


def spread_users(dataset: RecDataset, n: int) -> np.ndarray:
    """`n` users from the one with the fewest training items to the one with the most, evenly by rank."""
    order = np.argsort(np.diff(dataset.train.indptr), kind="stable")
    return order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)]


def from_prior(results: Iterable[RunResult], dataset: RecDataset) -> pd.DataFrame:
    """How far each run's spaces lie from the prior N(0, I), in the mean over all users.

    Returns:
        One row a run: `strategy`, `lam`, `seed`, and `collaborative`, `language`, `fused`: nats.
    """
    rows = []
    for result in results:
        model = result.model(dataset)
        model.eval()
        with torch.inference_mode():
            parts = [
                torch.stack([kl_to_standard_normal(side) for side in model.spaces(batch)])
                for batch in user_batches(dataset.train, 1024)
            ]
        means = torch.cat(parts, 1).double().mean(1).tolist()
        row = {name: getattr(result.spec, name) for name in ("strategy", "lam", "seed")}
        rows.append(row | dict(zip(SPACES, means, strict=True)))
    return pd.DataFrame(rows)


class Bounds(NamedTuple):
    """Eq. 1 for some users: the bound, the tighter bounds, and the truth; nats."""

    table: pd.DataFrame  # one row a user: items, elbo, elbo_error, weighted_<S>, weighted_error_<S>, evidence
    axis: Tensor  # the grid's
    log_posterior: Tensor  # (B, n, n)
    posterior: DiagonalGaussian  # q, (B, 2)


def bounds_of_users(
    backbone: Backbone,
    dataset: RecDataset,
    users: np.ndarray,
    draws: tuple[int, ...] = (10, 100, 1000),
    seed: int = 2024,
) -> Bounds:
    """The bound of Eq. 1, importance-weighted bounds, and log p(x) by quadrature, of a backbone with latent 2.

    Each importance-weighted bound with S draws is the mean over max(draws) // S independent groups, so its expectation
    is that of S draws.
    """
    batch = user_batch(dataset.train, users)
    with torch.inference_mode():
        q = backbone.posterior(batch)
        grid = evidence_on_a_grid(backbone, batch)
        weights = log_importance_weights(backbone, batch, q, max(draws), torch.Generator().manual_seed(seed))
    elbo = evidence_lower_bound(weights)
    table = {"user": users, "items": np.diff(dataset.train.indptr)[users], "elbo": elbo.value.double().numpy()}
    table["elbo_error"] = elbo.standard_error.double().numpy()
    for size in sorted(draws):
        groups = [importance_weighted_bound(part) for part in weights.split(size) if len(part) == size]
        values = torch.stack([group.value for group in groups])
        many = len(groups) > 1
        error = values.std(0) / len(groups) ** 0.5 if many else groups[0].standard_error
        table[f"weighted_{size}"] = values.mean(0).double().numpy()
        table[f"weighted_error_{size}"] = error.double().numpy()
    table["evidence"] = grid.log_evidence.double().numpy()
    return Bounds(pd.DataFrame(table), grid.axis, grid.log_posterior, q)


def language_inputs(meta: MetaNetwork, dataset: RecDataset, threshold: float = 0.95) -> pd.DataFrame:
    """What the meta-network receives and does, per user.

    Args:
        meta: trained or not.
        dataset: its training interactions are read, without dropout.
        threshold: a hidden unit beyond it is called saturated: its slope is below a tenth of what it is at 0.

    Returns:
        One row a user: `items`, `norm` (length of g, Eq. 7), `saturated` (share of hidden units), `std` (mean standard
        deviation of p over the latent dimensions).
    """
    norms, saturated, stds = [], [], []
    first, tanh, _ = meta.layers
    with torch.inference_mode():
        for batch in user_batches(dataset.train, 1024, meta.item_vectors.device):
            g = base_network(batch.inputs, meta.item_vectors, meta.user_vectors[batch.users])
            norms.append(g.norm(dim=1))
            saturated.append((tanh(first(g)).abs() > threshold).float().mean(1))
            stds.append(meta(batch).std.mean(1))
    columns = {"norm": norms, "saturated": saturated, "std": stds}
    table = {name: torch.cat(parts).cpu().numpy() for name, parts in columns.items()}
    return pd.DataFrame({"items": np.diff(dataset.train.indptr), **table})


def spaces_while_clicking(model: DMRec, dataset: RecDataset, user: int, own_text: bool = True) -> Spaces:
    """Both spaces and their fusion after the user's first 0, 1, 2, ... training items.

    Args:
        model: on the CPU.
        dataset: the user's training items, in ascending id, are added one by one.
        user: whose.
        own_text: False leaves out $w_u$, the bias of Eq. 7.

    Returns:
        `(n + 1, d)` each, for n training items.
    """
    train = dataset.train
    items = torch.from_numpy(train.indices[train.indptr[user] : train.indptr[user + 1]].astype(np.int64))
    counts = torch.arange(len(items) + 1)
    rows = InteractionRows(
        torch.cat([items[:k] for k in counts.tolist()]), counts.cumsum(0) - counts, None, dataset.n_items
    )
    users = torch.full((len(rows),), user)
    batch = UserBatch(users, rows, rows)
    meta = model.meta_network
    with torch.inference_mode():
        own = meta.user_vectors[users] if own_text else torch.zeros(len(rows), meta.item_vectors.shape[1])
        q = model.backbone.posterior(batch)
        p = DiagonalGaussian.from_heads(meta.layers(base_network(rows, meta.item_vectors, own)))
    return Spaces(q, p, fuse(q, p, model.variant))
