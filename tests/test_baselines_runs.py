"""Specs of all models: what counts as one run, presets that build, and runs that start from a trained LightGCN."""

import numpy as np
import pytest
import torch

from dmrec_core.backbones import CVGA, LDiffRec
from dmrec_core.baselines import LightGCN, candidate_pool
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs.build import build_model
from dmrec_core.runs.models import CARDS, LANGUAGE_MODELS, TRAINED
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import cached, run, untrained
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import TrainSettings

FEW = TrainSettings(epochs=2, batch_size=64)


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=80, n_items=60), "tfidf")


@pytest.fixture(scope="module")
def lightgcn(dataset):
    torch.manual_seed(0)
    return LightGCN(dataset.train)


@pytest.mark.parametrize("name", ["amazon", "yelp", "steam", "yelp-xrec", "toy"])
@pytest.mark.parametrize("model", CARDS)
def test_every_preset_builds(dataset, lightgcn, name, model):
    for strategy in ("base", "mddm") if CARDS[model].is_backbone else ("base",):
        spec = paper_settings(name, model, strategy)
        if dict(spec.settings).get("k", 0) >= dataset.n_items:  # which so few items do not have
            spec = spec.with_(settings=dict(spec.settings) | {"k": 8})
        built = build_model(spec, dataset, lightgcn if spec.pretraining else None)
        if spec.solved:
            built.solve()
        assert built.score(_batch(dataset)).shape == (3, dataset.n_items)
        assert RunSpec.from_json(spec.to_json()) == spec


def _batch(dataset):
    from dmrec_core.interactions import user_batch

    return user_batch(dataset.train, np.arange(3))


def test_presets_are_the_published_numbers():
    yelp, amazon = paper_settings("yelp", "l-diffrec"), paper_settings("amazon", "l-diffrec")
    assert dict(yelp.settings)["reweight"] is dict(amazon.settings)["reweight"] is True  # off cannot have run
    assert paper_settings("yelp-xrec", "l-diffrec").settings == yelp.settings
    assert (amazon.latent, amazon.dropout, amazon.train.batch_size, amazon.train.learning_rate) == (300, 0.1, 400, 5e-4)
    assert dict(paper_settings("steam", "rlmrec-c").settings)["contrast_weight"] == 1e-3
    assert dict(paper_settings("steam", "lightgcn").settings)["layers"] == 2
    assert dict(paper_settings("yelp", "rlmrec-g").settings)["mask_ratio"] == 0.05
    assert dict(paper_settings("amazon", "cvga").settings) == {"divide_kl_by_batch": True}
    assert dict(paper_settings("amazon", "cvga", "mddm").settings) == {"divide_kl_by_batch": False}
    assert paper_settings("amazon", "llmrec").train.weight_decay == 0.01


def test_fields_that_cannot_matter_make_no_second_run():
    assert RunSpec(model="lightgcn", hidden=5, dropout=0.9, kl_weight=2.0) == RunSpec(model="lightgcn")
    assert RunSpec(model="cvga", hidden=5) == RunSpec(model="cvga")
    assert RunSpec(model="mult-vae", hidden=5) != RunSpec(model="mult-vae")
    assert RunSpec(model="cvga", strategy="mddm", lam=0.5, hidden=5) != RunSpec(model="cvga", strategy="mddm", lam=0.5)
    assert RunSpec(model="lightgcn").label == "lightgcn seed 2024"


def test_dmrec_goes_on_backbones_alone():
    with pytest.raises(ValueError, match="kar is no backbone"):
        RunSpec(model="kar", strategy="mddm", lam=0.5)
    with pytest.raises(ValueError, match="model must be one of"):
        RunSpec(model="svd")


def test_who_reads_language_and_who_starts_from_lightgcn():
    assert [m for m in TRAINED if RunSpec(model=m).uses_language] == list(LANGUAGE_MODELS)
    assert [m for m in CARDS if RunSpec(model=m).pretraining] == ["l-diffrec", "llmrec"]
    by_texts = RunSpec(model="l-diffrec", settings={"item_vectors": "semantic"})
    assert by_texts.uses_language and by_texts.pretraining is None
    assert RunSpec(model="l-diffrec", settings={"clusters": 1}).pretraining is None


def test_a_setting_nobody_has_is_named(dataset):
    with pytest.raises(TypeError, match="depth"):
        build_model(RunSpec(model="lightgcn", settings={"depth": 3}), dataset)
    with pytest.raises(ValueError, match="'lightgcn', 'semantic'"):
        build_model(RunSpec(model="l-diffrec", settings={"item_vectors": "titles"}), dataset)
    with pytest.raises(ValueError, match=r"starts from a trained lightgcn.*untrained"):
        build_model(RunSpec(model="llmrec"), dataset)
    with pytest.raises(ValueError, match="no semantic vectors, which kar needs"):
        build_model(RunSpec(model="kar"), toy_dataset(n_users=20, n_items=40))


@pytest.mark.parametrize("model", ["llmrec", "l-diffrec"])
def test_what_a_run_starts_from_is_a_run_of_its_own(dataset, tmp_path, monkeypatch, model):
    few = paper_settings("toy", "lightgcn", train=FEW)
    monkeypatch.setattr("dmrec_core.runs.store.paper_settings", lambda *_, **changes: few.with_(**changes))
    spec = paper_settings("toy", model, train=FEW)
    result = run(spec, dataset, runs=tmp_path, device="cpu")
    assert cached(few, dataset, runs=tmp_path) is not None
    assert len(list(tmp_path.glob("*/metrics.json"))) == 2
    again = run(spec.with_(train=TrainSettings(epochs=1, batch_size=64)), dataset, runs=tmp_path, device="cpu")
    assert len(list(tmp_path.glob("*/metrics.json"))) == 3 and again.folder != result.folder
    trained = result.model(dataset)
    assert evaluate(trained, dataset).means() == pytest.approx(result.metrics["test"], rel=1e-6)


def test_categories_and_edges_come_from_the_pretrained_model(dataset, lightgcn, tmp_path):
    spec = paper_settings("toy", "l-diffrec", settings={"clusters": 3})
    backbone = build_model(spec, dataset, lightgcn).backbone
    assert isinstance(backbone, LDiffRec) and len(backbone.encoders) == 3
    assert sorted(len(e.weight) for e in backbone.encoders) == sorted(np.bincount(backbone.category).tolist())
    by_texts = untrained(spec.with_(settings={"clusters": 3, "item_vectors": "semantic"}), dataset, runs=tmp_path)
    assert not torch.equal(by_texts.backbone.category, backbone.category) and not list(tmp_path.iterdir())

    pool = candidate_pool(lightgcn, dataset.train, 10)
    assert (dataset.train.toarray()[np.arange(80)[:, None], pool.numpy()] == 0).all()
    edges = build_model(paper_settings("toy", "llmrec"), dataset, lightgcn).edges
    assert (
        all(set(edges[u].tolist()) <= set(pool[u].tolist()) for u in range(80)) and (edges[:, 0] != edges[:, 1]).all()
    )
    with pytest.raises(ValueError, match="a pool needs 2 to"):
        candidate_pool(lightgcn, dataset.train, 60)


def test_a_backbones_settings_reach_it(dataset):
    spec = paper_settings("toy", "cvga", settings={"sample_at_test": True, "divide_kl_by_batch": True}, latent=7)
    backbone = build_model(spec, dataset).backbone
    assert isinstance(backbone, CVGA) and backbone.latent == 7 and backbone.noise is not None
