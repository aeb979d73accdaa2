"""Where a panel's figure lives: one widget that takes each newly drawn figure in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets
import plotly.graph_objects as go

from dmrec_core.panels.front_end import is_matplotlib, png

if TYPE_CHECKING:
    from dmrec_core.panels.front_end import Figure


class Canvas:
    """Shows figures one after another in one widget, so that zoom and selection stay as they were.

    Args:
        figure: the first one. Later ones must be of the same library.
    """

    def __init__(self, figure: Figure) -> None:
        if is_matplotlib(figure):
            self.widget = widgets.Image(value=png(figure), format="png", layout=widgets.Layout(max_width="100%"))
        else:
            self.widget = go.FigureWidget(figure)
            self.widget.layout.uirevision = "keep"
        self.widget.add_class("dmrec-figure")

    def show(self, figure: Figure) -> None:
        """Replace what is shown; only what differs is sent to the browser."""
        if isinstance(self.widget, widgets.Image):
            self.widget.value = png(figure)
            return
        figure.layout.uirevision = "keep"
        kinds = [trace.type for trace in figure.data]
        with self.widget.batch_update():
            if kinds == [trace.type for trace in self.widget.data]:
                for shown, new in zip(self.widget.data, figure.data, strict=True):
                    values = new.to_plotly_json()
                    shown.update({name: v for name, v in values.items() if name not in ("type", "uid")}, overwrite=True)
            else:
                self.widget.data = ()
                self.widget.add_traces(figure.data)
            self.widget.layout.update(figure.layout.to_plotly_json(), overwrite=True)
