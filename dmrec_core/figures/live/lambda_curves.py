"""What the lambda panel shows, as pure functions: curves over lambda with "you are here", the spaces, loss terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dmrec_core.analysis.line import Curve, Here, LambdaLine
from dmrec_core.analysis.snapshots import SPACES, Plane, Snapshot
from dmrec_core.analysis.statistics import Interval
from dmrec_core.figures.live.drawing import see_through
from dmrec_core.figures.style import MARKS, MATCHED, NEUTRAL, REFERENCE, mark_of, plotly_template
from dmrec_core.matching import STRATEGIES, Strategy
from dmrec_core.runs.spec import RunSpec
from dmrec_core.training.evaluate import metric_label

METRICS = {name: metric_label(name) for name in ("recall@20", "ndcg@20")}
TERMS = ("reconstruction", "prior", "matching")
TERM_COLOURS = {"reconstruction": "#5C5C5C", "prior": NEUTRAL, "matching": MATCHED}


def draw_lambda(
    line: LambdaLine,
    spec: RunSpec,
    metric: str = "recall@20",
    user: int | None = None,
    strategies: Sequence[str | Strategy] = tuple(STRATEGIES),
) -> go.Figure:
    """The three linked views of the lambda panel; always the same traces, so that one figure can be updated in place.

    Args:
        line: the runs; the curves of the spec's variant are drawn, that of its strategy strongly, the others faintly.
        spec: where the marker stands; the spaces are those of this run, or of the nearest trained one.
        metric: what the curves are, on the line's split.
        user: drawn with its ellipses, if it is among the users of the line.
        strategies: those with a trace.

    Returns:
        A plotly figure, one row of three.
    """
    here, shown = line.here(spec, metric), line.nearest(spec)
    curves, base, tried = line.curves(metric), line.base_level(metric), line.tried(spec, metric)
    where = "" if shown is None else f" at λ = {shown.spec.lam:.2f}" if shown.spec.lam is not None else ": base model"
    note = "" if shown is None or shown.spec.lam is None or np.isclose(shown.spec.lam, here.lam) else " (nearest)"
    titles = (
        f"{METRICS.get(metric, metric)} on {line.split}",
        f"the spaces{where}{note}",
        "loss terms, mean" + ("" if here.measured else " (interpolated)"),
    )
    figure = make_subplots(1, 3, column_widths=[0.43, 0.33, 0.24], subplot_titles=titles, horizontal_spacing=0.085)
    low, high = _span(curves, base, here, tried)
    _add_curves(figure, here, curves, base, strategies)
    _add_here(figure, here, tried, low)
    _add_spaces(figure, shown, user)
    _add_terms(figure, here, line.terms(spec))
    figure.update_xaxes(title_text="λ", range=[-0.03, 1.03], row=1, col=1)
    figure.update_yaxes(range=[low, high], tickformat=".3f", row=1, col=1)
    reach = 1.5 if shown is None else shown.reach
    share = "" if shown is None else f" ({shown.share:.0%} of all length)"
    figure.update_xaxes(title_text=f"principal axes{share}", range=[-reach, reach], row=1, col=2)
    figure.update_yaxes(range=[-reach, reach], scaleanchor="x2", constrain="domain", row=1, col=2)
    figure.update_xaxes(title_text="nats per user", row=1, col=3)
    figure.update_layout(
        template=plotly_template(),
        height=430,
        margin={"l": 55, "r": 15, "t": 40, "b": 110},
        legend={
            "orientation": "h",
            "yanchor": "top",
            "y": -0.2,
            "x": 0,
            "font": {"size": 11},
            "itemsizing": "constant",
        },
        uirevision="keep",
        bargap=0.35,
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_font_size=12)
    return figure


def _add_curves(
    figure: go.Figure,
    here: Here,
    curves: Sequence[Curve],
    base: Interval | None,
    strategies: Sequence[str | Strategy],
) -> None:
    known = base is not None
    x = [-0.03, 1.03] if known else []
    band = x + x[::-1] if known and base.n > 1 else []
    figure.add_scatter(
        x=band, y=[base.low] * 2 + [base.high] * 2 if band else [], fill="toself", mode="none",
        fillcolor=see_through(MARKS["base"].color, 0.10), hoverinfo="skip", showlegend=False, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[base.mean] * 2 if known else [], mode="lines", name="base model", legendrank=10,
        line={"color": MARKS["base"].color, "width": 1.5, "dash": "dot"}, row=1, col=1,
    )  # fmt: skip
    found = {(curve.strategy, curve.variant): curve for curve in curves}
    for strategy in strategies:
        curve, strong, mark = found.get((strategy, here.variant)), strategy == here.strategy, mark_of(strategy)
        bounded = curve is not None and strong and curve.seeds > 1
        figure.add_scatter(
            x=[*curve.lam, *curve.lam[::-1]] if bounded else [], y=[*curve.low, *curve.high[::-1]] if bounded else [],
            fill="toself", mode="none", fillcolor=see_through(mark.color, 0.18), hoverinfo="skip", showlegend=False,
            row=1, col=1,
        )  # fmt: skip
        figure.add_scatter(
            x=[] if curve is None else curve.lam, y=[] if curve is None else curve.mean, mode="lines+markers",
            name=f"{mark.label}" + (f", mean of {curve.seeds} seeds" if bounded else ""), legendrank=20,
            line={"color": mark.color, "dash": mark.dash, "width": 2.5 if strong else 1.2},
            marker={"symbol": mark.symbol, "size": 7 if strong else 4, "color": mark.color},
            opacity=1.0 if strong else 0.55, showlegend=curve is not None, row=1, col=1,
        )  # fmt: skip


def _add_here(figure, here: Here, tried, low: float) -> None:
    figure.add_scatter(
        x=[lam for lam, _ in tried], y=[value for _, value in tried], mode="markers", name="trained here, one seed",
        marker={"symbol": "circle", "size": 7, "color": REFERENCE}, showlegend=bool(tried), legendrank=30,
        row=1, col=1,
    )  # fmt: skip
    known = here.value is not None
    figure.add_scatter(
        x=[here.lam, here.lam], y=[low, here.value if known else low], mode="lines+markers", legendrank=40,
        name="you are here: " + ("measured" if here.measured else "interpolated" if known else "not trained"),
        line={"color": REFERENCE, "width": 1, "dash": "solid" if here.measured else "dot"},
        marker={
            "symbol": "circle" if here.measured else "circle-open", "size": [0, 15 if known else 0],
            "color": REFERENCE, "line": {"width": 2, "color": REFERENCE}, "opacity": 1,
        },
        row=1, col=1,
    )  # fmt: skip


def _add_spaces(figure, shown: Snapshot | None, user: int | None) -> None:
    angle = np.linspace(0, 2 * np.pi, 60)
    figure.add_scatter(
        x=np.cos(angle), y=np.sin(angle), mode="lines", name="prior N(0, I), 1σ", legendrank=50, hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dot", "width": 1.5}, row=1, col=2,
    )  # fmt: skip
    planes = {} if shown is None else shown.planes
    row = shown.row(user) if shown is not None and user is not None and user in shown.users else None
    for space in reversed(SPACES):  # q last: as published it shrinks to a small cloud that the others would cover
        plane, mark = planes.get(space), MARKS[space]
        mean = np.empty((0, 2)) if plane is None else plane.mean
        figure.add_scatter(
            x=mean[:, 0], y=mean[:, 1], mode="markers", name=mark.label, legendrank=60, showlegend=plane is not None,
            marker={"symbol": mark.symbol, "size": 5, "color": mark.color, "opacity": 0.5}, hoverinfo="skip",
            row=1, col=2,
        )  # fmt: skip
    for space in SPACES:
        plane, mark = planes.get(space), MARKS[space]
        x, y = ([], []) if plane is None or row is None else ellipse(plane, row)
        figure.add_scatter(
            x=x, y=y, mode="lines", name=f"user {user}, 1σ of {mark.label}", showlegend=False,
            line={"color": mark.color, "dash": mark.dash, "width": 2.5}, row=1, col=2,
        )  # fmt: skip


def _add_terms(figure, here: Here, terms: Mapping[str, float]) -> None:
    values = [terms.get(name, 0.0) for name in TERMS]
    figure.add_bar(
        x=values, y=list(TERMS), orientation="h", showlegend=False, cliponaxis=False,
        text=[f"{value:.2f}" if terms else "" for value in values], textposition="outside",
        marker={
            "color": [TERM_COLOURS[name] for name in TERMS], "pattern": {"shape": "" if here.measured else "/"},
        },
        row=1, col=3,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", row=1, col=3)
    figure.update_xaxes(range=[0, 1.3 * max([*values, 1.0])], row=1, col=3)


def ellipse(plane: Plane, row: int, points: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """The 1σ outline of one user's Gaussian in the plane, x and y."""
    values, vectors = np.linalg.eigh(plane.covariance[row])
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    outline = plane.mean[row][:, None] + vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * circle)
    return outline[0], outline[1]


def _span(curves, base: Interval | None, here: Here, tried) -> tuple[float, float]:
    values = [v for curve in curves if curve.variant == here.variant for v in (*curve.mean, *curve.low, *curve.high)]
    values += [value for _, value in tried] + ([here.value] if here.value is not None else [])
    values += [base.mean, base.low, base.high] if base is not None else []
    finite = [value for value in values if np.isfinite(value)] or [0.0, 1.0]
    margin = 0.08 * (max(finite) - min(finite)) or 0.01
    return min(finite) - margin, max(finite) + margin
