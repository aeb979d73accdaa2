"""L-DiffRec: categories, the loss put together by hand, its schedules, its switches, and scores without noise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.backbones import LDiffRec
from dmrec_core.backbones.l_diffrec import cluster_items, latent_widths
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.interactions import user_batch
from dmrec_core.meta_network import MetaNetwork

USERS, ITEMS = 10, 14
CATEGORY = np.array([0, 1, 1, 0, 2, 1, 0, 1, 2, 1, 0, 0, 1, 1])


@pytest.fixture(scope="module")
def train():
    dense = (np.random.default_rng(0).random((USERS, ITEMS)) < 0.3).astype(np.float32)
    dense[:3] = 0
    dense[0, 3], dense[1, [1, 2]], dense[2, 8] = 1, 1, 1  # users who know one category only
    dense[np.arange(3, USERS), np.arange(3, USERS)] = 1
    return sp.csr_matrix(dense)


def made(category=CATEGORY, **settings):
    torch.manual_seed(0)
    return LDiffRec(category, USERS, **{"latent": 8, "denoiser_hidden": 6, **settings}).double()


def everyone(train, seed=0, **fields):
    return user_batch(train, np.arange(USERS), generator=torch.Generator().manual_seed(seed), **fields)


@pytest.mark.parametrize("bounded", [True, False])
def test_each_category_has_its_own_encoder(train, bounded):
    model = made(bounded=bounded)
    assert latent_widths(np.bincount(CATEGORY), 8) == [2, 4, 2] == [e.weight.shape[1] // 2 for e in model.encoders]
    x = torch.from_numpy(train.toarray()).double()
    means, logvars = [], []
    for c, encoder in enumerate(model.encoders):
        head = x[:, CATEGORY == c] @ encoder.weight + encoder.bias
        mean, logvar = (torch.tanh(head) if bounded else head).chunk(2, 1)
        means.append(mean)
        logvars.append(logvar)
    q = model.posterior(everyone(train))
    torch.testing.assert_close(q.mean, torch.cat(means, 1))
    torch.testing.assert_close(q.logvar, torch.cat(logvars, 1))


def test_one_category_is_one_linear_encoder(train):
    model = made(np.zeros(ITEMS, dtype=int), bounded=False)
    x = torch.from_numpy(train.toarray()).double()
    expected = x @ model.encoders[0].weight + model.encoders[0].bias
    torch.testing.assert_close(model.posterior(everyone(train)).mean, expected[:, :8])


def test_everything_starts_xavier_normal_without_bias():
    model = LDiffRec(np.zeros(400, dtype=int), 5, latent=300)
    for weight in (model.encoders[0].weight, model.decoder.weight, model.denoiser.hidden.weight):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / sum(weight.shape)), rel=0.02)
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def loss_by_hand(model, z, batch):
    """Its terms from the same random numbers, in the order the model draws them."""
    generator = torch.Generator().manual_seed(0)
    steps = model.sampler.draw(len(z), generator)
    noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
    kept = model.schedule.alpha_bar.double()[steps.index].unsqueeze(1)
    noised = kept.sqrt() * z + (1 - kept).sqrt() * noise
    dropped = noised * (torch.rand(z.shape, generator=generator) >= 0.5) * 2
    restored = model.denoiser(dropped, steps.index)
    square = ((z - restored) ** 2).sum(1) / z.shape[1]
    return steps, square, model.decoder(restored).log_softmax(1)


@pytest.mark.parametrize(("reweight", "target"), [(True, "dropped"), (True, "whole"), (False, "dropped")])
def test_loss_is_its_formula(train, reweight, target):
    model = made(reweight=reweight, target=target, diffusion_weight=0.04)
    z = torch.randn(USERS, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    batch = everyone(train, seed=7, epoch=100, step=50).corrupted(0.3)
    assert batch.inputs.values.unique().tolist() == pytest.approx([0, 1 / 0.7])
    model.input_dropout = 0.3
    batch = replace(batch, generator=torch.Generator().manual_seed(0))
    terms = model.reconstruction(z, batch)
    steps, square, log_softmax = loss_by_hand(model, z, batch)
    weight = model.schedule.loss_weight[steps.index] if reweight else 1.0
    annealed = (1 - 100 / 500) * 0.04
    x = (batch.inputs if target == "dropped" else batch.rows).dense(torch.float64)
    likelihood = -(x * log_softmax).sum(1)
    diffusion_weight, likelihood_weight = (annealed, 1.0) if reweight else (1.0, annealed)
    torch.testing.assert_close(terms["diffusion"], diffusion_weight * weight * square, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(terms["reconstruction"], likelihood_weight * likelihood, rtol=1e-6, atol=1e-9)
    assert model.annealing(batch) == pytest.approx(50 / 200 * likelihood_weight)


def test_annealing_ends_where_it_should(train):
    model = made(diffusion_weight=0.05)
    weights = [model._weights(everyone(train, epoch=e))[0] for e in (0, 250, 449, 450, 900)]
    assert weights == pytest.approx([0.05, 0.025, 0.0051, 0.005, 0.005])
    gamma = [model.annealing(everyone(train, step=s)) for s in (0, 30, 60, 5000)]
    assert gamma == pytest.approx([0, 0.15, 0.3, 0.3])


def test_the_diffusion_target_is_not_detached(train):
    model = made()
    z = torch.zeros(USERS, 8, dtype=torch.float64, requires_grad=True)
    model.denoiser.output.weight.data.zero_()
    model.denoiser.output.bias.data.fill_(1.0)  # the prediction does not depend on z, so all gradient is the target's
    model.reconstruction(z, everyone(train))["diffusion"].sum().backward()
    assert z.grad.abs().min() > 0


def test_losses_are_remembered_in_training_alone_and_travel_with_the_weights(train):
    model = made(steps=2)
    wrapped = BaseModel(model)
    model.reconstruction(torch.zeros(USERS, 8).double(), everyone(train))
    wrapped.score(everyone(train))
    assert model.sampler.seen.sum() == 0
    wrapped.loss(everyone(train))
    assert model.sampler.seen.sum() == USERS
    assert {"backbone.sampler.losses", "backbone.sampler.seen"} <= set(wrapped.state_dict())


def test_scores_are_all_steps_back_from_the_mean_without_noise(train):
    model = BaseModel(made())
    backbone = model.backbone
    batch = everyone(train)
    scores = model.score(batch)
    assert torch.equal(scores, model.score(everyone(train, seed=99)))
    z = backbone.posterior(batch).mean
    path = list(backbone.restoring(z))
    assert len(path) == 5
    for t in (4, 3, 2, 1, 0):
        z = backbone.schedule.previous_mean(backbone.denoiser(z, torch.full((USERS,), t)), z, t)
        torch.testing.assert_close(path[4 - t], z)
    torch.testing.assert_close(scores, backbone.decoder(z))


def test_noise_at_the_start_of_scoring_belongs_to_the_user(train):
    noisy, plain = made(sampling_steps=5, noise_scale=50.0), made(noise_scale=50.0)
    scores = BaseModel(noisy).score(everyone(train))
    assert torch.equal(scores, BaseModel(noisy).score(everyone(train, seed=99)))
    one = BaseModel(noisy).score(user_batch(train, np.array([6])))
    torch.testing.assert_close(one[0], scores[6])
    assert (scores - BaseModel(plain).score(everyone(train))).abs().max() > 1e-3


def test_dmrec_joins_the_language_before_the_diffusion_and_anneals_its_divergences(train):
    model = made()
    meta = MetaNetwork(torch.ones(USERS, 4).double(), torch.ones(ITEMS, 4).double(), latent=8, hidden=5).double()
    dmrec = DMRec(model, meta, "mddm", 0.6)
    batch = everyone(train, step=20)
    spaces = dmrec.spaces(batch)
    torch.testing.assert_close(spaces.fused.mean, model.posterior(batch).mean + meta(batch).mean)
    terms = dmrec.loss(batch).terms
    assert set(terms) == {"diffusion", "reconstruction", "prior", "matching"}
    early = dmrec.loss(everyone(train, step=0)).terms
    assert (early["prior"] == 0).all() and (early["matching"] == 0).all() and (terms["matching"] > 0).all()


def test_two_learning_rates(train):
    model = made(denoiser_learning_rate=1e-4)
    meta = MetaNetwork(torch.ones(USERS, 4), torch.ones(ITEMS, 4), latent=8, hidden=5).double()
    optimizer = DMRec(model, meta, "mddm", 0.6).optimizer(5e-4, 0.0)
    assert isinstance(optimizer, torch.optim.AdamW)
    rest, denoiser = optimizer.param_groups
    assert (rest["lr"], denoiser["lr"], rest["weight_decay"]) == (5e-4, 1e-4, 0.0)
    assert {id(p) for p in denoiser["params"]} == {id(p) for p in model.denoiser.parameters()}
    assert {id(p) for p in meta.parameters()} <= {id(p) for p in rest["params"]}


def test_clusters_are_found_and_need_no_cores():
    generator = np.random.default_rng(0)
    true = generator.permutation(np.repeat([0, 1, 2], [30, 20, 10]))
    vectors = np.eye(3)[true] + generator.normal(scale=0.1, size=(60, 3))
    found = cluster_items(vectors, 3, seed=1)
    assert len({(a, b) for a, b in zip(true, found, strict=True)}) == 3
    assert np.array_equal(found, cluster_items(vectors, 3, seed=1))
    assert not cluster_items(vectors, 1).any()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="'dropped' or 'whole'"):
        made(target="none")
    with pytest.raises(ValueError, match="sampling_steps must lie"):
        made(sampling_steps=6)
    with pytest.raises(ValueError, match="cannot be split"):
        latent_widths(np.array([1, 1, 1]), 2)
