"""The pictures of the other language recommenders, and the kept figure of Table 3, for notebook 11."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dmrec_core.figures.kept.tables import PAPER, draw_rows, rows_compared
from dmrec_core.figures.style import DIVERGING, MATCHED, NEUTRAL, OTHER, REFERENCE, mark_of

BINS = 60


def similarity(panels: Mapping[str, np.ndarray], rows: str, columns: str) -> Figure:
    """Cosine matrices side by side on one scale; row k and column k are the same user.

    Args:
        panels: title -> cosines, `(n, n)`.
        rows, columns: what they are.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.8, 4.3), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        image = axis.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
        axis.set(title=title, xlabel=columns, xticks=[], yticks=[])
        axis.grid(False)
    axes[0].set_ylabel(rows)
    figure.colorbar(image, ax=axes.tolist(), shrink=0.8, label="cosine")
    return figure


def gates(sides: Mapping[str, np.ndarray], shared: int) -> Figure:
    """KAR's gates: how much each expert is listened to, mean and spread over nodes.

    Args:
        sides: "users" and "items" -> gate weights, `(n, experts)`.
        shared: how many experts, the first ones, both sides use.
    """
    figure = Figure(figsize=(8, 3), layout="constrained")
    axis = figure.subplots()
    for place, ((side, weights), fill) in enumerate(zip(sides.items(), (OTHER, "white"), strict=True)):
        experts = np.arange(weights.shape[1])
        axis.bar(experts + 0.36 * (place - 0.5), weights.mean(0), 0.34, yerr=weights.std(0), color=fill, label=side,
                 edgecolor=OTHER, hatch="///" * place, error_kw={"elinewidth": 1, "ecolor": REFERENCE})  # fmt: skip
    axis.axhline(1 / len(experts), color=NEUTRAL, linestyle="--", label="all alike")
    axis.set_xticks(experts, [f"shared {k + 1}" if k < shared else f"own {k + 1 - shared}" for k in experts])
    axis.set_ylabel("gate weight")
    axis.legend(fontsize=9, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(False, axis="x")
    return figure


def pruned(losses: np.ndarray, rate: float) -> Figure:
    """LLMRec's pruning, as coded and as its prose has it: which of a batch's losses stay in.

    Args:
        losses: of all pairs of a batch, `(B,)`.
        rate: share left out.
    """
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    kept = int((1 - rate) * len(losses))
    ordered = np.sort(losses)
    bins = np.geomspace(max(ordered[0], 1e-4), ordered[-1], BINS)
    titles = (f'as coded: the {kept} largest, "hard"', f'as the prose says: the {kept} smallest, "easy"')
    for axis, title, mine in zip(
        figure.subplots(1, 2, sharey=True), titles, (ordered[-kept:], ordered[:kept]), strict=True
    ):
        for values, color, name in ((losses, "#D0D0D0", "left out"), (mine, OTHER, "trained on")):
            axis.hist(np.maximum(values, bins[0]), bins, color=color, label=name)
        axis.set(title=title, xlabel="loss of a pair in nats", xscale="log")
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("pairs")
    figure.axes[0].legend(fontsize=9)
    return figure


def cosines(panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Cosines of users with the items they chose later, and with items they did not, one panel a moment.

    Args:
        panels: title -> cosines with held-out items, cosines with the others.
    """
    figure = Figure(figsize=(5 * len(panels), 3.2), layout="constrained")
    for axis, (title, (held_out, others)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        bins = np.linspace(-1, 1, BINS)
        for values, color, name in ((others, "#B0B0B0", "any other item"), (held_out, MATCHED, "held-out items")):
            axis.hist(values, bins, density=True, color=color, alpha=0.7, label=name)
        axis.set(title=title, xlabel="cosine of user and item", yticks=[], xlim=(-1, 1))
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.grid(False)
    figure.axes[0].legend(fontsize=9, loc="upper left")
    return figure


def language_models(table: pd.DataFrame, gains: pd.DataFrame) -> Figure:
    """Table 3: a panel a metric, and a third for what each model gains over its own base.

    Args:
        table: as `table_static.as_frame` gives it, panels by metric.
        gains: name, mark, relative, low, high, paper: in per cent of the own base; NaN where there is none.
    """
    if gains.empty:
        return rows_compared(table, share_x=False)
    panels = list(dict.fromkeys(table["panel"]))
    height = 1.4 + 0.42 * table.groupby("panel").size().max()
    figure = Figure(figsize=(5.2 * len(panels) + 5.2, height), layout="constrained")
    *axes, last = figure.subplots(1, len(panels) + 1)
    for axis, panel in zip(axes, panels, strict=True):
        draw_rows(axis, table[table["panel"] == panel])
        axis.set_title(panel)
    for place, row in enumerate(gains.itertuples()):
        mark = mark_of(row.mark)
        error = [[row.relative - row.low], [row.high - row.relative]]
        last.errorbar(row.relative, place, xerr=error, color=mark.color, marker=mark.marker, markersize=8, capsize=4,
                      linestyle="none")  # fmt: skip
        if np.isfinite(row.paper):
            last.plot(row.paper, place, marker=PAPER.marker, color=PAPER.color, markersize=11, linestyle="none")
    last.axvline(0, color=REFERENCE, linewidth=1)
    last.set_yticks(range(len(gains)), gains["name"])
    last.set_ylim(len(gains) - 0.5, -0.5)
    last.set(xlabel="test Recall@20: gain in %", title="over its own base")
    last.spines[["top", "right"]].set_visible(False)
    last.grid(alpha=0.3, axis="x")
    last.grid(False, axis="y")
    return figure
