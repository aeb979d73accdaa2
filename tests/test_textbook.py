"""The plain version that times are told beside is the same model: its loss is the kit's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmrec_core.backbones import MultVAE
from dmrec_core.data.sized import sized_dataset
from dmrec_core.dmrec import DMRec
from dmrec_core.interactions import user_batch
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.paper.textbook import TextbookDMRec


def test_its_loss_is_the_kits(monkeypatch):
    """With the kit's weights in it, without dropout, and at the mean."""
    monkeypatch.setattr("torch.nn.functional.dropout", lambda x, *args, **options: x)
    data, drawn = sized_dataset(30, 40, 200), torch.Generator().manual_seed(1)
    users, items = torch.randn(30, 8, generator=drawn), torch.randn(40, 8, generator=drawn)
    monkeypatch.setattr(torch, "randn", lambda *size, generator, **options: torch.zeros(*size, **options))
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    ours = DMRec(MultVAE(40, 5, 3, 0.0), MetaNetwork(users, items, 3, 5), "mddm", 0.6).eval()
    plain = TextbookDMRec(data.train, users, items, 0.6, hidden=5, latent=3)
    theirs = [plain.encoder[0], plain.encoder[2], plain.decoder[0], plain.decoder[2], plain.meta[0], plain.meta[2]]
    with torch.no_grad():
        for layer, weight, bias in zip(theirs, *[iter(ours.parameters())] * 2, strict=True):
            layer.weight.copy_(weight.T if weight.shape != layer.weight.shape else weight)
            layer.bias.copy_(bias)
    everybody = np.arange(30)
    mine = ours.loss(user_batch(data.train, everybody)).total.mean().item()
    assert plain.loss(torch.from_numpy(everybody)).item() == pytest.approx(mine, rel=1e-5)
