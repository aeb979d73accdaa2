"""The two spaces to play with: the evidence bound, one user's true posterior, both branches while a user clicks."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from dmrec_core.dmrec import Spaces
from dmrec_core.figures.live.drawing import area, curve, finish, rings
from dmrec_core.figures.style import COLLABORATIVE, LANGUAGE, MATCHED, NEUTRAL, REFERENCE
from dmrec_core.gaussian import DiagonalGaussian, kl, log_density
from dmrec_core.theory.elbo import importance_weighted_bound
from dmrec_core.theory.one_dimension import density, gaussian

OBSERVED, NOISE = 1.0, 0.25  # x, and the variance of x given z, in the solvable world
TRUE_MEAN, TRUE_VARIANCE = 0.8, 0.2  # of p(z | x = 1), by Bayes' rule
LOG_EVIDENCE = -0.5 * (OBSERVED**2 / (1 + NOISE) + math.log(2 * math.pi * (1 + NOISE)))  # x ~ N(0, 1 + noise)
DRAWS = tuple(2**k for k in range(11))  # 1 to 1024
REPEATS = 128


@lru_cache(maxsize=1)
def _noise() -> torch.Tensor:
    return torch.randn(max(DRAWS), REPEATS, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bound_by_draws(mean: float, std: float) -> tuple[np.ndarray, np.ndarray]:
    """Importance-weighted bounds of log p(x = 1) for every number of draws in DRAWS, and their standard errors."""
    q = gaussian(mean, std)
    z = q.mean + q.std * _noise()  # (1024, repeats, 1)
    joint = log_density(z, gaussian(OBSERVED, NOISE**0.5)) + log_density(z, gaussian(0.0, 1.0))
    weights = joint - log_density(z, q)  # (1024, repeats)
    # one draw is Eq. 1 itself; importance_weighted_bound asks for two
    values = torch.stack([weights[0], *(importance_weighted_bound(weights[:size]).value for size in DRAWS[1:])])
    return values.mean(1).numpy(), (values.std(1) / REPEATS**0.5).numpy()


def draw_bound(mean: float = 0.0, std: float = 1.0) -> go.Figure:
    """Eq. 1 where everything is known: choose q, and see how far the bound stays below log p(x)."""
    x = np.linspace(-3.5, 3.5, 301)
    q, truth = gaussian(mean, std), gaussian(TRUE_MEAN, TRUE_VARIANCE**0.5)
    gap = kl(q, truth).item()
    bounds, errors = bound_by_draws(mean, std)
    figure = make_subplots(1, 2, subplot_titles=["the latent space", "lower bounds of log p(x)"])
    figure.add_trace(curve(density(x, gaussian(0.0, 1.0)), "prior p(z)", NEUTRAL, "dot", x), 1, 1)
    figure.add_trace(curve(density(x, truth), "true posterior p(z|x)", REFERENCE, "dash", x), 1, 1)
    figure.add_trace(area(density(x, q), "your q(z|x)", COLLABORATIVE, "solid", x), 1, 1)
    level = np.full(len(DRAWS), LOG_EVIDENCE)
    figure.add_trace(curve(level, "log p(x)", REFERENCE, "dash", np.array(DRAWS)), 1, 2)
    line = {"color": COLLABORATIVE}
    figure.add_trace(
        go.Scatter(x=DRAWS, y=bounds, error_y={"array": 2 * errors}, mode="lines+markers", line=line, name="bound"),
        1,
        2,
    )
    finish(
        figure,
        f"bound of Eq. 1: {LOG_EVIDENCE - gap:.3f} = log p(x) − KL(q‖true posterior) = {LOG_EVIDENCE:.3f} − {gap:.3f}",
        height=430,
    )
    figure.update_xaxes(title_text="z", row=1, col=1)
    figure.update_yaxes(title_text="density", range=[0, 1.6], row=1, col=1)
    figure.update_xaxes(title_text="draws in the importance-weighted bound", type="log", row=1, col=2)
    lowest = min(LOG_EVIDENCE - 0.5, float(bounds[0]) - 0.2)
    figure.update_yaxes(title_text="nats", range=[lowest, LOG_EVIDENCE + 0.3], row=1, col=2)
    return figure


def draw_true_posterior(
    axis: np.ndarray, log_posterior: np.ndarray, q: DiagonalGaussian, title: str = "", span: float = 4.0
) -> go.Figure:
    """One user's true posterior over two latent dimensions (grey) and the encoder's Gaussian for it (blue rings).

    Args:
        axis: of the grid, `(n,)`.
        log_posterior: `(n, n)`, first index the first dimension.
        q: `(1, 2)`.
        title: what the user is.
        span: half the width of the window.
    """
    inside = np.abs(axis) <= span
    shown = np.exp(log_posterior[np.ix_(inside, inside)])
    ring, prior = rings(q), rings(DiagonalGaussian(torch.zeros(1, 2), torch.zeros(1, 2)))
    figure = go.Figure(
        go.Heatmap(
            x=axis[inside],
            y=axis[inside],
            z=shown.T,
            colorscale=[[0, "#FFFFFF"], [1, "#333333"]],
            showscale=False,
            hoverinfo="skip",
        )
    )
    for points, name, color, dash in (
        (prior, "prior, 1 and 2 σ", NEUTRAL, "dot"),
        (ring, "encoder's q, 1 and 2 σ", COLLABORATIVE, "solid"),
    ):
        line = {"color": color, "dash": dash, "width": 2}
        figure.add_trace(go.Scatter(x=points[:, 0], y=points[:, 1], mode="lines", line=line, name=name))
    finish(figure, title, height=540)
    figure.update_xaxes(title_text="latent dimension 1", range=[-span, span], constrain="domain")
    figure.update_yaxes(title_text="latent dimension 2", range=[-span, span], scaleanchor="x", constrain="domain")
    return figure


def draw_spaces(spaces: Spaces, clicks: int, title: str = "", span: float = 4.0) -> go.Figure:
    """Collaborative, language and fused distribution of one user after some clicks, in two latent dimensions.

    Args:
        spaces: `(n + 1, 2)` each, as `spaces_while_clicking` gives them.
        clicks: which row.
        title: what has been clicked.
        span: half the width of the window.
    """
    figure = go.Figure()
    # fused first and broad, so that it stays visible where another lies on top of it
    for side, name, color, dash, symbol, width in (
        (spaces.fused, "fused", MATCHED, "solid", "diamond", 6),
        (spaces.collaborative, "collaborative q", COLLABORATIVE, "solid", "circle", 2.5),
        (spaces.language, "language p", LANGUAGE, "dash", "square", 2.5),
    ):
        here = DiagonalGaussian(side.mean[clicks : clicks + 1], side.logvar[clicks : clicks + 1])
        ring, path = rings(here), side.mean[: clicks + 1].numpy()
        line = {"color": color, "dash": dash, "width": width}
        figure.add_trace(go.Scatter(x=ring[:, 0], y=ring[:, 1], mode="lines", line=line, name=name))
        trail = {"color": color, "symbol": symbol, "size": 6, "opacity": 0.6}
        figure.add_trace(
            go.Scatter(
                x=path[:, 0],
                y=path[:, 1],
                mode="lines+markers",
                marker=trail,
                showlegend=False,
                line={"color": color, "width": 1},
            )
        )
    widths = [side.std[clicks].mean().item() for side in spaces]
    finish(figure, f"{title}; mean σ: q {widths[0]:.2f}, p {widths[1]:.2f}, fused {widths[2]:.2f}", height=540)
    figure.update_xaxes(title_text="latent dimension 1", range=[-span, span], constrain="domain")
    figure.update_yaxes(title_text="latent dimension 2", range=[-span, span], scaleanchor="x", constrain="domain")
    return figure


CONTROLS = {draw_bound: {"mean": (-2.0, 2.0, 0.1, 0.0), "std": (0.2, 2.0, 0.05, 1.0)}}
"""The controls of the draw that needs no model, (min, max, step, start)."""
