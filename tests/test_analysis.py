"""Sparsity groups on the paper's data, activity and intervals by hand."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats

from dmrec_core.analysis.statistics import (
    dimension_activity,
    mean_interval,
    paired_test,
    posterior_means,
    sparsity_groups,
)
from dmrec_core.data import RecDataset, load_dataset, toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs.build import build_model
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.evaluate import RankingMetrics

# upper bounds and user shares in per cent, computed once from the real files
PUBLISHED_GROUPS = {
    ("yelp", "train+test"): ((14, 29, 66, 494), (56.5, 27.2, 12.6, 3.7)),
    ("yelp", "train"): ((11, 23, 54, 367), (59.7, 25.4, 11.8, 3.1)),
    ("amazon", "train+test"): ((11, 23, 62, 344), (59.8, 25.8, 11.5, 2.9)),
    ("amazon", "train"): ((8, 18, 48, 253), (59.4, 26.8, 11.1, 2.8)),
}


@pytest.mark.data
@pytest.mark.parametrize(("name", "count_on"), PUBLISHED_GROUPS)
def test_groups_of_the_papers_data(mirror, name, count_on):
    upper, shares = PUBLISHED_GROUPS[name, count_on]
    groups = sparsity_groups(load_dataset(name), count_on=count_on)
    assert groups.upper == upper
    assert [round(100 * s, 1) for s in groups.shares] == pytest.approx(shares, abs=0.11)


def test_groups_hold_equal_mass_and_whole_ties():
    dataset = toy_dataset()
    groups = sparsity_groups(dataset)
    counts = np.diff(dataset.train.indptr)[groups.users]
    assert groups.shares[0] > 0.5 and sum(groups.shares) == pytest.approx(1)
    for bound, g in zip(groups.upper, range(4), strict=True):
        assert counts[groups.group == g].max() == bound
    assert (np.diff(groups.group[np.argsort(counts, kind="stable")]) >= 0).all()
    assert groups.labels()[0] == f"1-{groups.upper[0]}"


def test_group_means_are_means_of_the_group():
    dataset = toy_dataset()
    groups = sparsity_groups(dataset)
    values = np.random.default_rng(0).random(len(groups.users))
    means = groups.means(RankingMetrics(groups.users, {"ndcg@20": values}))
    assert means @ np.array(groups.shares) == pytest.approx(values.mean())
    with pytest.raises(ValueError, match="different users"):
        groups.means(RankingMetrics(groups.users[1:], {"ndcg@20": values[1:]}))


def test_one_count_for_all_users_is_one_group():
    train = sp.csr_matrix(np.array([[1, 0, 0], [1, 0, 0]], dtype=np.float32))
    test = sp.csr_matrix(np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32))
    groups = sparsity_groups(RecDataset("equal", 2, 3, train, sp.csr_matrix((2, 3), dtype=np.float32), test))
    assert groups.upper == (1,) and groups.shares == (1.0,) and groups.labels() == ["1"]
    with pytest.raises(ValueError, match="count_on"):
        sparsity_groups(toy_dataset(), count_on="test")


def test_activity_is_the_variance_over_users():
    means = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert dimension_activity(means).tolist() == [1.0, 0.0]


def test_posterior_means_of_the_three_spaces_add_up():
    dataset = with_language(toy_dataset(n_users=100, n_items=60), "tfidf")
    model = build_model(paper_settings("toy", strategy="mddm"), dataset)
    q, p, fused = (
        posterior_means(model, dataset, which, batch_size=33) for which in ("collaborative", "language", "fused")
    )
    np.testing.assert_allclose(fused, q + p, atol=1e-6)
    base = build_model(paper_settings("toy"), dataset)
    assert posterior_means(base, dataset).shape == (100, 32)


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(i.low < 0 < i.high for i in (mean_interval(rng.normal(size=5)) for _ in range(4000)))
    assert 0.94 < hits / 4000 < 0.96
    low, high = scipy.stats.t.interval(0.95, 2, loc=2, scale=1 / np.sqrt(3))
    assert mean_interval([1, 2, 3]).low == pytest.approx(low) and mean_interval([1, 2, 3]).high == pytest.approx(high)
    assert np.isnan(mean_interval([1.0]).low) and "one seed" in str(mean_interval([1.0]))


def test_paired_tests_equal_scipy_and_name_themselves():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 30), rng.normal(size=30)
    assert paired_test(a, b).p == scipy.stats.ttest_rel(a, b).pvalue
    assert paired_test(a, b, "Wilcoxon signed-rank").p == scipy.stats.wilcoxon(a, b).pvalue
    assert paired_test(a, a).p == 1.0 and paired_test(a, b).difference.mean == pytest.approx((a - b).mean())
    with pytest.raises(ValueError, match="two equally long"):
        paired_test(a, b[1:])
    with pytest.raises(ValueError, match="test must be"):
        paired_test(a, b, "t")
