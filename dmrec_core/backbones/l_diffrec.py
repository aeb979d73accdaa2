"""L-DiffRec: items encoded by category, the latent noised and restored by diffusion (base model three of three)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from dmrec_core.backbones.diffusion import Denoiser, ImportanceSampler, NoiseSchedule
from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import InteractionLinear, InteractionRows, UserBatch
from dmrec_core.likelihood import fused_multinomial_nll
from dmrec_core.recommender import Backbone, Recommender, fixed_noise


class LDiffRec(Backbone):
    r"""A linear encoder per item category, a diffusion of z between encoder and decoder, a linear decoder.

    Reweighted (as its released models for Amazon and MovieLens):
    $L = \lambda_e\,\frac{w_t}{T p_t}\,\overline{(z_0-\hat z_0)^2} + L_{rec}(\hat z_0) + \gamma_s D_{KL}(q\|p_z)$,
    otherwise $L = \frac{1}{T p_t}\overline{(z_0-\hat z_0)^2} + \lambda_e\big(L_{rec}(\hat z_0) + \gamma_s D_{KL}\big)$,
    with $\lambda_e = \max\big((1-e/500)\lambda_0, 0.005\big)$ in epoch e and $\gamma_s = \min(s/200, 0.3)$ at step s.

    DMRec on L-DiffRec is not released. Here the language distribution joins the encoder's before z is sampled and
    diffused, $\gamma_s$ stands before both divergences, and the diffusion is left as it is.

    Args:
        category: category of each item, `(n_items,)`, from 0 without gaps; see `cluster_items`. All zeros is C = 1.
        n_users: for the noise of `sampling_steps`.
        latent: d, split over categories by their number of items.
        dropout: share of input interactions dropped while training.
        diffusion_weight: $\lambda_0$.
        steps: T.
        noise_scale, noise_min, noise_max: see `NoiseSchedule`.
        reweight: see above.
        halved: half of $w_t$, as the paper has it; the released code has not.
        sampling_steps: steps of noise put on the mean before it is restored, when scoring.
        denoiser_hidden: width of the denoiser's hidden layer.
        denoiser_learning_rate: the rest learns at the run's own rate.
        bounded: a tanh after the encoder's last layer, so that $\mu$ and $\log\sigma^2$ lie in (-1, 1), as released.
        target: what is reconstructed: the "dropped" input, as released, or the "whole" row.

    Source: Wang et al. 2023 (DiffRec), latent variant, and its code.
    """

    def __init__(
        self,
        category: np.ndarray,
        n_users: int,
        latent: int = 300,
        dropout: float = 0.1,
        diffusion_weight: float = 0.05,
        steps: int = 5,
        noise_scale: float = 0.5,
        noise_min: float = 0.001,
        noise_max: float = 0.005,
        reweight: bool = True,
        halved: bool = False,
        sampling_steps: int = 0,
        denoiser_hidden: int = 300,
        denoiser_learning_rate: float = 1e-4,
        bounded: bool = True,
        target: str = "dropped",
    ) -> None:
        super().__init__()
        if target not in ("dropped", "whole"):
            raise ValueError(f"target must be 'dropped' or 'whole'; got {target!r}")
        if not 0 <= sampling_steps <= steps:
            raise ValueError(f"sampling_steps must lie between 0 and the {steps} steps; got {sampling_steps}")
        self.latent, self.input_dropout = latent, dropout
        self.bounded, self.target, self.reweight = bounded, target, reweight
        self.diffusion_weight, self.sampling_steps = diffusion_weight, sampling_steps
        self.denoiser_learning_rate = denoiser_learning_rate
        sizes = np.bincount(category)
        place = np.empty(len(category), dtype=np.int64)  # of each item within its category
        place[np.argsort(category, kind="stable")] = np.concatenate([np.arange(size) for size in sizes])
        self.register_buffer("category", torch.from_numpy(category.astype(np.int64)), persistent=False)
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        widths = latent_widths(sizes, latent)
        self.encoders = nn.ModuleList(InteractionLinear(int(n), 2 * w) for n, w in zip(sizes, widths, strict=True))
        self.decoder = nn.Linear(latent, len(category))
        for layer in (*self.encoders, self.decoder):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.schedule = NoiseSchedule(steps, noise_scale, noise_min, noise_max, halved)
        self.sampler = ImportanceSampler(steps)
        self.denoiser = Denoiser(latent, denoiser_hidden)
        noise = fixed_noise(n_users, latent) if sampling_steps else None
        self.register_buffer("noise", noise, persistent=False)

    def posterior(self, batch: UserBatch) -> DiagonalGaussian:
        """`(B, n_items)` rows -> `(B, d)` Gaussian, category after category."""
        heads = [encoder(self._of_category(batch.inputs, c)) for c, encoder in enumerate(self.encoders)]
        heads = [torch.tanh(head) for head in heads] if self.bounded else heads
        parts = [DiagonalGaussian.from_heads(head) for head in heads]
        return DiagonalGaussian(torch.cat([p.mean for p in parts], 1), torch.cat([p.logvar for p in parts], 1))

    def _of_category(self, rows: InteractionRows, category: int) -> InteractionRows:
        if len(self.encoders) == 1:
            return rows
        mine = rows.only(self.category[rows.items] == category)
        return replace(mine, items=self.place[mine.items], n_items=len(self.encoders[category].weight))

    def reconstruction(self, z: Tensor, batch: UserBatch) -> dict[str, Tensor]:
        """Diffusion loss and likelihood from the predicted clean latent, of each user."""
        steps = self.sampler.draw(len(z), batch.generator)
        noise = torch.randn(z.shape, generator=batch.generator, device=z.device, dtype=z.dtype)
        noised = self.schedule.noised(z, steps.index, noise)
        restored = self.denoiser(self.denoiser.dropped(noised, batch.generator), steps.index)
        diffusion = (z - restored).square().mean(1)  # z is not detached: the encoder learns to be predictable
        if self.reweight:
            diffusion = self.schedule.loss_weight[steps.index] * diffusion
        if batch.training:
            self.sampler.remember(steps.index, diffusion)
        diffusion_weight, likelihood_weight = self._weights(batch)
        return {
            "diffusion": diffusion_weight * diffusion / steps.ratio,
            "reconstruction": likelihood_weight * self._nll(restored, batch),
        }

    def _nll(self, z: Tensor, batch: UserBatch) -> Tensor:
        rows, scale = batch.rows, 1.0
        if self.target == "dropped" and batch.inputs.values is not None:
            # what was left of the input is all scaled alike, so it is a binary row times a number
            rows = replace(batch.inputs.only(batch.inputs.values > 0), values=None)
            scale = 1 / (1 - self.input_dropout)
        return scale * fused_multinomial_nll(z, self.decoder.weight, self.decoder.bias, rows)

    def _weights(self, batch: UserBatch) -> tuple[float, float]:
        """Of the diffusion loss, and of likelihood and divergences."""
        annealed = max((1 - batch.epoch / 500) * self.diffusion_weight, 0.005)
        return (annealed, 1.0) if self.reweight else (1.0, annealed)

    def annealing(self, batch: UserBatch) -> float:
        r"""$\gamma_s$, times what stands before the likelihood."""
        return min(0.3, batch.step / 200) * self._weights(batch)[1]

    def scoring_latent(self, q: DiagonalGaussian, batch: UserBatch) -> Tensor:
        """The mean; with `sampling_steps`, noised by so many steps, each user by their own fixed noise."""
        if self.noise is None:
            return q.mean
        index = torch.full_like(batch.users, self.sampling_steps - 1)
        return self.schedule.noised(q.mean, index, self.noise[batch.users])

    def restoring(self, z: Tensor) -> Iterator[Tensor]:
        """The deterministic way back, step by step from T to 1: T latents, `(B, d)` each; the last is decoded."""
        for index in reversed(range(self.schedule.steps)):
            z_start = self.denoiser(z, torch.full((len(z),), index, device=z.device))
            z = self.schedule.previous_mean(z_start, z, index)
            yield z

    def decode(self, z: Tensor) -> Tensor:
        """`(B, d)` -> `(B, n_items)` logits, through all T steps back."""
        *_, restored = self.restoring(z)
        return self.decoder(restored)

    def optimizer(self, model: Recommender, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """AdamW, the denoiser at its own rate, everything else (a language branch too) at the run's."""
        denoiser = set(self.denoiser.parameters())
        groups = [
            {"params": [p for p in model.parameters() if p not in denoiser]},
            {"params": [p for p in model.parameters() if p in denoiser], "lr": self.denoiser_learning_rate},
        ]
        return torch.optim.AdamW(groups, lr=learning_rate, weight_decay=weight_decay, fused=True)


def latent_widths(sizes: np.ndarray, latent: int) -> list[int]:
    """Each category's share of the latent dimensions: in proportion to its items, at least 1, the last takes the rest.

    Example:
        >>> latent_widths(np.array([10, 20, 71]), 300)
        [29, 59, 212]
    """
    widths = [max(1, int(latent * size / sizes.sum())) for size in sizes[:-1]]
    rest = latent - sum(widths)
    if rest < 1 or not sizes.all():
        raise ValueError(f"{latent} dimensions cannot be split over categories of {sizes.tolist()} items")
    return [*widths, rest]


def cluster_items(vectors: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """K-means categories of items, `(n_items,)` ints from 0: the same on every machine, whatever its cores.

    Args:
        vectors: item embeddings, `(n_items, k)`: a trained LightGCN's, as released, or texts' vectors.
        clusters: C; 1 needs no vectors' help.
        seed: of the starting centres.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if clusters == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    with threadpool_limits(1):  # the order of sums must not depend on the number of cores
        return KMeans(clusters, n_init=10, random_state=seed).fit_predict(vectors).astype(np.int64)
