"""Every model a run can train or solve: one card each, with what the other rooms must know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from dmrec_core.backbones import CVGA, LDiffRec, MultVAE
from dmrec_core.backbones.l_diffrec import cluster_items
from dmrec_core.baselines import (
    EASE,
    GFCF,
    IALS,
    KAR,
    L3AE,
    AlphaRec,
    GraphRecommender,
    ItemKNN,
    LightGCN,
    LLMRec,
    RLMRecContrastive,
    RLMRecGenerative,
    candidate_pool,
    edges_by_cosine,
)
from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.catalogues import SETTINGS as LARGE
from dmrec_core.catalogues import LargeMultVAE
from dmrec_core.recommender import Backbone, Recommender
from dmrec_core.records.ranges import known
from dmrec_core.training.floors import Popularity


@dataclass(frozen=True)
class Parts:
    """What a model is made from.

    Args:
        train: interactions to learn from, binary CSR `(n_users, n_items)`.
        vectors: gives the semantic vectors, users' `(U, d_s)` and items' `(I, d_s)`; raises where there are none.
        hidden, latent, dropout: as in `RunSpec`.
        settings: the model's own hyper-parameters; a builder may take some out.
        cluster_seed: of k-means.
        pretrained: the trained model this one starts from, if its card names one.
    """

    train: sp.csr_matrix
    vectors: Callable[[], tuple[Tensor, Tensor]]
    hidden: int
    latent: int
    dropout: float
    settings: dict[str, object]
    cluster_seed: int
    pretrained: GraphRecommender | None = None


def never(settings: Mapping[str, object]) -> bool:
    """For a card: whatever the settings, no."""
    return False


def always(settings: Mapping[str, object]) -> bool:
    """For a card: whatever the settings, yes."""
    return True


@dataclass(frozen=True)
class ModelCard:
    """A model: how it is built, and what is to be known where it is run, tuned and printed.

    A backbone of your own is one of these; give the object wherever a model's name is taken.

    Args:
        name: as papers print it.
        build: from `Parts` to a `Backbone` (DMRec can go around it) or to a whole `Recommender`.
        reads_text: whether it reads semantic vectors under some settings, without DMRec.
        tuned: the setting that is tuned where there is no lambda.
        deviation: how it differs from what its authors describe.
        is_backbone: whether DMRec can be put on it.
        starts_from: whether it starts from a trained LightGCN of the same data and seed.
        idle: fields of `RunSpec` that cannot matter when it is trained on its own.
        solved: whether it is a `ClosedForm`, which has a solution in place of a training, and no seed.
        squares: item-item matrices that are held at once while it is solved.
        numbers_version: raised when a change of code changes its numbers at an unchanged spec.

    Example:
        >>> from dmrec_core.backbones import MultVAE
        >>> mine = ModelCard("narrow", lambda parts: MultVAE(parts.train.shape[1], 32, parts.latent, parts.dropout))
        >>> mine.is_backbone
        True
    """

    name: str
    build: Callable[[Parts], Backbone | Recommender]
    reads_text: Callable[[Mapping[str, object]], bool] = never
    tuned: str = "kl_weight"
    deviation: str = ""
    is_backbone: bool = True
    starts_from: Callable[[Mapping[str, object]], bool] = never
    idle: tuple[str, ...] = ()
    solved: bool = False
    squares: int = 0
    numbers_version: int = field(default=1)

    def __str__(self) -> str:
        return next((key for key, card in CARDS.items() if card is self), self.name)


def _mult_vae(parts: Parts) -> Backbone:
    sizes = {"hidden": parts.hidden, "latent": parts.latent, "dropout": parts.dropout}
    if not set(parts.settings).isdisjoint(LARGE):
        return LargeMultVAE(parts.train, **parts.settings, **sizes)
    return MultVAE(parts.train.shape[1], **parts.settings, **sizes)


def _cvga(parts: Parts) -> Backbone:
    return CVGA(parts.train, parts.latent, parts.dropout, **parts.settings)


def _l_diffrec(parts: Parts) -> Backbone:
    settings, n_items = dict(parts.settings), parts.train.shape[1]
    clusters, item_vectors = settings.pop("clusters", 2), settings.pop("item_vectors", "")
    if item_vectors not in ("", "lightgcn", "semantic"):
        raise ValueError(f"item_vectors must be 'lightgcn' or 'semantic'; got {item_vectors!r}")
    if parts.pretrained is not None:
        with torch.no_grad():
            vectors = parts.pretrained.embeddings()[1]
    else:  # texts, or one category, for which any will do
        vectors = parts.vectors()[1] if clusters > 1 else torch.zeros(n_items, 1)
    category: np.ndarray = cluster_items(vectors.numpy(), clusters, seed=parts.cluster_seed)
    return LDiffRec(category, parts.train.shape[0], parts.latent, parts.dropout, **settings)


def _lightgcn(parts: Parts) -> Recommender:
    return LightGCN(parts.train, parts.latent, **parts.settings)


def _with_vectors(kind: Callable[..., Recommender]) -> Callable[[Parts], Recommender]:
    def build(parts: Parts) -> Recommender:
        return kind(parts.train, *parts.vectors(), parts.latent, **parts.settings)

    return build


def _llmrec(parts: Parts) -> Recommender:
    settings, (users, items) = dict(parts.settings), parts.vectors()
    left = parts.train.shape[1] - int(parts.train.getnnz(axis=1).max())  # to the busiest user
    pool = candidate_pool(parts.pretrained, parts.train, settings.pop("pool", max(2, min(10, left))))
    edges = edges_by_cosine(users, items, pool)
    return LLMRec(parts.train, users, items, edges, parts.latent, **settings)


def _alpharec_star(parts: Parts) -> Recommender:
    return AlphaRec(parts.train, *parts.vectors(), parts.latent, **{"users_from": "own"} | parts.settings)


def _weighs_text(settings: Mapping[str, object]) -> bool:
    return settings.get("text_weight", 0.0) > 0


def _closed_form(
    kind: Callable[..., ClosedForm], reads_text: Callable[[Mapping[str, object]], bool] = _weighs_text
) -> Callable[[Parts], Recommender]:
    def build(parts: Parts) -> Recommender:
        text = {"item_vectors": parts.vectors()[1]} if reads_text(parts.settings) else {}
        return kind(parts.train, **text, **parts.settings)

    return build


def _gf_cf(parts: Parts) -> Recommender:
    most = min(64, min(parts.train.shape) - 1)  # where no k is given and the data has fewer vectors than its default
    return _closed_form(GFCF)(replace(parts, settings={"k": most} | parts.settings))


def _many_clusters(settings: Mapping[str, object]) -> bool:
    return settings.get("clusters", 2) > 1


ALONE = {"is_backbone": False, "idle": ("hidden", "dropout", "kl_weight")}
WITH_TEXT = ALONE | {"reads_text": always, "numbers_version": 2}  # 2: fused contrast, rearranged products
BACKBONES = {
    "mult-vae": ModelCard("Mult-VAE", _mult_vae),
    "cvga": ModelCard("CVGA", _cvga, idle=("hidden",)),
    "l-diffrec": ModelCard(
        "L-DiffRec",
        _l_diffrec,
        reads_text=lambda settings: settings.get("item_vectors") == "semantic",
        starts_from=lambda settings: (
            _many_clusters(settings) and settings.get("item_vectors", "lightgcn") == "lightgcn"
        ),
        idle=("hidden",),
    ),
}
BASELINES = {
    "lightgcn": ModelCard("LightGCN", _lightgcn, tuned="reg_weight", **ALONE),
    "rlmrec-c": ModelCard("RLMRec-C", _with_vectors(RLMRecContrastive), tuned="contrast_weight", **WITH_TEXT),
    "rlmrec-g": ModelCard("RLMRec-G", _with_vectors(RLMRecGenerative), tuned="reconstruction_weight", **WITH_TEXT),
    "kar": ModelCard(
        "KAR",
        _with_vectors(KAR),
        tuned="reg_weight",
        deviation="on LightGCN as RLMRec describes it; its code is unreleased",
        **WITH_TEXT | {"numbers_version": 3},  # 3: without a projection before it propagates
    ),
    "llmrec": ModelCard(
        "LLMRec",
        _llmrec,
        tuned="profile_weight",
        deviation="its edges are a proxy: the nearest and farthest of LightGCN's ten candidates by text, "
        "no language model",
        starts_from=always,
        **WITH_TEXT,
    ),
    "alpharec": ModelCard("AlphaRec", _with_vectors(AlphaRec), tuned="temperature", **WITH_TEXT),
    "alpharec-star": ModelCard(
        "AlphaRec*",
        _alpharec_star,
        tuned="temperature",
        deviation="the user's own vector replaces the mean of their items'",
        **WITH_TEXT,
    ),
}
SOLVED = {"is_backbone": False, "solved": True, "idle": ("hidden", "latent", "dropout", "kl_weight", "seed", "train")}
LINEAR = {
    "popularity": ModelCard("Popularity", _closed_form(Popularity), _weighs_text, **SOLVED),
    "item-knn": ModelCard("item-kNN", _closed_form(ItemKNN), _weighs_text, squares=ItemKNN.workings, **SOLVED),
    "ease": ModelCard("EASE", _closed_form(EASE), _weighs_text, squares=EASE.workings, **SOLVED),
    "gf-cf": ModelCard("GF-CF", _gf_cf, _weighs_text, **SOLVED),
    "ials": ModelCard("iALS", _closed_form(IALS), _weighs_text, deviation="from one start, not drawn anew", **SOLVED),
    "l3ae": ModelCard("L3AE", _closed_form(L3AE, always), always, squares=L3AE.workings, **SOLVED),
}
TRAINED = BACKBONES | BASELINES
CARDS = TRAINED | LINEAR
LANGUAGE_MODELS = tuple(name for name, card in BASELINES.items() if card.reads_text({}))  # without DMRec


def card_of(model: str | ModelCard) -> ModelCard:
    """The card of this model, or the object itself.

    Raises:
        ValueError: no model has that name.

    Example:
        >>> card_of("kar").name
        'KAR'
    """
    if isinstance(model, ModelCard):
        return model
    return CARDS[known("model", model, CARDS)]


def of_older_runs(numbers_version: Mapping[str, int]) -> list[str]:
    """Why numbers made by these versions of the models (model -> numbers version) are not the code's of now.

    Example:
        >>> of_older_runs({"mult-vae": 0})[0]
        "its runs of mult-vae are of numbers version 0, the code's is 1"
    """
    now = {model: card.numbers_version for model, card in CARDS.items()}
    return [
        f"its runs of {model} are of numbers version {version}, the code's is {now.get(model, 'none')}"
        for model, version in numbers_version.items()
        if version != now.get(model)
    ]
