"""LightGCN: embeddings smoothed over the graph, trained by BPR; the base of RLMRec and KAR."""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from dmrec_core.baselines.contrast import bpr, squared_norm
from dmrec_core.baselines.graph import BipartiteGraph, EdgeWeights, combine_layers, propagate
from dmrec_core.baselines.graph_recommender import GraphRecommender, pair_scores
from dmrec_core.baselines.sampling import PairBatch
from dmrec_core.recommender import LossTerms


class LightGCN(GraphRecommender):
    r"""LightGCN as RLMRec trains it.

    $L = \frac1B\sum\mathrm{softplus}(y_{u-}-y_{u+}) + \lambda_{reg}\sum_W\|W\|_2^2$, $y_{ui} = e_u^\top e_i$,
    $e = \sum_{l=0}^L E^{(l)}$, $E^{(l)} = \hat A E^{(l-1)}$

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        latent: width d of the embeddings.
        layers: L.
        combine: "sum" over layers (RLMRec) or "mean" (the original LightGCN).
        edge_dropout: share of edges left out of each training step, without rescaling the others.
        reg_weight: $\lambda_{reg}$, on all parameters, not only the batch's.

    Example:
        >>> import numpy as np
        >>> train = sp.csr_matrix(np.array([[1, 0, 1], [0, 1, 0]], dtype=np.float32))
        >>> users, items = LightGCN(train, latent=4, layers=2).embeddings()
        >>> tuple(users.shape), tuple(items.shape)
        ((2, 4), (3, 4))

    Source: He et al. 2020; the sum, the edge dropout and the regulariser as RLMRec's code has them.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        latent: int = 32,
        layers: int = 3,
        combine: str = "sum",
        edge_dropout: float = 0.2,
        reg_weight: float = 1e-6,
    ) -> None:
        super().__init__(train)
        self.graph = BipartiteGraph(train)
        self.layers, self.combine = layers, combine
        self.edge_dropout, self.reg_weight = edge_dropout, reg_weight
        self.user_embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(train.shape[0], latent)))
        self.item_embeddings = nn.Parameter(nn.init.xavier_uniform_(torch.empty(train.shape[1], latent)))

    def initial_embeddings(self) -> tuple[Tensor, Tensor]:
        """$E^{(0)}$ of users and items; models that feed text in here override it."""
        return self.user_embeddings, self.item_embeddings

    def propagated(self, initial: tuple[Tensor, Tensor], weights: EdgeWeights | None = None) -> tuple[Tensor, Tensor]:
        """Final embeddings from given ones at layer 0."""
        return combine_layers(propagate(self.graph, *initial, self.layers, weights), self.combine)

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Final embeddings on the full graph."""
        return self.propagated(self.initial_embeddings())

    def loss(self, batch: PairBatch) -> LossTerms:
        """BPR of each pair, and the regulariser."""
        weights = self.graph.dropped(self.edge_dropout, batch.generator)
        return LossTerms(self.ranking_terms(*self.propagated(self.initial_embeddings(), weights), batch))

    def ranking_terms(self, users: Tensor, items: Tensor, batch: PairBatch) -> dict[str, Tensor]:
        """The two terms of LightGCN's loss, `(B,)` each."""
        regularizer = self.reg_weight * squared_norm(self.parameters())
        return {"bpr": bpr(*pair_scores(users, items, batch)), "regularizer": regularizer.expand(len(batch))}
