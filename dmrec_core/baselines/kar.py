"""KAR on LightGCN: experts distil each text vector into a short one, which joins the embedding before propagation."""

from __future__ import annotations

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.vectors import by_rows, keep_vectors


class Experts(nn.Module):
    """The weights of several small networks on the same input, each linear, ReLU, linear, ReLU.

    Source: KAR's hybrid-expert adaptor (Xi et al. 2024); the outputs end in a ReLU there too.
    """

    def __init__(self, n_experts: int, d_in: int, hidden: int, d_out: int) -> None:
        super().__init__()
        self.first = nn.Linear(d_in, n_experts * hidden)
        self.weight = nn.Parameter(torch.empty(n_experts, hidden, d_out))
        self.bias = nn.Parameter(torch.zeros(n_experts, d_out))
        nn.init.zeros_(self.first.bias)
        for matrix in (*self.first.weight.data.split(hidden), *self.weight.data):
            nn.init.xavier_uniform_(matrix)


class ExpertTower(nn.Module):
    r"""One side's mixture of shared and own experts: $\sum_k \mathrm{softmax}(G x)_k\,E_k(x)$.

    Args:
        shared: the experts both sides use.
        n_specific: experts of this side alone.
        d_in: width of the text vectors.
        hidden: width inside an expert.
        d_out: width of an expert's output.

    Source: KAR, the gate and the two kinds of experts.
    """

    def __init__(self, shared: Experts, n_specific: int, d_in: int, hidden: int, d_out: int) -> None:
        super().__init__()
        self.shared = shared
        self.specific = Experts(n_specific, d_in, hidden, d_out)
        self.gate = _xavier_linear(d_in, len(shared.weight) + n_specific)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in) -> (n, d_out)`."""
        groups = self.shared, self.specific
        first = [torch.cat([getattr(group.first, name) for group in groups]) for name in ("weight", "bias")]
        weight, bias = (torch.cat([getattr(group, name) for group in groups]) for name in ("weight", "bias"))

        def mixture(x: Tensor) -> Tensor:
            hidden = F.linear(x, *first).relu_()  # all first layers as one product
            hidden = hidden.unflatten(-1, (len(weight), -1)).transpose(0, 1)  # (experts, n, hidden)
            told = torch.baddbmm(bias.unsqueeze(1), hidden, weight).relu_()  # (experts, n, d_out)
            return (torch.softmax(self.gate(x), dim=-1).T.unsqueeze(-1) * told).sum(0)

        return by_rows(mixture, x)


class KAR(LightGCN):
    r"""LightGCN whose layer 0 is the embedding and the text's augmented vector side by side.

    $E^{(0)}_v = [e_v;\ \mathrm{Tower}(w_v)]$ (2d wide), then propagation and loss of `LightGCN`

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        shared_experts, specific_experts: how many of each kind.
        expert_hidden: width inside an expert.
        project: True puts a learned matrix before it, $P\,[e_v;\ \mathrm{Tower}(w_v)]$, back to d wide.
        lightgcn: as `LightGCN`.

    Source: Xi et al. 2024 (experts: 2 shared, 5 specific, 128-32). How RLMRec put it on LightGCN is unreleased: its
        authors say augmented vectors are concatenated with the embeddings, and not whether anything comes after.
        Weights start as RLMRec's do, Xavier-uniform with zero biases: with torch's own start, every node's augmented
        vector is mostly the same bias.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        latent: int = 32,
        shared_experts: int = 2,
        specific_experts: int = 5,
        expert_hidden: int = 128,
        project: bool = False,
        **lightgcn: object,
    ) -> None:
        super().__init__(train, latent, **lightgcn)
        width = keep_vectors(self, user_vectors, item_vectors, train.shape)
        shared = Experts(shared_experts, width, expert_hidden, latent)
        self.user_tower = ExpertTower(shared, specific_experts, width, expert_hidden, latent)
        self.item_tower = ExpertTower(shared, specific_experts, width, expert_hidden, latent)
        self.projection = _xavier_linear(2 * latent, latent) if project else nn.Identity()

    def initial_embeddings(self) -> tuple[Tensor, Tensor]:
        """$E^{(0)}$ with the texts in it."""
        users = torch.cat([self.user_embeddings, self.user_tower(self.user_vectors)], dim=1)
        items = torch.cat([self.item_embeddings, self.item_tower(self.item_vectors)], dim=1)
        return self.projection(users), self.projection(items)


def _xavier_linear(d_in: int, d_out: int) -> nn.Linear:
    """A linear layer with Xavier-uniform weights and no bias to begin with."""
    layer = nn.Linear(d_in, d_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
