"""Flowcharts drawn without a script: every box and arrow is there, and what cannot be drawn is an error."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from dmrec_core.upkeep.flowchart import UnknownDiagram, read, svg
from dmrec_core.upkeep.site import MERMAID

DIAGRAM = """flowchart LR
    X["clicks x_u"] --> E["encoder"] --> Q["q(z|x)"]
    X -- "whose items (Eq. 7)" --> P[texts]
    Q <-. "matched, strength λ" .-> P
    Q --> S(("sum"))
    S -. "one of three" .- P
"""


def test_boxes_and_arrows_are_read():
    boxes, arrows = read(DIAGRAM)
    assert boxes == {"X": "clicks x_u", "E": "encoder", "Q": "q(z|x)", "P": "texts", "S": "sum"}
    assert [(arrow.start, arrow.end, arrow.tips) for arrow in arrows] == [
        ("X", "E", 1), ("E", "Q", 1), ("X", "P", 1), ("Q", "P", 2), ("Q", "S", 1), ("S", "P", 0)
    ]  # fmt: skip
    assert arrows[2].label == "whose items (Eq. 7)" and not arrows[2].dashed
    assert arrows[3].label == "matched, strength λ" and arrows[3].dashed


def test_every_box_is_drawn_once_and_none_on_another():
    drawn = ElementTree.fromstring(svg(DIAGRAM))
    boxes = [box.attrib for box in drawn.iter() if box.get("class") == "box"]
    places = [tuple(float(box[side]) for side in ("x", "y", "width", "height")) for box in boxes]
    assert len(places) == 5
    for k, (x, y, width, height) in enumerate(places):
        for other_x, other_y, _, _ in places[k + 1 :]:
            assert abs(x - other_x) >= width or abs(y - other_y) >= height
    assert len([path for path in drawn.iter() if "arrow" in path.get("class", "")]) == 6
    assert {"texts", "sum"} <= {text.text for text in drawn.iter() if text.tag.endswith("text")}


@pytest.mark.parametrize("text", ["pie\n a", "flowchart LR\n A ==> B", 'flowchart LR\n A --> {"b"}'])
def test_what_cannot_be_drawn_is_said(text):
    with pytest.raises(UnknownDiagram):
        svg(text)


def test_text_of_a_box_is_no_markup():
    assert "<b>" not in svg('flowchart LR\n A["<b>x"] --> B')


def test_the_diagrams_of_the_notebooks_can_be_drawn(checkout):
    diagrams = 0
    for path in [*Path(checkout, "notebooks").glob("*.py"), checkout / "README.md"]:
        text = re.sub(r"^# ?", "", path.read_text(), flags=re.MULTILINE)
        for diagram in MERMAID.findall(text):
            ElementTree.fromstring(svg(diagram))
            diagrams += 1
    assert diagrams
