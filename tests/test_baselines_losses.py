"""Every baseline's loss against a hand calculation or the same formula written densely, in float64."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from dmrec_core.baselines import KAR, AlphaRec, LightGCN, LLMRec, RLMRecContrastive, RLMRecGenerative, edges_by_cosine
from dmrec_core.baselines.llmrec import prune, with_mean_at
from dmrec_core.baselines.sampling import PairBatch
from dmrec_core.interactions import user_batch

TINY = sp.csr_matrix(np.array([[1, 1, 0], [0, 1, 1]], dtype=np.float32))
USERS, ITEMS, WIDTH = 9, 12, 6


@pytest.fixture(scope="module")
def train():
    dense = (np.random.default_rng(0).random((USERS, ITEMS)) < 0.3).astype(np.float32)
    dense[np.arange(USERS), np.arange(USERS)] = 1
    dense[0, 9:] = 1
    return sp.csr_matrix(dense)


@pytest.fixture(scope="module")
def texts():
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.randn(n, WIDTH, generator=generator, dtype=torch.float64) for n in (USERS, ITEMS))


@pytest.fixture(scope="module")
def batch(train):
    users = torch.tensor([0, 3, 3, 8, 5])
    positives = torch.tensor([int(train[u].indices[0]) for u in users])
    negatives = torch.tensor([next(i for i in range(ITEMS) if i not in train[int(u)].indices) for u in users])
    return PairBatch(users, positives, negatives.unsqueeze(1), generator=torch.Generator().manual_seed(0))


def made(kind, *args, **settings):
    torch.manual_seed(0)
    return kind(*args, **settings).double()


def adjacency(train):
    """The symmetric normalised adjacency, dense."""
    r = torch.from_numpy(train.toarray()).double()
    scaled = r.sum(1, keepdim=True).rsqrt() * r * r.sum(0).rsqrt()
    zero = torch.zeros
    return torch.cat(
        [torch.cat([zero(USERS, USERS), scaled], 1), torch.cat([scaled.T, zero(ITEMS, ITEMS)], 1)]
    ).double()


def propagated(train, start, layers, divide=1):
    a = adjacency(train)
    out = sum(torch.linalg.matrix_power(a, k) @ start for k in range(layers + 1)) / divide
    return out[:USERS], out[USERS:]


def bpr_by_hand(users, items, batch):
    x = (users[batch.users] * items[batch.positives]).sum(1) - (users[batch.users] * items[batch.negatives[:, 0]]).sum(
        1
    )
    return -torch.sigmoid(x).log()


def cosines(a, b):
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def close(got, expected, rtol=1e-6):
    torch.testing.assert_close(got, expected.expand_as(got), rtol=rtol, atol=1e-8)


def test_lightgcn_by_hand():
    model = made(LightGCN, TINY, latent=1, layers=1, edge_dropout=0.0, reg_weight=0.01)
    model.user_embeddings.data = torch.tensor([[1.0], [2.0]]).double()
    model.item_embeddings.data = torch.tensor([[1.0], [0.0], [3.0]]).double()
    # layer 1: users 1/sqrt2 + 0, 0 + 3/sqrt2; items 1/sqrt2, (1 + 2)/2, 2/sqrt2
    root = math.sqrt(2)
    user = [1 + 1 / root, 2 + 3 / root]
    item = [1 + 1 / root, 1.5, 3 + 2 / root]
    pairs = PairBatch(torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([[2], [0]]))
    terms = model.loss(pairs).terms
    expected = [
        math.log1p(math.exp(user[0] * (item[2] - item[0]))),
        math.log1p(math.exp(user[1] * (item[0] - item[1]))),
    ]
    assert terms["bpr"].tolist() == pytest.approx(expected, rel=1e-6)
    assert terms["regularizer"].tolist() == pytest.approx([0.01 * (1 + 4 + 1 + 0 + 9)] * 2)
    assert model.loss(pairs).total.item() == pytest.approx(sum(expected) / 2 + 0.15, rel=1e-6)
    scores = model.score(user_batch(TINY, np.array([1, 0])))
    assert scores.tolist() == [pytest.approx([user[u] * e for e in item], rel=1e-6) for u in (1, 0)]


@pytest.mark.parametrize("combine", ["sum", "mean"])
def test_lightgcn_is_its_dense_formula(train, batch, combine):
    model = made(LightGCN, train, latent=4, layers=3, combine=combine, edge_dropout=0.0)
    start = torch.cat([model.user_embeddings, model.item_embeddings])
    users, items = propagated(train, start, 3, 4 if combine == "mean" else 1)
    close(model.loss(batch).terms["bpr"], bpr_by_hand(users, items, batch))
    close(model.loss(batch).terms["regularizer"], 1e-6 * start.square().sum())


def test_edge_dropout_acts_in_the_loss_and_never_on_scores(train, batch):
    model = made(LightGCN, train, latent=4, edge_dropout=0.5)
    losses = {model.loss(batch).terms["bpr"].sum().item() for _ in range(3)}
    assert len(losses) == 3
    everyone = user_batch(train, np.arange(USERS))
    assert torch.equal(model.train().score(everyone), model.eval().score(everyone))


def test_rlmrec_contrastive_is_its_formula(train, texts, batch):
    model = made(RLMRecContrastive, train, *texts, latent=4, edge_dropout=0.0, contrast_weight=0.3, temperature=0.2)
    users, items = propagated(train, torch.cat([model.user_embeddings, model.item_embeddings]), 3)
    user_texts, item_texts = model.to_taste(texts[0]), model.to_taste(texts[1])
    in_batch = torch.arange(len(batch))
    expected = F.cross_entropy(cosines(users[batch.users], user_texts) / 0.2, batch.users, reduction="none")
    for chosen in (batch.positives, batch.negatives[:, 0]):
        logits = cosines(items[chosen], item_texts[chosen]) / 0.2
        expected = expected + F.cross_entropy(logits, in_batch, reduction="none")
    terms = model.loss(batch).terms
    close(terms["contrast"], 0.3 * expected)
    close(terms["bpr"], bpr_by_hand(users, items, batch))
    close(terms["regularizer"], 1e-7 * sum(p.square().sum() for p in model.parameters()))
    assert model.to_taste[0].out_features == (WIDTH + 4) // 2


def test_rlmrec_generative_is_its_formula(train, texts, batch, monkeypatch):
    model = made(RLMRecGenerative, train, *texts, latent=4, edge_dropout=0.0, mask_ratio=0.3,
                 reconstruction_weight=0.2, temperature=0.5)  # fmt: skip
    model.mask_token.data += 0.1
    assert model.n_masked == int(0.3 * (USERS + ITEMS))
    masked = torch.tensor([1, 3, 8, 9, 13, 20])
    monkeypatch.setattr(model, "masked_nodes", lambda generator: masked)
    start = torch.cat([model.user_embeddings, model.item_embeddings]).clone()
    start[masked] = model.mask_token
    users, items = propagated(train, start, 2)
    told = model.to_text(torch.cat([users, items])[masked])
    logits = cosines(told, torch.cat(texts)[masked]) / 0.5
    expected = F.cross_entropy(logits, torch.arange(len(masked)), reduction="none")
    terms = model.loss(batch).terms
    close(terms["reconstruction"], 0.2 * expected)
    close(terms["bpr"], bpr_by_hand(users, items, batch))


def test_rlmrec_generative_masks_distinct_nodes_anew_and_scores_unmasked(train, texts):
    model = made(RLMRecGenerative, train, *texts, latent=4, mask_ratio=0.5)
    generator = torch.Generator().manual_seed(0)
    first, second = model.masked_nodes(generator), model.masked_nodes(generator)
    assert len(set(first.tolist())) == len(first) == 10 and set(first.tolist()) != set(second.tolist())
    users, items = propagated(train, torch.cat([model.user_embeddings, model.item_embeddings]), 2)
    close(model.score(user_batch(train, np.arange(USERS))), users @ items.T)


@pytest.mark.parametrize("project", [True, False])
def test_kar_is_its_formula_expert_by_expert(train, texts, batch, project):
    model = made(KAR, train, *texts, latent=3, shared_experts=2, specific_experts=3, expert_hidden=4,
                 edge_dropout=0.0, project=project)  # fmt: skip

    def told(tower, x):
        outputs = []
        for experts in (tower.shared, tower.specific):
            for k, (weight, bias) in enumerate(zip(experts.weight, experts.bias, strict=True)):
                part = slice(4 * k, 4 * k + 4)
                hidden = torch.relu(x @ experts.first.weight[part].T + experts.first.bias[part])
                outputs.append(torch.relu(hidden @ weight + bias))
        gates = torch.softmax(tower.gate(x), dim=1)
        return sum(gates[:, [k]] * out for k, out in enumerate(outputs))

    assert model.user_tower.shared is model.item_tower.shared
    users = torch.cat([model.user_embeddings, told(model.user_tower, texts[0])], 1)
    items = torch.cat([model.item_embeddings, told(model.item_tower, texts[1])], 1)
    start = torch.cat([model.projection(users), model.projection(items)])
    assert start.shape[1] == (3 if project else 6)
    close(model.loss(batch).terms["bpr"], bpr_by_hand(*propagated(train, start, 3), batch))


@pytest.mark.parametrize(("users_from", "multiplier"), [("items", 2), ("own", 0.5), ("own+items", 0)])
def test_alpharec_is_its_formula(train, texts, users_from, multiplier):
    model = made(AlphaRec, train, *texts, latent=4, users_from=users_from, multiplier=multiplier, n_negatives=3)
    r = torch.from_numpy(train.toarray()).double()
    means = r @ texts[1] / r.sum(1, keepdim=True)
    start = {"items": means, "own": texts[0], "own+items": texts[0] + means}[users_from]
    assert isinstance(model.to_taste, torch.nn.Linear) == (multiplier == 0)
    users, items = propagated(train, model.to_taste(torch.cat([start, texts[1]])), 2, 3)
    cosine = cosines(users, items)
    batch = next(model.batches(train, 16, 0, torch.Generator().manual_seed(0), torch.device("cpu")))
    assert batch.negatives.shape == (16, 3)
    chosen = torch.cat([batch.positives.unsqueeze(1), batch.negatives], 1)
    logits = cosine[batch.users.unsqueeze(1), chosen] / 0.15
    expected = F.cross_entropy(logits, torch.zeros(16, dtype=torch.int64), reduction="none")
    close(model.loss(batch).terms["softmax"], expected, rtol=1e-5)
    close(model.score(user_batch(train, np.arange(USERS))), cosine)
    model.cosine_score = False
    close(model.score(user_batch(train, np.arange(USERS))), users @ items.T)


@pytest.mark.parametrize("users_from", ["items", "own"])
def test_alpharec_has_the_textbooks_gradients_a_few_hidden_units_at_a_time(monkeypatch, train, texts, users_from):
    monkeypatch.setattr("dmrec_core.baselines.alpharec.UNITS", 5)  # of 12: 5, 5 and 2
    model = made(AlphaRec, train, *texts, latent=4, users_from=users_from, n_negatives=3)
    batch = next(model.batches(train, 16, 0, torch.Generator().manual_seed(0), torch.device("cpu")))
    r = torch.from_numpy(train.toarray()).double()
    start = {"items": r @ texts[1] / r.sum(1, keepdim=True), "own": texts[0]}[users_from]
    cosine = cosines(*propagated(train, model.to_taste(torch.cat([start, texts[1]])), 2, 3))
    chosen = torch.cat([batch.positives.unsqueeze(1), batch.negatives], 1)
    expected = F.cross_entropy(cosine[batch.users.unsqueeze(1), chosen] / 0.15, torch.zeros(16, dtype=torch.int64))
    loss = model.loss(batch).total
    close(loss, expected)
    weights = list(model.parameters())
    assert len(model.to_taste[0].weight) == 12 and len(weights) == 4
    for ours, textbooks in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights), strict=True):
        close(ours, textbooks)


def llmrec(train, texts, **settings):
    edges = torch.stack([torch.arange(USERS) % ITEMS, (torch.arange(USERS) + 5) % ITEMS], 1)
    return made(LLMRec, train, *texts, edges, latent=4, **settings)


def llmrec_features(model, train, texts):
    """h, profiles and attributes from LLMRec's one-sided matrices, dense."""
    r = torch.from_numpy(train.toarray()).double()
    to_u, to_i = r.sum(1, keepdim=True).rsqrt() * r, r.sum(0).unsqueeze(1).rsqrt() * r.T
    u1 = to_u @ model.item_embeddings
    i1 = to_i @ u1
    u2 = torch.softmax(to_u @ i1, 1)
    i2 = torch.softmax(to_i @ u2, 1)
    profile_i = to_i @ model.profile_layer(texts[0])
    profile_u = to_u @ profile_i
    attribute_u = to_u @ model.attribute_layer(texts[1])
    attribute_i = to_i @ attribute_u
    unit = F.normalize
    users = (model.user_embeddings + u1 + u2) / 3 + 2.8 * unit(profile_u, dim=1) + 0.005 * unit(attribute_u, dim=1)
    items = (model.item_embeddings + i1 + i2) / 3 + 2.8 * unit(profile_i, dim=1) + 0.005 * unit(attribute_i, dim=1)
    return users, items, profile_u, attribute_i


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_llmrec_is_its_formula(train, texts, batch, keep):
    model = llmrec(train, texts, prune=keep, edge_share=0.0)
    users, items, profiles, attributes = llmrec_features(model, train, texts)
    terms = model.loss(batch).terms
    assert set(terms) == {"bpr", "side"}
    kept = int(0.29 * len(batch))
    assert kept == 1

    def pruned(losses):
        ordered = sorted(losses.tolist(), reverse=keep == "hard")
        return torch.tensor(ordered[:kept], dtype=torch.float64)

    close(terms["bpr"], pruned(bpr_by_hand(users, items, batch)))
    close(terms["side"], 0.012 * pruned(bpr_by_hand(profiles, attributes, batch)))
    close(model.score(user_batch(train, np.arange(USERS))), users @ items.T)


