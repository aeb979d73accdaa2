"""The kept figures of trained models: tidy table in, matplotlib Figure out, nothing read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmrec_core.figures.style import MARKS, NEUTRAL, REFERENCE, mark_of
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.training.evaluate import metric_label


def training_curves(curves: pd.DataFrame, metric: str = "recall@20") -> Figure:
    """Figure 2: the validation metric against epochs and seconds, one thin line a seed, one thick line the mean.

    Args:
        curves: as `summaries.learning_curves` gives it.
        metric: for the axis label.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, x, unit in zip(axes, ("epoch", "seconds"), ("epoch", "training time in seconds"), strict=True):
        for strategy, part in curves.groupby("strategy", sort=False):
            mark = mark_of(strategy)
            for _, run in part.groupby("seed"):
                ax.plot(run[x], run["value"], color=mark.color, linestyle=mark.linestyle, alpha=0.35, linewidth=1)
            mean = part.groupby("epoch")[["seconds", "value"]].mean().reset_index()
            # beyond the first run to stop, the mean would be one over fewer and fewer seeds
            mean = mean[mean["epoch"] <= part.groupby("seed")["epoch"].max().min()]
            ax.plot(mean[x], mean["value"], color=mark.color, linestyle=mark.linestyle, linewidth=2.5, label=mark.label)
        ax.set_xlabel(unit)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    axes[0].set_ylabel(f"validation {metric_label(metric)}")
    axes[0].legend(loc="lower right", frameon=False)
    return figure


def lambda_sensitivity(summary: pd.DataFrame, published: Mapping[str, float] | None = None) -> Figure:
    """Figure 6: each metric over lambda for each strategy, with 95 % intervals, and the base model as a level.

    Args:
        summary: as `summaries.over_seeds` gives it, base rows included.
        published: strategy -> the paper's lambda, marked on the axis where given.
    """
    metrics = list(dict.fromkeys(summary["metric"]))
    figure = Figure(figsize=(5 * len(metrics), 4.2), layout="constrained")
    for ax, metric in zip(np.atleast_1d(figure.subplots(1, len(metrics))), metrics, strict=True):
        rows = summary[summary["metric"] == metric]
        _level(ax, rows[rows["strategy"] == "base"])
        strategies = list(rows[rows["strategy"] != "base"].groupby("strategy", sort=False))
        for place, (strategy, part) in enumerate(strategies):
            part, mark = part.sort_values("lam"), mark_of(strategy)
            lam = part["lam"] + 0.012 * (place - (len(strategies) - 1) / 2)  # side by side, or the intervals hide
            errors = [part["mean"] - part["low"], part["high"] - part["mean"]]
            ax.errorbar(lam, part["mean"], yerr=errors, **mark.line, linewidth=2, markersize=6, elinewidth=1, capsize=2)
            if published and strategy in published:
                ax.plot(published[strategy], 0.0, marker=mark.marker, color=mark.color, clip_on=False, markersize=9,
                        transform=ax.get_xaxis_transform(), markeredgecolor="black")  # fmt: skip
        ax.set_xlabel("λ")
        ax.set_ylabel(f"test {metric_label(metric)}")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False, fontsize=9)
    return figure


