"""Figures that move: values in, a plotly figure out."""

from dmrec_core.figures.live import gaussians, matching, spaces
from dmrec_core.figures.live.gaussians import (
    draw_composite,
    draw_kl,
    draw_mode_seeking,
    draw_transport,
    draw_transport_2d,
)
from dmrec_core.figures.live.matching import (
    draw_all_strategies,
    draw_gradient_field,
    draw_information,
    draw_posterior,
    draw_who_moves,
)
from dmrec_core.figures.live.prompts import draw_neighbours, tell_edit
from dmrec_core.figures.live.spaces import draw_bound, draw_spaces, draw_true_posterior
from dmrec_core.figures.live.texts import data_figure, draw_nearest
from dmrec_core.figures.live.trained import (
    DIMENSIONS_PANEL,
    SPARSITY_CONTROLS,
    SPARSITY_PANEL,
    dimension_controls,
    draw_dimensions,
    draw_sparsity,
)
from dmrec_core.figures.live.users import draw_user, lambda_of, user_card, user_label

CONTROLS = gaussians.CONTROLS | matching.CONTROLS | spaces.CONTROLS
"""Drawing function -> its controls for `panels.explore`: name -> (lowest, highest, step, start) or the choices."""
