"""Where a panel's figure lives: one widget that takes each newly drawn figure in place.

Not plotly's own `FigureWidget`, for two reasons. Each one sends plotly.js (5 MB) to the browser again; here it goes
once. And anywidget drops all messages of a widget whose code takes more than two seconds to load, which on a busy
machine leaves a `FigureWidget` empty for good; here the code is a page of JavaScript, and the figure travels in a plain
widget's value, as a whole, so that no update can be lost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as widgets
import traitlets
from plotly.offline import get_plotlyjs

from dmrec_core.panels.front_end import is_matplotlib, png

if TYPE_CHECKING:
    from dmrec_core.panels.front_end import Figure

_library: widgets.Textarea | None = None  # carries plotly.js to the page, once a kernel; never shown


def _plotly_js() -> widgets.Textarea:
    global _library
    if _library is None or _library.comm is None:  # closed, with all widgets, by someone else
        _library = widgets.Textarea(value=get_plotlyjs())
    return _library


class _PlotlyView(anywidget.AnyWidget):
    """The place on the page where a plotly figure is drawn."""

    _esm = Path(__file__).with_name("plotly_view.js")
    source = traitlets.Unicode().tag(sync=True)  # model id of what carries plotly.js
    figure = traitlets.Unicode().tag(sync=True)  # model id of what carries the figure


class Canvas:
    """Shows figures one after another in one widget; zoom and selection stay as they were.

    Args:
        figure: the first one. Later ones must be of the same library.
    """

    def __init__(self, figure: Figure) -> None:
        if is_matplotlib(figure):
            self.carrier = None
            self.widget = widgets.Image(value=png(figure), format="png", layout=widgets.Layout(max_width="100%"))
        else:
            self.carrier = widgets.Textarea(value=_as_json(figure))
            self.widget = _PlotlyView(source=_plotly_js().model_id, figure=self.carrier.model_id)
        self.widget.add_class("dmrec-figure")

    def show(self, figure: Figure) -> None:
        """Replace what is shown."""
        if self.carrier is None:
            self.widget.value = png(figure)
        else:
            self.carrier.value = _as_json(figure)

    @property
    def shown(self) -> dict:
        """The plotly figure on the page, as plain data."""
        return json.loads(self.carrier.value)


def _as_json(figure: Figure) -> str:
    figure.layout.update(uirevision="keep", autosize=True)
    return figure.to_json()
