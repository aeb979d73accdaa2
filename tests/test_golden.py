"""Parity with the published Mult-VAE classes: loss, parts, gradients and scores, in float64."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.backbones import MultVAE
from dmrec_core.dmrec import DMRec
from dmrec_core.interactions import user_batch
from dmrec_core.meta_network import MetaNetwork

GOLDEN = json.loads((Path(__file__).parent / "golden" / "published_mult_vae.json").read_text())
RECIPE = GOLDEN["recipe"]
USERS, ITEMS, D_S = RECIPE["n_users"], RECIPE["n_items"], RECIPE["d_s"]
RTOL = 1e-6  # the published epsilons of 1e-7 are the only difference left


def wave(shape: tuple[int, ...], k: int, scale: float) -> torch.Tensor:
    i = np.arange(np.prod(shape))
    values = scale * np.sin(0.7 * i + 0.3 * k + 0.01 * (i % 17) ** 2)
    return torch.from_numpy(values.reshape(shape))


def interactions() -> sp.csr_matrix:
    x = np.zeros((USERS, ITEMS), dtype=np.float32)
    for u in range(USERS):
        for j in range(2 + u % 5):
            x[u, (7 * u + 11 * j * j + 3 * j) % ITEMS] = 1
    return sp.csr_matrix(x)


def fill(linear: torch.nn.Module, weight_k: int, bias_k: int, transposed: bool = False) -> None:
    shape = tuple(linear.weight.shape)
    weight = wave(shape[::-1], weight_k, 0.05).T if transposed else wave(shape, weight_k, 0.05)
    linear.weight.data = weight.contiguous()
    linear.bias.data = wave(tuple(linear.bias.shape), bias_k, 0.02)


@pytest.fixture(params=["godm", "cpdm", "mddm"])
def published(request, monkeypatch):
    torch.manual_seed(0)
    backbone = MultVAE(ITEMS, RECIPE["hidden"], RECIPE["latent"], dropout=RECIPE["dropout"]).double()
    meta = MetaNetwork(wave((USERS, D_S), 1, 0.5), wave((ITEMS, D_S), 2, 0.5), RECIPE["latent"], RECIPE["hidden"])
    model = DMRec(backbone, meta.double(), request.param, RECIPE["lambda"])
    layers = {
        "q_layers.0": backbone.encoder_input,
        "q_layers.1": backbone.encoder_heads,
        "mlp.0": meta.layers[0],
        "mlp.2": meta.layers[2],
        "p_layers.0": backbone.decoder_hidden,
        "p_layers.1": backbone.decoder_output,
    }
    for k, (name, layer) in enumerate(layers.items()):
        fill(layer, 10 + 2 * k, 11 + 2 * k, transposed=name == "q_layers.0")
    noise = wave((USERS, RECIPE["latent"]), 9, 1.0)
    monkeypatch.setattr("torch.randn", lambda *_, **__: noise)
    return model, layers, GOLDEN[request.param]


def test_the_recipe_rebuilds_the_interactions():
    matrix = interactions()
    assert [sorted(matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]].tolist()) for u in range(USERS)] == GOLDEN[
        "x_items"
    ]


def test_loss_parts_gradients_and_scores(published):
    model, layers, golden = published
    batch = user_batch(interactions(), np.arange(USERS))
    loss = model.loss(batch)
    means = {name: value.item() for name, value in loss.means().items()}
    assert loss.total.item() == pytest.approx(golden["loss"], rel=RTOL)
    assert means["reconstruction"] == pytest.approx(golden["reconstruction"], rel=RTOL)
    assert means["prior"] + means["matching"] == pytest.approx(golden["regulariser_total"], rel=RTOL)
    loss.total.backward()
    for name, layer in layers.items():
        assert layer.weight.grad.norm().item() == pytest.approx(golden["gradient_norms"][name], rel=RTOL), name
    scores = model.eval().score(user_batch(interactions(), np.arange(USERS)))
    assert scores[3, :6].tolist() == pytest.approx(golden["eval_logits_user3_first6"], rel=RTOL, abs=1e-9)
