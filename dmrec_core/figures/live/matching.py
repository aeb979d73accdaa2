"""What the strategies do: gradient fields, who is moved, where a user ends, what is forgotten. Pure plotly draws."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dmrec_core.figures.live.drawing import X, area, curve, finish, see_through
from dmrec_core.figures.style import ALARM, COLLABORATIVE, LANGUAGE, MATCHED, NEUTRAL, REFERENCE, mark_of
from dmrec_core.matching import DEFAULT_STRATEGY, STRATEGIES
from dmrec_core.theory.information import LinearGaussianWorld, information_bottleneck
from dmrec_core.theory.one_dimension import (
    LAMBDAS,
    PARAMETERS,
    density,
    gaussian,
    gradient_field,
    posterior_path,
    pull_on_parameters,
)

FLAT, STEEP = 0.03, 30.0  # slopes below and above which the colour no longer changes


def draw_gradient_field(
    strategy: str = DEFAULT_STRATEGY,
    variant: str = "paper",
    lam: float = 0.5,
    alpha: float = 0.5,
    moves: str = "collaborative",
) -> go.Figure:
    """Where L_DM pushes one side's mean and log-variance: arrows point downhill, colour says how hard."""
    fixed = (1.5, -1.0)
    field = gradient_field(strategy, variant, lam, alpha, moves, fixed, n=25)
    every = slice(1, None, 2)
    across, up = np.meshgrid(field.means[every], field.logvars[every])
    right, rise = field.down_mean[every, every] / 8, field.down_logvar[every, every] / 7  # in units of each axis
    # a plotly arrow at angle 0 points up, angles run clockwise
    angle = np.degrees(np.arctan2(right, rise))
    strength = np.log10(field.slope.clip(FLAT, STEEP))
    ticks = [0.03, 0.1, 0.3, 1, 3, 10, 30]

    figure = go.Figure()
    figure.add_trace(
        go.Heatmap(
            x=field.means,
            y=field.logvars,
            z=strength,
            zmin=np.log10(FLAT),
            zmax=np.log10(STEEP),
            zsmooth="best",
            colorscale=[[0, "#FFFFFF"], [0.5, "#D9D9D9"], [1, ALARM]],
            colorbar={"title": "slope", "tickvals": np.log10(ticks), "ticktext": [f"{t:g}" for t in ticks]},
            hovertemplate="mean %{x:.2f}<br>log σ² %{y:.2f}<extra></extra>",
        )
    )
    arrows = {"symbol": "arrow", "angle": angle.ravel(), "size": 11, "color": REFERENCE}
    figure.add_trace(
        go.Scatter(x=across.ravel(), y=up.ravel(), mode="markers", marker=arrows, name="downhill", hoverinfo="skip")
    )
    other, color = ("language p", LANGUAGE) if moves == "collaborative" else ("collaborative q", COLLABORATIVE)
    for (x, y), name, mark in (
        (fixed, f"{other}, held still", {"color": color, "symbol": "square", "size": 13}),
        ((0.0, 0.0), "prior N(0, 1)", {"color": NEUTRAL, "symbol": "x", "size": 11}),
        (field.lowest, "lowest point", {"color": MATCHED, "symbol": "diamond", "size": 14}),
    ):
        line = {"width": 1.5, "color": "white"}
        figure.add_trace(go.Scatter(x=[x], y=[y], mode="markers", marker=mark | {"line": line}, name=name))
    finish(
        figure,
        f"{strategy.upper()} ({variant}), λ = {lam:.2f}: pull on the {moves} side; slope from "
        f"{field.slope.min():.2g} to {field.slope.max():.2g}",
        height=520,
    )
    figure.update_xaxes(title_text=f"mean of the {moves} side", range=[-4.2, 4.2])
    figure.update_yaxes(title_text="log σ² of the same side", range=[-4.2, 3.2])
    return figure


def draw_who_moves(variant: str = "published", lam: float = 0.5, alpha: float = 0.5, gap: float = 1.2) -> go.Figure:
    """The matching term's pull on each of the four parameters, per strategy; an exact zero says so."""
    pulls = [
        [pull_on_parameters(s, variant, lam, alpha, q=(gap - 0.4, -0.5))[name] for name in PARAMETERS]
        for s in STRATEGIES
    ]
    sizes = np.abs(pulls)
    text = [["0 exactly" if size < 1e-12 else f"{value:+.3f}" for size, value in zip(*rows, strict=True)]
            for rows in zip(sizes, pulls, strict=True)]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            x=[name.replace(" ", "<br>") for name in PARAMETERS],
            y=[s.upper() for s in STRATEGIES],
            z=sizes,
            text=text,
            texttemplate="%{text}",
            textfont={"size": 15},
            colorscale=[[0, "#FFFFFF"], [1, MATCHED]],
            zmin=0,
            zmax=1.0,
            colorbar={"title": "|slope|"},
            xgap=3,
            ygap=3,
        )
    )
    finish(figure, f"derivative of the matching term, variant {variant}, λ = {lam:.2f}", height=360)
    figure.update_yaxes(autorange="reversed")
    return figure


