"""The kept figures of notebooks 04 and 04b: what each strategy does with two Gaussians, for print."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_lowercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmrec_core.figures.style import ALARM, COLLABORATIVE, LANGUAGE, MATCHED, NEUTRAL, OTHER, colormap, mark_of
from dmrec_core.gaussian import kl, wasserstein2_squared
from dmrec_core.matching import STRATEGIES, VARIANTS
from dmrec_core.theory.one_dimension import (
    GRID,
    composite_curves,
    density,
    gaussian,
    gradient_field,
    log_two_tastes,
    posterior_path,
    single_fits,
)
from dmrec_core.theory.transport import displacement

FIXED = (1.5, -1.0)  # the language side in the gradient fields: mean, log-variance


def matching_numbers(lam: float = 0.5, alpha: float = 0.5, items: int = 2) -> dict:
    """Every number that `matching_figure` draws or states; what depends on the variant under its name."""
    q, p = gaussian(0.0, 1.0), gaussian(3.0, 0.5)
    fits = single_fits(5.0)
    curves = composite_curves(alpha)
    return {
        "lam": lam,
        "alpha": alpha,
        "transport": {
            "w2_squared": wasserstein2_squared(p, q).item(),
            "kl_q_p": kl(q, p).item(),
            "kl_p_q": kl(p, q).item(),
        },
        "two_tastes": {"separation": 5.0, "covering": list(fits.covering), "seeking": list(fits.seeking)},
        "composite": curves._asdict(),
        "fields": {
            variant: {
                name: {"lowest": list(field.lowest), "flattest": field.slope.min(), "steepest": field.slope.max()}
                for name in STRATEGIES
                for field in [gradient_field(name, variant, lam, alpha, fixed=FIXED, n=41)]
            }
            for variant in VARIANTS
        },
        "posterior": {
            variant: {name: posterior_path(name, variant, items)._asdict() for name in STRATEGIES}
            for variant in VARIANTS
        },
        "items": items,
    }


def matching_figure(numbers: dict) -> Figure:
    """The page from `matching_numbers`: transport, divergence, composite; then both variants, a row each.

    Such a row has one gradient field for each strategy and, last, where a user ends for every lambda.
    """
    figure = Figure(figsize=(16, 11.4), layout="constrained")
    axes = figure.subplots(3, 4)
    _transport(axes[0, 0], numbers)
    _two_tastes(axes[0, 1], numbers)
    _composite(axes[0, 2], numbers)
    for row, variant in zip(axes[1:], VARIANTS, strict=True):
        for axis, name in zip(row, STRATEGIES, strict=False):
            drawn = _field(axis, numbers, name, variant)
        _posterior(row[3], numbers, variant)
    axes[0, 3].axis("off")
    bar = figure.colorbar(drawn, ax=axes[0, 3], location="left", fraction=0.5, pad=0.0, shrink=0.9)
    bar.set_label("slope of L_DM")
    bar.set_ticks(np.log10([0.03, 0.1, 0.3, 1, 3, 10, 30]), labels=["0.03", "0.1", "0.3", "1", "3", "10", "30"])
    _legend_of_fields(axes[0, 3])
    panels = [axis for axis in axes.flat if axis.axison]
    for letter, axis in zip(ascii_lowercase, panels, strict=False):
        axis.set_title(f"({letter}) {axis.get_title()}", fontsize=11)
    figure.suptitle(
        f"Two Gaussians in one latent dimension, λ = {numbers['lam']:g}, α = {numbers['alpha']:g}. Middle row: the "
        "published code, the kit's default; bottom row: the paper's equations"
    )
    return figure


def slopes_figure(distances: np.ndarray, slopes: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Notebook 04b: how hard each matching term pulls on a mean.

    Args:
        distances: between the two means, `(n,)`.
        slopes: a panel's title -> reading of the term -> slope, `(n,)`, as `theory.mean_slopes` names them.
    """
    figure = Figure(figsize=(13, 5), layout="constrained")
    for axis, (title, readings) in zip(figure.subplots(1, len(slopes), sharey=True), slopes.items(), strict=True):
        for reading, slope in readings.items():
            strategy, kind = (part.strip() for part in reading.split(",", 1))
            line = "-" if "published" in kind else ":" if "itself" in kind else "--"
            mark = mark_of(strategy.lower())
            axis.plot(distances, np.abs(slope), line, color=mark.color, marker=mark.marker, markevery=6, label=reading)
        axis.set(title=title, xlabel="distance of the means", xscale="log", yscale="log", ylim=(1e-4, 1e4))
    figure.axes[0].legend(fontsize=8.5, loc="upper left")
    figure.axes[0].set_ylabel("slope of the matching term")
    return figure


