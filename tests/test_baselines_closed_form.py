"""The linear references: each against its equation written out densely in float64, their state and errors."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.baselines import EASE, GFCF, IALS, L3AE, ItemKNN
from dmrec_core.data import load_dataset, toy_dataset
from dmrec_core.interactions import user_batch, user_batches
from dmrec_core.language import with_language
from dmrec_core.records import memory
from dmrec_core.runs.build import build_model
from dmrec_core.runs.models import LINEAR
from dmrec_core.runs.spec import RunSpec
from dmrec_core.training.checkpoint import load_tensors, save_tensors
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.floors import chance_recall

KINDS = {"item-knn": ItemKNN, "ease": EASE, "gf-cf": GFCF, "ials": IALS, "l3ae": L3AE}
USERS, ITEMS = 40, 12
WITH_TEXT = ["item-knn", "ease", "gf-cf", "ials"]  # which take text as an addition
FOR_TOY = {"gf-cf": {"k": 8}, "ials": {"latent": 8, "reg": 0.03}}  # so few items span no 64 directions


@pytest.fixture(scope="module")
def dense():
    """Clicks, float64; the last item has no user, and two items have the same ones."""
    rng = np.random.default_rng(0)
    x = (rng.random((USERS, ITEMS)) < 0.3).astype(float)
    x[:, -1], x[:, 1] = 0, x[:, 0]
    x[x.sum(1) == 0, 2] = 1
    return x


@pytest.fixture(scope="module")
def train(dense):
    return sp.csr_matrix(dense.astype(np.float32))


@pytest.fixture(scope="module")
def vectors():
    return torch.randn(ITEMS, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def toy():
    return with_language(toy_dataset(n_users=300, n_items=150), "tfidf")


def scores(model, matrix):
    with torch.inference_mode():
        return model.eval().score(next(user_batches(matrix, matrix.shape[0])))


def small(name, train, vectors, **settings):
    return KINDS[name](train, item_vectors=vectors, **({"k": 3} if name == "gf-cf" else {}), **settings)


def reference(name, dataset, **settings):
    return build_model(RunSpec(model=name, settings=settings), dataset)


def same(found, expected, **tolerance):
    torch.testing.assert_close(found.double(), torch.as_tensor(expected), rtol=1e-4, atol=1e-5, **tolerance)


def column_by_column(a, l2, drawn_to=0.0, strength=0.0):
    """Each column of `a` from its others by a ridge of its own, `strength` of it towards `drawn_to`."""
    n = a.shape[1]
    target, weights = np.broadcast_to(drawn_to, (n, n)), np.zeros((n, n))
    for j in range(n):
        others = np.delete(np.arange(n), j)
        rest = a[:, others]
        left = rest.T @ rest + (l2 + strength) * np.eye(n - 1)
        weights[others, j] = np.linalg.solve(left, rest.T @ a[:, j] + strength * target[others, j])
    return weights


@pytest.mark.parametrize("shrinkage", [0, 3.5])
@pytest.mark.parametrize("neighbours", [1, 4, None, 100])
def test_item_knn_is_the_shrunk_cosine_of_the_nearest(dense, train, shrinkage, neighbours):
    expected = np.zeros((ITEMS, ITEMS))
    for j in range(ITEMS):
        for i in set(range(ITEMS)) - {j}:
            both = dense[:, i] @ dense[:, j]
            if both:
                expected[i, j] = both / (np.sqrt(dense[:, i].sum() * dense[:, j].sum()) + shrinkage)
        least = np.sort(expected[:, j])[::-1][min(neighbours or ITEMS, ITEMS) - 1]
        expected[expected[:, j] < least - 1e-9, j] = 0
    found = ItemKNN(train, shrinkage=shrinkage, neighbours=neighbours).solve()
    same(found.weight, expected)
    same(scores(found, train), dense @ expected)


def test_ease_regresses_each_item_on_the_others(dense, train):
    found = EASE(train, l2=2.0).solve()
    expected = column_by_column(dense, 2.0)
    same(found.weight, expected)
    same(scores(found, train), dense @ expected)
    assert not found.weight.diagonal().any()


@pytest.mark.parametrize("l2", [5.0, 500.0])
def test_ease_agrees_in_float32_and_float64(toy, l2):
    single, double = (EASE(toy.train, l2=l2, precision=p).solve().weight for p in ("float32", "float64"))
    assert single.dtype == double.dtype == torch.float32
    torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-6)
    assert not torch.equal(single, double), "two precisions round differently, or one of them was not used"


def test_l3ae_is_both_regressions_of_its_paper(dense, train, vectors):
    unit = torch.nn.functional.normalize(vectors.double(), dim=1).numpy()
    of_texts = column_by_column(unit.T, 0.5)
    model = L3AE(train, vectors, l2=2.0, l2_text=0.5, distillation=7.0)
    same(model.text_weights(), of_texts)
    same(model.solve().weight, column_by_column(dense, 2.0, of_texts, 7.0))


def test_l3ae_lies_between_ease_and_the_texts(train, vectors):
    free, bound = (L3AE(train, vectors, l2=2.0, distillation=d, precision="float64").solve() for d in (0, 1e7))
    torch.testing.assert_close(free.weight, EASE(train, l2=2.0, precision="float64").solve().weight)
    torch.testing.assert_close(bound.weight, bound.text_weights().float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("k", "alpha"), [(1, 1.0), (4, 0.3), (4, 0.0)])
def test_gf_cf_is_its_filter_by_a_dense_eigendecomposition(dense, train, k, alpha):
    of_user, of_item = dense.sum(1), dense.sum(0)
    inverse = np.where(of_item > 0, 1 / np.sqrt(np.maximum(of_item, 1)), 0)
    normalised = dense / np.sqrt(of_user)[:, None] * inverse
    v = np.linalg.eigh(normalised.T @ normalised)[1][:, -k:]  # eigenvalues ascend
    low_pass = inverse[:, None] * (v @ v.T) * np.sqrt(of_item)
    model = GFCF(train, k=k, filter_weight=alpha).solve()
    same(scores(model, train), dense @ (normalised.T @ normalised + alpha * low_pass))
    assert torch.equal(model.weight, GFCF(train, k=k).solve().weight), "the same vectors every time"


def test_ials_is_its_normal_equations_in_turn(dense, train):
    a0, reg, d = 0.2, 0.05, 3
    start = torch.randn(ITEMS, d, generator=torch.Generator().manual_seed(5)) * 0.1 / d**0.5

    def solved(x, h):
        gram = a0 * h.T @ h
        ridge = reg * (x.sum(1) + a0 * len(h))
        return np.stack(
            [
                np.linalg.solve((h * row[:, None]).T @ h + gram + r * np.eye(d), row @ h)
                for row, r in zip(x, ridge, strict=True)
            ]
        )

    items = start.double().numpy()
    for _ in range(3):
        items = solved(dense.T, solved(dense, items))
    model = IALS(train, latent=d, unobserved=a0, reg=reg, sweeps=3, seed=5).solve()
    same(model.weight, items)
    same(scores(model, train), solved(dense, items) @ items.T)


@pytest.mark.parametrize("name", WITH_TEXT)
def test_text_adds_cosines_with_the_history_and_nothing_at_weight_0(dense, train, vectors, name):
    without = scores(small(name, train, None).solve(), train)
    assert torch.equal(scores(small(name, train, vectors, text_weight=0.0).solve(), train), without)
    unit = torch.nn.functional.normalize(vectors.double(), dim=1).numpy()
    expected = without.double().numpy() + 0.7 * dense @ unit @ unit.T
    same(scores(small(name, train, 3 * vectors, text_weight=0.7).solve(), train), expected)


@pytest.mark.parametrize("name", LINEAR)
def test_its_state_is_all_that_another_process_needs(toy, tmp_path, name):
    solved = reference(name, toy).solve()
    save_tensors(tmp_path / "weights.safetensors", solved.state_dict())
    tensors, _ = load_tensors(tmp_path / "weights.safetensors")
    assert list(tensors) == ["weight"]
    fresh = reference(name, toy)
    with pytest.raises(RuntimeError, match="not solved yet"):
        evaluate(fresh, toy)
    fresh.load_state_dict(tensors)
    assert torch.equal(scores(fresh, toy.train), scores(solved, toy.train))
    with pytest.raises(TypeError, match="solved, not trained"):
        fresh.loss(user_batch(toy.train, np.arange(3)))


@pytest.mark.parametrize("name", LINEAR)
def test_beats_chance_and_popularity_and_scores_each_user_alone(toy, name):
    model = reference(name, toy, **FOR_TOY.get(name, {}))
    recall = evaluate(model.solve(), toy).means()["recall@20"]
    popular = evaluate(reference("popularity", toy).solve(), toy).means()["recall@20"]
    bound = chance_recall(toy) if name == "popularity" else popular
    assert recall > 1.2 * bound
    alone = model.score(user_batch(toy.train, np.array([17])))[0]
    torch.testing.assert_close(scores(model, toy.train)[17], alone)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (ItemKNN, {"shrinkage": -1}, "shrinkage must be 0 or more; got -1"),
        (ItemKNN, {"neighbours": 0}, "neighbours must be 1 or more"),
        (EASE, {"l2": 0}, "l2 must be above 0; got 0"),
        (EASE, {"l2": float("nan")}, "l2 must be above 0; got nan"),
        (EASE, {"precision": "half"}, "precision must be one of float32, float64; got 'half'"),
        (EASE, {"text_weight": -0.1}, "text_weight is a weight, 0 or more"),
        (EASE, {"text_weight": 0.1}, r"item vectors \(12, d_s\) are needed; got none"),
        (EASE, {"text_weight": 0.1, "item_vectors": torch.ones(3, 2)}, r"got \(3, 2\)"),
        (L3AE, {"item_vectors": None}, "item vectors"),
        (L3AE, {"item_vectors": torch.ones(ITEMS, 2), "distillation": -1}, "distillation must be 0 or more"),
        (GFCF, {"k": ITEMS}, "k must be from 1 to 11"),
        (GFCF, {"k": 2, "filter_weight": -1}, "filter_weight must be 0 or more"),
        (IALS, {"reg": 0}, "reg must be above 0"),
    ],
)
def test_a_setting_out_of_range_is_named(train, kind, settings, said):
    with pytest.raises(ValueError, match=said):
        kind(train, **settings)


@pytest.mark.parametrize("name", ["item-knn", "ease", "l3ae"])
def test_an_item_item_matrix_that_does_not_fit_is_refused_before_it_is_asked_for(toy, monkeypatch, name):
    one = 4 * toy.n_items**2
    monkeypatch.setattr(memory, "free_memory", lambda: one)
    model = reference(name, toy)  # what scores fits, what solves does not
    with pytest.raises(MemoryError, match=r"solving \w+ takes .*, [345] x 150 x 150 items x 4 bytes"):
        model.solve()
    monkeypatch.setattr(memory, "free_memory", lambda: one - 1)
    with pytest.raises(MemoryError, match="take GFCF, IALS or popularity"):
        reference(name, toy)
    empty = sp.csr_matrix((1, 10**6), dtype=np.float32)
    monkeypatch.undo()
    with pytest.raises(MemoryError, match=r"takes 3,725\.3 GiB, 1 x 1,000,000 x .* and \d+\.\d GiB of memory are free"):
        KINDS[name](empty, item_vectors=torch.ones(10**6, 1))
    GFCF(sp.csr_matrix((50, 10**6), dtype=np.float32), k=2), IALS(empty, latent=2)


def test_free_memory_is_the_containers_where_that_is_less(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    everything = memory.free_memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > everything / 2 > 0
    for name, content in (("max", "5000\n"), ("current", "4000\n"), ("stat", "anon 1\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(content)
    assert memory.free_memory() == 1300


REACHED = {  # yelp-xrec, test Recall@20 and NDCG@20
    "popularity": ({}, 0.0672, 0.0321),
    "item-knn": ({"shrinkage": 10}, 0.2309, 0.1145),
    "ease": ({"l2": 1000}, 0.2547, 0.1269),
    "gf-cf": ({"k": 64, "filter_weight": 1.0}, 0.2736, 0.1353),
}


@pytest.mark.data
@pytest.mark.parametrize("name", REACHED)
def test_reaches_its_known_numbers_on_yelp_xrec(mirror, name):
    dataset = load_dataset("yelp-xrec")
    settings, recall, ndcg = REACHED[name]
    found = evaluate(reference(name, dataset, **settings).solve(), dataset).means()
    assert (found["recall@20"], found["ndcg@20"]) == pytest.approx((recall, ndcg), abs=1e-4)
