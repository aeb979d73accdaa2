"""LLMRec: a graph model fed with augmented interactions and with profile and attribute features, pruned for noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmrec_core.baselines.contrast import bpr, scaled_cosine_error
from dmrec_core.baselines.fused_contrast import distinct
from dmrec_core.baselines.graph import BipartiteGraph, EdgeWeights
from dmrec_core.baselines.graph_recommender import GraphRecommender, pair_scores
from dmrec_core.baselines.sampling import PairBatch
from dmrec_core.baselines.vectors import keep_vectors
from dmrec_core.recommender import LossTerms


class Texts(NamedTuple):
    """What arrives at users and items from the texts, after propagation; `(n, d)` each."""

    user_profiles: Tensor
    item_profiles: Tensor
    user_attributes: Tensor
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
        if not self.decoders:
            self._keep_propagated()
        self.layers, self.edge_share = layers, edge_share
        self.profile_weight, self.attribute_weight, self.side_weight = profile_weight, attribute_weight, side_weight
        self.prune, self.prune_rate = prune, prune_rate
        self.mask_rate, self.reconstruction_weight = mask_rate, reconstruction_weight
        self.decoder_learning_rate = decoder_learning_rate

    def _keep_propagated(self) -> None:
        """Without masks the texts never change, and what is linear can change places: U (X W) = (U X) W."""
        vectors = [torch.cat([x, x.new_ones(len(x), 1)], dim=1) for x in (self.user_vectors, self.item_vectors)]
        weights = EdgeWeights(*(weight.to(self.item_vectors.dtype) for weight in self.graph.weights))
        for name, propagated in zip(Texts._fields, self._through_graph(*vectors, weights), strict=True):
            self.register_buffer(name, propagated, persistent=False)  # its last column goes with the bias

    def _through_graph(self, of_users: Tensor, of_items: Tensor, weights: EdgeWeights | None = None) -> Texts:
        item_profiles = self.graph.to_items(of_users, weights)
        user_attributes = self.graph.to_users(of_items, weights)
        return Texts(
            self.graph.to_users(item_profiles, weights),
            item_profiles,
            user_attributes,
            self.graph.to_items(user_attributes, weights),
        )

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """$h$ of users and items."""
        every = slice(None)
        texts = self.texts(self.user_vectors, self.item_vectors) if self.decoders else self.texts_at(every, every)
        return self.combined(texts, every, every)

    def texts(self, user_vectors: Tensor, item_vectors: Tensor) -> Texts:
        """Profiles and attributes of all users and items, from (possibly masked) vectors."""
        return self._through_graph(self.profile_layer(user_vectors), self.attribute_layer(item_vectors))

    def texts_at(self, users: Tensor | slice, items: Tensor | slice) -> Texts:
        """Profiles and attributes of some users and items, from vectors that were propagated once."""
        layers = self.profile_layer, self.profile_layer, self.attribute_layer, self.attribute_layer
        found = []
        for name, layer, rows in zip(Texts._fields, layers, (users, items, users, items), strict=True):
            vectors = getattr(self, name)[rows]
            told = F.linear(vectors, torch.cat([layer.weight, layer.bias.unsqueeze(1)], dim=1))
            found.append(told.to(vectors.dtype))  # under autocast the product alone is in bfloat16
        return Texts(*found)

    def combined(self, texts: Texts, users: Tensor | slice, items: Tensor | slice) -> tuple[Tensor, Tensor]:
        """$h$ of some users and items, from their texts."""
        weights = self.profile_weight, self.attribute_weight
        sides = texts[0::2], texts[1::2]
        return tuple(
            sum((w * F.normalize(told, dim=-1) for w, told in zip(weights, side, strict=True)), start=identity)
            for side, identity in zip(sides, self._mean_of_id_layers(users, items), strict=True)
        )

    def _mean_of_id_layers(self, at_users: Tensor | slice, at_items: Tensor | slice) -> tuple[Tensor, Tensor]:
        layers = [(self.user_embeddings, self.item_embeddings)]
        for layer in range(1, self.layers + 1):
            last = layer == self.layers
            users = self.graph.to_users(layers[-1][1])
            users = torch.softmax(users, dim=-1) if last else users
            items = self.graph.to_items(users)
            layers.append((users, torch.softmax(items, dim=-1) if last else items))
        sides = zip(zip(*layers, strict=True), (at_users, at_items), strict=True)
        return tuple(sum(table[rows] for table in side) / len(layers) for side, rows in sides)

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
        batch = self.with_edges(batch)
        users, in_users, _ = distinct(batch.users)
        items, in_items, _ = distinct(torch.stack([batch.positives, batch.negatives[:, 0]]))
        if self.decoders:
            shown = with_mean_at(self.user_vectors, masked["user"]), with_mean_at(self.item_vectors, masked["item"])
            everywhere = self.texts(*shown)
            texts = Texts(*(table[rows] for table, rows in zip(everywhere, (users, items) * 2, strict=True)))
        else:
            texts = self.texts_at(users, items)
        pairs = PairBatch(in_users, in_items[0], in_items[1].unsqueeze(1))
        terms = {
            "bpr": self._pruned(bpr(*pair_scores(*self.combined(texts, users, items), pairs))),
            "side": self.side_weight
            * self._pruned(bpr(*pair_scores(texts.user_profiles, texts.item_attributes, pairs))),
        }
        if self.decoders:
            for side, told, true in (
                ("user", everywhere.user_profiles, self.user_vectors),
                ("item", everywhere.item_attributes, self.item_vectors),
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
