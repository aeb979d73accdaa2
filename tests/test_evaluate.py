"""Recall and NDCG against an independent library, on random, tied and degenerate rankings."""

import ir_measures
import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.data import RecDataset
from dmrec_core.recommender import LossTerms, Recommender, top_items
from dmrec_core.training.evaluate import evaluate, ranking_metrics


class FixedScores(Recommender):
    """Scores that are given, so that only the evaluator is under test."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__()
        self.scores = torch.from_numpy(scores)

    def loss(self, batch) -> LossTerms:
        raise AssertionError("the evaluator never asks for a loss")

    def score(self, batch) -> torch.Tensor:
        return self.scores[batch.users].clone()


def split_dataset(seed: int, n_users: int = 60, n_items: int = 45) -> RecDataset:
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, size=(n_users, n_items), p=[0.7, 0.12, 0.06, 0.12])
    kind[:, 0] = 1  # every user trains on something
    parts = [sp.csr_matrix((kind == k).astype(np.float32)) for k in (1, 2, 3)]
    return RecDataset("random", n_users, n_items, *parts)


def judged(dataset: RecDataset, scores: np.ndarray, cutoffs) -> dict[str, dict[int, float]]:
    """ir-measures' verdict. It breaks ties its own way, so ranks are handed over as strictly falling scores."""
    qrels, run = {}, {}
    for user in range(dataset.n_users):
        wanted = dataset.test.indices[dataset.test.indptr[user] : dataset.test.indptr[user + 1]]
        if not len(wanted):
            continue
        qrels[str(user)] = {str(item): 1 for item in wanted}
        seen = set(dataset.train.indices[dataset.train.indptr[user] : dataset.train.indptr[user + 1]])
        candidates = [item for item in range(dataset.n_items) if item not in seen]
        candidates.sort(key=lambda item: (-scores[user, item], item))
        run[str(user)] = {str(item): float(-rank) for rank, item in enumerate(candidates)}
    wanted_measures = [m for n in cutoffs for m in (ir_measures.R @ n, ir_measures.nDCG @ n)]
    verdict: dict[str, dict[int, float]] = {}
    for result in ir_measures.iter_calc(wanted_measures, qrels, run):
        name = str(result.measure).replace("nDCG", "ndcg").replace("R@", "recall@")
        verdict.setdefault(name, {})[int(result.query_id)] = result.value
    return verdict


@pytest.mark.parametrize("kind", ["random", "tied", "constant"])
@pytest.mark.parametrize("seed", [0, 1])
def test_metrics_equal_an_independent_library(kind, seed):
    dataset = split_dataset(seed)
    rng = np.random.default_rng(seed + 10)
    scores = {
        "random": rng.normal(size=(60, 45)),
        "tied": rng.integers(0, 4, size=(60, 45)).astype(float),
        "constant": np.zeros((60, 45)),
    }[kind].astype(np.float32)
    cutoffs = (1, 5, 20)
    mine = evaluate(FixedScores(scores), dataset, "test", cutoffs, batch_size=13)
    verdict = judged(dataset, scores, cutoffs)
    for name, values in mine.per_user.items():
        expected = [verdict[name][user] for user in mine.users]
        np.testing.assert_allclose(values, expected, atol=1e-12, err_msg=name)


def test_chunks_do_not_change_the_metrics():
    dataset, scores = split_dataset(3), np.random.default_rng(0).normal(size=(60, 45)).astype(np.float32)
    whole, chunked = (evaluate(FixedScores(scores), dataset, "test", batch_size=b) for b in (60, 7))
    for name in whole.per_user:
        np.testing.assert_array_equal(whole.per_user[name], chunked.per_user[name])


def test_only_training_items_are_masked():
    """Validation items stay candidates at test, as published: a perfect score for them pushes test items down."""
    train, valid, test = (sp.csr_matrix(np.array([row], dtype=np.float32)) for row in ([1, 0, 0], [0, 1, 0], [0, 0, 1]))
    dataset = RecDataset("one", 1, 3, train, valid, test)
    scores = np.array([[9.0, 5.0, 1.0]], dtype=np.float32)
    assert evaluate(FixedScores(scores), dataset, "test", (1, 2)).means() == {
        "recall@1": 0, "ndcg@1": 0, "recall@2": 1, "ndcg@2": pytest.approx(1 / np.log2(3)),
    }  # fmt: skip


def test_recall_divides_by_all_held_out_items_and_ndcg_by_the_best_reachable():
    hits = torch.tensor([[True, False, True]])
    metrics = ranking_metrics(hits, torch.tensor([10]), (3,))
    assert metrics["recall@3"].item() == pytest.approx(0.2)
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert metrics["ndcg@3"].item() == pytest.approx((1 + 1 / 2) / ideal)


def test_users_without_test_items_are_skipped_and_an_empty_split_is_an_error():
    dataset = split_dataset(4)
    users = evaluate(FixedScores(np.zeros((60, 45), np.float32)), dataset).users
    assert (np.diff(dataset.test.indptr)[users] > 0).all() and len(users) == (np.diff(dataset.test.indptr) > 0).sum()
    nothing = sp.csr_matrix((60, 45), dtype=np.float32)
    empty = RecDataset("no test", 60, 45, dataset.train, dataset.valid, nothing)
    with pytest.raises(ValueError, match=r"'no test'.*test"):
        evaluate(FixedScores(np.zeros((60, 45), np.float32)), empty)
    with pytest.raises(ValueError, match="split must be"):
        evaluate(FixedScores(np.zeros((60, 45), np.float32)), dataset, "train")


def test_nan_scores_are_refused_with_the_user():
    scores = np.zeros((60, 45), np.float32)
    scores[17, 3] = np.nan
    with pytest.raises(FloatingPointError, match="user 17"):
        evaluate(FixedScores(scores), split_dataset(0), "test", batch_size=8)


def test_ties_go_to_the_lower_id_also_at_the_cut():
    scores = torch.tensor([[1.0, 3.0, 3.0, 3.0, 0.0], [0.0, 1.0, 2.0, 3.0, 4.0]])
    assert top_items(scores, 2).tolist() == [[1, 2], [4, 3]]
    assert top_items(scores, 9).tolist() == [[1, 2, 3, 0, 4], [4, 3, 2, 1, 0]]
