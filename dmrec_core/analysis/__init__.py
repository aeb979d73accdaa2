"""What runs say: intervals, paired tests, groups, dimensions, snapshots, verdicts."""

from dmrec_core.analysis.comparisons import compare
from dmrec_core.analysis.statistics import mean_interval, sparsity_groups
from dmrec_core.analysis.verdicts import verdict

__all__ = ["compare", "mean_interval", "sparsity_groups", "verdict"]
