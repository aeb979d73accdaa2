"""What every model is to the trainer and the evaluator: a loss in named terms, and scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import UserBatch, user_batch
from dmrec_core.likelihood import multinomial_nll


@dataclass(frozen=True)
class LossTerms:
    """A loss in its parts.

    Args:
        terms: name -> one number per example, `(B,)`, weights included, so that they add up to the loss.
    """

    terms: Mapping[str, Tensor]

    @property
    def total(self) -> Tensor:
        """The mini-batch loss: the mean over examples of the sum of all terms, a scalar."""
        return sum(term.mean() for term in self.terms.values())

    def means(self) -> dict[str, Tensor]:
        """Each term's mean over the batch, detached."""
        return {name: term.detach().mean() for name, term in self.terms.items()}


class Recommender(nn.Module, ABC):
    """A model the trainer can fit and the evaluator can judge."""

    @abstractmethod
    def loss(self, batch: UserBatch) -> LossTerms:
        """The training loss of a mini-batch."""

    @abstractmethod
    def score(self, batch: UserBatch) -> Tensor:
        """Preference for every item, `(B, n_items)`; larger is better. Training items are masked by the evaluator."""

    def batches(
        self, train: sp.csr_matrix, batch_size: int, epoch: int, generator: torch.Generator, device: torch.device
    ) -> Iterator[UserBatch]:
        """One epoch of mini-batches: all users, shuffled, the last partial one kept. Pairwise models override it."""
        order = torch.randperm(train.shape[0], generator=generator).numpy()
        for start in range(0, len(order), batch_size):
            yield user_batch(train, np.asarray(order[start : start + batch_size]), device)

    def optimizer(self, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """Adam over all parameters, as published; models with their own recipe override it."""
        return torch.optim.Adam(self.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)


class Backbone(nn.Module, ABC):
    """A generative recommender as DMRec needs it: an encoder to a Gaussian and a decoder to scores.

    Your own backbone implements `posterior` and `decode`; nothing else is required.

    Attributes:
        latent: width d of the latent space.
        input_dropout: share of input interactions dropped while training.
    """

    latent: int
    input_dropout: float = 0.0

    @abstractmethod
    def posterior(self, batch: UserBatch) -> DiagonalGaussian:
        r"""The collaborative distribution $q_\phi(z_u|x_u)$ from `batch.inputs`, `(B, d)`."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        r"""Logits $f_\theta(z)$ over items, `(B, n_items)`."""

    def reconstruction(self, z: Tensor, batch: UserBatch) -> dict[str, Tensor]:
        """The loss terms of decoding z into `batch.rows`, `(B,)` each; override for a faster or a richer one."""
        return {"reconstruction": multinomial_nll(self.decode(z), batch.rows)}

    def annealing(self, batch: UserBatch) -> float:
        """The factor on the divergence terms at this step; 1 unless a backbone says otherwise."""
        return 1.0

    def scoring_latent(self, q: DiagonalGaussian, batch: UserBatch) -> Tensor:
        """The z that scores are decoded from, `(B, d)`: the mean, unless a backbone says otherwise.

        A backbone that wants noise here takes it from `fixed_noise`: a score must not depend on the rest of the batch.
        """
        return q.mean

    def optimizer(self, model: Recommender, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """The optimiser of the whole `model` around this backbone; one Adam unless a backbone has its own recipe."""
        return Recommender.optimizer(model, learning_rate, weight_decay)


def fixed_noise(n_users: int, width: int) -> Tensor:
    """Standard normal noise that is the same in every run, one row per user, `(n_users, width)`."""
    return torch.randn(n_users, width, generator=torch.Generator().manual_seed(0))


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
