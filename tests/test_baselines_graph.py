"""The parts graph models share: sparse products against dense ones, samplers against their promises, losses by hand."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from dmrec_core.baselines.contrast import bpr, info_nce, sampled_softmax, scaled_cosine_error, squared_norm
from dmrec_core.baselines.graph import BipartiteGraph, EdgeWeights, combine_layers, propagate
from dmrec_core.baselines.sampling import PairSampler


def random_matrix(n_users=13, n_items=17, share=0.25, seed=0) -> sp.csr_matrix:
    """Random interactions; the last item has none."""
    dense = (np.random.default_rng(seed).random((n_users, n_items)) < share).astype(np.float32)
    dense[:, -1] = 0
    dense[np.arange(n_users), np.arange(n_users) % (n_items - 1)] = 1
    return sp.csr_matrix(dense)


def dense_adjacency(train: sp.csr_matrix) -> torch.Tensor:
    """D^-1/2 A D^-1/2 of the whole graph, from its definition, float64."""
    r = train.toarray().astype(np.float64)
    n_users, n_items = r.shape
    a = np.block([[np.zeros((n_users, n_users)), r], [r.T, np.zeros((n_items, n_items))]])
    degree = a.sum(1)
    root = np.diag(np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0))
    return torch.from_numpy(root @ a @ root)


@pytest.fixture(scope="module")
def train():
    return random_matrix()


def embeddings(train, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(n, d, generator=generator, dtype=torch.float64, requires_grad=True) for n in train.shape)


def test_one_product_by_hand():
    # user 0 has items 0 and 1, user 1 has items 1 and 2: degrees 2, 2 and 1, 2, 1
    graph = BipartiteGraph(sp.csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], dtype=np.float32)))
    to_users = graph.to_users(torch.tensor([[1.0], [10.0], [100.0]]))
    to_items = graph.to_items(torch.tensor([[1.0], [2.0]]))
    assert to_users.squeeze().tolist() == pytest.approx([1 / math.sqrt(2) + 10 / 2, 10 / 2 + 100 / math.sqrt(2)])
    assert to_items.squeeze().tolist() == pytest.approx([1 / math.sqrt(2), (1 + 2) / 2, 2 / math.sqrt(2)])


@pytest.mark.parametrize("layers", [0, 1, 2, 4])
def test_propagation_is_powers_of_the_dense_adjacency(train, layers):
    graph, adjacency = BipartiteGraph(train).double(), dense_adjacency(train)
    users, items = embeddings(train)
    start = torch.cat([users, items])
    powers = [torch.linalg.matrix_power(adjacency, k) @ start for k in range(layers + 1)]
    got = propagate(graph, users, items, layers)
    assert len(got) == layers + 1
    for (u, i), power in zip(got, powers, strict=True):
        torch.testing.assert_close(torch.cat([u, i]), power, rtol=1e-6, atol=1e-7)  # weights are kept in float32
    for how, divisor in (("sum", 1), ("mean", layers + 1)):
        torch.testing.assert_close(torch.cat(combine_layers(got, how)), sum(powers) / divisor, rtol=1e-6, atol=1e-7)


def test_gradients_are_the_dense_ones(train):
    graph, adjacency = BipartiteGraph(train).double(), dense_adjacency(train)
    users, items = embeddings(train)
    weight = torch.randn(sum(train.shape), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (torch.cat(propagate(graph, users, items, 3)[-1]) * weight).sum().backward()
    expected = torch.linalg.matrix_power(adjacency, 3) @ weight  # the adjacency is symmetric
    torch.testing.assert_close(torch.cat([users.grad, items.grad]), expected, rtol=1e-6, atol=1e-7)


def test_gradients_follow_dropped_edges(train):
    graph = BipartiteGraph(train).double()
    weights = graph.dropped(0.5, torch.Generator().manual_seed(3))
    users, items = embeddings(train)
    assert torch.autograd.gradcheck(lambda x: graph.to_users(x, weights), items)
    assert torch.autograd.gradcheck(lambda x: graph.to_items(x, weights), users)


def test_one_sided_weights_divide_by_the_receiver_alone(train):
    graph = BipartiteGraph(train, "one-sided").double()
    users, items = embeddings(train)
    r = torch.from_numpy(train.toarray()).double()
    by_user, by_item = (r.sum(axis).clamp(min=1).rsqrt().unsqueeze(1) for axis in (1, 0))
    torch.testing.assert_close(graph.to_users(items), by_user * (r @ items), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(graph.to_items(users), by_item * (r.T @ users), rtol=1e-6, atol=1e-7)


def test_a_node_without_edges_receives_zeros(train):
    users, _ = embeddings(train)
    assert (BipartiteGraph(train).double().to_items(users)[-1] == 0).all()


def test_edge_dropout_keeps_the_right_share_unscaled_and_each_direction_on_its_own():
    train = random_matrix(120, 150)
    graph = BipartiteGraph(train)
    weights = graph.dropped(0.2, torch.Generator().manual_seed(0))
    for dropped, whole in zip(weights, graph.weights, strict=True):
        kept = dropped != 0
        assert (dropped[kept] == whole[kept]).all(), "kept edges are not rescaled"
        error = math.sqrt(0.2 * 0.8 / train.nnz)
        assert abs(kept.double().mean().item() - 0.8) < 4 * error
    in_one_order = weights.to_items[torch.argsort(graph.place_by_user)] != 0
    both = (in_one_order & (weights.to_users != 0)).double().mean().item()
    assert abs(both - 0.64) < 4 * math.sqrt(0.64 * 0.36 / train.nnz)
    assert graph.dropped(0.0).to_users is graph.weights.to_users


def test_the_sum_is_taken_in_float32_under_autocast(train):
    graph = BipartiteGraph(train)
    _, items = (x.detach().float() for x in embeddings(train))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(graph.to_users(items.bfloat16()), graph.to_users(items.bfloat16().float()))


def test_graph_and_layers_refuse_what_they_do_not_know(train):
    with pytest.raises(ValueError, match="'symmetric' or 'one-sided'"):
        BipartiteGraph(train, "left")
    with pytest.raises(ValueError, match="'sum' or 'mean'"):
        combine_layers([embeddings(train)], "max")
    assert EdgeWeights._fields == ("to_users", "to_items")


# sampling


@pytest.mark.parametrize("kind", ["every_pair", "users_in_turn", "users_at_random"])
def test_positives_are_training_items_and_negatives_are_not(train, kind):
    sampler, dense = PairSampler(train), train.toarray()
    seen = 0
    for batch in getattr(sampler, kind)(7, torch.Generator().manual_seed(0), torch.device("cpu"), 5):
        assert batch.negatives.shape == (len(batch), 5)
        assert (dense[batch.users, batch.positives] == 1).all()
        assert (dense[batch.users.unsqueeze(1), batch.negatives] == 0).all()
        seen += len(batch)
    expected = {"users_at_random": 7 * (train.nnz // 7 + 1)}.get(kind, train.nnz)
    assert seen == expected


def test_every_pair_comes_once_and_users_in_turn_come_equally_often(train):
    sampler, device = PairSampler(train), torch.device("cpu")
    generator = torch.Generator().manual_seed(1)
    pairs = torch.cat([b.users * 100 + b.positives for b in sampler.every_pair(10, generator, device)])
    rows, columns = train.nonzero()
    assert sorted(pairs.tolist()) == sorted((rows.astype(int) * 100 + columns).tolist())
    turns = torch.cat([b.users for b in sampler.users_in_turn(10, generator, device)])
    counts = torch.bincount(turns, minlength=train.shape[0])
    assert counts.max() - counts.min() <= 1
    batches = [b.users for b in sampler.users_at_random(10, generator, device)]
    assert all(len(set(users.tolist())) == 10 for users in batches), "no user twice in a batch"


def test_negatives_are_uniform_over_what_is_left():
    train = sp.csr_matrix(np.array([[1, 0, 1, 0, 0, 1]], dtype=np.float32))
    drawn = PairSampler(train).negatives(torch.zeros(1, dtype=torch.int64), 30_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn.flatten(), minlength=6)
    assert counts[[0, 2, 5]].sum() == 0
    assert ((counts[[1, 3, 4]] / 30_000 - 1 / 3).abs() < 4 * math.sqrt(2 / 9 / 30_000)).all()


def test_epochs_differ_and_equal_generators_draw_equally(train):
    sampler = PairSampler(train)

    def first(seed):
        return next(sampler.every_pair(1000, torch.Generator().manual_seed(seed), torch.device("cpu")))

    assert torch.equal(first(1).negatives, first(1).negatives) and not torch.equal(first(1).users, first(2).users)


@pytest.mark.parametrize("k", [1, 6])
def test_packed_bits_and_the_sorted_list_draw_the_same_negatives(train, k, monkeypatch):
    users = torch.arange(train.shape[0]).repeat(40)
    packed = PairSampler(train)
    monkeypatch.setattr("dmrec_core.baselines.sampling.PACKED", 0)
    searched = PairSampler(train)
    assert packed._keys is None and searched._packed is None
    drawn = [s.negatives(users, k, torch.Generator().manual_seed(3)) for s in (packed, searched)]
    assert torch.equal(*drawn)
    every = torch.arange(train.shape[1]).expand(train.shape[0], -1)
    for sampler in (packed, searched):
        assert torch.equal(sampler._are_chosen(torch.arange(len(every)), every), torch.from_numpy(train.toarray() > 0))


def test_a_user_with_every_item_is_named():
    with pytest.raises(ValueError, match="user 1 has all 3 items"):
        PairSampler(sp.csr_matrix(np.array([[1, 0, 0], [1, 1, 1]], dtype=np.float32)))


# losses


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bpr_is_minus_log_sigmoid_of_the_difference():
    positive, negative = vectors(50), vectors(50, seed=1)
    torch.testing.assert_close(bpr(positive, negative), -torch.sigmoid(positive - negative).log())
    assert bpr(torch.tensor(-1e4), torch.tensor(1e4)).item() == 2e4, "no overflow where it is badly wrong"


def test_info_nce_is_cross_entropy_of_cosines():
    anchor, texts = vectors(6, 5), vectors(9, 5, seed=1)
    own = torch.tensor([3, 3, 0, 8, 1, 5])
    cosine = F.cosine_similarity(anchor.unsqueeze(1), texts.unsqueeze(0), dim=-1)
    expected = F.cross_entropy(cosine / 0.2, own, reduction="none")
    torch.testing.assert_close(info_nce(anchor, texts[own], texts, 0.2), expected)


def test_sampled_softmax_is_cross_entropy_with_the_positive_first():
    positive, negatives = vectors(6), vectors(6, 7, seed=1)
    logits = torch.cat([positive.unsqueeze(1), negatives], dim=1) / 0.15
    expected = F.cross_entropy(logits, torch.zeros(6, dtype=torch.int64), reduction="none")
    torch.testing.assert_close(sampled_softmax(positive, negatives, 0.15), expected)


def test_scaled_cosine_error_by_hand():
    x, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    assert scaled_cosine_error(x, y, 2.0).tolist() == pytest.approx([0, 1, (1 - 1 / math.sqrt(2)) ** 2], abs=1e-6)


def test_squared_norm_and_temperatures():
    assert squared_norm([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]).item() == 14
    with pytest.raises(ValueError, match="temperature must be a number > 0"):
        info_nce(vectors(2, 3), vectors(2, 3), vectors(2, 3), 0.0)
