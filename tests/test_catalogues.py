"""Likelihoods for large catalogues: the blocked one is exact, the sampled one's bias shrinks, neither holds a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dmrec_core import interactions
from dmrec_core.backbones import MultVAE
from dmrec_core.catalogues import LargeMultVAE, blocked_multinomial_nll, sampled_multinomial_nll
from dmrec_core.data import load_dataset
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.every_lambda import ConditionalDMRec
from dmrec_core.interactions import InteractionRows, computed_as_on_a_gpu, user_batch
from dmrec_core.likelihood import fused_multinomial_nll, multinomial_nll
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.training import evaluate as evaluation
from dmrec_core.training.fit import TrainSettings


def last_layer(n_users=5, n_items=23, width=4, dtype=torch.float64, scale=1.0, seed=0):
    """A decoder's last layer and binary rows; user 2 has no item, and user 0 has the first and the last one."""
    made = torch.Generator().manual_seed(seed)
    hidden, weight, bias = (
        (scale * torch.randn(shape, generator=made, dtype=dtype)).requires_grad_()
        for shape in ((n_users, width), (n_items, width), (n_items,))
    )
    own = [torch.randperm(n_items, generator=made)[:3] for _ in range(n_users)]
    own[0] = torch.tensor([n_items - 1, 0])
    if n_users > 2:
        own[2] = own[2][:0]
    counts = torch.tensor([len(items) for items in own])
    return hidden, weight, bias, InteractionRows(torch.cat(own), counts.cumsum(0) - counts, None, n_items)


@pytest.mark.parametrize("items_at_once", [1, 3, 22, 23, 1000])
def test_blocks_give_the_value_and_the_gradients_of_the_whole(items_at_once):
    *last, rows = last_layer()
    weights = torch.linspace(0.5, 2, 5, dtype=torch.float64)  # a mean over users is not all a loss may be
    whole = multinomial_nll(last[0] @ last[1].T + last[2], rows)
    blocked = blocked_multinomial_nll(*last, rows, items_at_once)
    torch.testing.assert_close(blocked, whole)
    theirs, ours = (torch.autograd.grad((weights * nll).sum(), last) for nll in (whole, blocked))
    torch.testing.assert_close(ours, theirs)
    assert blocked[2] == 0


def test_blocks_stay_finite_where_logits_are_far_apart():
    *last, rows = last_layer(scale=30.0, dtype=torch.float32)
    blocked = blocked_multinomial_nll(*last, rows, 5)
    torch.testing.assert_close(blocked, fused_multinomial_nll(*last, rows))
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(blocked.sum(), last))


