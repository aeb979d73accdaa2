"""What runs say: intervals, paired tests, groups, dimensions, snapshots, verdicts."""

from dmrec_core.analysis.comparisons import (
    best_on_validation,
    compare,
    group_comparisons,
    more_in_the_sparsest,
    warm_starts,
)
from dmrec_core.analysis.dimensions import dimensions_of
from dmrec_core.analysis.line import LambdaLine
from dmrec_core.analysis.snapshots import crowd, snapshot_of, spaces_of, take_snapshot, typical_users
from dmrec_core.analysis.spaces import (
    bounds_of_users,
    by_history,
    from_prior,
    language_inputs,
    spaces_while_clicking,
    spread_users,
)
from dmrec_core.analysis.statistics import (
    Interval,
    dimension_activity,
    mean_interval,
    metric_over_seeds,
    paired_test,
    posterior_means,
    sparsity_groups,
)
from dmrec_core.analysis.summaries import (
    ACTIVE,
    HEADLINE,
    activities,
    activity_counts,
    for_json,
    group_metrics,
    learning_curves,
    over_seeds,
)
from dmrec_core.analysis.verdicts import all_of, jointly, judged, verdict, verdict_equal
