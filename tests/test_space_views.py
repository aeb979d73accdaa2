"""Notebooks 01 to 03: what text vectors know, the bound of Eq. 1 for real users, both spaces while a user clicks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from dmrec_core.analysis.spaces import bounds_of_users, language_inputs, spaces_while_clicking, spread_users
from dmrec_core.data import SemanticVectors, toy_dataset
from dmrec_core.data.card import data_card, source_table
from dmrec_core.dmrec import Spaces
from dmrec_core.figures.kept import spaces as space_static
from dmrec_core.figures.live import spaces as space_views
from dmrec_core.figures.live import texts as text_views
from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import user_batch
from dmrec_core.language import with_language
from dmrec_core.language.controls import shuffled
from dmrec_core.language.geometry import centred, mean_cosine, nearest, pair_cosines, unit_rows
from dmrec_core.runs.build import build_model
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.floors import Popularity, TextSimilarity, chance_recall


@pytest.fixture(scope="module")
def data():
    return with_language(toy_dataset(n_users=80, n_items=60), "tfidf")


@pytest.fixture(scope="module")
def model(data):
    return build_model(paper_settings("toy", strategy="mddm", latent=2), data).eval()


# what a text vector knows


def test_mean_cosine_is_the_mean_over_all_pairs():
    vectors = np.random.default_rng(0).normal(size=(30, 5)) + 1
    cosines = unit_rows(vectors) @ unit_rows(vectors).T
    expected = cosines[~np.eye(30, dtype=bool)].mean()
    assert np.isclose(mean_cosine(vectors), expected)
    sampled = pair_cosines(vectors, pairs=50_000)
    assert abs(sampled.mean() - expected) < 5 * sampled.std() / len(sampled) ** 0.5
    with pytest.raises(ValueError, match="got 1"):
        mean_cosine(vectors[:1])


def test_random_pairs_are_never_a_row_with_itself():
    assert (pair_cosines(np.eye(3), pairs=1000) == 0).all()


def test_centring_widens_the_cone_and_says_so(data):
    flat = centred(data.language)
    assert abs(mean_cosine(flat.item)) < 0.05 < mean_cosine(data.language.item)
    assert flat.embedder.endswith(", centred")
    np.testing.assert_allclose(np.linalg.norm(flat.user, axis=1), 1, atol=1e-5)


def test_a_vector_equal_to_the_mean_keeps_a_direction():
    mean = np.array([[1.0, 1.0]])
    vectors = SemanticVectors(user=mean, item=np.array([[1.0, 0.0], [0.0, 1.0]]), embedder="x")
    np.testing.assert_allclose(centred(vectors).user, mean / 2**0.5, atol=1e-6)


def test_nearest_leaves_the_item_itself_out(data):
    ids, cosines = nearest(data.language.item, 5, 10)
    assert 5 not in ids and len(ids) == 10 and (np.diff(cosines) <= 0).all()
    assert len(nearest(np.eye(3), 0, 10)[0]) == 2


def test_text_beats_chance_and_wrong_text_does_not(data):
    def recall(ranking) -> float:
        return evaluate(ranking, data, "test").means()["recall@20"]

    chance = chance_recall(data)
    assert recall(TextSimilarity(data.language)) > 1.3 * chance
    assert recall(TextSimilarity(shuffled(data.language, seed=0))) < 1.3 * chance
    assert recall(Popularity(data.train).solve()) > 1.3 * chance


def test_chance_is_what_a_random_order_gets(data):
    class Random(Popularity):
        def score(self, batch):
            return torch.rand(len(batch), data.n_items, generator=generator)

    generator = torch.Generator().manual_seed(0)
    runs = [evaluate(Random(data.train), data, "test").means()["recall@20"] for _ in range(60)]
    assert abs(np.mean(runs) - chance_recall(data)) < 4.5 * np.std(runs) / len(runs) ** 0.5


def test_untrained_rankings_refuse_to_be_trained(data):
    with pytest.raises(TypeError, match="TextSimilarity has nothing to train"):
        TextSimilarity(data.language).loss(user_batch(data.train, np.arange(2)))


def test_card_names_what_cannot_be_checked(data):
    card = data_card(data)
    assert "CONSTRUCTION" in card["cannot be checked"] and card["content hash"] == data.fingerprint
    assert ("seed", "2024") in source_table(data)


# the collaborative space


def test_bounds_of_users_are_ordered(model, data):
    users = spread_users(data, 12)
    assert len(np.unique(users)) == 12 and (np.diff(np.diff(data.train.indptr)[users]) >= 0).all()
    bounds = bounds_of_users(model.backbone, data, users, draws=(10, 200))
    table = bounds.table
    assert (table["elbo"] <= table["evidence"] + 4.5 * table["elbo_error"]).all()
    assert (table["weighted_10"] <= table["weighted_200"] + 4.5 * table["weighted_error_10"]).all()
    step = bounds.axis[1] - bounds.axis[0]
    torch.testing.assert_close(bounds.log_posterior.exp().sum((1, 2)) * step**2, torch.ones(12), rtol=1e-4, atol=0)


def test_one_draw_of_the_weighted_bound_is_the_bound():
    values, errors = space_views.bound_by_draws(0.3, 0.7)
    gaps = space_views.LOG_EVIDENCE - values
    assert gaps[0] > 0.3 and abs(gaps[-1]) < 0.05  # one draw is far off, a thousand are not
    assert len(values) == len(errors) == len(space_views.DRAWS)


@pytest.mark.parametrize("mean", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("std", [0.2, 1.0, 2.0])
def test_draw_bound_at_the_ends_of_its_controls(mean, std):
    figure = space_views.draw_bound(mean, std)
    assert np.isfinite(np.concatenate([np.asarray(t.y, float) for t in figure.data])).all()
    figure.to_json()


def test_true_posterior_is_drawn_for_any_user(model, data):
    bounds = bounds_of_users(model.backbone, data, spread_users(data, 3), draws=(10,))
    for row in range(3):
        q = DiagonalGaussian(bounds.posterior.mean[row : row + 1], bounds.posterior.logvar[row : row + 1])
        figure = space_views.draw_true_posterior(bounds.axis.numpy(), bounds.log_posterior[row].numpy(), q, "a user")
        assert figure.layout.title.text == "a user" and np.isfinite(figure.data[0].z).all()


# the language space


def test_all_clicks_are_what_the_model_sees(model, data):
    user = int(spread_users(data, 5)[3])
    watched = spaces_while_clicking(model, data, user)
    with torch.no_grad():
        seen = model.spaces(user_batch(data.train, np.array([user])))
    for mine, theirs in zip(watched, seen, strict=True):
        torch.testing.assert_close(mine.mean[-1:], theirs.mean)
        torch.testing.assert_close(mine.logvar[-1:], theirs.logvar)
    assert len(watched.language.mean) == np.diff(data.train.indptr)[user] + 1


def test_without_clicks_and_text_everybody_is_alike(model, data):
    first, second = (spaces_while_clicking(model, data, user, own_text=False) for user in (0, 1))
    torch.testing.assert_close(first.language.mean[0], second.language.mean[0])
    told = spaces_while_clicking(model, data, 0, own_text=True).language.mean[0]
    assert not torch.allclose(told, first.language.mean[0])


def test_inputs_grow_with_the_history(model, data):
    table = language_inputs(model.meta_network, data)
    assert len(table) == data.n_users and table[["items", "norm"]].corr("spearman").iloc[0, 1] > 0.8
    assert table["saturated"].between(0, 1).all() and (table["std"] > 0).all()


def test_spaces_are_drawn_before_and_after_all_clicks(model, data):
    watched = spaces_while_clicking(model, data, int(spread_users(data, 2)[1]))
    for clicks in (0, len(watched.fused.mean) - 1):
        assert len(space_views.draw_spaces(watched, clicks).data) == 6


def test_kept_figures_of_both_notebooks(model, data):
    users = spread_users(data, 8)
    bounds = bounds_of_users(model.backbone, data, users, draws=(10, 50))
    histories = np.diff(data.train.indptr)
    figure = space_static.collaborative_figure(np.zeros((data.n_users, 2)), histories, bounds, [1, 6])
    assert [axis.get_title() for axis in figure.axes][:1] == ["Posterior means of all users"]
    inputs = language_inputs(model.meta_network, data)
    watched = spaces_while_clicking(model, data, 0)
    last = Spaces(*(DiagonalGaussian(s.mean[-1:], s.logvar[-1:]) for s in watched))
    work = pd.DataFrame({"collaborative": [0.1], "language": [0.2], "fused": [0.3]}, index=["DMRec-M"])
    figure = space_static.language_figure(
        {"before training": inputs, "after training": inputs}, [("a", last), ("b", last)], work
    )
    assert len(figure.axes) == 6
    pairs = {"as they are": np.array([0.1, 0.2]), "centred": np.array([-0.1, 0.0])}
    figure = text_views.data_figure(histories, histories, pairs, {"chance": 0.1, "text alone": 0.2})
    assert [bar.get_width() for bar in figure.axes[3].patches] == [0.1, 0.2]


def test_nearest_items_are_drawn():
    figure = text_views.draw_nearest("Tea", ["Green tea", "Coffee"], np.array([0.9, 0.1]), typical=0.2)
    assert list(figure.data[0].x) == [0.9, 0.1] and figure.layout.title.text == "nearest by text to: Tea"
