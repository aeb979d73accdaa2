"""Negative controls of the language space."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from dmrec_core.data.dataset import SemanticVectors
from dmrec_core.language.controls import noisy, of_clicks, random_like, shuffled


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return SemanticVectors(rng.normal(size=(40, 16)) + 2, rng.normal(size=(30, 16)) - 1, embedder="made up")


def cosines(left, right):
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_shuffling_moves_rows_and_changes_none(vectors):
    moved = shuffled(vectors, seed=1)
    for before, after in ((vectors.user, moved.user), (vectors.item, moved.item)):
        assert sorted(map(tuple, before)) == sorted(map(tuple, after))
        assert (before != after).any(axis=1).mean() > 0.8
    assert moved.embedder == "made up, shuffled"


def test_random_vectors_keep_norms_and_lose_directions(vectors):
    random = random_like(vectors, seed=1)
    np.testing.assert_allclose(np.linalg.norm(random.user, axis=1), np.linalg.norm(vectors.user, axis=1), rtol=1e-5)
    assert abs(cosines(random.user, vectors.user).mean()) < 4 / np.sqrt(16 * 40)
    assert cosines(vectors.user[:20], vectors.user[20:]).mean() > 0.5  # the bound above means something here


def test_noise_is_a_dial(vectors):
    np.testing.assert_allclose(noisy(vectors, 0, seed=1).item, vectors.item, rtol=1e-6)
    np.testing.assert_allclose(noisy(vectors, 1, seed=1).item, random_like(vectors, seed=1).item, rtol=1e-5)
    likeness = [cosines(noisy(vectors, share, seed=1).user, vectors.user).mean() for share in (0, 0.25, 0.5, 0.75, 1)]
    assert likeness == sorted(likeness, reverse=True)
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 1.5"):
        noisy(vectors, 1.5, seed=1)


@pytest.mark.parametrize("control", [shuffled, random_like, lambda given, seed: noisy(given, 0.5, seed)])
def test_controls_repeat_and_say_what_they_are(vectors, control):
    np.testing.assert_array_equal(control(vectors, 3).user, control(vectors, 3).user)
    assert (control(vectors, 3).user != control(vectors, 4).user).any()
    assert control(vectors, 3).embedder != vectors.embedder


def test_clicks_in_the_texts_place_know_who_clicks_what_and_no_text():
    """Two tastes of twenty items each: items of one taste are alike, and a user is like the items of theirs."""
    rng = np.random.default_rng(0)
    taste = np.arange(200) % 2
    clicks = sp.csr_matrix((rng.random((200, 40)) < np.where(taste[:, None] == np.arange(40) % 2, 0.4, 0.02)) * 1.0)
    for width in (8, 64):  # fewer numbers than items, and more
        given = SemanticVectors(rng.normal(size=(200, width)), rng.normal(size=(40, width)), embedder="made up")
        made = of_clicks(given, clicks)
        assert made.item.shape == given.item.shape and made.embedder == "clicks in place of made up"
        np.testing.assert_allclose(np.linalg.norm(made.item, axis=1), np.linalg.norm(given.item, axis=1), rtol=1e-5)
        np.testing.assert_array_equal(of_clicks(given, clicks).user, made.user)
        other = SemanticVectors(given.user, rng.permutation(given.item), embedder="other")
        assert cosines(of_clicks(other, clicks).item, made.item).min() > 0.999  # the text decides lengths alone
        same = made.item[np.arange(40) % 2 == 0]
        different = made.item[np.arange(40) % 2 == 1]
        assert cosines(same[:-1], same[1:]).mean() > 0.25 + cosines(same, different).mean()
        near = cosines(made.user[taste == 0], np.broadcast_to(same.mean(0), (100, width)))
        far = cosines(made.user[taste == 0], np.broadcast_to(different.mean(0), (100, width)))
        assert (near > far).mean() > 0.95


def test_who_clicked_nothing_gets_the_items_mean():
    clicks = sp.csr_matrix(np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]))
    made = of_clicks(SemanticVectors(np.ones((3, 2)), np.ones((4, 2)), embedder="one"), clicks)
    np.testing.assert_allclose(made.item[2], made.item[3])
    np.testing.assert_allclose(made.user[2], made.item[2], rtol=1e-6)
