"""The kept figures that compare settings: ablations (Figure 5), and what is left of a gain without the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmrec_core.figures.style import ALARM, MARKS, MATCHED, NEUTRAL, REFERENCE, Mark, mark_of
from dmrec_core.training.evaluate import metric_label

# what is fed to the second branch; "base" has none, and its coefficient is the weight of its prior
VECTOR_MARKS: dict[str, Mark] = {
    "base": Mark("base (its KL weight)", MARKS["base"].color, "solid", ":", "circle", "o"),
    "random": Mark("random vectors", NEUTRAL, "dot", "-.", "x", "x"),
    "shuffled": Mark("shuffled vectors", ALARM, "dash", "--", "square", "s"),
    "real": Mark("real vectors (λ)", MATCHED, "solid", "-", "diamond", "D"),
}


def settings_compared(summary: pd.DataFrame, names: Sequence[str], marks: Sequence[str], reference: int = 0) -> Figure:
    """Figure 5: one row a setting, one panel a metric; points are means over seeds, bars their 95 % intervals.

    Args:
        summary: as `summaries.over_seeds` gives it.
        names: one a setting, in the order of first appearance in `summary`.
        marks: the meaning of each setting, a key of `style.MARKS`.
        reference: the setting whose mean and interval run through the panel.
    """
    metrics = list(dict.fromkeys(summary["metric"]))
    figure = Figure(figsize=(1.5 + 4.3 * len(metrics), 1.3 + 0.42 * len(names)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for ax, metric in zip(panels, metrics, strict=True):
        rows = summary[summary["metric"] == metric].reset_index(drop=True)
        level = rows.iloc[reference]
        ax.axvline(level["mean"], color=MARKS[marks[reference]].color, linestyle=":", linewidth=1.2)
        if np.isfinite(level["low"]):
            ax.axvspan(level["low"], level["high"], color=MARKS[marks[reference]].color, alpha=0.08, linewidth=0)
        for place, (row, meaning) in enumerate(zip(rows.itertuples(), marks, strict=True)):
            mark = mark_of(meaning)
            error = [[row.mean - row.low], [row.high - row.mean]]
            ax.errorbar(row.mean, place, xerr=error, color=mark.color, marker=mark.marker, markersize=8, capsize=4,
                        linestyle="none")  # fmt: skip
        ax.set_xlabel(f"test {metric_label(metric)}")
        ax.locator_params(axis="x", nbins=6)  # labels of four digits are wide
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3, axis="x")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def changed_alone(curves: pd.DataFrame, differences: pd.DataFrame, looks: Mapping[str, str]) -> Figure:
    """Settings with one thing changed: how validation goes along training (a), and how far from the base they end (b).

    Args:
        curves: change, epoch, value: validation Recall@20.
        differences: change, mean, low, high, from the base, with the 95 % interval over users.
        looks: of the changes drawn in (a) -> what they mean, a key of `style.MARKS`; (b) gives them the same colours.
    """
    figure = Figure(figsize=(11, 1.6 + 0.33 * len(differences)), layout="constrained")
    along, ends = figure.subplots(1, 2)
    for change, part in curves.groupby("change", sort=False):
        mark = mark_of(looks[change])
        best = part.loc[part["value"].idxmax()]
        along.plot(part["epoch"], part["value"], color=mark.color, linestyle=mark.linestyle, linewidth=2, label=change)
        along.plot(best["epoch"], best["value"], color=mark.color, marker=mark.marker, markersize=8)
    along.set(xlabel="epoch", ylabel="validation Recall@20", title="(a) along training; the mark: best epoch")
    along.legend(frameon=False, fontsize=9, loc="lower right")
    for place, row in enumerate(differences.itertuples()):
        mark = mark_of(looks[row.change]) if row.change in looks else Mark("", REFERENCE, "solid", "-", "circle", ".")
        ends.errorbar(row.mean, place, xerr=[[row.mean - row.low], [row.high - row.mean]], color=mark.color,
                      marker=mark.marker, markersize=8, capsize=4, linestyle="none")  # fmt: skip
    ends.axvline(0, color=MARKS["base"].color, linestyle=":", linewidth=1.2)
    ends.set_yticks(range(len(differences)), differences["change"])
    ends.set_ylim(len(differences) - 0.5, -0.5)
    ends.set(xlabel="test Recall@20 minus the base's", title="(b) where it ends")
    ends.locator_params(axis="x", nbins=5)  # labels of five digits are wide
    for ax in (along, ends):
        ax.title.set_fontsize(11)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    return figure


def language_or_not(
    curves: pd.DataFrame, rungs: pd.DataFrame, noise: pd.DataFrame | None = None, metric: str = "recall@20"
) -> Figure:
    """What is left of the gain without the language: every setting tuned alike, the gain in steps, noise as a dial.

    Args:
        curves: vectors ("base" for the base model), coefficient, mean, low, high.
        rungs: name, vectors, mean, low, high: from the base to DMRec, one row a rung.
        noise: share, mean, low, high: DMRec at shares of noise in its vectors; None leaves the panel out.
        metric: for the axis labels.
    """
    panels = 2 if noise is None else 3
    figure = Figure(figsize=(4.4 * panels + 1, 4.4), layout="constrained")
    axes = figure.subplots(1, panels, width_ratios=[1.2, 1.2, 0.8][:panels])
    _coefficients(axes[0], curves, metric)
    _rungs(axes[1], rungs, metric)
    if noise is not None:
        _dial(axes[2], noise, rungs, metric)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    return figure


def _coefficients(ax: Axes, curves: pd.DataFrame, metric: str) -> None:
    kinds = [kind for kind in VECTOR_MARKS if kind in set(curves["vectors"])]
    for place, kind in enumerate(kinds):
        part, mark = curves[curves["vectors"] == kind].sort_values("coefficient"), VECTOR_MARKS[kind]
        x = part["coefficient"] + 0.012 * (place - (len(kinds) - 1) / 2)
        _errorbar(ax, x, part, mark)
    ax.set_xlabel("λ, or the base's KL weight")
    ax.set_ylabel(f"test {metric_label(metric)}")
    ax.set_title("the same grid for everyone", fontsize=11)
    ax.legend(frameon=False, fontsize=9)


def _rungs(ax: Axes, rungs: pd.DataFrame, metric: str) -> None:
    for place, row in enumerate(rungs.itertuples()):
        mark = VECTOR_MARKS[row.vectors]
        ax.errorbar(row.mean, place, xerr=[[row.mean - row.low], [row.high - row.mean]], color=mark.color,
                    marker=mark.marker, markersize=8, capsize=4, linestyle="none")  # fmt: skip
        if place:
            step = row.mean - rungs["mean"].iloc[place - 1]
            ax.annotate(f"{step:+.4f}", (1, place - 0.5), (-2, 0), fontsize=9, color=REFERENCE, ha="right", va="center",
                        xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    ax.axvline(rungs["mean"].iloc[0], color=VECTOR_MARKS["base"].color, linestyle=":", linewidth=1.2)
    ax.set_yticks(range(len(rungs)), rungs["name"])
    ax.set_ylim(len(rungs) - 0.5, -0.5)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + 0.25 * (high - low))  # room for the steps
    ax.set_xlabel(f"test {metric_label(metric)}")
    ax.set_title("the gain, step by step", fontsize=11)


def _dial(ax: Axes, noise: pd.DataFrame, rungs: pd.DataFrame, metric: str) -> None:
    _errorbar(ax, noise["share"], noise.sort_values("share"), VECTOR_MARKS["real"], label=None)
    tuned = rungs[rungs["vectors"] == "base"].iloc[-1]
    mark = VECTOR_MARKS["base"]
    ax.axhline(tuned["mean"], color=mark.color, linestyle=":", linewidth=1.2)
    ax.annotate(tuned["name"].replace("\n", " "), (0.02, tuned["mean"]), (0, -4), fontsize=8, color=mark.color,
                va="top", xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    ax.set_xlabel("share of noise in the vectors")
    ax.set_ylabel(f"test {metric_label(metric)}")
    ax.set_title("noise as a dial", fontsize=11)


def _errorbar(ax: Axes, x: Sequence[float], part: pd.DataFrame, mark: Mark, **changes: object) -> None:
    errors = [part["mean"] - part["low"], part["high"] - part["mean"]]
    look: Mapping[str, object] = mark.line | changes
    ax.errorbar(x, part["mean"], yerr=errors, **look, linewidth=2, markersize=6, elinewidth=1, capsize=2)
