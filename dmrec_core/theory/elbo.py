"""The evidence lower bound, and tighter bounds that show how much it leaves out (Eq. 1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dmrec_core.gaussian import DiagonalGaussian, log_density
from dmrec_core.interactions import InteractionRows, UserBatch
from dmrec_core.likelihood import multinomial_nll
from dmrec_core.recommender import Backbone
from dmrec_core.theory.monte_carlo import Estimate, draws_from, mean_of_draws

LOGITS_AT_ONCE = 2**22  # numbers in memory while draws are decoded: 16 MB in float32


def evidence_lower_bound(log_weights: Tensor) -> Estimate:
    r"""What the encoder's draws guarantee about the probability of a user's interactions.

    Eq. 1.  $\log p(x_u)=\log\int p(x_u,z_u)\,dz_u
    \;\ge\;E_{q_\phi(z_u|x_u)}\Big[\log\frac{p(x_u,z_u)}{q_\phi(z_u|x_u)}\Big]$

    Args:
        log_weights: $\log p(x_u, z) - \log q_\phi(z|x_u)$ at draws z from q, `(S, B)`.

    Returns:
        The bound per user, `(B,)`, nats, with its standard error. The gap to $\log p(x_u)$ is
        $D_{KL}(q_\phi(z|x_u)\,\|\,p(z|x_u))$.

    Example:
        >>> evidence_lower_bound(torch.tensor([[-2.0], [-4.0]])).value
        tensor([-3.])

    Source: Eq. 1.
    """
    return mean_of_draws(log_weights)


def importance_weighted_bound(log_weights: Tensor) -> Estimate:
    r"""A tighter lower bound from the same draws; it tends to $\log p(x_u)$ as S grows.

    $E\big[\log\tfrac1S\sum_s e^{w_s}\big]\le\log p(x_u)$, with $w_s$ the log-weights

    Args:
        log_weights: as for `evidence_lower_bound`, `(S, B)`.

    Returns:
        Per user, `(B,)`, nats. The standard error is the delta method's, honest only where no single weight dominates.

    Source: Burda, Grosse and Salakhutdinov 2016.
    """
    if len(log_weights) < 2:
        raise ValueError(f"a standard error needs at least 2 draws; got {len(log_weights)}")
    shares = torch.softmax(log_weights, dim=0)  # e^w / sum e^w, (S, B)
    # Var[log mean] is about Var[w] / (S mean^2), in shares: S * sum (share - 1/S)^2 / (S - 1)
    samples = len(log_weights)
    variance = samples / (samples - 1) * (shares - 1 / samples).square().sum(0)
    return Estimate(torch.logsumexp(log_weights, dim=0) - math.log(samples), variance.sqrt())


def log_importance_weights(
    backbone: Backbone,
    batch: UserBatch,
    q: DiagonalGaussian,
    samples: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""The log-weights of Eq. 1 for a backbone: $\log p_\theta(x_u|z)+\log p(z)-\log q(z|x_u)$ at draws z from q.

    Args:
        backbone: its decoder gives $p_\theta(x_u|z)$; the multinomial's constant, which no parameter changes, is left
            out, as in training.
        batch: the users; `rows` is explained.
        q: where z is drawn from, `(B, d)`: the encoder's posterior, or any other proposal.
        samples: S.
        generator: of the draws.

    Returns:
        `(S, B)`, nats.
    """
    draws = draws_from(q, samples, generator)
    prior = DiagonalGaussian(torch.zeros_like(q.mean), torch.zeros_like(q.logvar))
    at_once = max(1, LOGITS_AT_ONCE // (len(batch) * batch.rows.n_items))
    log_likelihood = [
        -multinomial_nll(backbone.decode(part.flatten(0, 1)), _repeated(batch.rows, len(part))).view(len(part), -1)
        for part in draws.split(at_once)
    ]
    return torch.cat(log_likelihood) + log_density(draws, prior) - log_density(draws, q)


def _repeated(rows: InteractionRows, times: int) -> InteractionRows:
    """The rows of all users, so many times one after another."""
    shift = len(rows.items) * torch.arange(times, device=rows.offsets.device).repeat_interleave(len(rows))
    values = None if rows.values is None else rows.values.repeat(times)
    return InteractionRows(rows.items.repeat(times), rows.offsets.repeat(times) + shift, values, rows.n_items)


class GridEvidence(NamedTuple):
    """The true posterior of each user in a two-dimensional latent space, by brute force."""

    axis: Tensor  # (n,), the same for both dimensions
    log_joint: Tensor  # log p(x_u, z) at z = (axis[i], axis[j]), (B, n, n)
    log_evidence: Tensor  # log p(x_u), (B,)

    @property
    def log_posterior(self) -> Tensor:
        r"""$\log p(z|x_u)$, `(B, n, n)`."""
        return self.log_joint - self.log_evidence[:, None, None]


def evidence_on_a_grid(
    backbone: Backbone, batch: UserBatch, reach: float = 6.0, points: int = 241, at_once: int = 2048
) -> GridEvidence:
    r"""$\log p(x_u)=\log\int p_\theta(x_u|z)\,p(z)\,dz$ by summing over a grid; only for a latent space of width 2.

    Args:
        backbone: with `latent` 2.
        batch: the users.
        reach: the grid spans -reach to reach; the prior has nothing worth counting beyond 6.
        points: along each dimension; their distance must be small against the narrowest posterior.
        at_once: grid points decoded at once.

    Returns:
        Joint and evidence, without the multinomial's constant.

    Raises:
        ValueError: the latent space is not two-dimensional.
    """
    if backbone.latent != 2:
        raise ValueError(f"a grid needs a latent space of width 2; this backbone has {backbone.latent}")
    axis = torch.linspace(-reach, reach, points, device=batch.users.device)
    z = torch.cartesian_prod(axis, axis)  # (n * n, 2)
    counts = batch.rows.dense().T  # (n_items, B)
    log_likelihood = torch.cat([torch.log_softmax(backbone.decode(part), 1) @ counts for part in z.split(at_once)])
    log_prior = -0.5 * z.square().sum(1, keepdim=True) - math.log(2 * math.pi)
    log_joint = (log_likelihood + log_prior).T.reshape(-1, points, points)
    step = float(axis[1] - axis[0])
    return GridEvidence(axis, log_joint, torch.logsumexp(log_joint.flatten(1), 1) + 2 * math.log(step))
