"""The twin that takes the reader's own clicks: what it holds is the runs', and its arithmetic is the core's.

What a reader does with it is tested in tests/browser; here the same scripts run in node where there is one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from dmrec_core.analysis import snapshot_of, take_snapshot
from dmrec_core.figures.twins import own_clicks, write_own_clicks
from dmrec_core.interactions import user_batch
from dmrec_core.records.writer import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings
from tests.frozen_page import CLICKS, answer, assert_same, core_of, data_of, tensor

QUICK = TrainSettings(epochs=3, batch_size=128, learning_rate=3e-3)
LAMS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def data():
    return load(paper_settings("toy", strategy="mddm"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return lambda strategy="mddm", **changes: [
        run(spec, data, runs=folder, device="cpu")
        for spec in grid(
            paper_settings("toy", strategy=strategy, **{"hidden": 16, "latent": 8, "train": QUICK} | changes), lam=LAMS
        )
    ]


@pytest.fixture(scope="module")
def page(data, runs, tmp_path_factory):
    results = runs()
    return write_own_clicks(tmp_path_factory.mktemp("twin") / "x.html", results, data, provenance(data, results))


def in_node(held: dict, number: int) -> list:
    """What the page's script answers for `CLICKS`, without a text and with the first lender's."""
    script = (resources.files("dmrec_core.figures.twins") / "frozen_model.js").read_text("utf-8")
    ask = """
      const {weights, cases, variant} = JSON.parse(require("fs").readFileSync(0, "utf-8")), net = unpacked(weights);
      console.log(JSON.stringify(cases.map(([clicked, own]) => frozen.answer(net, clicked, own, variant))));"""
    asked = {"weights": held["runs"][number]["weights"], "variant": held["variant"], "cases": cases()}
    done = subprocess.run(["node", "-e", script + ask], input=json.dumps(asked), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def cases() -> list:
    return [(clicked, own) for clicked in CLICKS for own in (None, 0)]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node; the browser tests compare the same in chromium")
@pytest.mark.parametrize("variant", ["published", "paper"])
def test_the_pages_arithmetic_is_the_cores(data, runs, variant, tmp_path):
    held = data_of(write_own_clicks(tmp_path / "x.html", runs(variant=variant), data, {}))
    assert held["variant"] == variant
    for number in range(len(LAMS)):
        model = core_of(held, number)
        for (clicked, own), mine in zip(cases(), in_node(held, number), strict=True):
            assert_same(mine, answer(model, clicked, own))


def test_rounding_changes_no_ten(page, data, runs):
    """The page's weights recommend what the run's do, to whom the page can be: those whose text it lends."""
    held, results = data_of(page), runs()
    lenders = [person["id"] for person in held["people"]]
    for number, result in enumerate(results):
        exact = result.model(data)
        with torch.inference_mode():
            scores = exact.score(user_batch(data.train, np.array(lenders)))
        snapshot = take_snapshot(result, data, np.array(sorted(lenders)))
        for own, person in enumerate(held["people"]):
            clicked = [held["items"].index(item) for item in person["items"]]
            mine = np.array(answer(core_of(held, number), clicked, own)["scores"])
            np.testing.assert_allclose(mine, scores[own].numpy(), atol=2e-3)
            mine[clicked] = -np.inf
            best = np.argsort(-mine, kind="stable")[:10]
            assert [held["items"][row] for row in best] == snapshot.top[snapshot.row(person["id"])].tolist()


def test_weights_are_the_runs_rounded_to_half_a_step(page, data, runs):
    held = data_of(page)
    for shown, result in zip(held["runs"], runs(), strict=True):
        model = result.model(data)
        backbone, (first, _, last) = model.backbone, model.meta_network.layers
        lenders = [person["id"] for person in held["people"]]
        exact = {
            "clicks": backbone.encoder_input.weight,
            "texts": model.meta_network.item_vectors @ first.weight.T,
            "own": model.meta_network.user_vectors[lenders] @ first.weight.T,
            "toQ": backbone.encoder_heads.weight,
            "toP": last.weight,
            "toHidden": backbone.decoder_hidden.weight,
            "toScoresBias": backbone.decoder_output.bias,
        }
        for name, values in exact.items():
            packed, values = shown["weights"][name], values.detach().double().flatten()
            assert (tensor(packed) - values).abs().max() <= 0.5001 * packed["scale"], name
            assert packed["scale"] <= 1.0001 * values.abs().max() / (2**15 - 1), f"{name}: bits are wasted"


def test_the_page_shows_the_two_most_active_dimensions(page, data, runs):
    held = data_of(page)
    for shown, result in zip(held["runs"], runs(), strict=True):
        crowd = np.arange(data.n_users)
        fused = snapshot_of(result.model(data), result.spec, data, crowd)
        with torch.inference_mode():
            means = result.model(data).spaces(user_batch(data.train, fused.users)).fused.mean.numpy()
        activity = means.astype(float).var(axis=0)
        numbers = [dimension["number"] for dimension in shown["dimensions"]]
        assert numbers == np.argsort(-activity)[:2].tolist()
        shares = [dimension["share"] for dimension in shown["dimensions"]]
        np.testing.assert_allclose(shares, activity[numbers] / activity.sum(), atol=1e-4)
        assert all(len(dimension[side]) == 3 for dimension in shown["dimensions"] for side in ("up", "down"))


def test_a_large_catalogue_is_cut_to_what_is_clicked_most(data, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(own_clicks, "MOST_ITEMS", 50)
    results = runs()
    path = write_own_clicks(tmp_path / "x.html", results, data, {})
    held = data_of(path)
    clicks = np.bincount(data.train.indices, minlength=data.n_items)
    assert len(held["items"]) == 50 and held["items"] == sorted(held["items"])
    assert clicks[held["items"]].min() >= np.sort(clicks)[-50]
    assert "the 50 most clicked of 300 items" in path.read_text("utf-8")
    clicked = held["people"][0]["items"]
    assert set(clicked) <= set(held["items"])
    inside = answer(core_of(held, 1), [held["items"].index(item) for item in clicked], 0)["scores"]
    them, matrix = held["people"][0]["id"], np.zeros((data.n_users, data.n_items), dtype=np.float32)
    matrix[them, clicked] = 1  # what is not in the catalogue cannot be clicked
    with torch.inference_mode():
        scores = results[1].model(data).score(user_batch(csr_matrix(matrix), np.array([them])))[0]
    np.testing.assert_allclose(inside, scores[held["items"]].numpy(), atol=2e-3)


def test_a_strategy_whose_lambda_is_a_weight_has_no_preset_without_a_prior(data, runs, tmp_path):
    held = data_of(write_own_clicks(tmp_path / "x.html", runs("godm"), data, {}))
    assert held["noPrior"] is None and held["unmatched"] == held["start"]["against"] == 0.0


def test_runs_that_do_not_fit_are_refused(data, runs, tmp_path):
    with pytest.raises(ValueError, match="two lambdas or more"):
        write_own_clicks(tmp_path / "x.html", runs()[:1], data, {})
    with pytest.raises(ValueError, match="differ in lambda only"):
        write_own_clicks(tmp_path / "x.html", [*runs(), *runs("godm")], data, {})
    with pytest.raises(ValueError, match="and no other model"):
        write_own_clicks(tmp_path / "x.html", runs(aggregate=False), data, {})
    assert list(tmp_path.iterdir()) == []
