"""A panel where nobody is there to move it: its figure, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.display import HTML, display

from dmrec_core.panels.front_end import show_once
from dmrec_core.panels.parts import folded

if TYPE_CHECKING:
    from dmrec_core.panels.front_end import Figure


class Still:
    """A figure drawn by the calling cell at its parameters' values, so that an error in it is an error of the cell.

    Args:
        draw: takes the values by name and returns a figure.
        values: where the controls of the live panel start.
        predict: question, and answer behind a fold, shown above.
        tell: takes the same values and returns HTML to show below.
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        values: Mapping[str, object],
        predict: str | Sequence[str] | None = None,
        tell: Callable[..., str] | None = None,
    ) -> None:
        self.draw, self.values, self.predict, self.tell = draw, dict(values), predict, tell
        self.set()

    def set(self, **values: object) -> None:
        """Draw at other values; what is on the page stays."""
        self.values |= values
        self.figure = self.draw(**self.values)
        self.told = "" if self.tell is None else self.tell(**self.values)

    def display(self) -> None:
        """Show question, figure and what is told of it; nothing in a script."""
        if get_ipython() is None:
            return
        if self.predict is not None:
            display(HTML(folded(self.predict)))
        show_once(self.figure)
        if self.told:
            display(HTML(self.told))

    def _ipython_display_(self) -> None:
        """Nothing: it was shown when it was made, also where the call is a cell's last line."""
