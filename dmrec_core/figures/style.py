"""One look for every figure: what a colour means, in both drawing libraries.

Collaborative is blue, language orange, matched green, everywhere. The three differ in lightness by more than 15 units
of L*, so they survive a grey print, and in hue along the axis that the common colour blindnesses keep. Dash and marker
say the same thing again, so no figure depends on colour alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import plotly.io
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap

from dmrec_core.matching import ALL_STRATEGIES, Strategy

COLLABORATIVE = "#174E8C"  # q, the base model: what interactions say
LANGUAGE = "#F2A541"  # p: what texts say
MATCHED = "#258A5C"  # the fused posterior, DMRec: both
NEUTRAL = "#8C8C8C"  # the prior N(0, I), controls, gridlines that matter
REFERENCE = "#222222"  # a value from the paper, or a truth known by construction
OTHER = "#8A6FB0"  # a second thing that is none of these
ALARM = "#B5396E"  # something that goes wrong: a slope that explodes, a bound that fails
BELOW, ABOVE = "#1C93A6", "#7A4A1F"  # of a signed number that belongs to neither space: below zero, above zero

TEMPLATE = "dmrec"  # the plotly template's name


@dataclass(frozen=True)
class Mark:
    """How one meaning is drawn: the colour, and what says the same without it."""

    label: str  # legend text
    color: str
    dash: str  # plotly's line.dash
    linestyle: str | tuple  # matplotlib's
    symbol: str  # plotly's marker.symbol
    marker: str  # matplotlib's

    @property
    def line(self) -> dict[str, Any]:
        """Keyword arguments of a matplotlib line with markers: `ax.plot(x, y, **mark_of("base").line)`."""
        return {"label": self.label, "color": self.color, "linestyle": self.linestyle, "marker": self.marker}

    @property
    def plotly(self) -> dict[str, Any]:
        """Keyword arguments of a plotly scatter: `go.Scatter(x=x, y=y, **mark_of("base").plotly)`."""
        return {
            "name": self.label,
            "line": {"color": self.color, "dash": self.dash},
            "marker": {"color": self.color, "symbol": self.symbol, "size": 7},
        }


MARKS: dict[str, Mark] = {
    "collaborative": Mark("collaborative q", COLLABORATIVE, "solid", "-", "circle", "o"),
    "language": Mark("language p", LANGUAGE, "dash", "--", "square", "s"),
    "fused": Mark("fused posterior", MATCHED, "dashdot", "-.", "diamond", "D"),
    "prior": Mark("prior N(0, I)", NEUTRAL, "dot", ":", "x", "x"),
    "base": Mark("base", COLLABORATIVE, "solid", "-", "circle", "o"),
    **{
        name: Mark(strategy.label, *look)
        for (name, strategy), look in zip(
            ALL_STRATEGIES.items(),
            (
                ("#9AD8BA", "dash", "--", "triangle-up", "^"),
                ("#5AB388", "dashdot", "-.", "square", "s"),
                (MATCHED, "solid", "-", "diamond", "D"),
                (OTHER, "longdash", (0, (8, 3)), "pentagon", "p"),
                ("#B9A0D0", "dash", "--", "hexagon", "h"),
            ),
            strict=True,
        )
    },
    "without_pmn": Mark("w/o PMN", NEUTRAL, "dot", ":", "x", "x"),
    "reference": Mark("paper", REFERENCE, "dot", ":", "star", "*"),
}
"""Every meaning a figure of the kit draws. Strategies are greens, since all of them match, apart in grey as well."""
SPARE = (
    ("#6B4C9A", "longdashdot", (0, (6, 2, 1, 2)), "cross", "P"),
    ("#A23E48", "longdash", (0, (10, 3)), "star-triangle-up", "v"),
    ("#3B7A8C", "dot", (0, (2, 2)), "hourglass", "X"),
)
"""Looks of strategies that are not the kit's."""


def mark_of(meaning: str | Strategy) -> Mark:
    """How a meaning is drawn; a strategy of one's own takes a spare look, the same wherever it is drawn.

    Example:
        >>> mark_of("mddm").label
        'DMRec-M'
    """
    if isinstance(meaning, Strategy):
        return Mark(meaning.label, *SPARE[zlib.crc32(meaning.label.encode()) % len(SPARE)])
    return MARKS[meaning]


def colormap(color: str) -> LinearSegmentedColormap:
    """White to `color`: for densities and heat maps of one meaning."""
    return LinearSegmentedColormap.from_list(f"white-to-{color}", ["#FFFFFF", color])


DIVERGING = LinearSegmentedColormap.from_list("below-to-above", [BELOW, "#F4F4F4", ABOVE])
"""For signed numbers, a correlation or a cosine: teal below zero, brown above."""


def plotly_template() -> go.layout.Template:
    """The kit's plotly template: white, light grid, the palette's order, and zoom kept when data change."""
    axis = {"showgrid": True, "gridcolor": "#E6E6E6", "zeroline": False, "linecolor": "#BBBBBB", "ticks": "outside"}
    template = go.layout.Template()
    template.layout = go.Layout(
        font={"family": "Helvetica, Arial, sans-serif", "size": 13, "color": "#222222"},
        colorway=[COLLABORATIVE, OTHER, MATCHED, NEUTRAL, ALARM],
        paper_bgcolor="white",
        plot_bgcolor="white",
        xaxis=axis,
        yaxis=axis,
        margin={"l": 60, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hovermode="closest",
        uirevision="keep",
    )
    return template


def use() -> None:
    """Make the look the default of matplotlib (seaborn theme) and of plotly; notebooks call it in their opening."""
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=[COLLABORATIVE, OTHER, MATCHED, NEUTRAL, ALARM],
        rc={
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "axes.edgecolor": "#BBBBBB",
            "grid.color": "#E6E6E6",
            "legend.frameon": False,
            "svg.fonttype": "none",
        },
    )
    plotly.io.templates[TEMPLATE] = plotly_template()
    plotly.io.templates.default = f"plotly_white+{TEMPLATE}"
