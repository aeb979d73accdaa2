"""Two Gaussians to play with: transport, divergences, the composite prior. Pure: values in, a plotly figure out."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from dmrec_core.figures.live.drawing import X, area, curve, finish, rings
from dmrec_core.figures.style import ALARM, COLLABORATIVE, LANGUAGE, MATCHED, NEUTRAL, OTHER
from dmrec_core.gaussian import (
    DiagonalGaussian,
    geometric_composite,
    kl,
    log_mixture_density,
    moment_matched_composite,
    wasserstein2_squared,
)
from dmrec_core.theory.one_dimension import GRID, composite_curves, density, gaussian, log_two_tastes, single_fits
from dmrec_core.theory.transport import displacement, transport_map


def draw_transport(mean: float = 3.0, std: float = 0.5, time: float = 0.5) -> go.Figure:
    """W2 as moving mass: q = N(0, 1) on its way to p = N(mean, std^2), and the strands its mass travels along."""
    q, p = gaussian(0.0, 1.0), gaussian(mean, std)
    between = displacement(q, p, time)
    fading = (1 - time) * density(X, q) + time * density(X, p)
    quantiles = torch.special.ndtri(torch.linspace(0.04, 0.96, 24, dtype=torch.float64)).reshape(-1, 1)
    start, end = quantiles.flatten().numpy(), transport_map(q, p, quantiles).flatten().numpy()
    strands_x = np.stack([start, end, np.full_like(start, np.nan)], 1).ravel()
    strands_y = np.tile([0.0, 1.0, np.nan], len(start))

    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.06)
    figure.add_trace(area(density(X, q), "collaborative q (time 0)", COLLABORATIVE, "solid"), 1, 1)
    figure.add_trace(area(density(X, p), "language p (time 1)", LANGUAGE, "dash"), 1, 1)
    figure.add_trace(curve(fading, "fading instead of moving", NEUTRAL, "dot"), 1, 1)
    figure.add_trace(area(density(X, between), "the mass on its way", MATCHED, "dashdot"), 1, 1)
    strands = go.Scatter(x=strands_x, y=strands_y, mode="lines", line={"color": NEUTRAL, "width": 1}, showlegend=False)
    here = go.Scatter(
        x=(1 - time) * start + time * end,
        y=np.full_like(start, time),
        mode="markers",
        marker={"color": MATCHED, "size": 7, "symbol": "diamond"},
        showlegend=False,
    )
    figure.add_trace(strands, 2, 1)
    figure.add_trace(here, 2, 1)
    squared = wasserstein2_squared(p, q).item()
    finish(
        figure,
        f"W2² = {mean:.2f}² + ({std:.2f} − 1)² = {squared:.3f},  W2 = {math.sqrt(squared):.3f};  "
        f"so far {time * math.sqrt(squared):.3f}",
        height=520,
    )
    figure.update_yaxes(title_text="density", range=[0, 1.05], row=1, col=1)
    figure.update_yaxes(title_text="time", row=2, col=1)
    figure.update_xaxes(title_text="latent dimension z", row=2, col=1)
    return figure


def draw_transport_2d(
    mean_1: float = 3.0, mean_2: float = 1.5, std_1: float = 0.4, std_2: float = 1.4, time: float = 0.5
) -> go.Figure:
    """The same in two dimensions: 60 particles of q on straight lines to where p wants them."""
    q = DiagonalGaussian(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64))
    stds = torch.tensor([[std_1, std_2]], dtype=torch.float64)
    p = DiagonalGaussian(torch.tensor([[mean_1, mean_2]], dtype=torch.float64), 2 * stds.log())
    noise = torch.randn(60, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start, end = noise.numpy(), transport_map(q, p, noise).numpy()
    now = (1 - time) * start + time * end
    lines = np.stack([start, end, np.full_like(start, np.nan)], 1).reshape(-1, 2)

    figure = go.Figure()
    track = {"color": "#CFCFCF", "width": 1}
    figure.add_trace(go.Scatter(x=lines[:, 0], y=lines[:, 1], mode="lines", line=track, name="strands of mass"))
    for side, name, color, dash in (
        (q, "collaborative q", COLLABORATIVE, "solid"),
        (p, "language p", LANGUAGE, "dash"),
        (displacement(q, p, time), "on its way", MATCHED, "dashdot"),
    ):
        ring = rings(side)
        figure.add_trace(
            go.Scatter(x=ring[:, 0], y=ring[:, 1], mode="lines", line={"color": color, "dash": dash}, name=name)
        )
    marker = {"color": MATCHED, "size": 6, "symbol": "diamond"}
    figure.add_trace(go.Scatter(x=now[:, 0], y=now[:, 1], mode="markers", marker=marker, name="particles now"))
    squared = wasserstein2_squared(p, q).item()
    finish(figure, f"two dimensions add up: W2² = {squared:.3f}; rings at one and two σ", height=520)
    figure.update_xaxes(title_text="latent dimension 1", range=[-5, 7], constrain="domain")
    figure.update_yaxes(title_text="latent dimension 2", range=[-5, 5], scaleanchor="x", constrain="domain")
    return figure


def draw_kl(mean: float = 1.5, std: float = 1.8) -> go.Figure:
    """Both directions of the divergence between q = N(mean, std^2) and p = N(0, 1), and where each is paid."""
    q, p = gaussian(mean, std), gaussian(0.0, 1.0)
    z = torch.from_numpy(X).reshape(-1, 1)
    log_ratio = (-0.5 * ((z - mean) / std).square() - math.log(std) + 0.5 * z.square()).flatten().numpy()
    forward, backward = density(X, q) * log_ratio, -density(X, p) * log_ratio

    figure = make_subplots(1, 2, subplot_titles=["the two densities", "where the divergence is paid"])
    figure.add_trace(area(density(X, q), "collaborative q", COLLABORATIVE, "solid"), 1, 1)
    figure.add_trace(area(density(X, p), "language p", LANGUAGE, "dash"), 1, 1)
    figure.add_trace(area(forward, "q log(q/p): KL(q‖p)", COLLABORATIVE, "solid"), 1, 2)
    figure.add_trace(area(backward, "p log(p/q): KL(p‖q)", LANGUAGE, "dash"), 1, 2)
    finish(
        figure,
        f"KL(q‖p) = {kl(q, p).item():.3f} nats,  KL(p‖q) = {kl(p, q).item():.3f} nats,  "
        f"W2² = {wasserstein2_squared(q, p).item():.3f}",
        height=400,
    )
    figure.update_xaxes(title_text="latent dimension z")
    figure.update_yaxes(title_text="density", range=[0, 1.05], row=1, col=1)
    figure.update_yaxes(title_text="nats per unit of z", row=1, col=2)
    return figure


def draw_mode_seeking(separation: float = 5.0, share: float = 0.5, width: float = 0.7) -> go.Figure:
    """A user with two tastes and one Gaussian to hold them: one direction covers both, the other picks one."""
    fits = single_fits(round(separation, 6), round(share, 6), round(width, 6))
    target = np.exp(log_two_tastes(GRID, separation, share, width))
    figure = go.Figure()
    figure.add_trace(area(target, "two tastes", NEUTRAL, "dot", GRID))
    for (mean, std), (to, back), name, color, dash in (
        (fits.covering, fits.kl_covering, "minimises KL(tastes‖q): covers", OTHER, "dash"),
        (fits.seeking, fits.kl_seeking, "minimises KL(q‖tastes): seeks", COLLABORATIVE, "solid"),
    ):
        name = f"{name}; KL(tastes‖q) {to:.2f}, KL(q‖tastes) {back:.2f}"
        figure.add_trace(area(density(GRID, gaussian(mean, std)), name, color, dash, GRID))
    picked = "picks one taste" if fits.seeking[1] < 0.75 * fits.covering[1] else "still covers both: they overlap"
    finish(figure, f"KL(q‖tastes), the direction of Eq. 2, {picked}", height=420)
    figure.update_xaxes(title_text="latent dimension z", range=[-8, 8])
    figure.update_yaxes(title_text="density")
    figure.update_layout(legend={"orientation": "v"}, margin={"b": 140})
    return figure


def draw_composite(alpha: float = 0.5, separation: float = 4.0, std: float = 1.0) -> go.Figure:
    """The composite prior in its three readings, and what each says of two distributions that move apart."""
    q, p = gaussian(0.0, 1.0), gaussian(separation, std)
    curves = composite_curves(round(alpha, 6), round(std, 6))
    x = np.linspace(-6.0, 14.0, 501)
    mixture = log_mixture_density(torch.from_numpy(x).reshape(-1, 1), q, p, alpha).exp().numpy()
    readings = (
        ("the mixture, Eq. 11", mixture, curves.mixture, NEUTRAL, "solid"),
        (
            "moment-matched (variant paper)",
            density(x, moment_matched_composite(q, p, alpha)),
            curves.moment_matched,
            MATCHED,
            "dash",
        ),
        (
            "geometric (variant published)",
            density(x, geometric_composite(q, p, alpha)),
            curves.geometric,
            ALARM,
            "dashdot",
        ),
    )
    figure = make_subplots(1, 2, subplot_titles=["the composite prior", "divergence from it, Eq. 12"])
    figure.add_trace(curve(density(x, q), "collaborative q", COLLABORATIVE, "solid", x), 1, 1)
    figure.add_trace(curve(density(x, p), "language p", LANGUAGE, "dash", x), 1, 1)
    here, said = [], []
    for name, values, divergence, color, dash in readings:
        figure.add_trace(curve(values, name, color, dash, x), 1, 1)
        figure.add_trace(curve(divergence, name, color, dash, curves.separations, legend=False), 1, 2)
        here.append(float(np.interp(separation, curves.separations, divergence)))
        said.append(f"{name.split(' (')[0].split(',')[0]} {here[-1]:.2f}")
    ceiling = -math.log(alpha) - math.log1p(-alpha)
    limit = go.Scatter(
        x=[0, 10],
        y=[ceiling, ceiling],
        mode="lines",
        line={"color": NEUTRAL, "dash": "dot"},
        name="the mixture's ceiling",
    )
    you = go.Scatter(
        x=[separation] * 3,
        y=here,
        mode="markers",
        name="you are here",
        marker={"color": [c for *_, c, _ in readings], "size": 9, "symbol": "diamond"},
    )
    figure.add_trace(limit, 1, 2)
    figure.add_trace(you, 1, 2)
    finish(figure, "D_CP in nats: " + ", ".join(said), height=460)
    figure.update_xaxes(title_text="latent dimension z", row=1, col=1)
    figure.update_xaxes(title_text="distance between the means", row=1, col=2)
    figure.update_yaxes(title_text="density", row=1, col=1)
    figure.update_yaxes(title_text="nats", range=[0, 8], row=1, col=2)
    figure.update_layout(margin={"b": 150})
    return figure


CONTROLS = {
    draw_transport: {"mean": (-5.0, 5.0, 0.25, 3.0), "std": (0.4, 3.0, 0.1, 0.5), "time": (0.0, 1.0, 0.05, 0.5)},
    draw_transport_2d: {
        "mean_1": (-4.0, 4.0, 0.25, 3.0),
        "mean_2": (-4.0, 4.0, 0.25, 1.5),
        "std_1": (0.2, 3.0, 0.1, 0.4),
        "std_2": (0.2, 3.0, 0.1, 1.4),
        "time": (0.0, 1.0, 0.05, 0.5),
    },
    draw_kl: {"mean": (-5.0, 5.0, 0.1, 1.5), "std": (0.4, 3.0, 0.1, 1.8)},
    draw_mode_seeking: {
        "separation": (0.0, 8.0, 0.25, 5.0),
        "share": (0.1, 0.9, 0.1, 0.5),
        "width": (0.4, 1.5, 0.1, 0.7),
    },
    draw_composite: {
        "alpha": (0.05, 0.95, 0.05, 0.5),
        "separation": (0.0, 10.0, 0.25, 4.0),
        "std": (0.3, 3.0, 0.1, 1.0),
    },
}
"""Each draw's controls, (min, max, step, start), as `panels.explore` takes them."""