def draw_posterior(
    strategy: str = DEFAULT_STRATEGY,
    lam: float = 0.5,
    items: int = 2,
    text_mean: float = 2.0,
    text_std: float = 0.7,
    variant: str = "paper",
) -> go.Figure:
    """One user: items vote for -1, the text for `text_mean`, the prior for 0. Lambda decides who is heard."""
    path = posterior_path(strategy, variant, items, round(text_mean, 6), round(text_std, 6))
    mean, std = (float(np.interp(lam, path.lams, values)) for values in (path.mean, path.std))
    votes = gaussian(-1.0, max(items, 1) ** -0.5)
    peak = max(items**0.5, 1 / std, 1 / text_std) / np.sqrt(2 * np.pi)

    figure = make_subplots(
        1, 2, column_widths=[0.6, 0.4], subplot_titles=["at this λ", "for every λ: posterior mean, ± one σ"]
    )
    figure.add_trace(curve(density(X, gaussian(0.0, 1.0)), "prior N(0, 1)", NEUTRAL, "dot"), 1, 1)
    items_curve = density(X, votes) if items else np.zeros_like(X)
    figure.add_trace(curve(items_curve, f"votes of {items} items", COLLABORATIVE, "solid"), 1, 1)
    figure.add_trace(curve(density(X, gaussian(text_mean, text_std)), "language p", LANGUAGE, "dash"), 1, 1)
    figure.add_trace(area(density(X, gaussian(mean, std)), "posterior", MATCHED, "dashdot"), 1, 1)
    band_x = np.concatenate([path.lams, path.lams[::-1]])
    band_y = np.concatenate([path.mean - path.std, (path.mean + path.std)[::-1]])
    band = go.Scatter(
        x=band_x,
        y=band_y,
        mode="lines",
        fill="toself",
        fillcolor=see_through(MATCHED, 0.15),
        line={"width": 0},
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_trace(band, 1, 2)
    figure.add_trace(curve(path.mean, "posterior mean", MATCHED, "dashdot", path.lams, legend=False), 1, 2)
    for value, color, dash in ((-1.0, COLLABORATIVE, "solid"), (text_mean, LANGUAGE, "dash"), (0.0, NEUTRAL, "dot")):
        thin = {"color": color, "dash": dash, "width": 1}
        figure.add_trace(go.Scatter(x=[0, 1], y=[value, value], mode="lines", line=thin, showlegend=False), 1, 2)
    marker = {"color": MATCHED, "symbol": "diamond", "size": 12}
    figure.add_trace(go.Scatter(x=[lam], y=[mean], mode="markers", marker=marker, name="you are here"), 1, 2)
    finish(
        figure,
        f"{strategy.upper()} ({variant}), λ = {lam:.2f}, {items} items: posterior mean {mean:+.2f}, σ {std:.2f}",
        height=430,
    )
    figure.update_xaxes(title_text="latent dimension z", range=[-4, 4], row=1, col=1)
    figure.update_yaxes(title_text="density", range=[0, max(1.2, 1.1 * peak)], row=1, col=1)
    figure.update_xaxes(title_text="λ", range=[-0.02, 1.02], row=1, col=2)
    figure.update_yaxes(title_text="z", range=[-3, 4], row=1, col=2)
    return figure


def draw_information(rho: float = 0.8, v: float = 0.25, c: float = 0.6, w: float = 0.8) -> go.Figure:
    """Eq. 16 as a budget and Eq. 17 as a bound, in the world where both are exact (encoder gain 1)."""
    world = LinearGaussianWorld(rho=rho, a=1.0, v=v, c=c, w=w)
    forgets = world.interactions - world.texts
    figure = make_subplots(
        1, 2, subplot_titles=["KL(q‖p) = I(z;x) − Ĩ(z;s)", "Eq. 17: L_IB never falls below −KL(q‖p)"]
    )
    rows = ["I(z;x)", "I(z;s)", "Ĩ(z;s)", "KL(q‖p)"]
    bars = (
        ("texts can tell, and p reads it", [world.texts_bound, world.texts_bound, world.texts_bound, 0], LANGUAGE),
        ("texts can tell, but p misreads it", [world.misreading, world.misreading, 0, world.misreading], "#D9B98A"),
        ("only interactions can tell", [forgets, 0, 0, forgets], COLLABORATIVE),
    )
    for name, values, color in bars:
        figure.add_trace(go.Bar(y=rows, x=values, orientation="h", name=name, marker={"color": color}), 1, 1)
    betas = np.linspace(0, 1, 21)
    objective = [information_bottleneck(world.texts, world.interactions, beta) for beta in betas]
    figure.add_trace(curve(np.array(objective), "L_IB", MATCHED, "solid", betas), 1, 2)
    floor = np.full_like(betas, -world.divergence)
    figure.add_trace(curve(floor, "−KL(q‖p)", REFERENCE, "dot", betas), 1, 2)
    finish(
        figure,
        f"I(z;x) = {world.interactions:.3f}, I(z;s) = {world.texts:.3f}, Ĩ(z;s) = {world.texts_bound:.3f}, "
        f"KL(q‖p) = {world.divergence:.3f} nats",
        height=430,
    )
    figure.update_layout(barmode="relative")
    figure.update_yaxes(autorange="reversed", row=1, col=1)
    figure.update_xaxes(title_text="nats", row=1, col=1)
    figure.update_xaxes(title_text="β of Eq. 17 (not λ)", row=1, col=2)
    figure.update_yaxes(title_text="nats", row=1, col=2)
    return figure


def draw_all_strategies(items: int = 2, text_mean: float = 2.0, variant: str = "paper") -> go.Figure:
    """Posterior mean against lambda, for the three strategies side by side."""
    figure = go.Figure()
    for strategy in STRATEGIES:
        path = posterior_path(strategy, variant, items, round(text_mean, 6))
        figure.add_trace(go.Scatter(x=LAMBDAS, y=path.mean, mode="lines+markers", **mark_of(strategy).plotly))
    for value, name, color, dash in (
        (-1.0, "items' vote", COLLABORATIVE, "solid"),
        (text_mean, "text's vote", LANGUAGE, "dash"),
        (0.0, "prior", NEUTRAL, "dot"),
    ):
        thin = {"color": color, "dash": dash, "width": 1}
        figure.add_trace(go.Scatter(x=[0, 1], y=[value, value], mode="lines", line=thin, name=name))
    finish(figure, f"{items} items ({variant}): λ adds text in GODM and CPDM, and takes it away in MDDM", height=420)
    figure.update_xaxes(title_text="λ")
    figure.update_yaxes(title_text="posterior mean")
    return figure


CONTROLS = {
    draw_gradient_field: {
        "strategy": (list(STRATEGIES), DEFAULT_STRATEGY),
        "variant": (["paper", "published"], "paper"),
        "lam": (0.0, 1.0, 0.05, 0.5),
        "alpha": (0.05, 0.95, 0.05, 0.5),
        "moves": (["collaborative", "language"], "collaborative"),
    },
    draw_who_moves: {
        "variant": (["published", "paper"], "published"),
        "lam": (0.0, 1.0, 0.05, 0.5),
        "alpha": (0.05, 0.95, 0.05, 0.5),
        "gap": (-3.0, 3.0, 0.1, 1.2),
    },
    draw_posterior: {
        "strategy": (list(STRATEGIES), DEFAULT_STRATEGY),
        "lam": (0.0, 1.0, 0.05, 0.5),
        "items": (0, 50, 1, 2),
        "text_mean": (-3.0, 3.0, 0.25, 2.0),
        "text_std": (0.3, 2.0, 0.1, 0.7),
        "variant": (["paper", "published"], "paper"),
    },
    draw_information: {
        "rho": (0.0, 0.95, 0.05, 0.8),
        "v": (0.05, 2.0, 0.05, 0.25),
        "c": (-1.0, 1.5, 0.05, 0.6),
        "w": (0.05, 2.5, 0.05, 0.8),
    },
    draw_all_strategies: {
        "items": (0, 50, 1, 2),
        "text_mean": (-3.0, 3.0, 0.25, 2.0),
        "variant": (["paper", "published"], "paper"),
    },
}
"""Each draw's controls, as `panels.explore` takes them: a slider's (min, max, step, start) or (options, start)."""
