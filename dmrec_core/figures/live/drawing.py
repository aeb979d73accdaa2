"""What the live figures are drawn with: a curve, an area under one, a Gaussian's rings, and the finish of a figure."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dmrec_core.figures.style import plotly_template
from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.records.markup import plotly_text

X = np.linspace(-8.0, 8.0, 401)
"""The latent axis of the one-dimensional figures."""


def curve(y: np.ndarray, name: str, color: str, dash: str, x: np.ndarray = X, legend: bool = True) -> go.Scatter:
    """A line through (x, y), both (n,); `color` as `#rrggbb`, `dash` as plotly calls it."""
    line = {"color": color, "dash": dash, "width": 2.5}
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=line, showlegend=legend)


def area(y: np.ndarray, name: str, color: str, dash: str, x: np.ndarray = X) -> go.Scatter:
    """The same line, shaded down to zero."""
    return curve(y, name, color, dash, x).update(fill="tozeroy", fillcolor=see_through(color, 0.15))


def see_through(color: str, opacity: float) -> str:
    """A colour given as `#rrggbb`, with an opacity in [0, 1], as plotly reads it.

    Example:
        >>> see_through("#258A5C", 0.15)
        'rgba(37,138,92,0.15)'
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def rings(g: DiagonalGaussian) -> np.ndarray:
    """The rings at one and two standard deviations of a 2-D Gaussian, (147, 2), with a gap of NaN between them."""
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    mean, std = g.mean[0].numpy(), g.std[0].numpy()
    return np.concatenate([mean + std * circle, [[np.nan, np.nan]], mean + 2 * std * circle])


def finish(figure: go.Figure, title: str, height: int) -> None:
    """The kit's look, the numbers as the title (a plain text), the legend below the axes where it hides nothing.

    `height` is in pixels; the figure is changed in place.
    """
    figure.update_layout(
        template=plotly_template(),
        title={"text": plotly_text(title), "x": 0.01, "font": {"size": 15}},
        height=height,
        margin={"t": 70, "b": 110},
        legend={"yref": "container", "y": 0.01, "yanchor": "bottom", "x": 0},
    )
