"""Kernel-free twins: one small HTML file with sliders, for a figure that otherwise needs a running kernel.

A twin opens from a folder (`file://`), makes no request to anywhere, is moved by mouse, touch or keyboard, and keeps
where it is in its address (`09_lambda_sensitivity.html#lam=0.6`). Its numbers are the runs'; where JavaScript computes
(the matching of two Gaussians, a frozen model), tests compare it with the core.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmrec_core.analysis.line import LambdaLine
from dmrec_core.analysis.snapshots import SPACES, Snapshot
from dmrec_core.analysis.statistics import Interval
from dmrec_core.data import RecDataset
from dmrec_core.figures.live.lambda_curves import METRICS, TERMS
from dmrec_core.figures.live.users import history_of, profile_of, titles_of, user_label
from dmrec_core.figures.style import mark_of
from dmrec_core.matching import STRATEGIES
from dmrec_core.records.checkout import find_checkout
from dmrec_core.records.files import write_whole
from dmrec_core.records.markdown import plus_minus
from dmrec_core.records.markup import html_text, json_in_html, visible_text
from dmrec_core.runs.store import RunResult

PAGES = {  # page -> the scripts it is drawn by
    "lambda_sensitivity": ("lambda_sensitivity.js",),
    "distribution_matching": ("distribution_matching.js",),
    "explore": ("explore.js",),
    "own_clicks": ("frozen_model.js", "own_clicks.js"),
    "one_step": ("one_step.js",),
}
LARGEST = 1_000_000  # bytes: a twin is something one can mail
LONGEST_PROFILE = 900  # characters shown


def write_twin(
    path: str | Path,
    page: str,
    title: str,
    lede: str,
    data: Mapping[str, Any],
    provenance: Mapping[str, Any],
    tables: str = "",
    example: str = "#lam=0.6",
) -> Path:
    """Write one twin; the same inputs write the same bytes.

    Args:
        path: the HTML file; a relative one is meant from the checkout's root, as `record`'s folder is.
        page: which of `PAGES`.
        title, lede: heading and first paragraph, plain text.
        data: what the page draws, JSON-able.
        provenance: as `record` keeps it; the footer says where the numbers are from.
        tables: HTML with the numbers, readable without JavaScript.
        example: the link that the footer shows.

    Returns:
        The file's path.

    Raises:
        ValueError: an unknown page, a number that is NaN or infinite, or more than a megabyte.
    """
    if page not in PAGES:
        raise ValueError(f"page must be one of {tuple(PAGES)}; got {page!r}")
    path = Path(path)
    path = path if path.is_absolute() else (find_checkout() or Path.cwd()) / path
    parts = {
        "title": html_text(title),
        "lede": html_text(lede),
        "style": _asset("style.css"),
        "chart": _asset("chart.js"),
        "view": "\n".join(map(_asset, PAGES[page])),
        "tables": tables,
        "origin": html_text(_origin(provenance)),
        "example": html_text(f"{path.name}{example}"),
        "data": json_in_html(data),
    }
    pieces = _asset("page.html").split("{{")
    text = pieces[0] + "".join(parts[name] + rest for name, rest in (piece.split("}}", 1) for piece in pieces[1:]))
    content = text.encode("utf-8")
    if len(content) > LARGEST:
        raise ValueError(
            f"{path.name} would have {len(content):,} bytes, more than {LARGEST:,}: "
            "show fewer users, fewer runs or narrower ones"
        )
    write_whole(path, content)
    return path


def write_lambda_sensitivity(
    path: str | Path, results: Sequence[RunResult], provenance: Mapping[str, Any], split: str = "test"
) -> Path:
    """The twin of Figure 6: Recall@20 and NDCG@20 over lambda for each strategy, with intervals over seeds.

    Args:
        path: e.g. `figures/09_lambda_sensitivity.html`.
        results: runs over lambda and seeds, and base runs, as `sweep` returns them.
        provenance: as `record`'s.
        split: of the metrics.
    """
    published = [r for r in results if r.spec.strategy in STRATEGIES and r.spec.variant == "published"]
    if not published:
        raise ValueError(f"no run of {list(STRATEGIES)} among the {len(results)} results given")
    line = LambdaLine([*published, *(r for r in results if r.spec.lam is None)], split=split)
    curves = {metric: {curve.strategy: curve for curve in line.curves(metric)} for metric in METRICS}
    strategies = [name for name in STRATEGIES if name in curves["recall@20"]]
    lams = line.lams
    cells = [[[_cell(curves[m][s], lam) for lam in lams] for s in strategies] for m in METRICS]
    base = [_interval(line.base_level(metric)) for metric in METRICS]
    data = {
        "split": split,
        "lams": lams,
        "metrics": [{"key": key, "label": label} for key, label in METRICS.items()],
        "strategies": [{"key": name, "label": STRATEGIES[name].long_name} for name in strategies],
        "cells": cells,
        "base": None if base[0] is None else base,
        "start": {"lam": _middle(lams), "strategy": strategies[-1]},
    }
    return write_twin(
        path,
        "lambda_sensitivity",
        f"How much λ matters: DMRec on {_name(provenance)}",
        "λ governs how strongly the language space is matched with the collaborative one. Move it, and compare the "
        "height of each curve with the width of its band (seed noise) and with the base model.",
        data,
        provenance,
        _numbers_table(data),
    )


def write_distribution_matching(path: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """The twin of notebook 04: two Gaussians in one dimension, their composites, and the three losses over lambda."""
    return write_twin(
        path,
        "distribution_matching",
        "Matching two Gaussians",
        "q is what interactions say of a user, p what texts say, in one latent dimension. The thick green curve is the "
        "q that the chosen loss would end up with if nothing else pulled: move λ and watch it travel between the prior "
        "and p. Equations as printed in the paper.",
        {},
        provenance or {"dataset": None},
        example="#lam=0.2&strategy=mddm",
    )


def write_one_step(path: str | Path, steps: pd.DataFrame, lam: float, provenance: Mapping[str, Any]) -> Path:
    """The twin of notebook 00b: one user's three Gaussians and one gradient step of them, over lambda.

    Args:
        path: e.g. `figures/00b_dmrec_in_80_lines.html`.
        steps: a row a lam, variant, pull and space: mean_1, mean_2, std_1, std_2, and the same with `_after`.
        lam: where the slider starts.
        provenance: as `record`'s.
    """
    lams, pulls = sorted(steps["lam"].unique()), list(steps["pull"].unique())
    numbers: list = [[{variant: {} for variant in steps["variant"].unique()} for _ in pulls] for _ in lams]
    for row in steps.itertuples():
        mine = [
            [getattr(row, f"{name}_{k}{when}") for k in (1, 2)] for when in ("", "_after") for name in ("mean", "std")
        ]
        numbers[lams.index(row.lam)][pulls.index(row.pull)][row.variant][row.space] = np.round(mine, 4).tolist()
    before = max((steps[f"mean_{k}"].abs() + steps[f"std_{k}"]).max() for k in (1, 2))
    after = max(steps[f"mean_{k}_after"].abs().max() for k in (1, 2))  # a width after it may leave the picture
    return write_twin(
        path,
        "one_step",
        f"One gradient step: a user of {_name(provenance)}",
        "q is what this user's clicks say, p what texts and clicks say, fused what the taste is drawn from; thin "
        "before one step of training, thick after it. Let one part of the loss pull at a time, move λ, and compare the "
        "arrows of the published code with those of the paper's equations.",
        {
            "lams": [round(float(value), 4) for value in lams],
            "pulls": pulls,
            "steps": numbers,
            "reach": round(1.1 * float(max(before, after)), 2),
            "start": {"lam": lam, "pull": "matching"},
        },
        provenance,
        example="#lam=0.5&pull=matching",
    )


def write_explore(
    path: str | Path,
    results: Sequence[RunResult],
    dataset: RecDataset,
    provenance: Mapping[str, Any],
    users: Sequence[int] | None = None,
    crowd_size: int = 120,
) -> Path:
    """The twin of notebook 13: a fixed set of users over the trained lambdas of one strategy and seed.

    Args:
        path: e.g. `figures/13_explore.html`.
        results: runs of one strategy, variant and seed over lambda; a base run among them is what rankings are compared
            with.
        dataset: their data.
        provenance: as `record`'s.
        users: whom to show; by default twelve, from the shortest history to the longest.
        crowd_size: users in the picture's background.
    """
    return write_explored(path, explored(results, dataset, users, crowd_size), provenance)


def write_explored(path: str | Path, data: Mapping[str, Any], provenance: Mapping[str, Any]) -> Path:
    """`write_explore` of what `explored` gave, now or before it was kept."""
    start = data["start"]
    return write_twin(
        path,
        "explore",
        f"One user at a time: {data['label']} on {_name(provenance)}",
        "Pick a user and move λ. The ellipses are this user's distributions, the faint dots other users' means; loss "
        "terms and the ten best items change with them. Every position of the slider is a trained run.",
        data,
        provenance,
        example=f"#user={data['users'][start['user']]['id']}&lam={start['lam']:g}",
    )


def explored(
    results: Sequence[RunResult], dataset: RecDataset, users: Sequence[int] | None = None, crowd_size: int = 120
) -> dict[str, Any]:
    """What the page of notebook 13 draws, as plain numbers and texts; arguments as `write_explore`'s."""
    line = LambdaLine(results, dataset, users, crowd_size=crowd_size)
    runs, users = line.single(), line.people
    lams, spec = list(runs), next(iter(runs.values())).spec
    snapshots = [line.snapshot(run) for run in runs.values()]
    before = line.base_snapshot(spec.seed)
    base = None if before is None else line.known[before.spec]
    rows = [snapshots[0].row(user) for user in users]
    items = {int(i) for s in snapshots for i in s.top[rows].ravel()} | {
        i for row in rows for i in snapshots[0].ranks[row]
    }
    titles = titles_of(dataset)
    return {
        "lams": lams,
        "label": mark_of(spec.strategy).label,
        "strategy": spec.strategy,
        "users": [_person(dataset, user) for user in users],
        "runs": [_run(snapshot, rows) for snapshot in snapshots],
        "titles": {str(item): visible_text(titles[item]) for item in sorted(items)},
        "before": None if before is None else before.top[rows].tolist(),
        "ranksBefore": None if before is None else _ranks(before, rows),
        "curve": [round(result.metrics["test"]["recall@20"], 4) for result in runs.values()],
        "base": None if base is None else round(base.metrics["test"]["recall@20"], 4),
        "start": {"user": users.index(line.first_person), "lam": _middle(lams)},
    }


