"""A verdict on a claimed difference, which only an interval may give; what would decide it; many claims at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

from scipy.stats import t as student

from dmrec_core.analysis.statistics import Interval

HOLDS = "holds"
FAILS = "does not hold here"
UNDECIDED = "not decided by these seeds"
UNTESTED = "cannot be tested here"
NOT_IN_PLAY = "validation chose no matching: the strategy is not in play"
LEVEL, POWER = 0.05, 0.8
MOST_SEEDS, MOST_USERS = 200, 10_000_000  # above, another number would be no help


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
    for worst in (FAILS, NOT_IN_PLAY, UNDECIDED, UNTESTED):
        if worst in verdicts:
            return worst
    return HOLDS


@dataclass(frozen=True)
class Judged:
    """A verdict with the evidence for it.

    Args:
        verdict: of a statement, or of a part of it.
        p: how probable so clear a difference is by luck alone, of seeds or of users, whichever is likelier; None where
            nothing was compared.
        wants: what would decide it: so many seeds, or users; "" where it is decided, or nothing is known of it.
    """

    verdict: str
    p: float | None = None
    wants: str = ""


def judged(seeds: Interval, users: Interval | None = None, margin: float | None = None) -> Judged:
    r"""The verdict on a difference, in which both kinds of luck must agree: other seeds, and other users.

    Each p is that of a two-sided t-test on the interval, and with a margin, where the difference is claimed to be
    zero and found to be small, that of two one-sided tests; of seeds and users the larger one counts. What it wants is
    the smallest $n$ with $(t_{n-1,\,0.975} + t_{n-1,\,0.8})\, s / \sqrt n$ below the difference, by the spread
    measured: four times in five so many would decide, if the difference is what it seems.

    Args:
        seeds: the mean over seeds of the paired differences, with its 95 % interval.
        users: the same over users; None where there is no number a user.
        margin: the statement is that the difference is smaller than this; None: that it is positive.

    Example:
        >>> from dmrec_core.analysis.statistics import mean_interval
        >>> judged(mean_interval([0.01, 0.03]), mean_interval([0.01, 0.02, 0.03])).wants
        '7 seeds and 5 users'
    """
    both = [interval for interval in (seeds, users) if interval is not None]
    said = [verdict(each) if margin is None else verdict_equal(each, margin) for each in both]
    agreed = said[0] if len(set(said)) == 1 else UNDECIDED
    tested = [_p_small(each, margin) if margin and agreed == HOLDS else _p(each) for each in both]
    if agreed != UNDECIDED:
        return Judged(agreed, max(tested))
    reach = abs(seeds.mean) if margin is None else abs(margin - abs(seeds.mean))
    wants = [
        _needed(each, reach, most, name)
        for each, its, most, name in zip(both, said, (MOST_SEEDS, MOST_USERS), ("seeds", "users"), strict=False)
        if its == UNDECIDED
    ]
    p = None if any(map(isnan, tested)) else max(tested)
    return Judged(UNDECIDED, p, " and ".join(wants))


def jointly(parts: Mapping[str, Judged]) -> Judged:
    """A statement that needs all of its parts, which have names.

    It holds where all of them do, with the largest p; where one fails it fails, with the smallest p times their number,
    if that is still below 5 %.
    """
    said = all_of([part.verdict for part in parts.values()])
    known = [part.p for part in parts.values() if part.p is not None]
    if said == FAILS:
        p = min(1.0, len(parts) * min(part.p for part in parts.values() if part.verdict == FAILS))
        if p < LEVEL:
            return Judged(FAILS, p)
        said = UNDECIDED
    if said == HOLDS:
        return Judged(HOLDS, max(known))
    wants = {name: part.wants for name, part in parts.items() if part.wants}
    named = [want if len(parts) == 1 else f"{name}: {want}" for name, want in wants.items()]
    return Judged(said, max(known) if known and said == UNDECIDED else None, "; ".join(named))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Each p after Holm's correction for being one of so many: the i-th smallest of m times m - i + 1, never falling.

    Source: Holm, A simple sequentially rejective multiple test procedure (Scandinavian Journal of Statistics, 1979).

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, before = {}, 0.0
    for place, (name, value) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        before = corrected[name] = min(1.0, max(before, (len(p) - place) * value))
    return corrected


def _error(interval: Interval) -> float:
    """The standard error a 95 % interval was made of."""
    return nan if interval.n < 2 else (interval.high - interval.low) / 2 / student.ppf(1 - LEVEL / 2, interval.n - 1)


def _p(interval: Interval) -> float:
    error = _error(interval)
    if error == 0:
        return float(interval.mean == 0)
    return 2 * float(student.sf(abs(interval.mean) / error, interval.n - 1))


def _p_small(interval: Interval, margin: float) -> float:
    error = _error(interval)
    return 0.0 if error == 0 else float(student.sf((margin - abs(interval.mean)) / error, interval.n - 1))


def _needed(interval: Interval, reach: float, most: int, name: str) -> str:
    spread = _error(interval) * sqrt(interval.n)
    if isnan(spread):
        return f"more than one of its {name}"
    low, high = 1, 2
    while high <= most and not _enough(high, spread, reach):
        low, high = high, 2 * high
    if high > most:
        return f"over {most:,} {name}"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, spread, reach) else (middle, high)
    return f"{float(f'{high:.2g}'):,.0f} {name}"


def _enough(n: int, spread: float, reach: float) -> bool:
    if n < 2:
        return False
    factor = student.ppf(1 - LEVEL / 2, n - 1) + student.ppf(POWER, n - 1)
    return factor * spread / sqrt(n) < (reach or -inf)
