"""AlphaRec: no embeddings of its own, only text vectors through a small network and over the graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmrec_core.baselines.contrast import sampled_softmax
from dmrec_core.baselines.fused_contrast import products_at
from dmrec_core.baselines.graph import BipartiteGraph, EdgeWeights, combine_layers, propagate
from dmrec_core.baselines.graph_recommender import GraphRecommender
from dmrec_core.baselines.sampling import PairBatch
from dmrec_core.baselines.vectors import keep_vectors
from dmrec_core.interactions import suits_a_gpu
from dmrec_core.recommender import LossTerms

USER_SOURCES = ("items", "own", "own+items")
UNITS = 256  # of the hidden layer at a time on a CPU


class AlphaRec(GraphRecommender):
    r"""AlphaRec, and AlphaRec* with the users' own texts.

    $E^{(0)} = \mathrm{MLP}(w)$, $e = \frac1{L+1}\sum_l \hat A^l E^{(0)}$,
    $L = -\log\frac{e^{\cos_+/\tau}}{e^{\cos_+/\tau}+\sum_k e^{\cos_{-,k}/\tau}}$

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        user_vectors: `(n_users, d_s)`; read where `users_from` says so.
        item_vectors: `(n_items, d_s)`.
        latent: d.
        users_from: what stands for a user: "items", the mean of their training items' vectors (AlphaRec); "own", the
            vector of their own profile instead (AlphaRec* as we read it); "own+items", both added.
        multiplier: the hidden layer is this many times d_s wide; 0 gives the "linear" variant, one bias-free layer.
        layers: L.
        temperature: $\tau$.
        n_negatives: k.
        cosine_score: rank by cosine (AlphaRec) or by dot product (a later port).

    Raises:
        ValueError: `users_from` is unknown, or vectors do not fit the interactions.

    Source: Sheng et al. 2025 (AlphaRec). AlphaRec* is DMRec's: "additionally utilizes user-side embedding
        representations"; whether these replace the mean or join it is not said.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        latent: int = 64,
        users_from: str = "items",
        multiplier: float = 2.0,
        layers: int = 2,
        temperature: float = 0.15,
        n_negatives: int = 256,
        cosine_score: bool = True,
    ) -> None:
        super().__init__(train)
        if users_from not in USER_SOURCES:
            raise ValueError(f"users_from must be one of {USER_SOURCES}; got {users_from!r}")
        self.graph = BipartiteGraph(train)
        width = keep_vectors(self, user_vectors, item_vectors, train.shape)
        if users_from == "own+items":
            self.user_vectors = user_vectors + _mean_of_items(train, item_vectors)
        self.users_from = users_from
        share = 1 / np.repeat(np.diff(train.indptr), np.diff(train.indptr))
        self.register_buffer("share_of_user", torch.from_numpy(share).to(item_vectors.dtype), persistent=False)
        hidden = int(multiplier * width)
        self.to_taste = (
            nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(inplace=True), nn.Linear(hidden, latent))
            if hidden
            else nn.Linear(width, latent, bias=False)
        )
        self.layers, self.temperature = layers, temperature
        self.n_negatives, self.cosine_score = n_negatives, cosine_score

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Final embeddings; of length 1 if scores are cosines."""
        users, items = self._propagated()
        return (F.normalize(users, dim=-1), F.normalize(items, dim=-1)) if self.cosine_score else (users, items)

    def initial_embeddings(self) -> tuple[Tensor, Tensor]:
        r"""$E^{(0)}$ of users and items.

        The mean of items' vectors leaves the first layer as the mean of what these became, $W\bar w = \overline{Ww}$:
        it then has the items alone to multiply, not the users. Hidden units do not read one another, so on a CPU a few
        go all the way through at a time: they stay in its cache, and no large memory is asked for.
        """
        if isinstance(self.to_taste, nn.Linear):
            return self._read(self.to_taste.weight)
        first, activation, last = self.to_taste
        units = len(first.weight) if suits_a_gpu(first.weight) else UNITS
        totals = last.bias, last.bias
        layers = first.weight.split(units), first.bias.split(units), last.weight.split(units, dim=1)
        for weight, bias, onward in zip(*layers, strict=True):
            told = (F.linear(activation(x + bias), onward) for x in self._read(weight))
            totals = tuple(total + part for total, part in zip(totals, told, strict=True))
        return totals

    def _read(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What some rows of the first layer's weight see in users and in items, before the bias."""
        items = F.linear(self.item_vectors, weight)
        if self.users_from != "items":
            return F.linear(self.user_vectors, weight), items
        return self.graph.to_users(items, EdgeWeights(self.share_of_user, self.graph.to_items_weight)), items

    def _propagated(self) -> tuple[Tensor, Tensor]:
        return combine_layers(propagate(self.graph, *self.initial_embeddings(), self.layers), "mean")

    def batches(
        self, train: sp.csr_matrix, batch_size: int, epoch: int, generator: torch.Generator, device: torch.device
    ) -> Iterator[PairBatch]:
        """Users in turn, one random positive each time, `n_negatives` negatives."""
        return self.sampler.users_in_turn(batch_size, generator, device, self.n_negatives)

    def loss(self, batch: PairBatch) -> LossTerms:
        """The sampled softmax over cosines."""
        users, items = (F.normalize(x, dim=-1) for x in self._propagated())
        chosen = torch.cat([batch.positives.unsqueeze(1), batch.negatives], dim=1)
        cosines = products_at(users[batch.users], items, chosen)
        positive, negatives = cosines.split([1, batch.negatives.shape[1]], dim=1)
        return LossTerms({"softmax": sampled_softmax(positive.squeeze(1), negatives, self.temperature)})


def _mean_of_items(train: sp.csr_matrix, item_vectors: Tensor) -> Tensor:
    """Mean vector of each user's training items, `(n_users, d_s)`; zeros where there is none."""
    counts = np.maximum(np.diff(train.indptr), 1)[:, None]
    return torch.from_numpy(train @ item_vectors.numpy() / counts).to(item_vectors.dtype)