def _run(snapshot: Snapshot, rows: list[int]) -> dict[str, Any]:
    corner = np.array([0, 1, 3])  # xx, xy, yy of a flattened covariance
    return {
        "share": round(snapshot.share, 2),
        "reach": round(snapshot.reach, 2),
        "crowd": {name: snapshot.planes[name].mean.round(2).tolist() for name in SPACES},
        "mean": {name: snapshot.planes[name].mean[rows].round(3).tolist() for name in SPACES},
        "covariance": {
            name: snapshot.planes[name].covariance[rows].reshape(-1, 4)[:, corner].round(4).tolist() for name in SPACES
        },
        "terms": np.stack([snapshot.terms[name][rows] for name in TERMS], axis=1).astype(float).round(3).tolist(),
        "top": snapshot.top[rows].tolist(),
        "ranks": _ranks(snapshot, rows),
    }


def _ranks(snapshot: Snapshot, rows: Iterable[int]) -> list[list[int]]:
    return [[snapshot.ranks[row][item] for item in sorted(snapshot.ranks[row])] for row in rows]


def _person(dataset: RecDataset, user: int) -> dict[str, Any]:
    test = dataset.test.indices[dataset.test.indptr[user] : dataset.test.indptr[user + 1]]
    return {
        "id": user,
        "label": user_label(dataset, user),
        "history": [visible_text(title) for title in history_of(dataset, user)[:40]],
        "profile": visible_text(profile_of(dataset, user)[:LONGEST_PROFILE]),
        "test": sorted(int(item) for item in test),
    }


