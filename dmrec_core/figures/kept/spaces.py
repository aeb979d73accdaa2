"""The kept figures of notebooks 00b, 02 and 03: the spaces of real users, for print. Numbers in, Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dmrec_core.analysis.spaces import Bounds, by_history
from dmrec_core.dmrec import Spaces
from dmrec_core.figures.style import COLLABORATIVE, MARKS, NEUTRAL, REFERENCE, colormap


def gradient_steps(table: pd.DataFrame) -> Figure:
    """Notebook 00b: where one gradient step carries a user's three distributions; a row a variant, a column a pull.

    Args:
        table: one row a `variant`, `pull` and `space` ("collaborative", "language" or "fused"): `mean_1`, `mean_2`,
            `std_1`, `std_2` before the step, and the same after it with `_after` behind the name.
    """
    variants, pulls = (list(dict.fromkeys(table[column])) for column in ("variant", "pull"))
    figure = Figure(figsize=(4.2 * len(pulls), 3.4 * len(variants) + 0.5), layout="constrained")
    axes = figure.subplots(len(variants), len(pulls), squeeze=False, sharex=True, sharey=True)
    # the window does not depend on the step, so that under a slider only the arrows change
    low = [min(-1.0, table[f"mean_{k}"].min()) - 1.5 for k in (1, 2)]
    high = [max(1.0, table[f"mean_{k}"].max()) + 1.5 for k in (1, 2)]
    for number, (axis, (variant, pull)) in enumerate(
        zip(axes.flat, ((v, p) for v in variants for p in pulls), strict=True)
    ):
        axis.add_patch(Ellipse((0, 0), 2, 2, fill=False, color=NEUTRAL, linestyle=":"))
        axis.plot(0, 0, "x", color=NEUTRAL, markersize=8)
        for row in table[(table["variant"] == variant) & (table["pull"] == pull)].itertuples():
            _step(axis, row)
        axis.set_title(f"({ascii_lowercase[number]}) {variant}: {pull}", fontsize=11)
        axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    for axis in axes[-1]:
        axis.set_xlabel("latent dimension 1")
    for axis in axes[:, 0]:
        axis.set_ylabel("latent dimension 2")
    legend = {name: MARKS[name] for name in ("collaborative", "language", "fused", "prior")}
    handles = [
        axes[0, 0].plot([], [], color=mark.color, linestyle=mark.linestyle, marker=mark.marker, label=mark.label)[0]
        for mark in legend.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=10)
    return figure


def _step(axis: Axes, row: tuple) -> None:
    """One distribution's ring at one σ, faint where it will be, and the arrow of its mean (a dot where it stays)."""
    mark = MARKS[row.space]
    before, after = np.array([row.mean_1, row.mean_2]), np.array([row.mean_1_after, row.mean_2_after])
    for mean, std, opacity in (
        (before, (row.std_1, row.std_2), 0.9),
        (after, (row.std_1_after, row.std_2_after), 0.35),
    ):
        size = (2 * std[0], 2 * std[1])
        look = {"color": mark.color, "linestyle": mark.linestyle, "alpha": opacity}
        axis.add_patch(Ellipse(mean, *size, fill=False, linewidth=1.6, **look))
    axis.plot(*before, mark.marker, color=mark.color, markersize=6, markeredgecolor="white")
    if np.linalg.norm(after - before) > 1e-9:
        look = {"arrowstyle": "-|>", "mutation_scale": 14, "linewidth": 2.4, "shrinkA": 0, "shrinkB": 0}
        axis.add_patch(FancyArrowPatch(before, after, color=mark.color, **look))


def collaborative_figure(means: np.ndarray, items: np.ndarray, bounds: Bounds, shown: Sequence[int]) -> Figure:
    """Notebook 02: where users are, two true posteriors with the encoder's guess, and the bounds below log p(x).

    Args:
        means: posterior means of all users, `(U, 2)`.
        items: their training items, `(U,)`.
        bounds: of some users.
        shown: the two rows of `bounds` whose posterior is drawn.
    """
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    busy = np.argsort(items)  # the busiest on top
    dots = axes[0].scatter(
        *means[busy].T, c=np.log2(items[busy]), cmap=colormap(COLLABORATIVE), s=14, edgecolors="#999999",
        linewidths=0.3,
    )  # fmt: skip
    bar = figure.colorbar(dots, ax=axes[0], shrink=0.8)
    ticks = np.arange(0, int(np.log2(items.max())) + 1, 2)
    bar.set_ticks(ticks, labels=[str(2**k) for k in ticks])
    bar.set_label("training items")
    axes[0].set(title="Posterior means of all users", xlabel="latent dimension 1", ylabel="latent dimension 2")
    axes[0].set_aspect("equal", "datalim")
    for axis, row in zip(axes[1:3], shown, strict=True):
        _true_posterior(axis, bounds, row)
    _gaps(axes[3], bounds.table)
    return figure


def _true_posterior(axis: Axes, bounds: Bounds, row: int, span: float = 3.5) -> None:
    grid = bounds.axis.numpy()
    inside = np.abs(grid) <= span
    density = np.exp(bounds.log_posterior[row].numpy()[np.ix_(inside, inside)]).T
    axis.pcolormesh(grid[inside], grid[inside], density, cmap=colormap(REFERENCE), rasterized=True, shading="auto")
    mean, std = bounds.posterior.mean[row].numpy(), bounds.posterior.std[row].numpy()
    _rings(axis, mean, std, MARKS["collaborative"].color, "-")
    _rings(axis, np.zeros(2), np.ones(2), NEUTRAL, ":")
    items = int(bounds.table["items"].iloc[row])
    axis.set(title=f"A user with {items} item{'s' * (items > 1)}", xlabel="latent dimension 1", aspect="equal")
    axis.set(xlim=(-span, span), ylim=(-span, span))
    axis.grid(False)


