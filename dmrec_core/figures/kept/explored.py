"""Notebook 13's figures: how far clicks correct the text, a ranking's distance from the base's, and when runs stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dmrec_core.analysis.snapshots import crowd, take_snapshot
from dmrec_core.analysis.statistics import posterior_means, sparsity_groups
from dmrec_core.data import RecDataset
from dmrec_core.figures.style import MATCHED, OTHER, colormap
from dmrec_core.runs.store import RunResult

MOST_USERS = 2000  # ranked for the comparison of top tens


def corrections(results: Sequence[RunResult], base: RunResult, dataset: RecDataset) -> pd.DataFrame:
    r"""By lambda and activity group: how long $\mu_\phi$ is beside $\mu_\varphi$, and what is left of the base's ten.

    Args:
        results: runs of one strategy, variant and seed over lambda.
        base: a base model's run.
        dataset: their data; its test users are grouped as in Figure 3.

    Returns:
        Columns `lam`, `group` (its label), `correction` (mean of $\|\mu_\phi\|/\|\mu_\varphi\|$), `shared` (how many of
        the ten best items are among the base model's ten best, on average), `users`.
    """
    groups = sparsity_groups(dataset)
    users = crowd(dataset, np.array([], dtype=int), MOST_USERS)
    users = users[np.isin(users, groups.users)]
    group = groups.group[np.searchsorted(groups.users, users)]
    theirs = take_snapshot(base, dataset, users).top
    rows = []
    for result in sorted(results, key=lambda r: r.spec.lam):
        model = result.model(dataset)
        q, p = (
            np.linalg.norm(posterior_means(model, dataset, which)[users], axis=1)
            for which in ("collaborative", "language")
        )
        top = take_snapshot(result, dataset, users).top
        shared = (top[:, :, None] == theirs[:, None, :]).any(2).sum(1)
        for g, label in enumerate(groups.labels()):
            mine = group == g
            if mine.any():
                rows.append(
                    {
                        "lam": result.spec.lam,
                        "group": label,
                        "correction": float((q[mine] / p[mine]).mean()),
                        "shared": float(shared[mine].mean()),
                        "users": int(mine.sum()),
                    }
                )
    return pd.DataFrame(rows)


def draw_corrections(table: pd.DataFrame) -> Figure:
    """`corrections` as two panels over lambda, one line a group, sparsest darkest."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = list(dict.fromkeys(table["group"]))
    for k, label in enumerate(labels):
        mine = table[table["group"] == label].sort_values("lam")
        look = {
            "color": colormap(MATCHED)(1 - 0.6 * k / max(1, len(labels) - 1)),
            "linestyle": ["-", "--", "-.", ":"][k % 4],
            "marker": "osD^"[k % 4],
            "label": f"{label} items",
        }
        left.plot(mine["lam"], mine["correction"], **look)
        right.plot(mine["lam"], mine["shared"], **look)
    left.set(xlabel="λ", ylabel=r"mean of $\|\mu_\phi\| / \|\mu_\varphi\|$", title="how far clicks correct the text")
    right.set(
        xlabel="λ", ylabel="of ten, shared with the base", title="how much of the base's top ten is left", ylim=(0, 10)
    )
    left.set_ylim(bottom=0)
    left.legend(title="training history")
    return figure


def draw_stops(
    valid: Mapping[float, Mapping[int, float]], measured: Mapping[float, float], approximated: Mapping[float, float]
) -> Figure:
    """When each lambda's run is best, and one conditional model beside the runs.

    Args:
        valid: lambda -> epochs done -> the run's validation Recall@20.
        measured: lambda -> its run's test Recall@20.
        approximated: lambda -> the conditional model's.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, (lam, curve) in enumerate(sorted(valid.items())):
        color, style = colormap(MATCHED)(0.35 + 0.65 * k / max(1, len(valid) - 1)), ["-", "--", "-.", ":"][k % 4]
        left.plot(list(curve), list(curve.values()), color=color, linestyle=style, label=f"{lam:g}")
        best = max(curve, key=curve.get)
        left.plot(best, curve[best], "*", color=color, markersize=12)
    left.set(xlabel="epochs", ylabel="validation Recall@20", title="runs: a star where each is best")
    left.legend(title="λ")
    right.plot(list(measured), list(measured.values()), "o", color=MATCHED, label="a run at each λ")
    one = "one conditional model: an approximation"
    right.plot(list(approximated), list(approximated.values()), "--", color=OTHER, label=one)
    right.set(xlabel="λ", ylabel="test Recall@20", title="and one model for every λ")
    right.legend()
    return figure
