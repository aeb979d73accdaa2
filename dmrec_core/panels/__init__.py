"""Panels: figures with controls. The only room that knows of ipywidgets.

`explore` puts sliders and pickers under any pure `draw(...)`. Without a front end (papermill, a script, a test) a panel
draws once at its start values, so a notebook shows the same picture and fails the same way wherever it runs.
"""

from dmrec_core.panels.explorer import explore

__all__ = ["explore"]
