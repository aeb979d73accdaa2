import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

from dmrec_core.data import toy_dataset, toy_ground_truth


@pytest.fixture(scope="module")
def toy():
    return toy_dataset()


def recall_at_20(data, scores, users=slice(None)):
    hidden = np.where(data.train.toarray() > 0, -np.inf, scores)
    top = np.argsort(-hidden, axis=1)[:, :20]
    held_out = data.test.toarray()
    return (np.take_along_axis(held_out, top, axis=1).sum(axis=1) / held_out.sum(axis=1))[users].mean()


def test_taste_ranks_far_better_than_popularity(toy):
    popularity = np.broadcast_to(np.asarray(toy.train.sum(axis=0)), (toy.n_users, toy.n_items))
    oracle = toy_ground_truth().logits()
    shuffled = oracle[np.random.default_rng(0).permutation(toy.n_users)]
    bound = 1.5 * recall_at_20(toy, popularity)
    assert recall_at_20(toy, oracle) > bound
    assert not recall_at_20(toy, shuffled) > bound  # control: somebody else's taste does not pass


def theme_agreement(noise):
    """Mean overlap of an item's themes with those of its nearest item by text, over that of any two items."""
    data, themes = toy_dataset(noise=noise), toy_ground_truth(noise=noise).item_theme
    texts = [f"{title}. {text}" for title, text in zip(data.titles, data.profiles.item, strict=True)]
    tfidf = TfidfVectorizer().fit_transform(texts)
    similarity = (tfidf @ tfidf.T).toarray()
    np.fill_diagonal(similarity, -1)
    overlap = themes @ themes.T
    neighbours = overlap[np.arange(len(themes)), similarity.argmax(axis=1)]
    return neighbours.mean() / overlap[~np.eye(len(themes), dtype=bool)].mean()


def test_text_tells_the_themes_unless_it_is_all_noise():
    assert theme_agreement(noise=0.0) > 3
    assert theme_agreement(noise=0.2) > 2
    assert theme_agreement(noise=1.0) < 1.3  # control


def neighbour_recall(noise, seed):
    """Recall@20 of sparse users from neighbours by history, and from neighbours by history plus text."""
    data = toy_dataset(noise=noise, seed=seed)
    history = data.train.toarray()
    words = TfidfVectorizer().fit_transform(data.profiles.item)
    by_history = cosine_similarity(history / np.sqrt(history.sum(axis=0)))
    by_text = cosine_similarity(history @ words) ** 4  # the power keeps only the closest
    for similarity in (by_history, by_text):
        np.fill_diagonal(similarity, 0)
    sparse_users = history.sum(axis=1) <= 4
    return [recall_at_20(data, s @ history, sparse_users) for s in (by_history, by_history + by_text)]


def test_sparse_users_gain_from_text_unless_it_is_all_noise():
    def gain(noise):
        history, both = np.mean([neighbour_recall(noise, seed) for seed in (2024, 1, 2)], axis=0)
        return both / history

    assert gain(0.0) > gain(0.2) > 1.05
    assert gain(1.0) < 1  # control


def test_most_users_are_sparse_and_a_few_are_dense(toy):
    history = np.diff((toy.train + toy.valid + toy.test).tocsr().indptr)
    assert np.mean(history <= 9) > 0.7
    assert history.max() > 50
    assert np.median(np.asarray(toy.train.sum(axis=0))) < 12


@pytest.mark.parametrize(("n_users", "n_items", "seed"), [(600, 300, 2024), (2, 20, 0), (40, 60, 1), (60, 400, 7)])
def test_everyone_trains_and_is_tested_and_every_item_is_seen(n_users, n_items, seed):
    data = toy_dataset(n_users, n_items, seed=seed)
    assert np.diff(data.train.indptr).min() >= 1
    assert np.diff(data.test.indptr).min() >= 1
    assert np.asarray(data.train.sum(axis=0)).min() >= 1
    assert len(set(data.titles)) == n_items


def test_noise_changes_the_texts_only():
    quiet, loud = toy_dataset(noise=0), toy_dataset(noise=1)
    assert (quiet.train != loud.train).nnz == 0
    assert quiet.profiles.item != loud.profiles.item


def test_user_texts_and_vectors_are_left_to_the_language_room(toy):
    assert toy.profiles.user is None and toy.language is None


def test_the_same_seed_gives_the_same_world_in_another_process(toy):
    script = "from dmrec_core.data import toy_dataset; print(toy_dataset().fingerprint)"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == toy.fingerprint
    assert toy_dataset(seed=1).fingerprint != toy.fingerprint


def test_it_is_made_in_less_than_half_a_second():
    times = []
    for _ in range(3):
        start = time.process_time()
        toy_dataset()
        times.append(time.process_time() - start)
    assert min(times) < 0.5


@pytest.mark.parametrize("arguments", [{"noise": 1.1}, {"noise": -0.1}, {"n_items": 19}, {"n_users": 1}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="got"):
        toy_dataset(**arguments)
