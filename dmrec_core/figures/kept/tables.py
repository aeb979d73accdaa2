"""The kept figures of Tables 2 and 3: one row a model, with its interval and the paper's number where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dmrec_core.figures.style import MARKS, mark_of
from dmrec_core.runs.models import CARDS, LANGUAGE_MODELS
from dmrec_core.training.evaluate import metric_label

PAPER = MARKS["reference"]


def rows_compared(table: pd.DataFrame, share_x: bool = True) -> Figure:
    """Panels side by side; points are means over seeds, bars their 95 % intervals, stars the paper's numbers.

    The dotted line and its band are the first row of each panel: what the others are to be compared with.

    Args:
        table: panel, metric, name, mark (a key of `style.MARKS`), mean, low, high, paper (NaN where there is none);
            rows in the order they are drawn.
        share_x: one scale for all panels, for the same metric of several models.
    """
    panels = list(dict.fromkeys(table["panel"]))
    longest = table.groupby("panel").size().max()
    width = 1.4 + 0.075 * table["name"].str.len().max() + 3.2
    figure = Figure(figsize=(width * len(panels), 1.5 + 0.42 * longest), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=share_x)[0]
    for axis, panel in zip(axes, panels, strict=True):
        draw_rows(axis, table[table["panel"] == panel])
        axis.set_title(panel)
    if table["paper"].notna().any():
        star = Line2D([], [], **PAPER.line | {"linestyle": "none", "markersize": 11, "label": "the paper"})
        axes[-1].legend(handles=[star], loc="best", fontsize=9)
    return figure


def draw_rows(axis: Axes, rows: pd.DataFrame) -> None:
    """One panel of `rows_compared`."""
    first = rows.iloc[0]
    color = MARKS[first["mark"]].color
    axis.axvline(first["mean"], color=color, linestyle=":", linewidth=1.2)
    if np.isfinite(first["low"]):
        axis.axvspan(first["low"], first["high"], color=color, alpha=0.08, linewidth=0)
    for place, row in enumerate(rows.itertuples()):
        mark = mark_of(row.mark)
        error = [[row.mean - row.low], [row.high - row.mean]]
        axis.errorbar(row.mean, place, xerr=error, color=mark.color, marker=mark.marker, markersize=8, capsize=4,
                      linestyle="none")  # fmt: skip
        if np.isfinite(row.paper):
            axis.plot(row.paper, place, marker=PAPER.marker, color=PAPER.color, markersize=11, linestyle="none")
    axis.set_yticks(range(len(rows)), rows["name"])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(f"test {metric_label(first['metric'])}")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.3, axis="x")
    axis.grid(False, axis="y")


def as_frame(rows: Sequence, metrics: Sequence[str], panel: str = "model") -> pd.DataFrame:
    """What `rows_compared` draws, from rows of `tables.rows.fill`.

    Args:
        rows: of one table.
        metrics: to be drawn.
        panel: "model" for one panel a backbone, "metric" for one panel a metric.
    """
    found = []
    for metric in metrics:
        for row in rows:
            plan, interval = row.plan, row.ours[metric]
            reads = plan.model in LANGUAGE_MODELS or (row.spec.solved and row.spec.uses_language)
            base = "language" if reads else "base"
            paper = plan.paper[metric] if plan.paper else np.nan
            found.append(
                {
                    "panel": CARDS[plan.model].name if panel == "model" else metric_label(metric),
                    "metric": metric,
                    "name": plan.label if panel == "model" else plan.name,
                    "mark": base if row.spec.strategy == "base" else row.spec.strategy,
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "paper": paper,
                }
            )
    return pd.DataFrame(found)
