"""Gaussian diffusion of a latent vector: noise that is added in T steps, and the way back (L-DiffRec's core)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

MAX_BETA = 0.999


class Timesteps(NamedTuple):
    """A step for each user, and how much likelier it was drawn than by a fair die.

    Args:
        index: steps from 0 to T - 1, `(B,)` int64.
        ratio: $T p_t$, `(B,)`; a loss is divided by it.
    """

    index: Tensor
    ratio: Tensor


class NoiseSchedule(nn.Module):
    r"""How much noise is left in at each step: the "linear variance" schedule.

    $1-\bar\alpha_t$ rises linearly from $s\,n_{min}$ to $s\,n_{max}$ over $t = 1\dots T$;
    $\beta_1 = 1-\bar\alpha_1$, $\beta_t = \min(1-\bar\alpha_t/\bar\alpha_{t-1}, 0.999)$

    Steps are counted from 0 here: index t - 1 holds step t of the formulas.

    Args:
        steps: T.
        scale: s.
        noise_min, noise_max: $n_{min}$, $n_{max}$.
        halved: $w_t = \tfrac12\big(SNR(t-1)-SNR(t)\big)$ for t > 1, as DiffRec's paper has it; its code has no half.

    Raises:
        ValueError: a variance is not inside (0, 1), or they fall.

    Example:
        >>> schedule = NoiseSchedule(steps=3, scale=0.5, noise_min=0.2, noise_max=0.6)
        >>> 1 - schedule.alpha_bar
        tensor([0.1000, 0.2000, 0.3000])

    Source: Wang et al. 2023 (DiffRec), "linear-var" in its code.
    """

    def __init__(
        self,
        steps: int = 5,
        scale: float = 0.5,
        noise_min: float = 1e-3,
        noise_max: float = 5e-3,
        halved: bool = False,
    ) -> None:
        super().__init__()
        variance = torch.linspace(scale * noise_min, scale * noise_max, steps, dtype=torch.float64)
        if steps < 1 or noise_min > noise_max or not bool(((variance > 0) & (variance < 1)).all()):
            raise ValueError(
                f"a schedule needs at least one step and variances that rise inside (0, 1); got {steps} steps from "
                f"{scale * noise_min} to {scale * noise_max}"
            )
        self.steps = steps
        beta = (1 - (1 - variance) / _before(1 - variance)).clamp(max=MAX_BETA)
        alpha_bar = torch.cumprod(1 - beta, dim=0)
        before, snr = _before(alpha_bar), alpha_bar / (1 - alpha_bar)
        tables = {
            "beta": beta,  # all (T,)
            "alpha_bar": alpha_bar,
            "signal": alpha_bar.sqrt(),
            "noise": (1 - alpha_bar).sqrt(),
            "to_start": beta * before.sqrt() / (1 - alpha_bar),
            "to_here": (1 - before) * (1 - beta).sqrt() / (1 - alpha_bar),
            "snr": snr,  # signal to noise
            # w_1 = 1, w_t = SNR(t-1) - SNR(t)
            "loss_weight": torch.cat([snr.new_ones(1), (snr[:-1] - snr[1:]) * (0.5 if halved else 1.0)]),
        }
        for name, table in tables.items():  # worked out in float64: they are ratios of small differences
            self.register_buffer(name, table.float(), persistent=False)

    def noised(self, z: Tensor, index: Tensor, noise: Tensor) -> Tensor:
        r"""Forward process: $z_t = \sqrt{\bar\alpha_t}\,z_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$.

        Args:
            z: $z_0$, `(B, d)`.
            index: step of each row, `(B,)`, from 0.
            noise: $\epsilon\sim\mathcal N(0, I)$, `(B, d)`.

        Returns:
            `(B, d)`.
        """
        return self.signal[index].unsqueeze(1) * z + self.noise[index].unsqueeze(1) * noise

    def previous_mean(self, z_start: Tensor, z: Tensor, index: int) -> Tensor:
        r"""Mean of $q(z_{t-1}|z_t, z_0)$: one step back, without new noise.

        $\frac{\beta_t\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_t}z_0
        + \frac{(1-\bar\alpha_{t-1})\sqrt{\alpha_t}}{1-\bar\alpha_t}z_t$

        Args:
            z_start: $z_0$ or what is predicted for it, `(B, d)`.
            z: $z_t$, `(B, d)`.
            index: the step, from 0; there the result is `z_start` itself.

        Returns:
            `(B, d)`.
        """
        return self.to_start[index] * z_start + self.to_here[index] * z


class ImportanceSampler(nn.Module):
    r"""Draws steps whose loss has been large more often, and says by how much.

    $p_t \propto \sqrt{E[L_t^2]}$ over the last losses of each step, mixed with a little of the uniform; uniform until
    every step has enough of them. The memory is part of the saved weights, so that a resumed run draws the same.

    Args:
        steps: T.
        memory: losses kept per step.
        uniform_share: of the uniform distribution in the mixture.

    Source: Nichol and Dhariwal 2021; numbers from DiffRec's code.
    """

    def __init__(self, steps: int, memory: int = 10, uniform_share: float = 1e-3) -> None:
        super().__init__()
        self.uniform_share = uniform_share
        self.register_buffer("losses", torch.zeros(steps, memory))
        self.register_buffer("seen", torch.zeros(steps, dtype=torch.int64))

    def probabilities(self) -> Tensor:
        """$p_t$, `(T,)`."""
        steps, memory = self.losses.shape
        size = self.losses.square().mean(1).sqrt()
        if not bool((self.seen >= memory).all()) or not bool(size.sum() > 0):
            return torch.full_like(size, 1 / steps)
        return (1 - self.uniform_share) * size / size.sum() + self.uniform_share / steps

    def draw(self, count: int, generator: torch.Generator | None = None) -> Timesteps:
        """Steps for `count` users, with replacement."""
        p = self.probabilities()
        index = torch.multinomial(p, count, replacement=True, generator=generator)
        return Timesteps(index, len(p) * p[index])

    def remember(self, index: Tensor, losses: Tensor) -> None:
        """Put a batch's losses into the memory, the oldest out first."""
        memory = self.losses.shape[1]
        for step in range(len(self.losses)):
            new = losses[index == step].detach()[-memory:].to(self.losses.dtype)
            self.losses[step] = torch.cat([self.losses[step], new])[-memory:]
            self.seen[step] += len(new)


