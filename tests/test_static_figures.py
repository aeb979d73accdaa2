"""The kept figures and the draws of notebooks 06 and 07: what is drawn is what the tables say, also with one seed."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure

from dmrec_core.analysis.comparisons import group_comparisons
from dmrec_core.analysis.dimensions import Dimensions
from dmrec_core.analysis.statistics import sparsity_groups
from dmrec_core.analysis.summaries import HEADLINE, group_metrics, over_seeds
from dmrec_core.data import toy_dataset
from dmrec_core.figures.kept import trained as static
from dmrec_core.figures.kept.compared import language_or_not, settings_compared
from dmrec_core.figures.live.trained import (
    DIMENSIONS_PANEL,
    SPARSITY_CONTROLS,
    SPARSITY_PANEL,
    dimension_controls,
    draw_dimensions,
    draw_sparsity,
)
from dmrec_core.figures.style import MARKS
from tests.made_results import result

DATASET = toy_dataset(n_users=100, n_items=60)
GROUPS = sparsity_groups(DATASET)


def runs(strategy: str, seeds: int, shift: float, **changes) -> list:
    """Results with noise around a level, one a seed."""
    rng = np.random.default_rng(int(100 * shift))
    users = np.flatnonzero(np.diff(DATASET.test.indptr))
    return [
        result(rng.random(len(users)) / 4 + shift, strategy, 2024 + k, users=users, **changes) for k in range(seeds)
    ]


def ranked_at_every_cutoff(results: list) -> list:
    """The same values under the names of all cut-offs, which the widget offers."""
    for run in results:
        for ranked in run.per_user.values():
            values = ranked.per_user["ndcg@20"]
            ranked.per_user.update({metric: values for metric in SPARSITY_CONTROLS["metric"]})
    return results


def saved(figure: Figure) -> bytes:
    """The figure as it is kept; what matplotlib warns of (no glyph, no room, nothing to label) is an error."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def errorbars(ax) -> list:
    return [container for container in ax.containers if hasattr(container, "has_yerr")]


@pytest.fixture(params=[1, 3], ids=["one seed", "three seeds"])
def seeds(request) -> int:
    return request.param


def test_lambda_sensitivity_draws_each_strategy_over_its_lambdas(seeds):
    results = runs("base", seeds, 0.1)
    for strategy in ("godm", "mddm"):
        for lam in (0.0, 1.0, 0.5):
            results += runs(strategy, seeds, 0.2 + lam / 10, lam=lam)
    summary = over_seeds(results)
    figure = static.lambda_sensitivity(summary, published={"mddm": 0.6})
    assert saved(figure) and [ax.get_ylabel() for ax in figure.axes] == ["test Recall@20", "test NDCG@20"]
    lines = [bar.lines[0] for bar in errorbars(figure.axes[0])]
    drawn = {line.get_color(): line.get_ydata().astype(float) for line in lines}  # matplotlib keeps them as objects
    rows = summary[(summary["strategy"] == "mddm") & (summary["metric"] == "recall@20")].sort_values("lam")
    np.testing.assert_allclose(drawn[MARKS["mddm"].color], rows["mean"])


def test_training_curves_stop_the_mean_where_the_first_seed_stops():
    epochs = {2024: [0, 3, 6], 2025: [0, 3]}
    curves = pd.DataFrame(
        [{"strategy": "base", "seed": seed, "epoch": e, "seconds": e / 10, "value": 0.1 * e + seed - 2024}
         for seed, last in epochs.items() for e in last]
    )  # fmt: skip
    figure = static.training_curves(curves)
    assert saved(figure)
    mean = max(figure.axes[0].lines, key=lambda line: line.get_linewidth())
    assert mean.get_xdata().tolist() == [0, 3] and mean.get_ydata().tolist() == pytest.approx([0.5, 0.8])


@pytest.mark.parametrize("with_differences", [False, True])
def test_sparsity_groups_draw_shares_metrics_and_differences(seeds, with_differences):
    base, ours = runs("base", seeds, 0.1), runs("mddm", seeds, 0.2)
    table = group_metrics([*base, *ours], GROUPS)
    gains = group_comparisons(ours, base, GROUPS)
    figure = static.sparsity_groups(table, "ndcg@20", gains if with_differences else None)
    assert saved(figure) and len(figure.axes) == (3 if with_differences else 2)
    bars = next(ax for ax in figure.axes if ax.patches)
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], 100 * np.array(GROUPS.shares))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == GROUPS.labels()
    if with_differences:
        (points,) = errorbars(next(ax for ax in figure.axes if "difference" in ax.get_ylabel()))
        np.testing.assert_allclose(points.lines[0].get_ydata().astype(float), gains["difference"])


def test_dimension_activity_has_a_box_for_each_model_weight_and_mean():
    rng = np.random.default_rng(0)
    kinds = [("base", 1.0, "fused"), ("base", 0.5, "fused"), ("mddm", 1.0, "collaborative"), ("mddm", 1.0, "fused")]
    activity = pd.concat(
        pd.DataFrame({"strategy": s, "kl_weight": k, "which": w, "log_activity": rng.normal(place, 0.1, 8)})
        for place, (s, k, w) in enumerate(kinds)
    )
    figure = static.dimension_activity(activity, threshold=0.01)
    assert saved(figure)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["base\n", "base\nKL weight 0.5", "DMRec-M\nmean of q alone", "DMRec-M\nmean that is decoded"]
    medians = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_color() == "white"]
    assert medians == pytest.approx([0, 1, 2, 3], abs=0.2)


