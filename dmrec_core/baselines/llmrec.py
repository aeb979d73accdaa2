"""LLMRec: a graph model fed with augmented interactions and with profile and attribute features, pruned for noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmrec_core.baselines.graph_recommender import GraphRecommender, pair_scores
from dmrec_core.baselines.vectors import keep_vectors
from dmrec_core.contrast import bpr, scaled_cosine_error
from dmrec_core.graph import BipartiteGraph
from dmrec_core.recommender import LossTerms
from dmrec_core.sampling import PairBatch


class Features(NamedTuple):
    """What LLMRec's parts know of users and items, after propagation; `(n, d)` each."""

    users: Tensor  # h_u, what scores are made of
    items: Tensor  # h_i
    user_profiles: Tensor
    item_attributes: Tensor


class LLMRec(GraphRecommender):
    r"""LLMRec with text vectors alone (no images, no raw text).

    $h = \bar e + c_p\,\widehat{profile} + c_a\,\widehat{attribute}$,
    $L = BPR^{pruned}(h) + \omega\,BPR^{pruned}(profile_u, attribute_i) + \kappa\,L_{FR}$

    With $U = D_U^{-1/2}R$ and $I = D_I^{-1/2}R^\top$: $\bar e$ is the mean of ID embeddings over layers
    ($e_u\leftarrow Ue_i$, then $e_i\leftarrow Ie_u$, the last layer through a softmax over its dimensions); profiles go
    $p_i = Ip_u$, $p_u \leftarrow Up_i$, attributes $a_u = Ua_i$, $a_i\leftarrow Ia_u$; a hat is a vector of length 1.

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        user_vectors: profiles, `(n_users, d_s)`.
        item_vectors: attributes, `(n_items, d_s)`.
        edges: a liked and a disliked item of each user, `(n_users, 2)`; from a language model, or `edges_by_cosine`.
        latent: d.
        layers: of the ID embeddings.
        profile_weight, attribute_weight: $c_p$, $c_a$.
        side_weight: $\omega$.
        edge_share: share of a batch's users whose edges join it.
        prune: "hard" keeps the pairs with the largest loss, as released (its formula agrees, its prose says the
            opposite); "easy" keeps those with the smallest.
        prune_rate: share of pairs left out.
        mask_rate: share of nodes whose features are replaced by the mean and told from neighbours'; 0 as released.
        reconstruction_weight: $\kappa$ of that term; 0 as released.
        decoder_learning_rate: of that term's decoders.

    Raises:
        ValueError: `prune` is unknown, or shapes do not fit.

    Source: Wei et al. 2024 (LLMRec) and its code; coefficients are those for Netflix. Left out because they do nothing
        there: gradient clipping before the gradient exists, the inverted regulariser. Mended: masking does not
        overwrite the stored features, and the decoders are trained.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        edges: Tensor,
        latent: int = 64,
        layers: int = 2,
        profile_weight: float = 2.8,
        attribute_weight: float = 0.005,
        side_weight: float = 0.012,
        edge_share: float = 0.1,
        prune: str = "hard",
        prune_rate: float = 0.71,
        mask_rate: float = 0.0,
        reconstruction_weight: float = 0.0,
        decoder_learning_rate: float = 2e-4,
    ) -> None:
        super().__init__(train)
        if prune not in ("hard", "easy"):
            raise ValueError(f"prune must be 'hard' or 'easy'; got {prune!r}")
        if tuple(edges.shape) != (train.shape[0], 2):
            raise ValueError(f"edges must be ({train.shape[0]}, 2), liked and disliked; got {tuple(edges.shape)}")
        self.graph = BipartiteGraph(train, "one-sided")
        width = keep_vectors(self, user_vectors, item_vectors, train.shape)
        self.register_buffer("edges", edges, persistent=False)
        self.user_embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(train.shape[0], latent)))
        self.item_embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(train.shape[1], latent)))
        self.profile_layer, self.attribute_layer = nn.Linear(width, latent), nn.Linear(width, latent)
        for layer in (self.profile_layer, self.attribute_layer):
            nn.init.xavier_uniform_(layer.weight)
        self.decoders = nn.ModuleDict(
            {side: nn.Sequential(nn.Linear(latent, width), nn.LeakyReLU()) for side in ("user", "item")}
            if mask_rate > 0
            else {}
        )
        self.layers, self.edge_share = layers, edge_share
        self.profile_weight, self.attribute_weight, self.side_weight = profile_weight, attribute_weight, side_weight
        self.prune, self.prune_rate = prune, prune_rate
        self.mask_rate, self.reconstruction_weight = mask_rate, reconstruction_weight
        self.decoder_learning_rate = decoder_learning_rate

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """$h$ of users and items."""
        features = self.features(self.user_vectors, self.item_vectors)
        return features.users, features.items

    def features(self, user_vectors: Tensor, item_vectors: Tensor) -> Features:
        """Everything the loss compares, from (possibly masked) vectors."""
        to_users, to_items = self.graph.to_users, self.graph.to_items
        users, items = self._mean_of_id_layers()
        item_profiles = to_items(self.profile_layer(user_vectors))
        user_profiles = to_users(item_profiles)
        user_attributes = to_users(self.attribute_layer(item_vectors))
        item_attributes = to_items(user_attributes)
        for side, vectors in ((self.profile_weight, (user_profiles, item_profiles)),
                              (self.attribute_weight, (user_attributes, item_attributes))):  # fmt: skip
            users = users + side * F.normalize(vectors[0], dim=-1)
            items = items + side * F.normalize(vectors[1], dim=-1)
        return Features(users, items, user_profiles, item_attributes)

    def _mean_of_id_layers(self) -> tuple[Tensor, Tensor]:
        layers = [(self.user_embeddings, self.item_embeddings)]
        for layer in range(1, self.layers + 1):
            last = layer == self.layers
            users = self.graph.to_users(layers[-1][1])
            users = torch.softmax(users, dim=-1) if last else users
            items = self.graph.to_items(users)
            layers.append((users, torch.softmax(items, dim=-1) if last else items))
        return tuple(sum(side) / len(layers) for side in zip(*layers, strict=True))

    def batches(
        self, train: sp.csr_matrix, batch_size: int, epoch: int, generator: torch.Generator, device: torch.device
    ) -> Iterator[PairBatch]:
        """Random users, one random positive and one negative each."""
        return self.sampler.users_at_random(batch_size, generator, device)

    def loss(self, batch: PairBatch) -> LossTerms:
        """Pruned BPR of the embeddings and of the side features; the reconstruction of masked features if it is on."""
        device = self.edges.device
        masked = {
            side: torch.randperm(n, generator=batch.generator, device=device)[: int(self.mask_rate * n)]
            for side, n in (("user", self.graph.n_users), ("item", self.graph.n_items))
        }
        features = self.features(
            with_mean_at(self.user_vectors, masked["user"]), with_mean_at(self.item_vectors, masked["item"])
        )
        batch = self.with_edges(batch)
        terms = {
            "bpr": self._pruned(bpr(*pair_scores(features.users, features.items, batch))),
            "side": self.side_weight
            * self._pruned(bpr(*pair_scores(features.user_profiles, features.item_attributes, batch))),
        }
        if self.decoders:
            for side, told, true in (
                ("user", features.user_profiles, self.user_vectors),
                ("item", features.item_attributes, self.item_vectors),
            ):
                rebuilt = self.decoders[side](told[masked[side]])
                error = scaled_cosine_error(rebuilt, true[masked[side]])
                terms[f"{side} reconstruction"] = self.reconstruction_weight * error
        return LossTerms(terms)

    def with_edges(self, batch: PairBatch) -> PairBatch:
        """The batch with the augmented interactions of a random share of its users at its end."""
        count = int(self.edge_share * len(batch))
        pick = torch.randperm(len(batch), generator=batch.generator, device=batch.users.device)[:count]
        users = batch.users[pick]
        liked, disliked = self.edges[users].unbind(1)
        return PairBatch(
            torch.cat([batch.users, users]),
            torch.cat([batch.positives, liked]),
            torch.cat([batch.negatives[:, :1], disliked.unsqueeze(1)]),
        )

    def _pruned(self, losses: Tensor) -> Tensor:
        return prune(losses, self.prune_rate, self.prune)

    def optimizer(self, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """AdamW; the decoders, where there are any, at their own rate."""
        decoders = {id(parameter) for parameter in self.decoders.parameters()}
        groups = [{"params": [p for p in self.parameters() if id(p) not in decoders]}]
        if decoders:
            groups.append({"params": list(self.decoders.parameters()), "lr": self.decoder_learning_rate})
        return torch.optim.AdamW(groups, lr=learning_rate, weight_decay=weight_decay, fused=True)


def prune(losses: Tensor, rate: float, keep: str = "hard") -> Tensor:
    r"""The $1-\text{rate}$ of all losses that are kept: the largest ("hard") or the smallest ("easy"), at least one.

    Example:
        >>> prune(torch.tensor([3.0, 1.0, 2.0, 4.0]), 0.5, "hard")
        tensor([4., 3.])
        >>> prune(torch.tensor([3.0, 1.0, 2.0, 4.0]), 0.5, "easy")
        tensor([1., 2.])

    Source: LLMRec: sorting $\log\sigma$ upwards and keeping the first part keeps the largest losses.
    """
    kept = max(1, int((1 - rate) * len(losses)))
    return losses.sort(descending=keep == "hard", stable=True).values[:kept]


def with_mean_at(vectors: Tensor, rows: Tensor) -> Tensor:
    """The vectors with `rows` replaced by the mean of all: what a masked node shows."""
    if not len(rows):
        return vectors
    return vectors.index_copy(0, rows, vectors.mean(0).expand(len(rows), -1))