def _transport(axis: Axes, numbers: dict) -> None:
    x = np.linspace(-4, 5.5, 400)
    q, p = gaussian(0.0, 1.0), gaussian(3.0, 0.5)
    for time in (0.25, 0.5, 0.75):
        label = "on its way" if time == 0.5 else None
        axis.plot(x, density(x, displacement(q, p, time)), color=MATCHED, linestyle="-.", label=label)
    axis.plot(x, density(x, q), color=COLLABORATIVE, label="q")
    axis.plot(x, density(x, p), color=LANGUAGE, linestyle="--", label="p")
    axis.set(title=f"Moving mass: W2² = {numbers['transport']['w2_squared']:.2f}", xlabel="z", ylabel="density")
    axis.legend(loc="upper left", fontsize=9)


def _two_tastes(axis: Axes, numbers: dict) -> None:
    tastes = numbers["two_tastes"]
    axis.fill_between(
        GRID,
        np.exp(log_two_tastes(GRID, tastes["separation"], 0.5, 0.7)),
        color=NEUTRAL,
        alpha=0.35,
        label="two tastes",
    )
    axis.plot(GRID, density(GRID, gaussian(*tastes["covering"])), color=OTHER, linestyle="--", label="min KL(tastes‖q)")
    axis.plot(GRID, density(GRID, gaussian(*tastes["seeking"])), color=COLLABORATIVE, label="min KL(q‖tastes)")
    axis.set(title="One direction covers, the other seeks", xlabel="z", ylabel="density", xlim=(-7, 7), ylim=(0, 0.85))
    axis.legend(loc="upper right", fontsize=9)


def _composite(axis: Axes, numbers: dict) -> None:
    curves = numbers["composite"]
    x = curves["separations"]
    axis.plot(x, curves["mixture"], color=NEUTRAL, label="mixture")
    axis.plot(x, curves["moment_matched"], color=MATCHED, linestyle="--", label="moments (paper)")
    axis.plot(x, curves["geometric"], color=ALARM, linestyle="-.", label="geometric (published)")
    axis.set(title="Eq. 12 for three composite priors", xlabel="distance between the means", ylabel="nats", ylim=(0, 5))
    axis.legend(loc="upper right", fontsize=8.5)


def _posterior(axis: Axes, numbers: dict, variant: str) -> None:
    for name in STRATEGIES:
        path = numbers["posterior"][variant][name]
        axis.plot(path["lams"], path["mean"], **mark_of(name).line, markevery=4, markersize=5)
    for value, color, style, text in (
        (2.0, LANGUAGE, "--", "text"),
        (0.0, NEUTRAL, ":", "prior"),
        (-1.0, COLLABORATIVE, "-", "items"),
    ):
        axis.axhline(value, color=color, linestyle=style, linewidth=1)
        axis.text(1.02, value, text, color=color, va="center", fontsize=9, transform=axis.get_yaxis_transform())
    axis.set(
        title=f"{variant}: a user with {numbers['items']} items", xlabel="λ", ylabel="posterior mean", ylim=(-1.3, 2.3)
    )
    axis.legend(loc="upper center", fontsize=9)


def _field(axis: Axes, numbers: dict, name: str, variant: str):
    field = gradient_field(name, variant, numbers["lam"], numbers["alpha"], fixed=FIXED, n=41)
    levels = np.linspace(np.log10(0.03), np.log10(30), 25)
    slope = np.log10(field.slope.clip(0.0301, 29.9))
    drawn = axis.contourf(field.means, field.logvars, slope, levels=levels, cmap=colormap(ALARM))
    axis.streamplot(
        field.means, field.logvars, field.down_mean, field.down_logvar, color="#222222", linewidth=0.6, density=0.8,
        arrowsize=0.8,
    )  # fmt: skip
    axis.plot(*FIXED, "s", color=LANGUAGE, markersize=9, markeredgecolor="black")
    axis.plot(0, 0, "x", color="black", markersize=8)
    axis.plot(*field.lowest, "D", color=MATCHED, markersize=9, markeredgecolor="white")
    axis.set(
        title=f"{variant}: {STRATEGIES[name].label} pulls q",
        xlabel="mean of q",
        ylabel="log σ² of q",
        xlim=(-4, 4),
        ylim=(-4, 3),
    )
    axis.grid(False)
    return drawn


def _legend_of_fields(axis: Axes) -> None:
    axis.plot([], [], "s", color=LANGUAGE, markeredgecolor="black", label="language p, held still")
    axis.plot([], [], "x", color="black", label="prior N(0, 1)")
    axis.plot([], [], "D", color=MATCHED, label="lowest point of L_DM")
    axis.plot([], [], color="#222222", linewidth=0.8, label="downhill")
    axis.legend(loc="center right", fontsize=10)
