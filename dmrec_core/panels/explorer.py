"""`explore`: sliders and pickers under a pure drawing function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
from IPython.display import display

from dmrec_core.panels.canvas import Canvas
from dmrec_core.panels.front_end import is_live
from dmrec_core.panels.parts import Predict, Status, box, control, preset_row, really, wrapping
from dmrec_core.panels.still import Still

if TYPE_CHECKING:
    from dmrec_core.panels.front_end import Figure


def explore(
    draw: Callable[..., Figure],
    *,
    presets: Mapping[str, Mapping[str, object]] | None = None,
    predict: str | Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    tell: Callable[..., str] | None = None,
    **controls: object,
) -> Explorer | Still:
    """Show `draw(**values)` with one control for each of its arguments.

    The first drawing is made here, by the calling cell, so an error in it is an error of the cell. Without a front end
    that one drawing is all there is.

    Args:
        draw: pure; takes the controls' values by name and returns a plotly or a matplotlib figure.
        presets: button text -> values of some controls: `{"no matching": {"lam": 0.0}}`.
        predict: a question shown before the figure, or `(question, answer)`: the answer appears once a control is
            used. HTML is allowed in both.
        labels: control name -> text before it; by default the name, Greek where it is a Greek letter's.
        tell: takes the same values and returns HTML to show below the figure.
        controls: name -> `(min, max, step, start)` for a slider (whole numbers if all four are); a list of options,
            `(options, start)` or `[(label, value), ...]` for a picker; True or False for a check box; a text for an
            area to write in.

    Returns:
        The panel, already shown: `.values`, `.figure`, and `.set(lam=0.3)` to move a control from code.

    Raises:
        ValueError: a control's range or start is wrong, or a preset names a control that is not there.

    Example:
        >>> import plotly.graph_objects as go
        >>> panel = explore(lambda lam: go.Figure(go.Scatter(y=[0, lam])), lam=(0.0, 1.0, 0.05, 0.5))   # doctest: +SKIP
    """
    made = {name: control(name, spec, (labels or {}).get(name)) for name, spec in controls.items()}
    for name, values in (presets or {}).items():
        if unknown := set(values) - set(made):
            raise ValueError(f"preset {name!r} sets {sorted(unknown)}; the controls are {list(made)}")
    if is_live():
        panel = Explorer(draw, made, presets or {}, predict, tell)
    else:
        panel = Still(draw, {name: widget.value for name, widget in made.items()}, predict, tell)
    panel.display()
    return panel


class Explorer:
    """What `explore` returns to a front end: a drawing function, its controls, and the figure as it stands."""

    def __init__(
        self,
        draw: Callable[..., Figure],
        controls: Mapping[str, widgets.ValueWidget],
        presets: Mapping[str, Mapping[str, object]],
        predict: str | Sequence[str] | None = None,
        tell: Callable[..., str] | None = None,
    ) -> None:
        self.draw, self.tell, self.controls = draw, tell, dict(controls)
        self.predict = None if predict is None else Predict(predict)
        self.status, self.busy = Status(), False
        self.figure = draw(**self.values)  # outside any Output context: an error is the cell's
        self.told = None if tell is None else widgets.HTML(tell(**self.values))
        self.canvas = Canvas(self.figure)
        for widget in self.controls.values():
            widget.observe(self._moved, names="value")
        rows = [preset_row(presets, lambda values: self.set(**values))] if presets else []
        rows = [*([self.predict.widget] if self.predict else []), *rows]
        inputs = wrapping(*self.controls.values())
        below = [] if self.told is None else [self.told]
        self.widget = box(*rows, inputs, self.canvas.widget, *below, self.status.widget, kind="explore")

    @property
    def values(self) -> dict[str, object]:
        """Where each control stands."""
        return {name: widget.value for name, widget in self.controls.items()}

    def set(self, **values: object) -> None:
        """Move several controls at once and draw once."""
        self.busy = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self.busy = False
        self._moved()

    def display(self) -> None:
        """Show the panel."""
        display(self.widget)

    def _moved(self, change: Mapping | None = None) -> None:
        if self.busy or not really(change):
            return
        if self.predict:
            self.predict.reveal()
        with self.status.errors_shown():
            self.figure = self.draw(**self.values)
            if self.told is not None:
                self.told.value = self.tell(**self.values)
            self.canvas.show(self.figure)
            if self.status.state == "error":
                self.status.show("idle", "")

    def _ipython_display_(self) -> None:
        """Nothing: it was shown when it was made, also where the call is a cell's last line."""
