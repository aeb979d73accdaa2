"""From a `RunSpec` to a model with its initial weights."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from dmrec_core.baselines import GraphRecommender
from dmrec_core.data import RecDataset
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.recommender import Backbone, Recommender
from dmrec_core.runs.models import Parts
from dmrec_core.runs.spec import RunSpec
from dmrec_core.training.device import derived_seed

_INITIALISING = threading.Lock()  # torch's initialisers draw from one global generator


def build_model(spec: RunSpec, dataset: RecDataset, pretrained: GraphRecommender | None = None) -> Recommender:
    """The untrained model of a run, on the CPU; its initial weights depend on the spec's seed alone.

    Args:
        spec: which model, and how large.
        dataset: its interactions, and its vectors if the model reads any.
        pretrained: a trained LightGCN, for the specs that start from one (`spec.pretraining`);
            `store.untrained` supplies it.

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
        parts = Parts(
            dataset.train,
            lambda: _vectors(spec, dataset),
            spec.hidden,
            spec.latent,
            spec.dropout,
            dict(spec.settings),
            derived_seed(spec.seed, "clusters") % 2**32,
            pretrained,
        )
        built = spec.card.build(parts)
        if not isinstance(built, Backbone):
            return built
        if spec.strategy == "base":
            return BaseModel(built, spec.kl_weight)
        meta_network = MetaNetwork(*_vectors(spec, dataset), built.latent, spec.hidden, spec.aggregate)
        return DMRec(built, meta_network, spec.strategy, spec.lam, spec.variant)


def _vectors(spec: RunSpec, dataset: RecDataset) -> tuple[Tensor, Tensor]:
    vectors = dataset.language
    if vectors is None:
        needs = spec.model if spec.strategy == "base" else spec.strategy
        raise ValueError(
            f"data set {dataset.name!r} has no semantic vectors, which {needs} needs; "
            "make some with dmrec_core.language.with_language(dataset)"
        )
    return torch.from_numpy(vectors.user), torch.from_numpy(vectors.item)
