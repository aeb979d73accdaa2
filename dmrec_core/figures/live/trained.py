"""What notebooks 06 and 07 put under controls: pure functions, results in, plotly figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dmrec_core.analysis.comparisons import group_comparisons
from dmrec_core.analysis.dimensions import Dimensions
from dmrec_core.analysis.statistics import sparsity_groups
from dmrec_core.analysis.summaries import ACTIVE, group_metrics
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.users import history_of, titles_of, user_label
from dmrec_core.figures.style import MARKS, NEUTRAL, OTHER, REFERENCE, mark_of, plotly_template
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.records.markup import plotly_text
from dmrec_core.runs.store import RunResult
from dmrec_core.training.evaluate import metric_label

SPARSITY_CONTROLS = {
    "count_on": ["train", "train+test"],
    "n_groups": (2, 8, 1, 4),
    "metric": ["ndcg@20", "recall@20", "ndcg@10", "recall@10", "ndcg@5", "recall@5"],
}
SPARSITY_PANEL = {  # question, answer and labels for `panels.explore`; in a notebook the answer would be read first
    "predict": (
        "With eight groups instead of four: does the sparsest group get larger or smaller, and does its interval get "
        "wider or narrower?",
        "Smaller: it now holds an eighth of the interactions instead of a quarter. With fewer users more is left to "
        "luck, so intervals tend to get wider, most of all those of the dense groups, which hold a handful of users.",
    ),
    "presets": {"four groups": {"n_groups": 4}, "eight groups": {"n_groups": 8}},
    "labels": {"count_on": "count on", "n_groups": "groups"},
}
DIMENSIONS_PANEL = {
    "predict": (
        "In 'DMRec-M, q alone', where will users with few items (dark dots) lie compared with users with many?",
        "Closer to the centre. The encoder only corrects what the texts already say, and a short history corrects "
        "little.",
    ),
    "labels": {"which": "mean", "across": "across: rank", "up": "up: rank"},
}
MOST_USERS = 2000  # points of a scatter: more makes a browser slow and shows nothing more
EXTREMES = 3  # users named at each end of a dimension
LONGEST_TITLE = 28


def draw_sparsity(
    ours: Sequence[RunResult],
    theirs: Sequence[RunResult],
    dataset: RecDataset,
    count_on: str = "train",
    n_groups: int = 4,
    metric: str = "ndcg@20",
) -> go.Figure:
    """Figure 3 for any grouping rule: each group's share and metric, and the paired difference, `ours` minus `theirs`.

    A group's relative gain and the p-values of both tests are in the labels and the hover texts.
    """
    groups = sparsity_groups(dataset, n_groups, count_on)
    table = group_metrics([*theirs, *ours], groups, metric)
    gains = group_comparisons(ours, theirs, groups, metric)
    labels = groups.labels()
    figure = make_subplots(
        1,
        2,
        specs=[[{"secondary_y": True}, {}]],
        column_widths=[0.58, 0.42],
        horizontal_spacing=0.2,  # room for two axis titles, the first plot's right one and the second's left one
        subplot_titles=[f"{metric_label(metric)} and share of users", "difference, paired by seed"],
    )
    shares = [100 * share for share in groups.shares]
    places = np.arange(len(labels))
    figure.add_trace(  # the bars on the first axis, which lies below the second
        go.Bar(x=places, y=shares, name="share of users", marker={"color": NEUTRAL, "opacity": 0.3},
               text=[f"{share:.1f} %" for share in shares], textposition="outside",
               hovertemplate="%{y:.1f} % of users<extra></extra>"),
        row=1, col=1, secondary_y=False,
    )  # fmt: skip
    for strategy, shift in zip(dict.fromkeys(table["strategy"]), (-0.06, 0.06), strict=True):
        part = table[table["strategy"] == strategy]
        figure.add_trace(
            go.Scatter(x=places + shift, y=part["mean"], error_y=_errors(part["mean"], part["low"], part["high"]),
                       mode="lines+markers", hovertemplate="%{y:.4f}", **mark_of(strategy).plotly),
            row=1, col=1, secondary_y=True,
        )  # fmt: skip
    hover = [
        f"{row.users} users<br>p over seeds {_p(row.p_seeds)}<br>p over users {_p(row.p_users)}"
        for row in gains.itertuples()
    ]
    look = MARKS[DEFAULT_STRATEGY].plotly
    figure.add_trace(
        go.Scatter(x=places, y=gains["difference"], error_y=_errors(gains["difference"], gains["low"], gains["high"]),
                   mode="markers+text", marker=look["marker"] | {"size": 10}, showlegend=False, hovertext=hover,
                   text=[f"{100 * r:+.0f} %" if np.isfinite(r) else "" for r in gains["relative"]],
                   textposition="middle right", hovertemplate="%{y:+.4f}<br>%{hovertext}<extra></extra>"),
        row=1, col=2,
    )  # fmt: skip
    figure.add_hline(y=0, line={"color": REFERENCE, "width": 1}, row=1, col=2)
    figure.update_layout(template=plotly_template(), height=430, legend={"y": 1.14})
    figure.update_xaxes(title_text=f"interactions of a user ({count_on})", tickvals=places, ticktext=labels,
                        range=[-0.5, len(labels) - 0.4])  # fmt: skip
    figure.update_yaxes(title_text="share of users in %", range=[0, 105], dtick=20, showgrid=False, side="right",
                        row=1, col=1, secondary_y=False)  # fmt: skip
    figure.update_yaxes(title_text=f"test {metric_label(metric)}", side="left", tickmode="auto", tickformat=".2f",
                        row=1, col=1, secondary_y=True)  # fmt: skip
    figure.update_yaxes(title_text=f"difference in {metric_label(metric)}", row=1, col=2)
    return figure


def dimension_controls(views: Mapping[str, Dimensions]) -> dict[str, object]:
    """The controls of `draw_dimensions`: which mean, and the ranks of two dimensions by activity."""
    d = min(len(view.activity) for view in views.values())
    return {"which": list(views), "across": (1, d, 1, 1), "up": (1, d, 1, min(2, d))}


def draw_dimensions(
    views: Mapping[str, Dimensions], dataset: RecDataset, which: str, across: int = 1, up: int = 2
) -> go.Figure:
    """Every user along two latent dimensions, picked by their rank in activity, and what the two push up and down.

    Args:
        views: name -> the dimensions of one run and mean.
        dataset: the users' items and titles.
        which: a key of `views`.
        across: rank of the horizontal dimension, 1 is the most active.
        up: rank of the vertical one.
    """
    view = views[which]
    picked = {across - 1: "→", up - 1: "↑"}
    figure = make_subplots(
        1,
        2,
        column_widths=[0.34, 0.66],
        horizontal_spacing=0.12,
        subplot_titles=["activity, most active first", f"users along ranks {across} and {up}"],
    )
    ranks = np.arange(1, len(view.activity) + 1)
    figure.add_trace(
        go.Bar(x=ranks, y=np.log(np.maximum(view.activity, 1e-12)), showlegend=False, customdata=view.dimension,
               text=[picked.get(k, "") for k in range(len(ranks))], textangle=0,
               marker={"color": [OTHER if k in picked else NEUTRAL for k in range(len(ranks))]},
               hovertemplate="rank %{x}, dimension %{customdata}<br>ln a = %{y:.2f}<extra></extra>"),
        row=1, col=1,
    )  # fmt: skip
    figure.add_hline(y=float(np.log(ACTIVE)), line={"color": REFERENCE, "dash": "dot", "width": 1}, row=1, col=1,
                     annotation_text=f"collapsed below {ACTIVE:g}", annotation_position="top left",
                     annotation_font_size=10)  # fmt: skip
    shown = np.linspace(0, len(view.means) - 1, min(len(view.means), MOST_USERS)).astype(int)
    x, y = view.means[:, across - 1], view.means[:, up - 1]
    counts = np.diff(dataset.train.indptr)
    figure.add_trace(
        go.Scatter(x=x[shown], y=y[shown], mode="markers", showlegend=False,
                   hovertext=[_user_hover(dataset, user) for user in shown],
                   hovertemplate="%{hovertext}<extra></extra>",
                   marker={"size": 6, "opacity": 0.75, "color": np.log10(np.maximum(counts[shown], 1)),
                           "colorscale": "Cividis", "colorbar": _count_bar(counts)}),
        row=1, col=2,
    )  # fmt: skip
    ends = np.unique([user for values in (x, y) for user in _extremes(values)])
    figure.add_trace(
        go.Scatter(x=x[ends], y=y[ends], mode="markers+text", text=[f"{user}" for user in ends],
                   textposition="top center", textfont={"size": 10}, showlegend=False, hoverinfo="skip",
                   marker={"size": 10, "symbol": "circle-open", "color": REFERENCE}),
        row=1, col=2,
    )  # fmt: skip
    figure.update_xaxes(title_text="rank of a dimension", row=1, col=1)
    figure.update_yaxes(title_text="ln a", row=1, col=1)
    figure.update_xaxes(title_text=_pushes(view, dataset, across - 1), row=1, col=2, title_font={"size": 11})
    figure.update_yaxes(title_text=_pushes(view, dataset, up - 1), row=1, col=2, title_font={"size": 11})
    figure.update_layout(template=plotly_template(), height=520, margin={"b": 90})
    return figure


def _extremes(values: np.ndarray) -> list[int]:
    order = np.argsort(values, kind="stable")
    return [*order[:EXTREMES].tolist(), *order[::-1][:EXTREMES].tolist()]


def _pushes(view: Dimensions, dataset: RecDataset, rank: int) -> str:
    titles = titles_of(dataset)
    up, down = ([plotly_text(_short(titles[item])) for item in items[:2]] for items in view.pushed(rank))
    return f"rank {rank + 1} (dimension {view.dimension[rank]})<br>◄ {', '.join(down)}   |   {', '.join(up)} ►"


def _user_hover(dataset: RecDataset, user: int) -> str:
    history = [plotly_text(_short(title)) for title in history_of(dataset, user)]
    more = f"<br>and {len(history) - 6} more" if len(history) > 6 else ""
    return f"{user_label(dataset, user)}<br>" + "<br>".join(history[:6]) + more


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"


def _count_bar(counts: np.ndarray) -> dict[str, object]:
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if tick <= counts.max()]
    return {"title": "items", "tickvals": np.log10(ticks), "ticktext": [str(tick) for tick in ticks], "len": 0.9}


def _errors(mean: Sequence[float], low: Sequence[float], high: Sequence[float]) -> dict[str, object]:
    mean, low, high = (np.asarray(values, dtype=float) for values in (mean, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": np.nan_to_num(high - mean),  # one seed has no interval: no bar
        "arrayminus": np.nan_to_num(mean - low),
        "thickness": 1.2,
        "width": 4,
    }


def _p(p: float | None) -> str:
    return "none" if p is None or np.isnan(p) else f"{p:.2g}"
