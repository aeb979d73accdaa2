"""From a `RunSpec` to a model with its initial weights."""

from __future__ import annotations

import threading

import torch

from dmrec_core.backbones import MultVAE
from dmrec_core.data import RecDataset
from dmrec_core.dmrec import BaseModel, DMRec
from dmrec_core.meta_network import MetaNetwork
from dmrec_core.recommender import Backbone, Recommender
from dmrec_core.spec import RunSpec
from dmrec_core.train import derived_seed

MODELS = ("mult-vae",)
_INITIALISING = threading.Lock()  # torch's initialisers draw from one global generator


def build_model(spec: RunSpec, dataset: RecDataset) -> Recommender:
    """The untrained model of a run, on the CPU; its initial weights depend on the spec's seed alone.

    Raises:
        ValueError: the model is unknown, or DMRec is asked for on data without vectors.
    """
    with _INITIALISING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "init"))
        backbone = _backbone(spec, dataset)
        if spec.strategy == "base":
            return BaseModel(backbone, spec.kl_weight)
        return DMRec(backbone, _meta_network(spec, dataset, backbone), spec.strategy, spec.lam, spec.variant)


def _backbone(spec: RunSpec, dataset: RecDataset) -> Backbone:
    if spec.model == "mult-vae":
        return MultVAE(dataset.n_items, spec.hidden, spec.latent, spec.dropout)
    raise ValueError(f"model must be one of {MODELS}; got {spec.model!r}")


def _meta_network(spec: RunSpec, dataset: RecDataset, backbone: Backbone) -> MetaNetwork:
    vectors = dataset.language
    if vectors is None:
        raise ValueError(
            f"data set {dataset.name!r} has no semantic vectors, which {spec.strategy} needs; "
            "make some with dmrec_core.language.with_language(dataset)"
        )
    return MetaNetwork(
        torch.from_numpy(vectors.user), torch.from_numpy(vectors.item), backbone.latent, spec.hidden, spec.aggregate
    )