def test_llmrec_appends_the_edges_of_a_share_of_its_users(train, texts):
    model = llmrec(train, texts, edge_share=0.4)
    users = torch.arange(5)
    plain = PairBatch(users, users, users.unsqueeze(1), generator=torch.Generator().manual_seed(0))
    more = model.with_edges(plain)
    assert len(more) == 7 and torch.equal(more.users[:5], users)
    assert torch.equal(torch.stack([more.positives[5:], more.negatives[5:, 0]], 1), model.edges[more.users[5:]])
    assert len(set(more.users[5:].tolist())) == 2


def test_llmrec_reconstructs_masked_features_and_leaves_the_vectors_alone(train, texts, batch):
    model = llmrec(train, texts, mask_rate=0.4, reconstruction_weight=0.7)
    before = model.user_vectors.clone()
    terms = model.loss(batch).terms
    assert torch.equal(model.user_vectors, before)
    assert len(terms["user reconstruction"]) == int(0.4 * USERS) and len(terms["item reconstruction"]) == int(
        0.4 * ITEMS
    )
    masked = {side: torch.arange(int(0.4 * n)) for side, n in (("user", USERS), ("item", ITEMS))}
    shown = with_mean_at(texts[0], masked["user"]), with_mean_at(texts[1], masked["item"])
    assert torch.equal(shown[0][0], texts[0].mean(0)) and torch.equal(shown[0][-1], texts[0][-1])
    sum(term.sum() for term in terms.values()).backward()
    assert model.decoders["user"][0].weight.grad.abs().sum() > 0
    groups = model.optimizer(1e-4, 0.01).param_groups
    assert [group["lr"] for group in groups] == [1e-4, 2e-4]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_pruning_keeps_at_least_one_and_hard_is_the_opposite_of_easy():
    losses = torch.rand(50, generator=torch.Generator().manual_seed(0))
    hard, easy = prune(losses, 0.71, "hard"), prune(losses, 0.71, "easy")
    assert len(hard) == len(easy) == int(0.29 * 50)
    assert hard.min() > losses.median() > easy.max()
    assert len(prune(losses[:2], 0.71)) == 1


def test_the_proxy_takes_the_nearest_and_the_farthest_candidate(texts):
    pool = torch.stack([torch.randperm(ITEMS, generator=torch.Generator().manual_seed(u))[:5] for u in range(USERS)])
    edges = edges_by_cosine(*texts, pool)
    cosine = cosines(*texts)
    for u in range(USERS):
        ranked = sorted(pool[u].tolist(), key=lambda i: float(cosine[u, i]))
        assert edges[u].tolist() == [ranked[-1], ranked[0]]


def test_vectors_of_other_data_are_refused(train, texts):
    for kind in (RLMRecContrastive, RLMRecGenerative, KAR):
        with pytest.raises(ValueError, match=r"user vectors must be \(9, d_s\)"):
            kind(train, texts[1], texts[0])
    with pytest.raises(ValueError, match="users_from must be one of"):
        AlphaRec(train, *texts, users_from="nobody")
    with pytest.raises(ValueError, match="'hard' or 'easy'"):
        llmrec(train, texts, prune="soft")
    with pytest.raises(ValueError, match=r"edges must be \(9, 2\)"):
        LLMRec(train, *texts, torch.zeros(3, 2, dtype=torch.int64))
