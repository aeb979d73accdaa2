"""Tables and comparisons against numbers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from dmrec_core.analysis.comparisons import (
    best_on_validation,
    compare,
    group_comparisons,
    more_in_the_sparsest,
    per_user,
    warm_starts,
)
from dmrec_core.analysis.dimensions import dimensions_of
from dmrec_core.analysis.statistics import SparsityGroups, mean_interval
from dmrec_core.analysis.summaries import (
    activities,
    activity_counts,
    by_setting,
    for_json,
    group_metrics,
    learning_curves,
    over_seeds,
)
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.training.fit import TrainSettings
from tests.made_results import result

SEEDS = (2024, 2025, 2026)
BASE = [result([0.1, 0.2, 0.3, 0.4], seed=seed) for seed in SEEDS]
# gains of 0.1, 0.2, 0.3 for users 0 and 1; none for users 2 and 3
OURS = [
    result([0.1 + gain, 0.2 + gain, 0.3, 0.4], "mddm", seed) for gain, seed in zip((0.1, 0.2, 0.3), SEEDS, strict=True)
]
GROUPS = SparsityGroups(np.array([0, 0, 1, 1]), np.arange(4), (4, 9), (0.5, 0.5))


def test_over_seeds_has_one_row_a_setting_and_metric():
    table = over_seeds([*OURS, *BASE])
    assert list(table["strategy"]) == ["mddm", "mddm", "base", "base"] and set(table["seeds"]) == {3}
    row = table[(table["strategy"] == "mddm") & (table["metric"] == "ndcg@20")].iloc[0]
    expected = mean_interval([0.3, 0.35, 0.4])
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected.mean, expected.low, expected.high))
    assert np.isnan(table[table["strategy"] == "base"]["lam"]).all()


def test_results_that_differ_in_more_than_their_seed_stay_apart():
    others = [result([0.5], "mddm", seed, lam=0.2) for seed in SEEDS]
    assert [len(group) for group in by_setting([*others, *OURS[:1]]).values()] == [3, 1]


def test_group_metrics_are_means_inside_the_group():
    table = group_metrics([*BASE, *OURS], GROUPS, "ndcg@20").set_index(["strategy", "group"])["mean"]
    assert table["base", 0] == pytest.approx(0.15) and table["base", 1] == pytest.approx(0.35)
    assert table["mddm", 0] == pytest.approx(0.35) and table["mddm", 1] == pytest.approx(0.35)


def test_compare_tells_seeds_from_users():
    found = compare(OURS, BASE)
    assert found.difference.mean == pytest.approx(0.1) and found.relative == pytest.approx(0.1 / 0.25)
    assert found.p_seeds == pytest.approx(scipy.stats.ttest_rel([0.3, 0.35, 0.4], [0.25] * 3).pvalue)
    assert found.p_users == pytest.approx(scipy.stats.ttest_rel([0.3, 0.4, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]).pvalue)
    assert (found.seeds, found.users) == (3, 4)
    half = (found.difference.high - found.difference.low) / 2
    assert str(found) == f"+0.1000 ± {half:.4f} (+40.0 %)"


def test_compare_pairs_by_seed_whatever_the_order():
    assert compare(OURS[::-1], BASE).difference == compare(OURS, BASE).difference
    np.testing.assert_array_equal(per_user(OURS[::-1], "ndcg@20"), per_user(OURS, "ndcg@20"))


def test_one_seed_and_one_user_have_no_test():
    one = compare(OURS[:1], BASE[:1])
    assert one.p_seeds is None and one.p_users is not None and np.isnan(one.difference.low) and "one seed" in str(one)
    assert compare(OURS, BASE, users=[0]).p_users is None


def test_other_seeds_other_users_and_repeated_seeds_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        compare(OURS[:2], BASE[1:])
    with pytest.raises(ValueError, match="same seeds"):
        compare([OURS[0], OURS[0]], [BASE[0], BASE[0]])
    with pytest.raises(ValueError, match="same users"):
        compare(OURS[:1], [result([0.1, 0.2, 0.3, 0.4], seed=2024, users=[0, 1, 2, 4])])


def test_gains_by_group_and_how_much_more_the_sparsest_gain():
    table = group_comparisons(OURS, BASE, GROUPS)
    assert list(table["difference"]) == pytest.approx([0.2, 0.0]) and list(table["users"]) == [2, 2]
    assert table["p_seeds"].iloc[1] == 1.0  # no difference at all
    expected = mean_interval([0.1, 0.2, 0.3])
    more, over_users = more_in_the_sparsest(OURS, BASE, GROUPS)
    assert (more.mean, more.low) == pytest.approx((expected.mean, expected.low))
    assert over_users.mean == pytest.approx(more.mean) and over_users.n == 4


def test_the_test_split_has_no_say_in_what_is_chosen():
    flattering = [result([0.9, 0.9], "mddm", seed, valid=0.1, lam=0.2) for seed in SEEDS]
    sound = [result([0.3, 0.3], "mddm", seed, valid=0.4, lam=0.8) for seed in SEEDS]
    assert {run.spec.lam for run in best_on_validation([*flattering, *sound])} == {0.8}
    with pytest.raises(ValueError, match="no results"):
        best_on_validation([])


def test_collapsed_dimensions_are_counted_by_run():
    activity = pd.DataFrame({"strategy": "base", "kl_weight": 1.0, "which": "fused", "seed": [1, 1, 2, 2]})
    activity = activity.assign(activity=[0.5, 0.009, 0.01, 2.0], log_activity=np.log([0.5, 0.009, 0.01, 2.0]))
    counts = activity_counts(activity)
    assert list(counts["collapsed"]) == [1, 0] and list(counts["dimensions"]) == [2, 2]
    assert counts["mean_log_activity"].iloc[1] == pytest.approx((np.log(0.01) + np.log(2)) / 2)


def test_no_number_is_none_in_json():
    table = over_seeds([BASE[0]])
    rows = json.loads(json.dumps(for_json(table), allow_nan=False))
    assert rows[0]["lam"] is None and rows[0]["low"] is None and rows[0]["mean"] == pytest.approx(0.25)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A base model and DMRec, trained for a moment on a small world."""
    dataset = with_language(toy_dataset(n_users=120, n_items=60), "tfidf")
    train = TrainSettings(epochs=4, batch_size=64, evaluate_every=2)
    folder = tmp_path_factory.mktemp("runs")
    specs = [paper_settings("toy", strategy=strategy, latent=8, train=train) for strategy in ("base", "mddm")]
    return dataset, [run(spec, dataset, runs=folder, device="cpu") for spec in specs]


