"""What a trained run says about some users, as plain numbers: a picture of the three spaces, loss terms, best items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrec_core.data import RecDataset
from dmrec_core.dmrec import BaseModel, DMRec, Spaces
from dmrec_core.gaussian import DiagonalGaussian, kl_to_standard_normal
from dmrec_core.interactions import UserBatch, user_batch
from dmrec_core.recommender import top_items
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult

SPACES = Spaces._fields  # collaborative q, language p, fused


@dataclass(frozen=True)
class Plane:
    """Gaussians seen in a plane of the latent space: `mean (n, 2)`, `covariance (n, 2, 2)`."""

    mean: np.ndarray
    covariance: np.ndarray

    def turned(self, rotation: np.ndarray) -> Plane:
        """The same Gaussians after the plane is turned or mirrored by a `(2, 2)` orthogonal matrix."""
        return Plane(self.mean @ rotation, rotation.T @ self.covariance @ rotation)


@dataclass(frozen=True)
class Snapshot:
    """One run, looked at through some of its users.

    Args:
        spec: the run.
        users: the users, `(n,)`.
        planes: space -> the users' Gaussians in the plane of the two leading principal axes of all three spaces' means.
            The origin is the prior's mean. A base model has only "collaborative".
        share: how much of the means' squared length lies in that plane, in [0, 1].
        terms: loss term -> `(n,)` nats, weights included: without dropout, z at the posterior mean.
        top: each user's best items not trained on, best first, `(n, 10)`.
        hits: which of them are test items, `(n, 10)`.
        ranks: each user's test items -> their rank among all items not trained on, from 1.
    """

    spec: RunSpec
    users: np.ndarray
    planes: dict[str, Plane]
    share: float
    terms: dict[str, np.ndarray]
    top: np.ndarray
    hits: np.ndarray
    ranks: tuple[dict[int, int], ...]

    def row(self, user: int) -> int:
        """Where a user is in the arrays.

        Raises:
            ValueError: the snapshot was taken without that user.
        """
        found = np.flatnonzero(self.users == user)
        if not len(found):
            raise ValueError(f"user {user} is not among the {len(self.users)} users of this snapshot")
        return int(found[0])

    @property
    def reach(self) -> float:
        """Half the width of a picture that holds the prior's circle and nearly all means."""
        means = np.concatenate([plane.mean for plane in self.planes.values()])
        return float(max(1.4, 1.1 * np.quantile(np.abs(means), 0.98)))

    def mean_terms(self) -> dict[str, float]:
        """Each loss term's mean over the users."""
        return {name: float(values.mean()) for name, values in self.terms.items()}


def take_snapshot(
    result: RunResult, dataset: RecDataset, users: np.ndarray, reference: Snapshot | None = None, n_top: int = 10
) -> Snapshot:
    """Load a run's model and look at some users.

    Args:
        result: a finished run.
        dataset: its data.
        users: user ids, `(n,)`.
        reference: another run's snapshot of the same users. Each model has its own latent axes; turning the picture to
            fit the reference's keeps pictures of neighbouring lambdas comparable.
        n_top: how many best items.
    """
    return snapshot_of(result.model(dataset), result.spec, dataset, users, reference, n_top)


def snapshot_of(
    model: BaseModel | DMRec,
    spec: RunSpec,
    dataset: RecDataset,
    users: np.ndarray,
    reference: Snapshot | None = None,
    n_top: int = 10,
) -> Snapshot:
    """`take_snapshot` of a model at hand, such as one with a backbone of your own."""
    model.eval()
    users = np.asarray(users, dtype=np.int64)
    with torch.inference_mode():
        batch = user_batch(dataset.train, users, next(model.parameters()).device)
        spaces = spaces_of(model, batch)
        terms = _loss_terms(model, batch, spaces)
        scores = model.score(batch)
        scores[batch.rows.row_index, batch.rows.items] = -torch.inf
        top = top_items(scores, n_top).cpu().numpy()
        ranks = tuple(_ranks(row, dataset.test[user].indices) for row, user in zip(scores.cpu(), users, strict=True))
    axes, share = _principal_plane(spaces)
    planes = {name: _seen(gaussian, axes) for name, gaussian in spaces.items()}
    if reference is not None:
        mine, theirs = (side.get("fused", side["collaborative"]).mean for side in (planes, reference.planes))
        u, _, vt = np.linalg.svd(mine.T @ theirs)  # orthogonal Procrustes: the turn that brings mine nearest to theirs
        planes = {name: plane.turned(u @ vt) for name, plane in planes.items()}
    hits = np.stack([np.isin(best, dataset.test[user].indices) for user, best in zip(users, top, strict=True)])
    numbers = {name: values.cpu().numpy() for name, values in terms.items()}
    return Snapshot(spec, users, planes, share, numbers, top, hits, ranks)


def spaces_of(model: BaseModel | DMRec, batch: UserBatch) -> dict[str, DiagonalGaussian]:
    """The users' distributions by name: all three of DMRec, the one of a base model."""
    if isinstance(model, DMRec):
        return model.spaces(batch)._asdict()
    return {"collaborative": model.backbone.posterior(batch)}


def _loss_terms(model: BaseModel | DMRec, batch: UserBatch, spaces: dict[str, DiagonalGaussian]) -> dict[str, Tensor]:
    """Each user's loss terms without dropout and with z at the posterior mean, `(B,)` nats each, weights included."""
    posterior = spaces.get("fused", spaces["collaborative"])
    terms = dict(model.backbone.reconstruction(posterior.mean, batch))
    if isinstance(model, DMRec):
        matching = model.strategy.terms(*(spaces[name] for name in SPACES), model.lam, model.variant)
        return terms | matching._asdict()
    return terms | {"prior": model.kl_weight * kl_to_standard_normal(posterior)}


def _principal_plane(spaces: dict[str, DiagonalGaussian]) -> tuple[np.ndarray, float]:
    """The two leading principal axes of the spaces' means about the origin, `(d, 2)`, and their share of the length."""
    means = np.concatenate([gaussian.mean.double().cpu().numpy() for gaussian in spaces.values()])
    lengths, axes = np.linalg.eigh(means.T @ means)  # (d, d): far smaller than the means; ascending
    total = float(lengths.sum())
    return axes[:, :-3:-1], float(lengths[-2:].sum()) / total if total else 0.0


def _seen(gaussian: DiagonalGaussian, axes: np.ndarray) -> Plane:
    mean, variance = (x.double().cpu().numpy() for x in (gaussian.mean, gaussian.variance))
    return Plane(mean @ axes, np.einsum("da,nd,db->nab", axes, variance, axes))


def _ranks(scores: Tensor, items: np.ndarray) -> dict[int, int]:
    return {int(item): 1 + int((scores > scores[item]).sum()) for item in sorted(items, key=lambda i: -scores[i])}


def typical_users(dataset: RecDataset, n: int = 12) -> np.ndarray:
    """Users to look at: those with a test item, from the shortest training history to the longest, evenly by rank."""
    users = np.flatnonzero(np.diff(dataset.test.indptr))
    counts = np.diff(dataset.train.indptr)[users]
    ordered = users[np.argsort(counts, kind="stable")]
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int))]


def crowd(dataset: RecDataset, among: np.ndarray, n: int = 300, seed: int = 2024) -> np.ndarray:
    """`among`, filled up with users drawn at random to n, ascending: enough for a picture of everybody."""
    others = np.setdiff1d(np.arange(dataset.n_users), among)
    extra = np.random.default_rng(seed).permutation(others)[: max(0, n - len(among))]
    return np.union1d(among, extra)
