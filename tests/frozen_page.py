"""What a page with a frozen model holds, and the core's model with exactly the weights that stand in it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import torch

from dmrec_core import DMRec, MetaNetwork, MultVAE
from dmrec_core.interactions import InteractionRows, UserBatch

CLICKS = [[], [0], [5, 17, 2], list(range(40))]  # rows of the catalogue


def data_of(path: Path) -> dict:
    """The numbers a twin draws."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"))
    return json.loads(found[1])


def tensor(packed: dict) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(packed["data"]), "<i2") * packed["scale"])


def core_of(data: dict, run: int, strategy: str = "mddm") -> DMRec:
    """The core's model of the page's weights; the user behind the last lender has no text."""
    flat = {name: tensor(packed) for name, packed in data["runs"][run]["weights"].items()}
    hidden, latent, n = len(flat["clicksBias"]), len(flat["toQBias"]) // 2, len(data["items"])
    own = torch.cat([flat["own"].view(-1, hidden), torch.zeros(1, hidden, dtype=torch.float64)])
    meta = MetaNetwork(own, flat["texts"].view(n, hidden), latent, hidden)  # behind its first layer already
    model = DMRec(MultVAE(n, hidden, latent, 0.0), meta, strategy, data["lams"][run], data["variant"]).double().eval()
    parts = {"backbone.encoder_heads": "toQ", "meta_network.layers.2": "toP"}
    parts |= {"backbone.decoder_hidden": "toHidden", "backbone.decoder_output": "toScores"}
    state = {f"{core}.weight": flat[name].view(len(flat[f"{name}Bias"]), -1) for core, name in parts.items()}
    state |= {f"{core}.bias": flat[f"{name}Bias"] for core, name in parts.items()}
    state["backbone.encoder_input.weight"] = flat["clicks"].view(n, hidden)
    state["backbone.encoder_input.bias"] = flat["clicksBias"]
    state["meta_network.layers.0.weight"] = torch.eye(hidden)
    state["meta_network.layers.0.bias"] = flat["textsBias"]
    model.load_state_dict(state)
    return model


def answer(model: DMRec, clicked: list[int], own: int | None) -> dict:
    """What the page's `frozen.answer` gives, by the core."""
    user = len(model.meta_network.user_vectors) - 1 if own is None else own
    n_items = len(model.meta_network.item_vectors)
    rows = InteractionRows(torch.tensor(clicked, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), None, n_items)
    batch = UserBatch(torch.tensor([user]), rows, rows)
    with torch.inference_mode():
        spaces = model.spaces(batch)._asdict()
        scores = model.score(batch)[0].tolist()
    sides = {name: {"mean": g.mean[0].tolist(), "logvar": g.logvar[0].tolist()} for name, g in spaces.items()}
    return sides | {"scores": scores}


def assert_same(mine: dict, core: dict) -> None:
    """Equal to the last digits of a double: nothing but the order of a sum differs."""
    np.testing.assert_allclose(mine["scores"], core["scores"], rtol=1e-9, atol=1e-9)
    for name in ("collaborative", "language", "fused"):
        for moment in ("mean", "logvar"):
            np.testing.assert_allclose(mine[name][moment], core[name][moment], rtol=1e-9, atol=1e-9, err_msg=name)
