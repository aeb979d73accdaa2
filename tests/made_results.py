"""Results of runs that never ran: metrics made up, so that what is said about them can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import RunResult
from dmrec_core.training.evaluate import RankingMetrics

METRICS = ("recall@20", "ndcg@20")


def result(values, strategy="base", seed=2024, valid=None, users=None, **changes) -> RunResult:
    """A run whose users have these test metrics; on validation all have `valid`, by default their mean."""
    values = np.asarray(values, dtype=np.float64)
    users = np.arange(len(values)) if users is None else np.asarray(users)
    valid = np.full(len(values), values.mean() if valid is None else valid)
    ranked = {
        split: RankingMetrics(users, {metric: per_user for metric in METRICS})
        for split, per_user in (("test", values), ("valid", valid))
    }
    spec = paper_settings("toy", strategy=strategy, seed=seed, **changes)
    metrics = {split: each.means() for split, each in ranked.items()}
    return RunResult(spec, Path("nowhere"), metrics, ranked, {"device": "cpu", "embedder": "made up"})
