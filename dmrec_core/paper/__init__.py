"""What the paper states, and what runs say about it: claims, Tables 2 and 3, costs, texts."""

from dmrec_core.paper.plan import (
    GRID,
    Plan,
    has_text,
    plan_table2,
    plan_table3,
    that_fit,
    trained_with,
    tuning_grid,
    without_vectors,
)
from dmrec_core.paper.rows import Row, fill