def step_features(index: Tensor, width: int, period: float = 10_000.0) -> Tensor:
    r"""Sinusoidal features of a step: cosines, then sines, of $t\,\mathrm{period}^{-k/(width/2)}$.

    Args:
        index: `(B,)`.
        width: even.
        period: of the slowest wave, over $2\pi$.

    Returns:
        `(B, width)` float32.
    """
    half = width // 2
    rate = torch.exp(-math.log(period) * torch.arange(half, device=index.device, dtype=torch.float32) / half)
    angle = index.float().unsqueeze(1) * rate
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class Denoiser(nn.Module):
    r"""$\hat z_0 = f(\mathrm{dropout}(z_t), t)$: a two-layer network with a tanh that tells the clean latent.

    Args:
        latent: d.
        hidden: width of its hidden layer.
        step_width: width of the step's features.
        dropout: share of the entries of $z_t$ dropped while training.

    Source: DiffRec's code: Linear(d + 10 -> 300), tanh, Linear(300 -> d); features of t through Linear(10 -> 10).
    """

    def __init__(self, latent: int, hidden: int = 300, step_width: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = dropout
        self.step_layer = nn.Linear(step_width, step_width)
        self.hidden = nn.Linear(latent + step_width, hidden)
        self.output = nn.Linear(hidden, latent)
        for layer in (self.step_layer, self.hidden, self.output):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, z: Tensor, index: Tensor) -> Tensor:
        """`(B, d)` noised latents and `(B,)` steps -> `(B, d)` predictions of the clean latents."""
        step = self.step_layer(step_features(index, self.step_layer.in_features).to(z.dtype))
        return self.output(torch.tanh(self.hidden(torch.cat([z, step], dim=1))))

    def dropped(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        """Its input as training sees it."""
        kept = torch.rand(z.shape, generator=generator, device=z.device) >= self.dropout
        return z * kept / (1 - self.dropout)


def _before(alpha_bar: Tensor) -> Tensor:
    return torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