def _rings(axis: Axes, mean: np.ndarray, std: np.ndarray, color: str, linestyle: str, width: float = 1.5) -> None:
    for k in (1, 2):
        axis.add_patch(
            Ellipse(mean, 2 * k * std[0], 2 * k * std[1], fill=False, color=color, linestyle=linestyle, linewidth=width)
        )


def _gaps(axis: Axes, table: pd.DataFrame) -> None:
    """How far each bound stays below log p(x), per user, against the number of items."""
    rng = np.random.default_rng(0)
    x = table["items"] * np.exp(rng.uniform(-0.08, 0.08, len(table)))  # users with equal counts side by side
    draws = sorted(
        int(name.removeprefix("weighted_")) for name in table if name.startswith("weighted_") and "error" not in name
    )
    axis.errorbar(
        x, table["elbo"] - table["evidence"], yerr=2 * table["elbo_error"], fmt="o", color=COLLABORATIVE, markersize=5,
        linewidth=1, label="bound of Eq. 1",
    )  # fmt: skip
    column = f"weighted_{draws[-1]}"
    error = table[column.replace("weighted", "weighted_error")]
    axis.errorbar(
        x, table[column] - table["evidence"], yerr=2 * error, fmt="D", color=NEUTRAL, markersize=4, linewidth=1,
        label=f"importance-weighted, {draws[-1]} draws",
    )  # fmt: skip
    axis.axhline(0, color=REFERENCE, linestyle="--", linewidth=1.2, label="log p(x), by quadrature")
    axis.set(title="How far below the truth", xlabel="training items of the user", ylabel="nats")
    _plain_log(axis)
    axis.legend(loc="lower left", fontsize=9)


def _plain_log(axis: Axes) -> None:
    """A logarithmic x axis that says 1, 2, 5, 10 and not powers of ten."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def language_figure(
    inputs: Mapping[str, pd.DataFrame], examples: Sequence[tuple[str, Spaces]], work: pd.DataFrame
) -> Figure:
    """Notebook 03: what goes into the meta-network, what comes out, and which branch does the work.

    Args:
        inputs: "before training" and "after training" -> `space_numbers.language_inputs`.
        examples: (title, spaces of one user, `(1, 2)` each), three of them.
        work: one row a strategy: `collaborative`, `language`, `fused`: variance of the means over users.
    """
    figure = Figure(figsize=(15, 7.6), layout="constrained")
    axes = figure.subplots(2, 3)
    after = inputs["after training"]
    axes[0, 0].scatter(after["items"], after["norm"], s=12, color=MARKS["language"].color, edgecolors="none", alpha=0.6)
    most = after["items"].max()
    axes[0, 0].plot([1, most], [2, most + 1], color=NEUTRAL, linestyle=":", label="if all texts were alike")
    axes[0, 0].set(title="The sum of Eq. 7 grows with the history", xlabel="training items", ylabel="length of g")
    axes[0, 0].legend(fontsize=9)
    for (name, table), linestyle, marker in zip(inputs.items(), ("--", "-"), ("s", "o"), strict=True):
        groups = by_history(table)
        style = {"color": MARKS["language"].color, "linestyle": linestyle, "marker": marker, "label": name}
        axes[0, 1].plot(groups["items"], groups["saturated"], **style)
        axes[0, 2].plot(groups["items"], groups["std"], **style)
    axes[0, 1].set(
        title="Hidden units that can no longer move", xlabel="training items", ylabel="share with |tanh| > 0.95"
    )
    axes[0, 2].set(title="How sure the language side is", xlabel="training items", ylabel="mean σ of p")
    for axis in axes[0, 1:]:
        _plain_log(axis)
        axis.set(ylim=(0, None))
        axis.legend(fontsize=9)
    for axis, (title, spaces) in zip(axes[1, :2], examples, strict=False):
        _spaces(axis, title, spaces)
    _work(axes[1, 2], work)
    return figure


def _spaces(axis: Axes, title: str, spaces: Spaces) -> None:
    reach = [float((side.mean.abs() + 2 * side.std).max()) for side in spaces]
    span = max(3.0, 1.35 * max(reach))  # room for the legend
    for name, side in (("fused", spaces.fused), ("collaborative", spaces.collaborative), ("language", spaces.language)):
        mark = MARKS[name]
        width = 5 if name == "fused" else 1.8  # below the others, and visible where one lies on top of it
        _rings(
            axis,
            side.mean[0].numpy(),
            side.std[0].numpy(),
            mark.color,
            "-" if name == "fused" else mark.linestyle,
            width,
        )
        axis.plot([], [], color=mark.color, linewidth=width, linestyle=mark.linestyle, label=mark.label)
    axis.set(title=title, xlabel="latent dimension 1", ylabel="latent dimension 2", aspect="equal")
    axis.set(xlim=(-span, span), ylim=(-span, span))
    axis.legend(fontsize=9, loc="lower right")


def _work(axis: Axes, work: pd.DataFrame) -> None:
    names = ["collaborative", "language", "fused"]
    for place, name in enumerate(names):
        x = np.arange(len(work)) + 0.26 * (place - 1)
        hatch = ("", "//", "..")[place]
        axis.bar(
            x, work[name], width=0.24, color=MARKS[name].color, hatch=hatch, edgecolor="white", label=MARKS[name].label
        )
    axis.set_xticks(range(len(work)), list(work.index))
    axis.set(title="Which branch tells users apart", ylabel="variance of the means over users")
    axis.legend(fontsize=9)
    axis.grid(axis="x", visible=False)
