"""What the figures and tables say about runs: sparsity groups, dimension activity, intervals and paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch

from dmrec_core.data import RecDataset
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.interactions import user_batches
from dmrec_core.records.markdown import plus_minus
from dmrec_core.training.evaluate import RankingMetrics


@dataclass(frozen=True)
class SparsityGroups:
    """Users in groups of equal interaction mass, sparsest first.

    Args:
        group: the group of each user in `users`, `(n,)`, from 0.
        users: the grouped users.
        upper: the largest interaction count in each group.
        shares: each group's share of the users.
    """

    group: np.ndarray
    users: np.ndarray
    upper: tuple[int, ...]
    shares: tuple[float, ...]

    def means(self, ranked: RankingMetrics, metric: str = "ndcg@20") -> np.ndarray:
        """A metric's mean in each group, `(n_groups,)`; the users ranked must be the users grouped."""
        if not np.array_equal(ranked.users, self.users):
            raise ValueError("the metrics and the groups are about different users")
        return np.array([ranked.per_user[metric][self.group == g].mean() for g in range(len(self.upper))])

    def labels(self) -> list[str]:
        """`1-8`, `9-18`, ... interactions."""
        lower = [1, *(bound + 1 for bound in self.upper[:-1])]
        return [f"{a}-{b}" if a < b else f"{b}" for a, b in zip(lower, self.upper, strict=True)]


def sparsity_groups(dataset: RecDataset, n_groups: int = 4, count_on: str = "train") -> SparsityGroups:
    """Split the test users into groups that hold equal numbers of interactions, whole ties at a time.

    Counts ascend; a group closes once it holds its share of all interactions; the last takes the rest. So the sparsest
    group is the largest (over half of the users on the paper's data).

    Args:
        dataset: its test users are grouped.
        n_groups: 4 in Figure 3.
        count_on: "train", or "train+test" (the paper does not say which; the older NGCF scheme counts both).

    Returns:
        The groups; fewer than `n_groups` where ties leave nothing for the last ones.

    Raises:
        ValueError: `count_on` is neither, or no user has a test item.

    Source: Figure 3; the equal-mass scheme of NGCF, which CVGA follows.
    """
    if count_on not in ("train", "train+test"):
        raise ValueError(f"count_on must be 'train' or 'train+test'; got {count_on!r}")
    in_test = np.diff(dataset.test.indptr)
    users = np.flatnonzero(in_test)
    if not len(users):
        raise ValueError(f"data set {dataset.name!r} has no test interactions to group users by")
    counts = np.diff(dataset.train.indptr)
    if count_on == "train+test":
        counts = counts + in_test
    target = counts.sum() / n_groups  # of all interactions, those of users without a test item included
    counts = counts[users]
    values, sizes = np.unique(counts, return_counts=True)
    upper: list[int] = []
    held = 0
    for value, size in zip(values, sizes, strict=True):
        held += value * size
        if held >= target and len(upper) < n_groups - 1:
            upper.append(int(value))
            held = 0
    if not upper or upper[-1] < values[-1]:
        upper.append(int(values[-1]))
    group = np.searchsorted(upper, counts)
    shares = np.bincount(group, minlength=len(upper)) / len(users)
    return SparsityGroups(group, users, tuple(upper), tuple(shares.tolist()))


def posterior_means(
    model: BaseModel | DMRec, dataset: RecDataset, which: str = "fused", batch_size: int = 1024
) -> np.ndarray:
    r"""The posterior mean of every user, without dropout, `(U, d)`.

    Args:
        model: a trained base model or DMRec.
        dataset: whose training interactions are read.
        which: "collaborative" ($\mu_\phi$), "language" ($\mu_\varphi$) or "fused" (what is decoded). A base model has
            only one mean.
        batch_size: users at once.
    """
    model.eval()
    device = next(model.parameters()).device
    parts = []
    with torch.inference_mode():
        for batch in user_batches(dataset.train, batch_size, device):
            if isinstance(model, DMRec):
                parts.append(getattr(model.spaces(batch), which).mean)
            else:
                parts.append(model.backbone.posterior(batch).mean)
    return torch.cat(parts).cpu().numpy()


def dimension_activity(means: np.ndarray) -> np.ndarray:
    r"""How much each latent dimension differs between users.

    Figure 4.  $a_k = \mathrm{Var}_u\big(E_{q}[z_{u,k}]\big)$; the figure shows $\log a_k$.

    Args:
        means: posterior means, `(U, d)`.

    Returns:
        $a_k$, `(d,)`; near 0 for a collapsed dimension.

    Source: Figure 4; Burda et al. 2016 count a dimension as active above 0.01.
    """
    return means.astype(np.float64).var(axis=0)


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    n: int

    def __format__(self, sign: str) -> str:
        return plus_minus(self.mean, self.low, self.high, sign)

    def __str__(self) -> str:
        return format(self, "")


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    r"""Student-t interval of the mean, $\bar x \pm t_{n-1}\,s/\sqrt n$; one value has no interval (NaN bounds).

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> round(interval.low, 3), round(interval.high, 3)
        (-0.484, 4.484)
    """
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        raise ValueError("an interval needs at least one value")
    if len(x) == 1:
        return Interval(float(x[0]), float("nan"), float("nan"), 1)
    error = x.std(ddof=1) / np.sqrt(len(x))
    half = float(scipy.stats.t.ppf(0.5 + level / 2, len(x) - 1) * error)
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x))


def unpaired_interval(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Interval:
    r"""Welch's interval of $\bar a - \bar b$, of two groups with spreads of their own.

    Example:
        >>> str(unpaired_interval([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]))
        '1.0000 ± 2.2670'
    """
    found = scipy.stats.ttest_ind(a, b, equal_var=False)
    low, high = found.confidence_interval(level)
    return Interval(float(np.mean(a) - np.mean(b)), float(low), float(high), len(a) + len(b))


def exact(value: float) -> Interval:
    """A number that no seed changes: its interval has no width, and it is of no seed.

    Example:
        >>> str(exact(0.25))
        '0.2500'
    """
    return Interval(float(value), float(value), float(value), 0)


@dataclass(frozen=True)
class PairedTest:
    """Two models compared on the same seeds, or on the same users."""

    test: str  # its name, always printed with the p-value
    difference: Interval  # of the first minus the second
    p: float


def paired_test(a: Sequence[float], b: Sequence[float], test: str = "paired t") -> PairedTest:
    """Compare paired numbers: metrics of two models at equal seeds, or of equal users.

    Args:
        a, b: equally long, paired by position.
        test: "paired t" or "Wilcoxon signed-rank".

    Returns:
        The mean difference with its interval and the two-sided p-value; p is 1 where all differences are 0.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(
            f"a paired test needs two equally long lists of at least 2 numbers; got {a.shape} and {b.shape}"
        )
    tests = {"paired t": scipy.stats.ttest_rel, "Wilcoxon signed-rank": scipy.stats.wilcoxon}
    if test not in tests:
        raise ValueError(f"test must be one of {list(tests)}; got {test!r}")
    p = 1.0 if np.array_equal(a, b) else float(tests[test](a, b).pvalue)
    return PairedTest(test, mean_interval(a - b), p)


def metric_over_seeds(results: Sequence, metric: str = "recall@20", split: str = "test") -> Interval:
    """Mean and interval of a metric over runs that differ in their seeds; the number itself where none has a seed."""
    if all(result.spec.solved for result in results):
        return exact(results[0].metrics[split][metric])
    return mean_interval([result.metrics[split][metric] for result in results])