def test_blocks_take_their_products_in_the_precision_asked_for():
    *last, rows = last_layer(n_users=64, n_items=300, width=32, dtype=torch.float32)
    exact = blocked_multinomial_nll(*last, rows, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = blocked_multinomial_nll(*last, rows, 64)
    assert narrow.dtype == torch.float32 and not torch.equal(narrow, exact)
    torch.testing.assert_close(narrow, exact, rtol=2e-2, atol=0.2)
    assert [grad.dtype for grad in torch.autograd.grad(narrow.sum(), last)] == [torch.float32] * 3


class LargestMade(TorchDispatchMode):
    """Remembers the most numbers that any operation gave, but for those shaped like the items' weights."""

    def __init__(self, n_items, width):
        super().__init__()
        self.weights, self.most = {(n_items,), (n_items, width)}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        made = [
            one for one in tree_leaves(result) if isinstance(one, torch.Tensor) and tuple(one.shape) not in self.weights
        ]
        self.most = max([self.most, *(one.numel() for one in made)])
        return result


@pytest.mark.parametrize("n_items", [2_000, 16_000])
def test_what_is_held_beside_the_weights_does_not_grow_with_the_items(n_items):
    hidden, weight, bias, rows = last_layer(n_users=64, n_items=n_items, width=8, dtype=torch.float32)
    table = 64 * n_items
    for nll, bound in (
        (lambda: fused_multinomial_nll(hidden, weight, bias, rows), None),
        (lambda: blocked_multinomial_nll(hidden, weight, bias, rows, 100), 64 * 100),
        (lambda: sampled_multinomial_nll(hidden, weight, bias, rows, 100), 64 * 100),
    ):
        with LargestMade(n_items, 8) as made:
            torch.autograd.backward(nll().sum())
        assert made.most <= bound if bound else made.most >= table


@pytest.mark.parametrize("settings", [{"items_at_once": 64}, {"draws": 64}])
@pytest.mark.parametrize("with_language", [False, True])
def test_neither_does_a_whole_loss_also_as_a_gpu_computes_it(settings, with_language, monkeypatch):
    data = load_dataset("toy", n_users=64, n_items=600)
    monkeypatch.setattr(interactions, "DENSE_AT_MOST", 32 * 600)  # as if these were a million items
    backbone = LargeMultVAE(data.train, hidden=8, latent=2, **settings)
    meta = MetaNetwork(torch.randn(64, 5), torch.randn(600, 5), latent=2, hidden=8)
    model = DMRec(backbone, meta, "mddm", 0.5) if with_language else BaseModel(backbone)
    batch = user_batch(data.train, np.arange(64), generator=torch.Generator().manual_seed(0))
    with computed_as_on_a_gpu(), LargestMade(600, 8) as made:
        model.loss(batch).total.backward()
    assert made.most < 64 * 600 / 2


@pytest.mark.parametrize("proposal", [torch.full((5,), 0.2), torch.ones(7) / 7])
def test_a_proposal_of_another_length_is_refused(proposal):
    *last, rows = last_layer(n_items=6)
    with pytest.raises(ValueError, match="the rows are of 6"):
        sampled_multinomial_nll(*last, rows, 3, proposal.double())


@pytest.mark.parametrize("settings", [{"items_at_once": 7}, {"draws": 5}])
def test_one_model_for_every_lambda_computes_its_loss_as_its_backbone_does(settings):
    data = load_dataset("toy", n_users=20, n_items=30)
    meta = MetaNetwork(torch.ones(20, 5), torch.ones(30, 5), latent=2, hidden=8)
    losses = []
    for backbone in MultVAE(30, hidden=8, latent=2), LargeMultVAE(data.train, hidden=8, latent=2, **settings):
        torch.manual_seed(0)
        model = ConditionalDMRec(DMRec(backbone, meta, "mddm", 0.5))
        model.backbone.load_state_dict({name: value.fill_(0.1) for name, value in backbone.state_dict().items()})
        batch = user_batch(data.train, np.arange(20), generator=torch.Generator().manual_seed(0))
        losses.append(model.loss(batch).terms["reconstruction"])
    if "items_at_once" in settings:
        torch.testing.assert_close(*losses)
    else:
        assert not torch.allclose(*losses, rtol=1e-6)  # five draws of thirty items


def far_from_whole(draws, proposal=None, n_items=10_000, repeats=200):
    """The mean error of the sampled likelihood, per interaction in nats, of 32 users; and its standard error."""
    hidden, weight, bias, rows = last_layer(n_users=32, n_items=n_items, width=16, dtype=torch.float64, scale=0.6)
    whole = multinomial_nll(hidden @ weight.T + bias, rows)
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        errors = torch.stack(
            [
                (sampled_multinomial_nll(hidden, weight, bias, rows, draws, proposal, made) - whole).sum()
                for _ in range(repeats)
            ]
        )
    errors /= len(rows.items)
    return float(errors.mean()), float(errors.std()) / repeats**0.5


def test_the_bias_at_ten_thousand_items_is_downward_and_falls_as_one_over_the_draws():
    (few, error), (many, _) = far_from_whole(100), far_from_whole(800)
    print(f"bias of 100 draws {few:+.4f} ± {error:.4f} nats an interaction, of 800 {many:+.4f}")
    assert few < -4 * error, "an estimate that is unbiased in Z is too small in log Z"
    assert few / many > 4, "eight times the draws, about an eighth of the bias"


def test_draws_like_the_softmax_have_a_smaller_bias_than_uniform_ones():
    hidden, weight, bias, _ = last_layer(n_users=32, n_items=10_000, width=16, dtype=torch.float64, scale=0.6)
    like = (hidden @ weight.T + bias).softmax(1).mean(0).detach()
    assert abs(far_from_whole(100, like)[0]) < abs(far_from_whole(100)[0]) / 2


def test_the_denominator_is_right_in_the_mean_also_where_an_item_is_drawn_twice_or_is_the_users_own():
    hidden, weight, bias, rows = last_layer(n_users=3, n_items=6)
    proposal = torch.tensor([0.3, 0.1, 0.1, 0.2, 0.1, 0.2], dtype=torch.float64)
    made = torch.Generator().manual_seed(0)
    logits = hidden @ weight.T + bias
    own = logits.new_zeros(3).index_add(0, rows.row_index, logits[rows.row_index, rows.items]).detach()
    with torch.no_grad():
        sampled = torch.stack([sampled_multinomial_nll(hidden, weight, bias, rows, 8, proposal, made)
                               for _ in range(4000)])  # fmt: skip
    counts = rows.counts.clamp(min=1)
    drawn = ((sampled + own) / counts).exp()  # of the users who have items: the estimate of Z
    there = rows.counts > 0
    error = (drawn.mean(0) - logits.logsumexp(1).exp())[there].abs() / drawn.std(0)[there] * 4000**0.5
    assert (error < 4).all() and (sampled[:, ~there] == 0).all()


def test_a_sampled_step_moves_weights_where_it_should():
    *last, rows = last_layer(dtype=torch.float32)
    nll = sampled_multinomial_nll(*last, rows, 3, generator=torch.Generator().manual_seed(0))
    grads = torch.autograd.grad(nll.sum(), last)
    assert all(grad.isfinite().all() for grad in grads)
    touched = grads[1].abs().sum(1) > 0
    assert touched[rows.items].all() and touched.sum() <= len(rows.items.unique()) + 3


@pytest.mark.parametrize("draws", [{"draws": 0}, {"items_at_once": 4, "draws": 4}, {"draws": -1}, {}])
def test_a_large_model_wants_one_of_the_two(draws):
    with pytest.raises(ValueError, match="either items_at_once or draws"):
        LargeMultVAE(load_dataset("toy", n_users=20, n_items=30).train, **draws)


def test_weighted_rows_and_empty_blocks_are_refused():
    *last, rows = last_layer()
    with pytest.raises(ValueError, match="items_at_once must be"):
        blocked_multinomial_nll(*last, rows, 0)
    with pytest.raises(ValueError, match="draws must be"):
        sampled_multinomial_nll(*last, rows, 0)
    weighted = replace(rows, values=torch.ones(len(rows.items)))
    for nll in blocked_multinomial_nll, sampled_multinomial_nll:
        with pytest.raises(ValueError, match="binary"):
            nll(*last, weighted, 3)


def test_a_large_model_starts_and_scores_as_the_plain_one():
    train = load_dataset("toy").train
    models = []
    for build in (
        lambda: MultVAE(train.shape[1], hidden=16, latent=4),
        lambda: LargeMultVAE(train, items_at_once=7, hidden=16, latent=4),
    ):
        torch.manual_seed(0)
        models.append(build())
    assert models[0].state_dict().keys() == models[1].state_dict().keys()
    batch = user_batch(train, range(8))
    z = torch.randn(8, 4)
    torch.testing.assert_close(*(model.reconstruction(z, batch)["reconstruction"] for model in models))
    assert torch.equal(*(model.decode(z) for model in models))


def test_runs_take_both_ways_as_settings_of_the_model(tmp_path):
    train = TrainSettings(epochs=6, batch_size=128, learning_rate=3e-3)
    plain = paper_settings("toy", strategy="mddm", train=train)
    whole, blocked, sampled, seldom = (
        run(plain.with_(settings=settings), runs=tmp_path)
        for settings in ({}, {"items_at_once": 64}, {"draws": 250}, {"draws": 2})
    )
    name = "reconstruction"
    torch.testing.assert_close(
        *(torch.tensor(one.history[name].to_numpy()) for one in (whole, blocked)), rtol=1e-5, atol=0
    )
    assert blocked.metrics["valid"]["recall@20"] == pytest.approx(whole.metrics["valid"]["recall@20"], abs=5e-3)
    near, far = (abs(one.history[name].iloc[-1] / whole.history[name].iloc[-1] - 1) for one in (sampled, seldom))
    assert 0 < near < 0.02 < far  # draws repeat items, so 250 of them are not the 300 there are


def test_users_are_ranked_fewer_at_a_time_where_there_are_many_items(monkeypatch):
    data = load_dataset("toy", n_users=50, n_items=40)
    model = BaseModel(MultVAE(data.n_items, hidden=4, latent=2))
    at_once = []
    monkeypatch.setattr(model, "score", lambda batch, score=model.score: (at_once.append(len(batch)), score(batch))[1])
    whole = evaluation.evaluate(model, data)
    monkeypatch.setattr(evaluation, "SCORES_AT_ONCE", 40 * 7)
    parts = evaluation.evaluate(model, data)
    assert max(at_once[1:]) == 7 and at_once[0] > 7
    assert all((parts.per_user[name] == values).all() for name, values in whole.per_user.items())
