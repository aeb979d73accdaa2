"""From run results to the tidy tables that figures draw and JSON files keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from dmrec_core.analysis.statistics import SparsityGroups, dimension_activity, mean_interval, posterior_means
from dmrec_core.data import RecDataset
from dmrec_core.matching import Strategy
from dmrec_core.runs.store import RunResult

HEADLINE = ("recall@20", "ndcg@20")
ACTIVE = 0.01  # Burda, Grosse and Salakhutdinov 2016 call a dimension active above it


def by_setting(results: Sequence[RunResult]) -> dict[object, list[RunResult]]:
    """Results that differ only in their seed, together, in the order they first appear."""
    groups: dict[object, list[RunResult]] = {}
    for result in results:
        groups.setdefault(replace(result.spec, seed=0), []).append(result)
    return groups


def over_seeds(results: Sequence[RunResult], metrics: Sequence[str] = HEADLINE, split: str = "test") -> pd.DataFrame:
    """One row a setting and metric: the mean over seeds and its 95 % interval.

    Columns: model, strategy, lam, variant, vectors, kl_weight, aggregate, metric, mean, low, high, seeds (how many).
    """
    rows = []
    for setting, group in by_setting(results).items():
        described = {
            name: getattr(setting, name)
            for name in ("model", "strategy", "lam", "variant", "vectors", "kl_weight", "aggregate")
        }
        for metric in metrics:
            interval = mean_interval([result.metrics[split][metric] for result in group])
            rows.append(
                described
                | {
                    "metric": metric,
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "seeds": len(group),
                }
            )
    return pd.DataFrame(rows)


def learning_curves(results: Sequence[RunResult], metric: str = "recall@20") -> pd.DataFrame:
    """The validation metric along the training of each run: strategy, seed, epoch, seconds, value."""
    column = f"valid_{metric}"
    parts = []
    for result in results:
        history = result.history.dropna(subset=[column])
        part = history[["epoch", "seconds", column]].rename(columns={column: "value"})
        parts.append(part.assign(strategy=result.spec.strategy, seed=result.spec.seed))
    return pd.concat(parts, ignore_index=True)


def group_metrics(results: Sequence[RunResult], groups: SparsityGroups, metric: str = "ndcg@20") -> pd.DataFrame:
    """A metric in each sparsity group, over seeds: strategy, group, label, share, mean, low, high, seeds."""
    rows = []
    for setting, runs in by_setting(results).items():
        means = np.array([groups.means(result.per_user["test"], metric) for result in runs])  # (seeds, groups)
        for g, label in enumerate(groups.labels()):
            interval = mean_interval(means[:, g])
            rows.append(
                {
                    "strategy": setting.strategy,
                    "group": g,
                    "label": label,
                    "share": groups.shares[g],
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "seeds": len(runs),
                }
            )
    return pd.DataFrame(rows)


def activities(results: Sequence[RunResult], dataset: RecDataset) -> pd.DataFrame:
    """Dimension activity of each run: strategy, kl_weight, seed, which mean, dimension, activity, log_activity.

    A base model has one posterior mean; DMRec's is given of q alone ("collaborative") and as decoded ("fused").
    The logarithm is the natural one.
    """
    parts = []
    for result in results:
        model = result.model(dataset)
        for which in ("fused",) if result.spec.strategy == "base" else ("collaborative", "fused"):
            a = dimension_activity(posterior_means(model, dataset, which))
            part = pd.DataFrame(
                {"dimension": np.arange(len(a)), "activity": a, "log_activity": np.log(np.maximum(a, 1e-12))}
            )
            spec = result.spec
            parts.append(part.assign(strategy=spec.strategy, kl_weight=spec.kl_weight, seed=spec.seed, which=which))
    return pd.concat(parts, ignore_index=True)


def activity_counts(activity: pd.DataFrame, threshold: float = ACTIVE) -> pd.DataFrame:
    """Collapsed dimensions and mean log activity of each run.

    Args:
        activity: as `activities` gives it.
        threshold: a dimension whose activity is below it counts as collapsed.

    Returns:
        strategy, kl_weight, which, seed, dimensions, collapsed, mean_log_activity: one row a run and mean.
    """
    groups = activity.groupby(["strategy", "kl_weight", "which", "seed"], sort=False)
    counted = groups.agg(
        dimensions=("activity", "size"),
        collapsed=("activity", lambda a: int((a < threshold).sum())),
        mean_log_activity=("log_activity", "mean"),
    )
    return counted.reset_index()


def for_json(table: pd.DataFrame) -> list[dict]:
    """The rows of a table, with None where there is no number: one seed has no interval, a base model no lambda."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{name: str(v) if isinstance(v, Strategy) else v for name, v in row.items()} for row in rows]
