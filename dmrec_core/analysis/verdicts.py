"""A verdict on a claimed difference, which only an interval may give."""

from __future__ import annotations

from collections.abc import Sequence

from dmrec_core.analysis.statistics import Interval

HOLDS = "holds"
FAILS = "does not hold here"
UNDECIDED = "not decided by these seeds"
UNTESTED = "cannot be tested here"


def verdict(difference: Interval) -> str:
    """Whether a difference that is claimed to be positive is.

    Example:
        >>> from dmrec_core.analysis.statistics import mean_interval
        >>> verdict(mean_interval([0.02, 0.03, 0.025])), verdict(mean_interval([0.02, -0.03, 0.025]))
        ('holds', 'not decided by these seeds')
    """
    if difference.low > 0:  # NaN, the bound of a single seed, is neither
        return HOLDS
    return FAILS if difference.high < 0 else UNDECIDED


def verdict_equal(difference: Interval, margin: float) -> str:
    """Whether a difference that is claimed to be zero lies within `margin` of it; it does not where 0 is excluded.

    Example:
        >>> from dmrec_core.analysis.statistics import mean_interval
        >>> verdict_equal(mean_interval([0.001, -0.001, 0.0]), margin=0.01)
        'holds'
        >>> verdict_equal(mean_interval([0.021, 0.019, 0.02]), margin=0.01)
        'does not hold here'
    """
    if -margin < difference.low and difference.high < margin:
        return HOLDS
    return FAILS if difference.low > 0 or difference.high < 0 else UNDECIDED


def all_of(verdicts: Sequence[str]) -> str:
    """The verdict on a statement with several parts: one part that fails makes it fail."""
    for worst in (FAILS, UNDECIDED, UNTESTED):
        if worst in verdicts:
            return worst
    return HOLDS
