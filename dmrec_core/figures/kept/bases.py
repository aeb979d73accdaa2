"""The pictures of the three base models, for notebook 10. Numbers in, Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dmrec_core.figures.style import COLLABORATIVE, MARKS, MATCHED, NEUTRAL, OTHER, REFERENCE


def probabilities(panels: Mapping[str, np.ndarray], clicked: Sequence[int], held_out: Sequence[int]) -> Figure:
    """One panel a model: the probability it gives each item for one user, likeliest first.

    Args:
        panels: title -> probabilities of all items, `(n_items,)`.
        clicked: the user's training items.
        held_out: the user's test items.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 1, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        shown = np.argsort(-values, kind="stable")[:40]
        colors = [MATCHED if i in held_out else COLLABORATIVE if i in clicked else "#C8C8C8" for i in shown]
        axis.bar(range(len(shown)), 100 * values[shown], color=colors, width=0.85)
        axis.set(title=title, xlabel="the 40 likeliest items, in order")
        axis.set_xticks([])
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(False, axis="x")
    axes[0].set_ylabel("probability in %")
    _legend(axes[-1], {"clicked in training": COLLABORATIVE, "held out for the test": MATCHED, "any other": "#C8C8C8"})
    return figure


def propagation(
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]],
    popularity: np.ndarray,
    mass: np.ndarray,
    clicked: Sequence[int],
    held_out: Sequence[int],
) -> Figure:
    r"""CVGA's graph: what a click weighs, and where a user's mass goes in three hops.

    Args:
        weights: name of a user -> popularity of their items and the weights $1/\sqrt{d_u d_i}$ of their clicks.
        popularity: $d_i$ of all items, `(n_items,)`.
        mass: of all items after user -> items -> users -> items, `(n_items,)`.
        clicked, held_out: that user's training and test items.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, (degree, weight)), color, marker in zip(
        weights.items(), (COLLABORATIVE, OTHER, NEUTRAL), ("o", "s", "D"), strict=False
    ):
        left.plot(degree, weight, linestyle="none", marker=marker, color=color, label=name, markersize=7, alpha=0.8)
    left.set(xlabel="users who clicked the item, $d_i$", ylabel="weight of the click",
             title="One hop: what a click weighs")  # fmt: skip
    other = np.setdiff1d(np.arange(len(mass)), np.concatenate([clicked, held_out]))
    kinds = (("any other item", other, "#B0B0B0", "x"), ("clicked in training", clicked, COLLABORATIVE, "o"),
             ("held out for the test", held_out, MATCHED, "D"))  # fmt: skip
    for name, items, color, marker in kinds:
        items = np.asarray(items, dtype=int)
        nothing = int((mass[items] <= 0).sum())
        items = items[mass[items] > 0]
        right.plot(popularity[items], mass[items], linestyle="none", marker=marker, color=color,
                   label=f"{name} ({nothing} get nothing)" if nothing else name,
                   markersize=4 if marker == "x" else 7)  # fmt: skip
    right.set(xlabel="users who clicked the item, $d_i$", ylabel="mass that arrives",
              title="Three hops: where one user's mass goes")  # fmt: skip
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        _log(axis, "xy")
    left.legend(fontsize=9)
    right.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def diffusion(
    noise: np.ndarray,
    levels: Mapping[str, float],
    means: np.ndarray,
    samples: np.ndarray,
    noised: np.ndarray,
    back: np.ndarray,
) -> Figure:
    """L-DiffRec's latent: how large its noises are, and one user's latent noised and brought back, in a plane.

    Args:
        noise: standard deviation of the diffusion's noise at steps 1 ... T.
        levels: name -> other standard deviations to compare it with.
        means: encoder means of all users in the plane, `(U, 2)`; its first axis is along the way back.
        samples: draws of one user's z_0, `(n, 2)`.
        noised: the same draws after T steps of noise, `(n, 2)`.
        back: the way back from that user's mean: the mean, then the latent after each step, `(T + 1, 2)`.
    """
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    steps = np.arange(1, len(noise) + 1)
    left.plot(steps, noise, marker="o", color=REFERENCE, label="the diffusion's noise at step t")
    styles = ((COLLABORATIVE, "--"), (COLLABORATIVE, ":"), (NEUTRAL, "-."))
    for (name, level), (color, line) in zip(levels.items(), styles, strict=False):
        left.axhline(level, color=color, linestyle=line, label=name)
    left.set(xlabel="step t", ylabel="standard deviation", title="How large is each noise?")
    left.set_xticks(steps)
    left.legend(loc="center right", fontsize=9)
    _log(left, "y")
    right.plot(*means.T, linestyle="none", marker=".", color="#C8C8C8", markersize=4, label="means of all users")
    for one, other in zip(samples, noised, strict=True):
        right.plot(*np.stack([one, other]).T, color=OTHER, linewidth=1)
    right.plot(*samples.T, linestyle="none", marker="o", markersize=4, color=MARKS["collaborative"].color,
               label="draws of one user's $z_0$")  # fmt: skip
    right.plot(*noised.T, linestyle="none", marker="x", markersize=5, color=OTHER,
               label=f"the same with the noise of step {len(noise)}")  # fmt: skip
    right.plot(*back[0], marker="*", markersize=15, color=MATCHED, linestyle="none", label="their mean")
    right.plot(*back.T, marker=".", markersize=9, color=MATCHED, linewidth=2, label="and its way back, step by step")
    right.set(xlabel="along the way back", ylabel="across it, where the means differ most", title="One user's latent")
    right.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _log(axis: Axes, which: str) -> None:
    """Logarithmic, with plain numbers at 1, 2 and 5."""
    for name in which:
        getattr(axis, f"set_{name}scale")("log")
        scale = getattr(axis, f"{name}axis")
        scale.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale.set_minor_formatter(NullFormatter())


def _legend(axis: Axes, colors: Mapping[str, str]) -> None:
    for name, color in colors.items():
        axis.bar([0], [0], color=color, label=name)
    axis.legend(fontsize=9)