def _cell(curve: Any, lam: float) -> dict[str, Any] | None:
    place = np.flatnonzero(np.isclose(curve.lam, lam))
    if not len(place):
        return None
    i = int(place[0])
    return _interval(Interval(float(curve.mean[i]), float(curve.low[i]), float(curve.high[i]), curve.seeds))


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    bounds = {"low": interval.low, "high": interval.high}
    return {"mean": round(interval.mean, 5)} | {
        name: round(value, 5) if math.isfinite(value) else None for name, value in bounds.items()
    }


def _numbers_table(data: Mapping[str, Any]) -> str:
    """All numbers of the lambda twin as a static table."""
    labels = [metric["label"] for metric in data["metrics"]]
    head = "".join(f"<th scope='col'>{html_text(text)}</th>" for text in ("strategy", "λ", *labels))
    lines = []
    if data["base"] is not None:
        lines.append(f"<tr><td>base model</td><td></td>{''.join(f'<td>{_written(c)}</td>' for c in data['base'])}</tr>")
    for s, strategy in enumerate(data["strategies"]):
        for i, lam in enumerate(data["lams"]):
            values = "".join(f"<td>{_written(data['cells'][m][s][i])}</td>" for m in range(len(labels)))
            key, name = html_text(strategy["key"]), html_text(strategy["label"])
            lines.append(f"<tr data-strategy='{key}' data-lam='{i}'><td>{name}</td><td>{lam:g}</td>{values}</tr>")
    return (
        "<details id='numbers'><summary>All numbers</summary><div class='scroll'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></details>"
    )


def _written(cell: Mapping[str, Any] | None) -> str:
    return "not run" if cell is None else plus_minus(cell["mean"], cell["low"], cell["high"])


def _origin(provenance: Mapping[str, Any]) -> str:
    """One sentence: data set, embedder, seeds, commit."""
    if not provenance.get("dataset"):
        return "Pure mathematics: computed in this page."
    seeds = provenance.get("seeds") or []
    facts = [
        f"Data set: {provenance['dataset']}",
        f"semantic vectors: {provenance.get('embedder') or 'none'}",
        f"seed{'s' if len(seeds) != 1 else ''}: {', '.join(map(str, seeds)) or 'none'}",
        f"code: {provenance.get('commit') or 'unknown commit'}",
        *([f"licence: {provenance['licence']}"] if provenance.get("licence") else []),
    ]
    return "; ".join(facts) + "."


def _name(provenance: Mapping[str, Any]) -> str:
    return str(provenance.get("dataset") or "no data")


def _middle(lams: Sequence[float]) -> float:
    return lams[len(lams) // 2]


def _asset(name: str) -> str:
    return (resources.files("dmrec_core.figures.twins") / name).read_text(encoding="utf-8").rstrip("\n")
