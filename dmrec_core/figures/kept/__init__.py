"""Figures that are kept: numbers in, a matplotlib figure out, nothing read or written."""

from dmrec_core.figures.kept.baselines import cosines, gates, language_models, pruned, similarity
from dmrec_core.figures.kept.bases import diffusion, probabilities, propagation
from dmrec_core.figures.kept.compared import changed_alone, language_or_not, settings_compared
from dmrec_core.figures.kept.explored import corrections, draw_corrections, draw_stops
from dmrec_core.figures.kept.matching import matching_figure, matching_numbers, slopes_figure
from dmrec_core.figures.kept.spaces import collaborative_figure, gradient_steps, language_figure
from dmrec_core.figures.kept.tables import as_frame, rows_compared
from dmrec_core.figures.kept.trained import (
    dimension_activity,
    lambda_sensitivity,
    sparsity_groups,
    training_curves,
    unregularised,
)
