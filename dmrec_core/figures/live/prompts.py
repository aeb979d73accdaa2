"""What an edited prompt changes: the question, the profile, the neighbours. Pure: two spaces in, a picture out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import plotly.graph_objects as go

from dmrec_core.figures.live.drawing import finish
from dmrec_core.figures.style import LANGUAGE, NEUTRAL
from dmrec_core.language.estimate import count_tokens
from dmrec_core.language.item_space import ItemSpace
from dmrec_core.records.markup import NO_MATHEMATICS, html_text, plotly_text

CHANGES = """<style>
.dmrec-edit ins { background: #d5f0df; color: #111; text-decoration: none; margin: 0 2px; }
.dmrec-edit del { background: #f8dcd8; color: #111; }
</style>"""
_PIECES = re.compile(r"\n|[^\S\n]+|\S+")


def draw_neighbours(titles: Sequence[str], item: int, before: ItemSpace, after: ItemSpace, n: int = 6) -> go.Figure:
    """An item's nearest items before and after an edit of the template.

    Args:
        titles: one per item.
        item: whose neighbours.
        before, after: the items under the two templates.
        n: neighbours of each.

    Returns:
        A plotly figure with two traces: a row for each item that is a neighbour on either side.
    """
    sides = [
        dict(zip(*(values.tolist() for values in space.nearest(item, n)), strict=True)) for space in (before, after)
    ]
    old, new = sides
    order = sorted(old.keys() | new.keys(), key=lambda i: (-new.get(i, -2.0), -old.get(i, -2.0), i))
    names = {
        i: plotly_text(_name(titles, i, order)) + (" (new)" if i not in old else " (gone)" if i not in new else "")
        for i in order
    }
    figure = go.Figure()
    looks = (("before", old, NEUTRAL, "circle-open"), ("after", new, LANGUAGE, "circle"))
    for name, side, color, symbol in looks:
        here = [i for i in order if i in side]
        marker = {"color": color, "symbol": symbol, "size": 12, "line": {"width": 2}}
        figure.add_trace(
            go.Scatter(x=[side[i] for i in here], y=[names[i] for i in here], mode="markers", marker=marker, name=name)
        )
    kept = len(old.keys() & new.keys())
    finish(figure, f"nearest to {titles[item]}: {kept} of {len(old)} neighbours stay ({after.embedder})", height=420)
    figure.update_yaxes(categoryorder="array", categoryarray=[names[i] for i in reversed(order)])
    figure.update_xaxes(title_text="cosine of the text vectors")
    figure.update_layout(margin={"l": 280})
    return figure


def _name(titles: Sequence[str], item: int, among: Sequence[int]) -> str:
    """A short title; with the item's number where two rows would look the same."""
    short = titles[item][:40] or f"item {item}"
    alike = any(other != item and titles[other][:40] == short for other in among)
    return f"{short} #{item}" if alike else short


def tell_edit(item: int, before: ItemSpace, after: ItemSpace) -> str:
    """Prompt and profile of an item before and after an edit of the template, as HTML; what changed is marked."""
    old, new = before.prompts[item], after.prompts[item]
    shape = "vertical-align:top; text-align:left; white-space:pre-wrap; padding:4px 10px; border-top:1px solid #ccc;"

    def row(name: str, left: str, right: str | None = None) -> str:
        cells = [f"<td colspan='2' style='{shape}'>{left}</td>"]
        if right is not None:
            cells = [f"<td style='{shape} width:43%'>{text}</td>" for text in (left, right)]
        return f"<tr><th scope='row' style='{shape}'>{html_text(name)}</th>{''.join(cells)}</tr>"

    tokens = [count_tokens(prompt.system) + count_tokens(prompt.user) for prompt in (old, new)]
    system = marked(old.system, new.system) if old.system != new.system else "<em>unchanged</em>"
    rows = [
        row("system message", system),
        row("data", html_text(old.user), html_text(new.user)),
        row("tokens, about", *map(str, tokens)),
        row(f"profile, by {before.writer}", *(html_text(s.profiles[item]) or "<em>none</em>" for s in (before, after))),
    ]
    head = f"<tr><th></th><th style='{shape}'>before</th><th style='{shape}'>after</th></tr>"
    look = "width:100%; border-collapse:collapse; line-height:1.4"
    return f"{CHANGES}<table class='dmrec-edit {NO_MATHEMATICS}' style='{look}'>{head}{''.join(rows)}</table>"


def marked(old: str, new: str) -> str:
    """The new text as HTML, words that came in `<ins>`, words that went in `<del>`.

    Example:
        >>> marked("tea for people", "tea for <cats>")
        'tea for <del>people</del><ins>&lt;cats&gt;</ins>'
    """
    a, b = _PIECES.findall(old), _PIECES.findall(new)
    parts = []
    for kind, from_a, to_a, from_b, to_b in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        went, came = html_text("".join(a[from_a:to_a])), html_text("".join(b[from_b:to_b]))
        if kind == "equal":
            parts.append(came)
        else:
            parts.append((f"<del>{went}</del>" if went else "") + (f"<ins>{came}</ins>" if came else ""))
    return "".join(parts)
