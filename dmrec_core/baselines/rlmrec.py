"""RLMRec: LightGCN whose embeddings also agree with profile vectors, by contrast (C) or by reconstruction (G)."""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from dmrec_core.baselines.fused_contrast import distinct, fused_info_nce
from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.sampling import PairBatch
from dmrec_core.baselines.vectors import keep_vectors, projector
from dmrec_core.recommender import LossTerms


class RLMRecContrastive(LightGCN):
    r"""RLMRec-C: each embedding is drawn to its own profile and away from the others'.

    $L = L_{LightGCN} + \frac{\kappa}{B}\sum\big[\ell(e_u, t_u;\text{all users}) + \ell(e_{i+}, t_{i+};\text{positives})
    + \ell(e_{i-}, t_{i-};\text{negatives})\big]$, $t = \mathrm{MLP}(w)$, $\ell$ = `info_nce`

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        contrast_weight: $\kappa$.
        temperature: $\tau$.
        lightgcn: as `LightGCN`.

    Source: Ren et al. 2024 (RLMRec), section 3.3; weight, temperature and the candidates as in its code ("plus"): its
        equation has neither weight nor temperature.
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        latent: int = 32,
        contrast_weight: float = 1e-2,
        temperature: float = 0.2,
        reg_weight: float = 1e-7,
        **lightgcn: object,
    ) -> None:
        super().__init__(train, latent, reg_weight=reg_weight, **lightgcn)
        width = keep_vectors(self, user_vectors, item_vectors, train.shape)
        self.to_taste = projector(width, (width + latent) // 2, latent)
        self.contrast_weight, self.temperature = contrast_weight, temperature

    def loss(self, batch: PairBatch) -> LossTerms:
        """LightGCN's two terms, and the contrast with the profiles."""
        weights = self.graph.dropped(self.edge_dropout, batch.generator)
        users, items = self.propagated(self.initial_embeddings(), weights)
        contrast = self.contrast_weight * self.contrast(users, items, batch)
        return LossTerms({**self.ranking_terms(users, items, batch), "contrast": contrast})

    def contrast(self, users: Tensor, items: Tensor, batch: PairBatch) -> Tensor:
        r"""The three $\ell$ of each pair, `(B,)`, from the embeddings of all users and items.

        A batch repeats its users and items. Each is computed once: as an anchor it is copied to its places, as a
        candidate it counts as often as it occurs.
        """
        user_texts = self.to_taste(self.user_vectors)
        each, place, _ = distinct(batch.users)
        total = fused_info_nce(users[each], user_texts[each], user_texts, self.temperature)[place]
        sides = batch.positives, batch.negatives[:, 0]
        needed, in_needed, _ = distinct(torch.cat(sides))
        item_texts = self.to_taste(self.item_vectors[needed])
        for side in in_needed.split(len(batch)):
            each, place, counts = distinct(side)
            texts = item_texts[each]
            total = total + fused_info_nce(items[needed[each]], texts, texts, self.temperature, counts)[place]
        return total


class RLMRecGenerative(LightGCN):
    r"""RLMRec-G: some nodes lose their embedding, and their profile must be told from what the graph brings them.

    $L = L_{LightGCN}(\text{masked}) + \frac{\kappa}{|\mathcal M|}\sum_{v\in\mathcal M}
    \ell(\mathrm{MLP}(e_v), w_v; \{w_{v'}\}_{v'\in\mathcal M})$, where $E^{(0)}_v$ is one learnable token

    Args:
        train: binary CSR matrix, `(n_users, n_items)`.
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        mask_ratio: share of all nodes in $\mathcal M$, drawn anew each step.
        reconstruction_weight: $\kappa$.
        temperature: $\tau$.
        lightgcn: as `LightGCN`.

    Source: Ren et al. 2024 (RLMRec), section 3.4; sizes and weight as in its code ("gene").
    """

    def __init__(
        self,
        train: sp.csr_matrix,
        user_vectors: Tensor,
        item_vectors: Tensor,
        latent: int = 32,
        mask_ratio: float = 0.15,
        reconstruction_weight: float = 0.1,
        temperature: float = 0.5,
        layers: int = 2,
        reg_weight: float = 1e-7,
        **lightgcn: object,
    ) -> None:
        super().__init__(train, latent, layers=layers, reg_weight=reg_weight, **lightgcn)
        width = keep_vectors(self, user_vectors, item_vectors, train.shape)
        self.to_text = projector(latent, (width + latent) // 2, width)
        self.mask_token = nn.Parameter(torch.zeros(latent))
        self.reconstruction_weight, self.temperature = reconstruction_weight, temperature
        self.n_masked = max(1, int(mask_ratio * sum(train.shape)))

    def masked_nodes(self, generator: torch.Generator | None) -> Tensor:
        r"""$\mathcal M$: ids of users, and of items after all users, without repetition."""
        n_nodes = self.graph.n_users + self.graph.n_items
        return torch.randperm(n_nodes, generator=generator, device=self.mask_token.device)[: self.n_masked]

    def loss(self, batch: PairBatch) -> LossTerms:
        """LightGCN's two terms on the masked graph, and the reconstruction of the masked profiles."""
        masked = self.masked_nodes(batch.generator)
        initial = torch.cat(self.initial_embeddings())
        is_masked = torch.zeros(len(initial), 1, dtype=torch.bool, device=initial.device)
        is_masked[masked] = True
        initial = torch.where(is_masked, self.mask_token, initial)
        weights = self.graph.dropped(self.edge_dropout, batch.generator)
        users, items = self.propagated(initial.split([self.graph.n_users, self.graph.n_items]), weights)
        in_users = masked < self.graph.n_users
        which = masked[in_users], masked[~in_users] - self.graph.n_users
        nodes = torch.cat([users[which[0]], items[which[1]]])
        texts = torch.cat([self.user_vectors[which[0]], self.item_vectors[which[1]]])
        told = fused_info_nce(self.to_text(nodes), texts, texts, self.temperature)
        return LossTerms(
            {**self.ranking_terms(users, items, batch), "reconstruction": self.reconstruction_weight * told}
        )
