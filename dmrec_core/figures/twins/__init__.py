"""Kernel-free twins: one small HTML file with a native slider each."""

from dmrec_core.figures.twins.explored import keep_explored, write_kept_explore
from dmrec_core.figures.twins.own_clicks import write_own_clicks
from dmrec_core.figures.twins.pages import (
    write_distribution_matching,
    write_explore,
    write_lambda_sensitivity,
    write_one_step,
)
