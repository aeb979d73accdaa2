"""CVGA: the convolution against dense matrices, what is dropped and what is not, and the two releases' switches."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.backbones import CVGA
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.gaussian import kl_to_standard_normal
from dmrec_core.interactions import user_batch
from dmrec_core.meta_network import MetaNetwork

USERS, ITEMS = 11, 15


@pytest.fixture(scope="module")
def train():
    dense = (np.random.default_rng(0).random((USERS, ITEMS)) < 0.3).astype(np.float32)
    dense[:, -1] = 0  # an item nobody has
    dense[np.arange(USERS), np.arange(USERS)] = 1
    return sp.csr_matrix(dense)


@pytest.fixture
def model(train):
    torch.manual_seed(0)
    return CVGA(train, latent=3).double()


def everyone(train, seed=None):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return user_batch(train, np.arange(USERS), generator=generator)


def heads_of_all(model, train):
    """H = D_U^-1/2 R D_I^-1/2 W + b of all users, dense."""
    r = torch.from_numpy(train.toarray()).double()
    normalised = r.sum(1, keepdim=True).rsqrt() * r * r.sum(0).clamp(min=1).rsqrt()
    return normalised @ model.convolution.weight + model.convolution.bias


def test_by_hand():
    # user 0 has items 0 and 1, user 1 has item 1: degrees 2, 1 and 1, 2
    model = CVGA(sp.csr_matrix(np.array([[1, 1], [0, 1]], dtype=np.float32)), latent=1)
    model.convolution.weight.data = torch.tensor([[1.0, 4.0], [2.0, 8.0]])
    model.convolution.bias.data = torch.tensor([0.5, -1.0])
    q = model.posterior(user_batch(sp.csr_matrix(np.array([[1, 1], [0, 1]], dtype=np.float32)), np.arange(2)))
    assert q.mean.flatten().tolist() == pytest.approx([1 / math.sqrt(2) + 2 / 2 + 0.5, 2 / math.sqrt(2) + 0.5])
    assert q.logvar.flatten().tolist() == pytest.approx([4 / math.sqrt(2) + 8 / 2 - 1, 8 / math.sqrt(2) - 1])


def test_a_batchs_rows_are_those_of_encoding_all_users(model, train):
    heads = heads_of_all(model, train)
    users = np.array([7, 2, 2, 10])
    q = model.posterior(user_batch(train, users))
    torch.testing.assert_close(torch.cat([q.mean, q.logvar], 1), heads[users], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(model.decode(q.mean), q.mean @ model.decoder.weight.T + model.decoder.bias)


def test_loss_is_its_formula(model, train, monkeypatch):
    model.input_dropout = 0.0
    noise = torch.randn(USERS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("torch.randn", lambda *_, **__: noise)
    terms = BaseModel(model, kl_weight=0.7).loss(everyone(train)).terms
    mean, logvar = heads_of_all(model, train).chunk(2, 1)
    logits = (mean + torch.exp(logvar / 2) * noise) @ model.decoder.weight.T + model.decoder.bias
    x = torch.from_numpy(train.toarray()).double()
    torch.testing.assert_close(terms["reconstruction"], -(x * logits.log_softmax(1)).sum(1), rtol=1e-5, atol=1e-7)
    prior = -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum(1)
    torch.testing.assert_close(terms["prior"], 0.7 * prior, rtol=1e-5, atol=1e-7)


def test_the_output_is_dropped_while_training_the_input_never(model, train):
    whole = model.posterior(everyone(train))
    dropped = model.posterior(everyone(train, seed=0).corrupted(0.3))
    ratios = torch.cat([dropped.mean / whole.mean, dropped.logvar / whole.logvar], 1)
    kept = ratios != 0
    torch.testing.assert_close(ratios[kept], torch.full_like(ratios[kept], 1 / 0.7))
    assert abs(kept.double().mean() - 0.7) < 4 * math.sqrt(0.21 / kept.numel())


def test_the_language_branch_reads_dropped_rows(model, train):
    seen = []

    class Listening(MetaNetwork):
        def forward(self, batch):
            seen.append(batch.inputs)
            return super().forward(batch)

    vectors = torch.ones(USERS, 4).double(), torch.ones(ITEMS, 4).double()
    DMRec(model, Listening(*vectors, latent=3, hidden=5).double(), "mddm", 0.5).loss(everyone(train, seed=0))
    assert seen[0].values.unique().tolist() == pytest.approx([0, 1 / 0.7])


@pytest.mark.parametrize("divide", [False, True])
def test_divergences_divided_by_the_batch_or_not(train, divide):
    torch.manual_seed(0)
    model = CVGA(train, latent=3, dropout=0.0, divide_kl_by_batch=divide)
    batch = everyone(train, seed=0)
    expected = kl_to_standard_normal(model.posterior(batch)) / (USERS if divide else 1)
    torch.testing.assert_close(BaseModel(model).loss(batch).terms["prior"], expected)


def test_sampling_at_test_is_the_users_own_noise_whatever_the_batch(train):
    torch.manual_seed(0)
    sampling = CVGA(train, latent=3, sample_at_test=True)
    model, plain = BaseModel(sampling), CVGA(train, latent=3)
    plain.load_state_dict(sampling.state_dict())
    scores = model.score(everyone(train))
    assert torch.equal(scores, model.score(everyone(train)))
    torch.testing.assert_close(model.score(user_batch(train, np.array([8, 1]))), scores[[8, 1]])
    assert (scores - BaseModel(plain).score(everyone(train))).abs().mean() > 0.05