def unregularised(curves: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """Notebook 09: what holds the language side as lambda goes to 0: two panels of algebra, one of trained runs.

    Args:
        curves: at q = N(0, 1), one row a mean of p (`mean`): `published` and `paper`, the matching term; and for some
            lambdas, named by their numbers, what the published L_DM says of p.
        measured: as `analysis.from_prior` gives it, of runs of MDDM.
    """
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    matching, held, found = figure.subplots(1, 3)
    published, paper = MARKS[DEFAULT_STRATEGY], MARKS["reference"]
    matching.plot(curves["mean"], curves["paper"], color=paper.color, linestyle=paper.linestyle, label="paper")
    matching.plot(curves["mean"], curves["published"], color=published.color, linewidth=3, label="published: 0")
    matching.set(title="(a) the matching term at q = N(0, 1)", xlabel="mean of p", ylabel="nats")
    lams = sorted((column for column in curves if isinstance(column, float)), reverse=True)
    for place, lam in enumerate(lams):
        look = {"linestyle": ("-", "--", "-.", ":")[place % 4], "alpha": 0.35 + 0.65 * lam}
        held.plot(curves["mean"], curves[lam], color=NEUTRAL, linewidth=2.5, label=f"λ = {lam:g}", **look)
    held.set(title="(b) all that the published L_DM says of p there", xlabel="mean of p", ylabel="nats")
    means = measured.groupby("lam")[["collaborative", "language"]].mean()
    for name in means:
        mark = MARKS[name]
        found.plot(means.index, means[name], **mark.line, linewidth=2)
        found.scatter(measured["lam"], measured[name], s=14, color=mark.color, alpha=0.6)
    found.set(title="(c) trained: mean divergence from the prior", xlabel="λ", ylabel="nats", ylim=(0, None))
    for ax in figure.axes:
        ax.legend(fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.3)
    return figure


def _level(ax: Axes, base: pd.DataFrame) -> None:
    for _, row in base.iterrows():
        mark = MARKS["base"]
        ax.axhline(row["mean"], color=mark.color, linewidth=1.5, linestyle=":", label=mark.label)
        if np.isfinite(row["low"]):
            ax.axhspan(row["low"], row["high"], color=mark.color, alpha=0.08, linewidth=0)


def sparsity_groups(
    groups: pd.DataFrame,
    metric: str = "ndcg@20",
    differences: pd.DataFrame | None = None,
    counted: str = "training interactions",
) -> Figure:
    """Figure 3: bars are each group's share of the users, points the metric of each model with its 95 % interval.

    Args:
        groups: as `summaries.group_metrics` gives it.
        metric: for the axis label.
        differences: as `comparisons.group_comparisons` gives it; drawn in a second panel, where the intervals are those
            of the paired difference and so the ones to judge a gain by.
        counted: what the groups' labels count.
    """
    figure = Figure(figsize=(7.5, 4.2) if differences is None else (11.5, 4.4), layout="constrained")
    panels = figure.subplots(1, 1 if differences is None else 2, width_ratios=None if differences is None else [3, 2])
    ax = np.atleast_1d(panels)[0]
    first = groups[groups["strategy"] == groups["strategy"].iloc[0]]
    bars = ax.twinx()
    drawn = bars.bar(first["group"], 100 * first["share"], color=NEUTRAL, alpha=0.25, width=0.7)
    bars.bar_label(drawn, fmt="%.0f %%", fontsize=9, color="#666666")
    bars.set_ylabel("share of users in %")
    bars.set_ylim(0, 100)
    for (strategy, part), shift in zip(groups.groupby("strategy", sort=False), _shifts(groups), strict=True):
        mark = mark_of(strategy)
        errors = [part["mean"] - part["low"], part["high"] - part["mean"]]
        ax.errorbar(part["group"] + shift, part["mean"], yerr=errors, **mark.line, capsize=3)
    ax.set_ylabel(f"test {metric_label(metric)}")
    ax.set_zorder(bars.get_zorder() + 1)
    ax.patch.set_visible(False)
    for each in (ax, bars):
        each.spines["top"].set_visible(False)
        each.grid(False)
    ax.legend(frameon=False, loc="upper right", ncols=groups["strategy"].nunique(), bbox_to_anchor=(1, 1.1))
    if differences is not None:
        _differences(panels[1], differences, metric)
    for each in np.atleast_1d(panels):
        each.set_xticks(first["group"], first["label"])
        each.set_xlabel(f"{counted} of a user")
    return figure


def _differences(ax: Axes, differences: pd.DataFrame, metric: str) -> None:
    errors = [differences["difference"] - differences["low"], differences["high"] - differences["difference"]]
    style = MARKS[DEFAULT_STRATEGY].line | {"linestyle": "none", "label": None}
    ax.axhline(0, color=REFERENCE, linewidth=1)
    ax.errorbar(differences["group"], differences["difference"], yerr=errors, **style, markersize=8, capsize=4)
    for row in differences.itertuples():
        if np.isfinite(row.relative):
            ax.annotate(f"{100 * row.relative:+.0f} %", (row.group, row.difference), (7, 4), fontsize=9,
                        textcoords="offset points")  # fmt: skip
    ax.margins(x=0.15)
    ax.set_ylabel(f"difference in {metric_label(metric)}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(False, axis="x")
    ax.grid(alpha=0.3, axis="y")


def _shifts(groups: pd.DataFrame) -> Sequence[float]:
    n = groups["strategy"].nunique()
    return (np.arange(n) - (n - 1) / 2) * 0.12


def dimension_activity(activity: pd.DataFrame, threshold: float | None = None) -> Figure:
    """Figure 4: box plots of log activity over the latent dimensions, one box a model and mean.

    Args:
        activity: as `summaries.activities` gives it.
        threshold: the activity below which a dimension counts as collapsed; drawn where given.
    """
    boxes = list(activity.groupby(["strategy", "kl_weight", "which"], sort=False))
    figure = Figure(figsize=(1.5 + 1.9 * len(boxes), 4.2), layout="constrained")
    ax = figure.subplots()
    names = {"collaborative": "mean of q alone", "fused": "mean that is decoded"}
    labels = []
    for place, ((strategy, kl_weight, which), part) in enumerate(boxes):
        mark = mark_of(strategy)
        ax.boxplot(part["log_activity"], positions=[place], widths=0.5, patch_artist=True,
                   boxprops={"facecolor": mark.color, "alpha": 0.45 if which == "collaborative" else 0.9},
                   medianprops={"color": "white", "linewidth": 2},
                   flierprops={"markersize": 3, "alpha": 0.4})  # fmt: skip
        own = f"KL weight {kl_weight:g}" if strategy == "base" and kl_weight != 1 else ""
        labels.append(f"{mark.label}\n{own if strategy == 'base' else names[which]}")
    if threshold is not None:
        ax.axhline(np.log(threshold), color=REFERENCE, linestyle=":", linewidth=1)
        ax.annotate(f"collapsed below {threshold:g}", (1, np.log(threshold)), (-4, 3), fontsize=8, ha="right",
                    xycoords=("axes fraction", "data"), textcoords="offset points",
                    bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1})  # fmt: skip
    ax.set_xticks(range(len(boxes)), labels)
    ax.set_ylabel(r"log activity $\ln a_k$")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3, axis="y")
    return figure
