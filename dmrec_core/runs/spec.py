"""`RunSpec`: everything that decides a run's numbers, in one frozen value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePath

from dmrec_core.matching import STRATEGIES, VARIANTS
from dmrec_core.training.fit import TrainSettings

BACKBONES = ("mult-vae", "cvga", "l-diffrec")
LANGUAGE_MODELS = ("rlmrec-c", "rlmrec-g", "kar", "llmrec", "alpharec", "alpharec-star")  # read vectors without DMRec
BASELINES = ("lightgcn", *LANGUAGE_MODELS)  # complete models: no DMRec around them
MODELS = BACKBONES + BASELINES
PROFILES = ("given", "extractive", "titles")
# Raised for a model when a change of code changes its numbers at an unchanged spec; the others keep their runs.
# 2: the fused contrast and the rearranged products of the language-model baselines round otherwise.
# 3: KAR propagates embedding and augmented vector as they are, without a projection before.
NUMBERS_VERSION = dict.fromkeys(MODELS, 1) | dict.fromkeys(LANGUAGE_MODELS, 2) | {"kar": 3}


@dataclass(frozen=True)
class RunSpec:
    """One training run. Equal specs give equal numbers; the hash of a spec names its folder.

    Fields that cannot matter are set to one value (a base model has no lambda), so that equal runs are one run.

    Example:
        >>> RunSpec(strategy="base", lam=0.3) == RunSpec(strategy="base")
        True
    """

    dataset: str = "toy"  # a name `load_dataset` knows, or the folder of your own data
    options: tuple[tuple[str, object], ...] = ()  # the loader's options, e.g. (("noise", 0.8),)
    profiles: str = "given"  # the texts: "given" with the data, or without a language model: "extractive", "titles"
    embedder: str = "auto"  # what turns texts into vectors
    vectors: str = "real"  # or "shuffled", "random", "noisy:0.5": the negative controls
    model: str = "mult-vae"  # the backbone, or a baseline of its own
    strategy: str = "base"  # or "godm", "cpdm", "mddm", "without_mixing", "add"
    lam: float | None = None  # lambda; None where the strategy has none
    variant: str = "published"  # or "paper": the equations as printed
    aggregate: bool = True  # Eq. 7; False is the ablation "w/o PMN"
    kl_weight: float = 1.0  # of the base model's prior term: its "equal tuning"
    hidden: int = 600  # width of hidden layers: Mult-VAE's, and the meta-network's
    latent: int = 200  # d; for a baseline the width of its embeddings
    dropout: float = 0.3  # of the input rows (CVGA: of its encoder's output too)
    settings: tuple[tuple[str, object], ...] = ()  # a model's own hyper-parameters
    seed: int = 2024
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        for name in ("options", "settings"):
            pairs = getattr(self, name)
            pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
            object.__setattr__(self, name, tuple(sorted((str(key), value) for key, value in pairs)))
        if not self.uses_language:
            object.__setattr__(self, "profiles", "given")
            object.__setattr__(self, "embedder", "none")
            object.__setattr__(self, "vectors", "real")
        if self.profiles not in PROFILES:
            raise ValueError(f"profiles must be one of {PROFILES}; got {self.profiles!r}")
        if self.model not in MODELS:
            raise ValueError(f"model must be one of {MODELS}; got {self.model!r}")
        if self.strategy == "base":
            idle = {"lam": None, "variant": "published", "aggregate": True}
            if self.model != "mult-vae":
                idle["hidden"] = 600
            if self.model in BASELINES:
                idle |= {"dropout": 0.3, "kl_weight": 1.0}
            for name, value in idle.items():
                object.__setattr__(self, name, value)
            return
        if self.model in BASELINES:
            raise ValueError(f"{self.model} is no backbone DMRec could be put on; its strategy must be 'base'")
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be 'base' or one of {sorted(STRATEGIES)}; got {self.strategy!r}")
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {VARIANTS}; got {self.variant!r}")
        lam = 0.0 if self.strategy == "add" else self.lam
        if lam is None:
            raise ValueError(f"strategy {self.strategy!r} needs lam")
        if not 0 <= lam <= (1 if self.strategy == "mddm" else float("inf")):  # before anything is loaded or trained
            raise ValueError(
                f"lambda is a weight, 0 or more, and MDDM's a share, in [0, 1]; got {lam} for {self.strategy!r}"
            )
        object.__setattr__(self, "lam", round(float(lam), 10))  # 0.1 + 0.2 and 0.3 are one run
        object.__setattr__(self, "kl_weight", 1.0)

    @property
    def uses_language(self) -> bool:
        """Whether this run reads semantic vectors; a base model's numbers do not depend on them.

        L-DiffRec does where it clusters items by them.
        """
        clusters_texts = self.model == "l-diffrec" and dict(self.settings).get("item_vectors") == "semantic"
        return self.strategy != "base" or self.model in LANGUAGE_MODELS or clusters_texts

    @property
    def pretraining(self) -> str | None:
        """The model whose trained embeddings this run starts from: "lightgcn", or None.

        LLMRec's candidates and L-DiffRec's item categories come from a LightGCN of the same data and seed.
        """
        settings = dict(self.settings)
        clusters = settings.get("clusters", 2) > 1 and settings.get("item_vectors", "lightgcn") == "lightgcn"
        return "lightgcn" if self.model == "llmrec" or (self.model == "l-diffrec" and clusters) else None

    @property
    def numbers_version(self) -> dict[str, int]:
        """The numbers version of each model this run trains: its own, and that of its pretraining."""
        return {model: NUMBERS_VERSION[model] for model in (self.model, self.pretraining) if model}

    @property
    def label(self) -> str:
        """A short name for legends and progress lines: `mult-vae mddm λ=0.4 seed 2024`."""
        parts = [self.model] if self.model in BASELINES else [self.model, self.strategy]
        if self.lam is not None and self.strategy != "add":
            parts.append(f"λ={self.lam:g}")
        if self.variant != "published":
            parts.append(self.variant)
        if self.profiles != "given":
            parts.append("titles only" if self.profiles == "titles" else f"{self.profiles} profiles")
        if self.vectors != "real":
            parts.append(f"{self.vectors} vectors")
        if self.strategy == "base" and self.kl_weight != 1:
            parts.append(f"KL weight {self.kl_weight:g}")
        return " ".join([*parts, f"seed {self.seed}"])

    def to_json(self) -> dict:
        """Plain values, for `spec.json`."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping) -> RunSpec:
        """The inverse of `to_json`.

        Raises:
            ValueError: a field this version does not know.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields in the spec: {sorted(unknown)}; was it written by another version?")
        values = {name: tuple(map(tuple, v)) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**{**values, "train": TrainSettings(**values["train"])})

    def key(self, fingerprint: str) -> str:
        """The run's folder name: a hash of the spec and of the data it runs on (`RecDataset.fingerprint`)."""
        values = self.to_json() | {"dataset": PurePath(self.dataset).name}  # your folder may move
        # the fingerprint covers the vectors themselves, so "auto" and the embedder it chose are one run,
        # and they are named after the profiles they were made from
        del values["profiles"], values["embedder"], values["vectors"]
        canonical = json.dumps([NUMBERS_VERSION[self.model], values, fingerprint], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def with_(self, **changes: object) -> RunSpec:
        """A copy with some fields changed."""
        return replace(self, **changes)
