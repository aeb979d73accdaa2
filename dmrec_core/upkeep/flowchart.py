"""Mermaid's flowcharts as SVG: of its language what the notebooks use, boxes and arrows, drawn from top to bottom.

GitHub and JupyterLab draw a `mermaid` block with a script; a page that loads nothing shows this picture.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from dmrec_core.records.markup import html_text

BOX, ROW, GAP = 176, 18, 150  # pixels: a box's width, a line of text, between boxes side by side
LETTERS = 22  # of a line in a box
NODE = re.compile(r"(\w+)\s*(?:\(\(\s*\"?(.*?)\"?\s*\)\)|\[\s*\"?(.*?)\"?\s*\])?")
ARROW = re.compile(r"\s*(-->|--\s*\"(.*?)\"\s*-->|<-\.\s*\"?(.*?)\"?\s*\.->|-\.\s*\"?(.*?)\"?\s*\.->?|-\.->)\s*")
TIPS = ' marker-end="url(#tip)"', ' marker-start="url(#tip)"'


class UnknownDiagram(ValueError):
    """A line of a diagram that this module cannot draw; the message shows it."""


class Arrow(NamedTuple):
    """From one box to another; dashed ones bind boxes and do not order them."""

    start: str
    end: str
    label: str
    dashed: bool
    tips: int


def read(text: str) -> tuple[dict[str, str], list[Arrow]]:
    """Boxes (id -> label) and arrows of a flowchart.

    Raises:
        UnknownDiagram: another kind of diagram, or a line with something else.

    Example:
        >>> read('flowchart LR\\n  A["clicks"] --> B --> C((sum))')[0]
        {'A': 'clicks', 'B': 'B', 'C': 'sum'}
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith(("flowchart", "graph")):
        raise UnknownDiagram(f"only flowcharts are drawn on the site; this diagram begins with {lines[:1]}")
    boxes: dict[str, str] = {}
    arrows: list[Arrow] = []
    for line in lines[1:]:
        at, before, arrow = 0, None, None
        while at < len(line):
            if not (found := NODE.match(line, at)):
                raise UnknownDiagram(f"a flowchart's line that cannot be drawn: {line}")
            name, label = found[1], found[2] or found[3]
            boxes[name] = label or boxes.get(name, name)
            if arrow is not None:
                said = arrow[2] or arrow[3] or arrow[4] or ""
                dashed = arrow[1].startswith(("-.", "<-."))
                tips = arrow[1].startswith("<") + arrow[1].endswith(">")
                arrows.append(Arrow(before, name, said, dashed, tips))
            at, before = found.end(), name
            if at < len(line):
                if not (arrow := ARROW.match(line, at)):
                    raise UnknownDiagram(f"a flowchart's line that cannot be drawn: {line}")
                at = arrow.end()
    return boxes, arrows


def svg(text: str) -> str:
    """The picture of a flowchart.

    Raises:
        UnknownDiagram: see `read`.
    """
    boxes, arrows = read(text)
    places = _places(boxes, arrows)
    lines = {name: textwrap.wrap(label.replace("<br>", " "), LETTERS) or [""] for name, label in boxes.items()}
    heights = {name: ROW * len(lines[name]) + 16 for name in boxes}
    width = max(x for x, _ in places.values()) + BOX + 10
    height = max(y + heights[name] for name, (_, y) in places.items()) + 10
    parts = [part for arrow in arrows for part in _line(arrow, places, heights)]
    for name, (x, y) in places.items():
        parts.append(f'<rect x="{x}" y="{y}" width="{BOX}" height="{heights[name]}" rx="8" class="box"/>')
        parts += _written(lines[name], x + BOX / 2, y + 8)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        "<style>text{font:13px sans-serif;text-anchor:middle;fill:#222}.box{fill:#eef3f8;stroke:#1f4e9a}"
        ".arrow{fill:none;stroke:#555;stroke-width:1.5}.dashed{stroke-dasharray:5 4}</style>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>'
        f'<rect width="{width}" height="{height}" fill="white"/>{"".join(parts)}</svg>'
    )


def _places(boxes: dict[str, str], arrows: list[Arrow]) -> dict[str, tuple[int, int]]:
    """Upper left corner of each box: a row deeper than whatever points to it, under what does so first."""
    depth = dict.fromkeys(boxes, 0)
    for _ in boxes:  # the longest way to a box is at most so long
        for arrow in arrows:
            if not arrow.dashed:
                depth[arrow.end] = max(depth[arrow.end], depth[arrow.start] + 1)
    ordered = {frozenset(arrow[:2]) for arrow in arrows if not arrow.dashed}
    for arrow in arrows:  # what is bound stands side by side, unless one leads to the other
        if arrow.dashed and frozenset(arrow[:2]) not in ordered:
            depth[arrow.start] = depth[arrow.end] = max(depth[arrow.start], depth[arrow.end])
    column: dict[str, int] = {}
    for row in sorted(set(depth.values())):
        free = 0
        for name in (name for name in boxes if depth[name] == row):
            above = [column[arrow.start] for arrow in arrows if arrow.end == name and arrow.start in column]
            free = max(free, *above[:1], 0)
            column[name], free = free, free + 1
    return {name: (10 + column[name] * (BOX + GAP), 10 + 84 * depth[name]) for name in boxes}


def _line(arrow: Arrow, places: dict[str, tuple[int, int]], heights: dict[str, int]) -> Iterator[str]:
    (x, y), (to_x, to_y) = places[arrow.start], places[arrow.end]
    said = textwrap.wrap(arrow.label, 19)
    if y == to_y:  # side by side
        left, right = sorted((x, to_x))
        middle = y + heights[arrow.start] / 2
        way = (left + BOX, middle, right, middle) if x <= to_x else (right, middle, left + BOX, middle)
        yield from _written(said, (left + BOX + right) / 2, middle - 8 - ROW * len(said))
    elif arrow.dashed and y > to_y:  # up again, beside the arrow that leads down
        way = (x + BOX, y + heights[arrow.start] / 2, to_x + BOX * 0.75, to_y + heights[arrow.end])
        yield from _written(said, to_x + BOX * 0.6, y + 6)
    else:
        way = (x + BOX / 2, y + heights[arrow.start], to_x + BOX / 2, to_y)
        yield from _written(said, (way[0] + way[2]) / 2, (way[1] + way[3] - ROW * len(said)) / 2)
    look = f'class="arrow{" dashed" * arrow.dashed}"' + "".join(TIPS[: arrow.tips])
    yield "<path d='M{} {}L{} {}' {}/>".format(*way, look)


def _written(lines: list[str], x: float, top: float) -> list[str]:
    return [f'<text x="{x}" y="{top + ROW * (k + 0.75)}">{html_text(line)}</text>' for k, line in enumerate(lines)]
