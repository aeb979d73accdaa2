"""What text vectors know: nearest items, and the kept figure of notebook 01. Pure: numbers in, a figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from dmrec_core.figures.live.drawing import finish
from dmrec_core.figures.style import COLLABORATIVE, LANGUAGE, NEUTRAL, REFERENCE
from dmrec_core.records.markup import plotly_text


def draw_nearest(title: str, titles: Sequence[str], cosines: np.ndarray, typical: float) -> go.Figure:
    """The items whose texts are nearest to one item's.

    Args:
        title: of the item in question.
        titles: of its neighbours, nearest first.
        cosines: to each of them.
        typical: the mean cosine of random pairs, drawn as a level.
    """
    names = [f"{place}. {plotly_text(text[:48])}" for place, text in enumerate(titles, start=1)]
    figure = go.Figure()
    figure.add_trace(go.Bar(x=cosines, y=names, orientation="h", marker={"color": LANGUAGE}, name="cosine"))
    level = {"color": REFERENCE, "dash": "dot"}
    figure.add_trace(
        go.Scatter(x=[typical, typical], y=[names[0], names[-1]], mode="lines", line=level, name="mean of random pairs")
    )
    finish(figure, f"nearest by text to: {title}", height=460)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="cosine of the text vectors", range=[min(0.0, float(cosines.min()), typical), 1])
    figure.update_layout(margin={"l": 280})
    return figure


def data_figure(
    histories: np.ndarray, popularity: np.ndarray, cosines: Mapping[str, np.ndarray], recall: Mapping[str, float]
) -> Figure:
    """Notebook 01: how long histories are, how popular items are, how narrow the text cone is, what it ranks.

    Args:
        histories: training items per user, `(U,)`.
        popularity: training users per item, `(I,)`.
        cosines: "as they are" and "centred" -> cosines of random pairs of item vectors.
        recall: ranking -> Recall@20 on the test split.
    """
    figure = Figure(figsize=(16, 4.2), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.2])
    bins = np.unique(np.geomspace(1, histories.max() + 1, 22).round())
    axes[0].hist(histories, bins=bins, color=COLLABORATIVE)
    axes[0].axvline(np.median(histories), color=REFERENCE, linestyle="--", label=f"median {np.median(histories):g}")
    axes[0].set(title="Most users are quiet", xlabel="training items of a user", ylabel="users", xscale="log")
    axes[0].legend()
    ranked = np.sort(popularity)[::-1]
    axes[1].plot(np.arange(1, len(ranked) + 1), ranked, color=COLLABORATIVE)
    axes[1].set(title="Most items are rare", xlabel="rank of the item", ylabel="training users", xscale="log")
    for axis in axes[:2]:
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    edges = np.linspace(min(-0.3, *(c.min() for c in cosines.values())), 1, 60)
    for (name, values), color, style in zip(cosines.items(), (LANGUAGE, NEUTRAL), ("-", "--"), strict=True):
        axes[2].hist(
            values, edges, density=True, histtype="step", color=color, linewidth=2, linestyle=style, label=name
        )
        axes[2].axvline(values.mean(), color=color, linestyle=":", linewidth=1.5)
    axes[2].set(title="How alike random item texts are", xlabel="cosine of random pairs", ylabel="density")
    axes[2].legend()
    names = list(recall)
    colors = [LANGUAGE if "text" in name else NEUTRAL for name in names]
    bars = axes[3].barh(names, [recall[name] for name in names], color=colors)
    axes[3].bar_label(bars, fmt="%.4f", padding=3)
    axes[3].invert_yaxis()
    axes[3].set(title="Rankings that learn nothing", xlabel="test Recall@20", xlim=(0, 1.25 * max(recall.values())))
    axes[3].grid(axis="y", visible=False)
    return figure
