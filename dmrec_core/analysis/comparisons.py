"""Two settings compared on equal seeds and equal users, and the setting a validation set would choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dmrec_core.analysis.statistics import (
    Interval,
    SparsityGroups,
    exact,
    mean_interval,
    paired_test,
    unpaired_interval,
)
from dmrec_core.analysis.summaries import by_setting
from dmrec_core.analysis.verdicts import Judged, judged
from dmrec_core.runs.store import RunResult


@dataclass(frozen=True)
class Comparison:
    """The first setting minus the second, on the same seeds and users.

    Args:
        difference: mean over seeds of the per-seed differences, with its 95 % interval.
        relative: the difference of the means as a share of the second's mean.
        p_seeds: paired t-test over seeds, None with one seed.
        p_users: paired t-test over users, each user's metric averaged over the seeds first; None with one user.
        seeds: how many.
        users: how many.
        over_users: the mean over users of each one's difference, with its 95 % interval.
    """

    difference: Interval
    relative: float
    p_seeds: float | None
    p_users: float | None
    seeds: int
    users: int
    over_users: Interval

    @property
    def judged(self) -> Judged:
        """The verdict on "the first is better", in which the seeds and the users must agree."""
        return judged(self.difference, self.over_users)

    def __str__(self) -> str:
        return f"{self.difference:+} ({100 * self.relative:+.1f} %)"


def compare(
    ours: Sequence[RunResult],
    theirs: Sequence[RunResult],
    metric: str = "recall@20",
    split: str = "test",
    users: np.ndarray | None = None,
) -> Comparison:
    """Runs of two settings, paired by seed and by user.

    Two kinds of luck are told apart: another seed (the interval and `p_seeds`) and other users (`p_users`). A model
    that is solved, not trained, has one run, which stands beside every seed of the other; two differ by one number.

    Args:
        ours, theirs: one run a seed, the same seeds in both, in any order.
        metric: "recall@20", "ndcg@20", ...
        split: "test" or "valid".
        users: positions among the split's ranked users to look at, as a mask or as indices; None is all of them.

    Returns:
        The comparison, `ours` minus `theirs`.

    Raises:
        ValueError: the two sides do not have the same seeds, or were evaluated on different users.
    """
    mine, yours = per_user(ours, metric, split), per_user(theirs, metric, split)  # (seeds, users)
    _same_seeds_and_users(ours, theirs, split)
    if users is not None:
        mine, yours = mine[:, users], yours[:, users]
    mine, yours = np.broadcast_arrays(mine, yours)
    a, b = mine.mean(1), yours.mean(1)
    n_seeds, n_users = mine.shape
    return Comparison(
        difference=exact(a[0] - b[0]) if _solved(ours) and _solved(theirs) else mean_interval(a - b),
        relative=float(a.mean() / b.mean() - 1) if b.mean() > 0 else float("nan"),
        p_seeds=paired_test(a, b).p if n_seeds > 1 else None,
        p_users=paired_test(mine.mean(0), yours.mean(0)).p if n_users > 1 else None,
        seeds=n_seeds,
        users=n_users,
        over_users=mean_interval(mine.mean(0) - yours.mean(0)),
    )


def per_user(runs: Sequence[RunResult], metric: str, split: str = "test") -> np.ndarray:
    """A metric of every ranked user in every run, `(runs, users)`, runs in ascending order of their seeds."""
    return np.stack([run.per_user[split].per_user[metric] for run in _by_seed(runs)])


def group_comparisons(
    ours: Sequence[RunResult], theirs: Sequence[RunResult], groups: SparsityGroups, metric: str = "ndcg@20"
) -> pd.DataFrame:
    """`compare` inside each sparsity group: group, label, users, difference, low, high, relative, p_seeds, p_users."""
    rows = []
    for g, label in enumerate(groups.labels()):
        found = compare(ours, theirs, metric, users=groups.group == g)
        rows.append(
            {
                "group": g,
                "label": label,
                "users": found.users,
                "difference": found.difference.mean,
                "low": found.difference.low,
                "high": found.difference.high,
                "relative": found.relative,
                "p_seeds": found.p_seeds,
                "p_users": found.p_users,
            }
        )
    return pd.DataFrame(rows)


def more_in_the_sparsest(
    ours: Sequence[RunResult], theirs: Sequence[RunResult], groups: SparsityGroups, metric: str = "ndcg@20"
) -> tuple[Interval, Interval]:
    """By how much more the first setting gains in the sparsest group than for all other users: over seeds, over users.

    The users of the two groups are other people, so their interval is Welch's.
    """
    gain = per_user(ours, metric) - per_user(theirs, metric)  # (seeds, users)
    _same_seeds_and_users(ours, theirs, "test")
    sparse, others = gain[:, groups.group == 0], gain[:, groups.group > 0]
    return mean_interval(sparse.mean(1) - others.mean(1)), unpaired_interval(sparse.mean(0), others.mean(0))


def warm_starts(cold: Sequence[RunResult], warm: Sequence[RunResult], metric: str = "recall@20") -> pd.DataFrame:
    """What it saves and changes to start a run from the weights of its neighbour along lambda.

    Args:
        cold: runs from their own initial weights, over lambda and two seeds or more.
        warm: the same specs, each with the lambda it started from, `RunSpec.warm`.
        metric: of the test split.

    Returns:
        A row a lambda: lam, warm, epochs_cold and epochs_warm (means over seeds), patience (epochs that early stopping
        takes of either), share (of the epochs), difference (warm minus cold, mean over seeds), low, high, spread
        (standard deviation of the cold runs over seeds), within (how many seeds' difference is at most that).
    """
    rows = []
    starts = dict.fromkeys((run.spec.lam, run.spec.warm) for run in warm)
    for lam, start in starts:
        there = _by_seed([run for run in warm if (run.spec.lam, run.spec.warm) == (lam, start)])
        here = _by_seed([run for run in cold if run.spec.lam == lam and run.spec.warm is None])
        _same_seeds_and_users(there, here, "test")
        ours, theirs = (np.array([run.metrics["test"][metric] for run in runs]) for runs in (there, here))
        after, before = (np.mean([run.record["epochs"] for run in runs]) for runs in (there, here))
        found, spread, train = mean_interval(ours - theirs), float(np.std(theirs, ddof=1)), there[0].spec.train
        rows.append(
            {
                "lam": lam,
                "warm": start,
                "epochs_cold": before,
                "epochs_warm": after,
                "patience": train.patience * train.evaluate_every,
                "share": after / before,
                "difference": found.mean,
                "low": found.low,
                "high": found.high,
                "spread": spread,
                "within": int((np.abs(ours - theirs) <= spread).sum()),
            }
        )
    return pd.DataFrame(rows)


def best_on_validation(results: Sequence[RunResult], metric: str = "recall@20") -> list[RunResult]:
    """The runs of the one setting whose validation metric is best on average over seeds.

    The test split has no say, so that a table of test metrics does not flatter whoever had more settings to try.
    """
    settings = list(by_setting(results).values())
    if not settings:
        raise ValueError("there is nothing to choose from: no results")
    return max(settings, key=lambda runs: np.mean([run.metrics["valid"][metric] for run in runs]))


def _by_seed(runs: Sequence[RunResult]) -> list[RunResult]:
    return sorted(runs, key=lambda run: run.spec.seed)


def _solved(runs: Sequence[RunResult]) -> bool:
    return all(run.spec.solved for run in runs)


def _same_seeds_and_users(ours: Sequence[RunResult], theirs: Sequence[RunResult], split: str) -> None:
    mine, yours = ([run.spec.seed for run in _by_seed(runs)] for runs in (ours, theirs))
    seeded = not (_solved(ours) or _solved(theirs))
    if (seeded and mine != yours) or len(set(mine)) != len(mine) or len(set(yours)) != len(yours):
        raise ValueError(f"a paired comparison needs one run a seed and the same seeds; got {mine} and {yours}")
    first = ours[0].per_user[split].users
    if not all(np.array_equal(first, run.per_user[split].users) for run in (*ours, *theirs)):
        raise ValueError("a paired comparison needs runs that were evaluated on the same users")
