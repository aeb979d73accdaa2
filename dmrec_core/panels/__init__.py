"""Panels: figures with controls. The only room that knows of ipywidgets.

`explore` puts sliders and pickers under any pure `draw(...)`; `lambda_panel` interpolates while lambda moves and trains
when it rests, as its `Trainer` says; `user_panel` shows one user at a trained lambda. Without a front end (papermill, a
script, a test) a panel draws once at its start values, so a notebook shows the same picture and fails the same way
wherever it runs.
"""

from dmrec_core.panels import questions
from dmrec_core.panels.explorer import explore
from dmrec_core.panels.lambda_scene import Trainer
from dmrec_core.panels.live_lambda import lambda_panel
from dmrec_core.panels.users import user_panel

__all__ = ["Trainer", "explore", "lambda_panel", "questions", "user_panel"]
