"""Does it learn what it should, and only then? Relative bounds, each with controls that must not meet them.

The toy world's texts are written from the items' true themes, so sparse users must gain from them. Shuffled, the same
vectors belong to the wrong owners, and the gain must go; a model that knows only popularity must not come near.
"""

from __future__ import annotations

import numpy as np
import pytest

from dmrec_core.analysis.statistics import paired_test, sparsity_groups
from dmrec_core.recommender import LossTerms, Recommender
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.sweeps import grid, sweep
from dmrec_core.training.evaluate import evaluate

SEEDS = [2024, 2025, 2026, 2027, 2028]
METRIC = "ndcg@20"
LEAST_GAIN = 0.10  # of the base's metric in the sparsest group; real texts give about 0.25, wrong ones at most 0.05
LEVEL = 0.01  # of the paired test over seeds

pytestmark = pytest.mark.slow


def meets_the_bound(ours: list[float], base: list[float]) -> bool:
    """Better than the base by the bound on average, and not by luck: a paired test over seeds, one-sided."""
    test = paired_test(ours, base)
    return np.mean(ours) >= (1 + LEAST_GAIN) * np.mean(base) and test.difference.mean > 0 and test.p / 2 < LEVEL


class Popularity(Recommender):
    """Everybody gets the items that most people have."""

    def __init__(self, train) -> None:
        super().__init__()
        import torch

        self.register_buffer("counts", torch.from_numpy(np.asarray(train.sum(0), dtype=np.float32).ravel()))

    def loss(self, batch) -> LossTerms:
        raise NotImplementedError("nothing to learn")

    def score(self, batch):
        return self.counts.repeat(len(batch.users), 1)


@pytest.fixture(scope="module")
def in_the_sparsest_group():
    """Setting -> the metric of the sparsest group, one number a seed."""
    mddm = paper_settings("toy", strategy="mddm")
    settings = {
        "base": paper_settings("toy"),
        "real": mddm,
        "shuffled": mddm.with_(vectors="shuffled"),
        "random": mddm.with_(vectors="random"),
    }
    results = sweep([spec for setting in settings.values() for spec in grid(setting, seed=SEEDS)], device="cpu")
    groups = sparsity_groups(load(mddm))
    values = [float(groups.means(result.per_user["test"], METRIC)[0]) for result in results]
    n = len(SEEDS)
    return {name: values[n * k : n * (k + 1)] for k, name in enumerate(settings)}


def test_dmrec_beats_the_base_for_the_sparsest_users(in_the_sparsest_group):
    base, ours = in_the_sparsest_group["base"], in_the_sparsest_group["real"]
    assert meets_the_bound(ours, base), (base, ours)


@pytest.mark.parametrize("vectors", ["shuffled", "random"])
def test_with_the_wrong_texts_it_does_not(in_the_sparsest_group, vectors):
    base, control = in_the_sparsest_group["base"], in_the_sparsest_group[vectors]
    assert not meets_the_bound(control, base), (base, control)
    assert meets_the_bound(in_the_sparsest_group["real"], control), "real texts must beat wrong ones, too"


def test_popularity_does_not_either(in_the_sparsest_group):
    dataset = load(paper_settings("toy"))
    groups = sparsity_groups(dataset)
    popular = float(groups.means(evaluate(Popularity(dataset.train), dataset, "test"), METRIC)[0])
    base = in_the_sparsest_group["base"]
    assert not meets_the_bound([popular] * len(SEEDS), base)
    assert np.mean(base) > 1.2 * popular, "the base itself must have learned more than popularity"