def test_settings_are_compared_in_the_order_given(seeds):
    results = [*runs("mddm", seeds, 0.3), *runs("base", seeds, 0.1)]
    summary = over_seeds(results)
    figure = settings_compared(summary, ["DMRec-M", "base"], ["mddm", "base"])
    assert saved(figure) and len(figure.axes) == len(HEADLINE)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["DMRec-M", "base"]
    drawn = [bar.lines[0].get_xdata()[0] for bar in errorbars(figure.axes[0])]
    assert drawn == pytest.approx(list(summary[summary["metric"] == "recall@20"]["mean"]))


@pytest.mark.parametrize("with_noise", [False, True])
def test_the_steps_of_the_ladder_add_up_to_the_whole(with_noise):
    def row(mean):
        return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}

    curves = pd.DataFrame(
        [{"vectors": kind, "coefficient": c, **row(0.3 + c / 10)} for kind in ("base", "real") for c in (1.0, 0.0)]
    )
    rungs = pd.DataFrame(
        [{"name": "base\nas it is", "vectors": "base", **row(0.30)}, {"name": "shuffled", "vectors": "shuffled",
          **row(0.29)}, {"name": "real", "vectors": "real", **row(0.36)}]
    )  # fmt: skip
    noise = pd.DataFrame([{"share": share, **row(0.36 - share / 10)} for share in (0.0, 0.5, 1.0)])
    figure = language_or_not(curves, rungs, noise if with_noise else None)
    assert saved(figure) and len(figure.axes) == (3 if with_noise else 2)
    steps = [float(text.get_text()) for text in figure.axes[1].texts]
    assert steps == [-0.01, 0.07] and sum(steps) == pytest.approx(0.06)


def settings(controls: dict) -> list[dict]:
    """The start, each control at each of its ends, and all at one end together."""

    def ends(control) -> list:
        return control if isinstance(control, list) else [control[0], control[1], control[3]]

    at_start = {name: ends(control)[0 if isinstance(control, list) else -1] for name, control in controls.items()}
    one_by_one = [at_start | {name: value} for name, control in controls.items() for value in ends(control)]
    return [at_start, *one_by_one, {name: ends(control)[-1] for name, control in controls.items()}]


def numbers_in(figure: go.Figure) -> int:
    """How many points are drawn; none of them may be NaN."""
    count = 0
    for trace in figure.data:
        for axis in ("x", "y"):
            values = np.asarray(trace[axis], dtype=float)
            assert np.isfinite(values).all(), (trace.name, axis)
            count += len(values)
    return count


@pytest.mark.parametrize("setting", settings(SPARSITY_CONTROLS), ids=str)
def test_draw_sparsity_at_every_end_of_its_controls(setting, seeds):
    base, ours = (ranked_at_every_cutoff(runs(*each)) for each in (("base", seeds, 0.1), ("mddm", seeds, 0.2)))
    figure = draw_sparsity(ours, base, DATASET, **setting)
    bars, theirs, mine, gains = figure.data
    assert numbers_in(figure) and [trace.type for trace in figure.data] == ["bar", "scatter", "scatter", "scatter"]
    assert sum(bars.y) == pytest.approx(100) and len(bars.y) <= setting["n_groups"]
    np.testing.assert_allclose(np.array(mine.y) - np.array(theirs.y), gains.y, atol=1e-12)


@pytest.fixture(scope="module")
def views() -> dict[str, Dimensions]:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(DATASET.n_users, 6)) * np.linspace(2, 0, 6)  # the last dimension has collapsed entirely
    order = np.argsort(-means.var(0))
    view = Dimensions(order, means[:, order], means.var(0)[order], rng.normal(size=(6, DATASET.n_items)))
    return {"base": view, "DMRec-M": view}


def test_draw_dimensions_at_every_end_of_its_controls(views):
    controls = dimension_controls(views)
    assert controls["across"] == (1, 6, 1, 1) and controls["up"] == (1, 6, 1, 2)
    kinds = set()
    for setting in settings(controls):
        figure = draw_dimensions(views, DATASET, **setting)
        assert numbers_in(figure) > DATASET.n_users
        kinds.add(tuple(trace.type for trace in figure.data))
        users = next(trace for trace in figure.data if trace.hovertext is not None)
        np.testing.assert_array_equal(users.x, views["base"].means[:, setting["across"] - 1])
        np.testing.assert_array_equal(users.y, views["base"].means[:, setting["up"] - 1])
    assert len(kinds) == 1, "a figure that changes its kinds of traces loses the zoom in a live panel"


def test_the_named_users_are_those_at_the_ends(views):
    figure = draw_dimensions(views, DATASET, "base", across=1, up=2)
    named = next(trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers+text")
    x = views["base"].means[:, 0]
    assert {str(x.argmax()), str(x.argmin())} <= set(named.text)


def test_presets_and_labels_name_controls_that_are_there(views):
    for panel, controls in ((SPARSITY_PANEL, SPARSITY_CONTROLS), (DIMENSIONS_PANEL, dimension_controls(views))):
        named = {name for preset in panel.get("presets", {}).values() for name in preset} | set(panel["labels"])
        assert named <= set(controls) and len(panel["predict"]) == 2
