"""From a `RunSpec` to a model with its initial weights."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from dmrec_core.backbones import CVGA, LDiffRec, MultVAE
from dmrec_core.backbones.l_diffrec import cluster_items
from dmrec_core.baselines import (
    KAR,
    AlphaRec,
    GraphRecommender,
    LightGCN,
    LLMRec,
    RLMRecContrastive,
    RLMRecGenerative,
    candidate_pool,
    edges_by_cosine,
)
from dmrec_core.data import RecDataset
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.recommender import Backbone, Recommender
from dmrec_core.runs.spec import BASELINES, MODELS, RunSpec
from dmrec_core.training.device import derived_seed

__all__ = ["MODELS", "build_model"]

_INITIALISING = threading.Lock()  # torch's initialisers draw from one global generator


def build_model(spec: RunSpec, dataset: RecDataset, pretrained: GraphRecommender | None = None) -> Recommender:
    """The untrained model of a run, on the CPU; its initial weights depend on the spec's seed alone.

    Args:
        spec: which model, and how large.
        dataset: its interactions, and its vectors if the model reads any.
        pretrained: a trained LightGCN, for the specs that start from one (`spec.pretraining`);
            `experiments.untrained` supplies it.

    Raises:
        ValueError: vectors are needed and the data has none, or `pretrained` is.
        TypeError: the spec's `settings` name something the model does not have.
    """
    if spec.pretraining and pretrained is None:
        raise ValueError(
            f"{spec.model} starts from a trained {spec.pretraining}; let dmrec_core.runs.store.untrained build it"
        )
    with _INITIALISING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "init"))
        if spec.model in BASELINES:
            return _baseline(spec, dataset, pretrained)
        backbone = _backbone(spec, dataset, pretrained)
        if spec.strategy == "base":
            return BaseModel(backbone, spec.kl_weight)
        meta_network = MetaNetwork(*_vectors(spec, dataset), backbone.latent, spec.hidden, spec.aggregate)
        return DMRec(backbone, meta_network, spec.strategy, spec.lam, spec.variant)


def _backbone(spec: RunSpec, dataset: RecDataset, pretrained: GraphRecommender | None) -> Backbone:
    settings = dict(spec.settings)
    if spec.model == "mult-vae":
        return MultVAE(dataset.n_items, spec.hidden, spec.latent, spec.dropout, **settings)
    if spec.model == "cvga":
        return CVGA(dataset.train, spec.latent, spec.dropout, **settings)
    category = _item_categories(
        spec, dataset, pretrained, settings.pop("clusters", 2), settings.pop("item_vectors", "")
    )
    return LDiffRec(category, dataset.n_users, spec.latent, spec.dropout, **settings)


def _item_categories(spec, dataset, pretrained, clusters: int, item_vectors: str):
    if item_vectors not in ("", "lightgcn", "semantic"):
        raise ValueError(f"item_vectors must be 'lightgcn' or 'semantic'; got {item_vectors!r}")
    if pretrained is not None:
        with torch.no_grad():
            vectors = pretrained.embeddings()[1]
    else:  # texts, or one category, for which any will do
        vectors = _vectors(spec, dataset)[1] if clusters > 1 else torch.zeros(dataset.n_items, 1)
    return cluster_items(vectors.numpy(), clusters, seed=derived_seed(spec.seed, "clusters") % 2**32)


def _baseline(spec: RunSpec, dataset: RecDataset, pretrained: GraphRecommender | None) -> Recommender:
    train, settings = dataset.train, dict(spec.settings)
    if spec.model == "lightgcn":
        return LightGCN(train, spec.latent, **settings)
    users, items = _vectors(spec, dataset)
    if spec.model == "llmrec":
        edges = edges_by_cosine(users, items, candidate_pool(pretrained, train, settings.pop("pool", 10)))
        return LLMRec(train, users, items, edges, spec.latent, **settings)
    if spec.model == "alpharec-star":
        settings.setdefault("users_from", "own")
    kind = {
        "rlmrec-c": RLMRecContrastive,
        "rlmrec-g": RLMRecGenerative,
        "kar": KAR,
        "alpharec": AlphaRec,
        "alpharec-star": AlphaRec,
    }[spec.model]
    return kind(train, users, items, spec.latent, **settings)


def _vectors(spec: RunSpec, dataset: RecDataset) -> tuple[Tensor, Tensor]:
    vectors = dataset.language
    if vectors is None:
        needs = spec.model if spec.strategy == "base" else spec.strategy
        raise ValueError(
            f"data set {dataset.name!r} has no semantic vectors, which {needs} needs; "
            "make some with dmrec_core.language.with_language(dataset)"
        )
    return torch.from_numpy(vectors.user), torch.from_numpy(vectors.item)