def test_learning_curves_hold_the_evaluated_epochs(trained):
    curves = learning_curves(trained[1])
    assert list(curves[curves["strategy"] == "mddm"]["epoch"]) == [0, 2]
    assert curves["value"].between(0, 1).all() and (curves["seconds"] > 0).all()


def test_activities_of_the_base_are_of_one_mean_and_of_dmrec_of_two(trained):
    table = activities(trained[1], trained[0])
    sizes = table.groupby(["strategy", "which"]).size().to_dict()
    assert sizes == {("base", "fused"): 8, ("mddm", "collaborative"): 8, ("mddm", "fused"): 8}
    np.testing.assert_allclose(np.exp(table["log_activity"]), table["activity"], rtol=1e-9)


@pytest.mark.parametrize("which", ["fused", "collaborative"])
def test_dimensions_come_most_active_first_and_know_what_they_push(trained, which):
    dataset, (_, ours) = trained
    view = dimensions_of(ours, dataset, which)
    assert (np.diff(view.activity) <= 0).all() and sorted(view.dimension) == list(range(8))
    np.testing.assert_allclose(view.means.astype(np.float64).var(0), view.activity, rtol=1e-6)
    assert view.pushes.shape == (8, 60)
    up, down = view.pushed(0)
    assert view.pushes[0, up[0]] == view.pushes[0].max() and view.pushes[0, down[0]] == view.pushes[0].min()


def test_a_dimensions_push_is_what_the_decoder_does(trained):
    import torch

    from dmrec_core.analysis.statistics import posterior_means

    dataset, (base, _) = trained
    view, model = dimensions_of(base, dataset), base.model(dataset)
    centre = torch.from_numpy(posterior_means(model, dataset).mean(0))
    step = torch.zeros(8)
    step[view.dimension[0]] = 2 * float(np.sqrt(view.activity[0]))
    with torch.no_grad():
        by_hand = model.backbone.decode(centre + step) - model.backbone.decode(centre - step)
    np.testing.assert_allclose(view.pushes[0], by_hand.numpy(), rtol=1e-4, atol=1e-5)


def test_a_warm_start_is_compared_with_the_cold_run_of_its_lambda_and_seed():
    def at(value, seed, epochs, **changes):
        made = result([value, value], "mddm", seed, lam=0.4, **changes)
        return replace(made, record=made.record | {"epochs": epochs})

    cold = [at(0.30, 2024, 80), at(0.32, 2025, 100), replace(at(0.9, 2024, 9), spec=at(0.9, 2024, 9).spec.with_(lam=1))]
    warm = [at(0.305, 2024, 40, warm=0.6), at(0.36, 2025, 50, warm=0.6)]
    row = warm_starts(cold, warm).iloc[0]
    assert (row["lam"], row["warm"], row["epochs_cold"], row["epochs_warm"], row["share"]) == (0.4, 0.6, 90, 45, 0.5)
    assert row["difference"] == pytest.approx(0.0225) and row["spread"] == pytest.approx(0.02 / np.sqrt(2))
    assert row["within"] == 1 and row["patience"] == 30
    with pytest.raises(ValueError, match="the same seeds"):
        warm_starts(cold[:1], warm)
