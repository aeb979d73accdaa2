"""One user, seen through a run: what they did, what is written about them, what they are offered, what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dmrec_core.analysis.snapshots import SPACES, Snapshot
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import TERM_COLOURS, TERMS, ellipse
from dmrec_core.figures.style import MARKS, NEUTRAL, mark_of, plotly_template
from dmrec_core.language import user_texts
from dmrec_core.records.markup import NO_MATHEMATICS, html_text
from dmrec_core.runs.spec import RunSpec

LONGEST_HISTORY, LONGEST_PROFILE = 30, 900  # items and characters shown
MOST_TEST_ITEMS = 5


def titles_of(dataset: RecDataset) -> tuple[str, ...]:
    """Item titles, or `item 17` where the data set has none."""
    return dataset.titles or tuple(f"item {item}" for item in range(dataset.n_items))


def user_label(dataset: RecDataset, user: int) -> str:
    """`user 17, 4 items`."""
    count = int(dataset.train.indptr[user + 1] - dataset.train.indptr[user])
    return f"user {user}, {count} item{'s' if count > 1 else ''}"


def history_of(dataset: RecDataset, user: int) -> list[str]:
    """The titles a user trained on."""
    titles = titles_of(dataset)
    return [titles[item] for item in dataset.train.indices[dataset.train.indptr[user] : dataset.train.indptr[user + 1]]]


def profile_of(dataset: RecDataset, user: int) -> str:
    """The text that says who a user is: the profile of the data set, else the one made from training items."""
    if dataset.profiles is not None and dataset.profiles.user is not None:
        return dataset.profiles.user[user]
    if dataset.profiles is None and dataset.titles is None:
        return ""
    return _texts(dataset)[user]


_TEXTS: dict[int, tuple[RecDataset, tuple[str, ...]]] = {}


def _texts(dataset: RecDataset) -> tuple[str, ...]:
    if id(dataset) not in _TEXTS:  # the data set is kept, so its id cannot be used again
        _TEXTS.clear()
        _TEXTS[id(dataset)] = (dataset, user_texts(dataset))
    return _TEXTS[id(dataset)][1]


def moves(top: Sequence[int], before: Sequence[int] | None) -> list[str]:
    """How each item of a ranking moved: `▲2`, `▼1`, `=`, `new`; nothing where there is no ranking to compare with.

    Example:
        >>> moves([5, 7, 9], [7, 5, 8])
        ['▲1', '▼1', 'new']
    """
    if before is None:
        return [""] * len(top)
    was = {item: rank for rank, item in enumerate(before)}
    steps = [was[item] - rank if item in was else None for rank, item in enumerate(top)]
    return ["new" if step is None else "=" if step == 0 else f"{'▲' if step > 0 else '▼'}{abs(step)}" for step in steps]


def top_table(dataset: RecDataset, snapshot: Snapshot, user: int, before: Snapshot | None = None) -> str:
    """One user's best ten items as an HTML table: rank, title, whether it is a test item, how it moved.

    Below it, where the test items themselves rank: an item that rose from 300 to 12 is news that no top ten tells.
    """
    row, titles = snapshot.row(user), titles_of(dataset)
    top = snapshot.top[row]
    moved = moves(top, None if before is None else before.top[before.row(user)])
    held_out = int(dataset.test.indptr[user + 1] - dataset.test.indptr[user])
    found = int(snapshot.hits[row].sum())
    caption = (
        f"Top {len(top)} of {user_label(dataset, user)}, {lambda_of(snapshot.spec)}: "
        f"{found} of {held_out} test item{'s' if held_out != 1 else ''} found"
    )
    compared = "" if before is None else f"<th scope='col'>against {html_text(lambda_of(before.spec))}</th>"
    lines = []
    for rank, (item, hit, move) in enumerate(zip(top, snapshot.hits[row], moved, strict=True), start=1):
        kind, mark = (" class='dmrec-hit'", "✓ test item") if hit else ("", "")
        last = "" if before is None else f"<td>{move}</td>"
        lines.append(f"<tr{kind}><td>{rank}</td><td>{html_text(titles[item])}</td><td>{mark}</td>{last}</tr>")
    head = f"<tr><th scope='col'>#</th><th scope='col'>item</th><th scope='col'>held out?</th>{compared}</tr>"
    return (
        f"<table class='dmrec-top {NO_MATHEMATICS}'><caption>{html_text(caption)}</caption>"
        f"<thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"
        f"<p class='dmrec-ranks {NO_MATHEMATICS}'><b>Where the test items rank:</b> "
        f"{_test_ranks(titles, snapshot, user, before)}</p>"
    )


def _test_ranks(titles: Sequence[str], snapshot: Snapshot, user: int, before: Snapshot | None) -> str:
    ranks, was = snapshot.ranks[snapshot.row(user)], before and before.ranks[before.row(user)]
    shown = [
        f"{html_text(titles[item])} {rank}" + (f" ({html_text(lambda_of(before.spec))}: {was[item]})" if was else "")
        for item, rank in list(ranks.items())[:MOST_TEST_ITEMS]
    ]
    more = len(ranks) - len(shown)
    return "; ".join(shown) + (f"; … and {more} more" if more else "") if shown else "there are none"


def lambda_of(spec: RunSpec) -> str:
    """`base model`, or `DMRec-M at λ = 0.40`."""
    if spec.strategy == "base":
        return "base model"
    return f"{mark_of(spec.strategy).label} at λ = {spec.lam:.2f}" + (", paper" if spec.variant == "paper" else "")


def user_card(dataset: RecDataset, user: int) -> str:
    """What is known of a user before any model: history and profile text, as HTML."""
    history, profile = history_of(dataset, user), profile_of(dataset, user)
    shown = "; ".join(html_text(title) for title in history[:LONGEST_HISTORY])
    more = f"; … and {len(history) - LONGEST_HISTORY} more" if len(history) > LONGEST_HISTORY else ""
    text = html_text(profile[:LONGEST_PROFILE]).replace("\n", "<br>") + ("…" if len(profile) > LONGEST_PROFILE else "")
    return (
        f"<div class='dmrec-user {NO_MATHEMATICS}'>"
        f"<p><b>History of {user_label(dataset, user)}</b> (trained on)<br>{shown}{more}</p>"
        f"<p><b>Profile text</b> (what the language space reads)<br>{text or '(no text)'}</p></div>"
    )


def draw_user(
    snapshot: Snapshot, user: int, dataset: RecDataset, before: Snapshot | None = None, reach: float | None = None
) -> go.Figure:
    """One user's three distributions among everybody's means, and their loss terms beside the crowd's mean.

    Args:
        snapshot: the run.
        user: one of its users.
        dataset: for the title.
        before: a run to compare loss terms with, such as the base model.
        reach: half the width of the picture; by default from the snapshot.

    Returns:
        A plotly figure, one row of two, always with the same traces.
    """
    titles = (
        f"{user_label(dataset, user)} among {len(snapshot.users)} users, {lambda_of(snapshot.spec)}",
        "this user's loss terms",
    )
    figure = make_subplots(1, 2, column_widths=[0.58, 0.42], subplot_titles=titles, horizontal_spacing=0.16)
    row = snapshot.row(user)
    angle = np.linspace(0, 2 * np.pi, 60)
    figure.add_scatter(
        x=np.cos(angle), y=np.sin(angle), mode="lines", name="prior N(0, I), 1σ", hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dot", "width": 1.5}, row=1, col=1,
    )  # fmt: skip
    for space in reversed(SPACES):
        plane, mark = snapshot.planes.get(space), MARKS[space]
        mean = np.empty((0, 2)) if plane is None else plane.mean
        figure.add_scatter(
            x=mean[:, 0], y=mean[:, 1], mode="markers", showlegend=False, hoverinfo="skip",
            marker={"symbol": mark.symbol, "size": 4, "color": mark.color, "opacity": 0.25}, row=1, col=1,
        )  # fmt: skip
    for space in reversed(SPACES):
        plane, mark = snapshot.planes.get(space), MARKS[space]
        there = plane is not None
        x, y = ellipse(plane, row) if there else ([], [])
        figure.add_scatter(
            x=[*x, None, plane.mean[row, 0]] if there else [], y=[*y, None, plane.mean[row, 1]] if there else [],
            name=f"{mark.label}, mean and 1σ", mode="lines+markers", showlegend=there,
            line={"color": mark.color, "dash": mark.dash, "width": 2.5},
            marker={"symbol": mark.symbol, "color": mark.color, "size": [0] * len(x) + [0, 13]}, row=1, col=1,
        )  # fmt: skip
    _add_user_terms(figure, snapshot, row, before, user)
    reach = snapshot.reach if reach is None else reach
    figure.update_xaxes(title_text=f"principal axes ({snapshot.share:.0%} of the length in this plane)",
                        range=[-reach, reach], row=1, col=1)  # fmt: skip
    figure.update_yaxes(range=[-reach, reach], scaleanchor="x", constrain="domain", row=1, col=1)
    figure.update_layout(
        template=plotly_template(), height=460, margin={"l": 45, "r": 15, "t": 40, "b": 100}, uirevision="keep",
        legend={"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0, "font": {"size": 11}}, barmode="group",
    )  # fmt: skip
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_font_size=12)
    return figure


def _add_user_terms(figure: go.Figure, snapshot: Snapshot, row: int, before: Snapshot | None, user: int) -> None:
    mine = [float(snapshot.terms[name][row]) if name in snapshot.terms else 0.0 for name in TERMS]
    old = [0.0] * len(TERMS)
    if before is not None:
        place = before.row(user)
        old = [float(before.terms[name][place]) if name in before.terms else 0.0 for name in TERMS]
    for name, values, shape in ((lambda_of(snapshot.spec), mine, ""), ("", old, "/")):
        there = before is not None or not shape
        figure.add_bar(
            x=values if there else [], y=list(TERMS) if there else [], orientation="h", cliponaxis=False,
            name=name or (f"the same, {lambda_of(before.spec)}" if there else ""), showlegend=there,
            text=[f"{value:.2f}" for value in values] if there else [], textposition="outside",
            marker={"color": [TERM_COLOURS[term] for term in TERMS], "pattern": {"shape": shape}}, row=1, col=2,
        )  # fmt: skip
    figure.update_xaxes(title_text="nats", range=[0, 1.3 * max(*mine, *old, 1.0)], row=1, col=2)
    figure.update_yaxes(autorange="reversed", row=1, col=2)
