"""Is anybody there to move a slider? And how a figure is shown where nobody is."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.display import display

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure as MatplotlibFigure

    Figure = go.Figure | MatplotlibFigure

PLOTLY_MIME = "application/vnd.plotly.v1+json"


def is_live() -> bool:
    """Whether panels should make widgets: in a Jupyter kernel, unless `DMREC_HEADLESS=1`; `DMREC_HEADLESS=0` insists.

    `python -m dmrec_core figures` sets `DMREC_HEADLESS=1`. A plain papermill does not, and gets widgets that nobody
    moves; their first drawing is made by the cell itself, so its errors fail the cell there too.
    """
    forced = os.environ.get("DMREC_HEADLESS", "")
    if forced in ("0", "1"):
        return forced == "0"
    return getattr(get_ipython(), "kernel", None) is not None


def is_matplotlib(figure: Figure) -> bool:
    """Whether a figure is matplotlib's, rather than plotly's."""
    return hasattr(figure, "savefig")


def show_once(figure: Figure) -> None:
    """Show a figure that will not change: a PNG for matplotlib, plotly's own data for plotly; nothing in a script."""
    if get_ipython() is None:
        return
    if is_matplotlib(figure):
        display({"image/png": png(figure), "text/plain": "(a figure)"}, raw=True)
    else:
        display({PLOTLY_MIME: _plain(figure), "text/plain": f"(figure: {title_of(figure) or 'plotly'})"}, raw=True)


def png(figure: MatplotlibFigure) -> bytes:
    """The picture as PNG; a figure made by pyplot is closed, so that no backend shows it a second time."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def title_of(figure: go.Figure) -> str:
    """A plotly figure's title, or nothing."""
    return figure.layout.title.text or ""


def _plain(figure: go.Figure) -> dict:
    bundle = figure.to_plotly_json()
    bundle.setdefault("config", {})["plotlyServerURL"] = ""  # no button that uploads the figure
    return bundle
