"""`RunSpec`: everything that decides a run's numbers, in one frozen value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePath

from dmrec_core.matching import ALL_STRATEGIES, DEFAULT_STRATEGY, VARIANTS, Strategy, strategy_of
from dmrec_core.records.ranges import checked, known, short
from dmrec_core.runs.identity import code_digest
from dmrec_core.runs.models import CARDS, ModelCard, card_of
from dmrec_core.training.fit import TrainSettings

PROFILES = ("given", "extractive", "titles")
VECTORS = ("real", "shuffled", "random", "clicks")  # and noisy:SHARE


@dataclass(frozen=True)
class RunSpec:
    """One run: a training, or a solution. Equal specs give equal numbers; the hash of a spec names its folder.

    Fields that cannot matter are set to one value (a base model has no lambda), so that equal runs are one run.

    Example:
        >>> RunSpec(strategy="base", lam=0.3) == RunSpec(strategy="base")
        True
    """

    dataset: str = "toy"  # a name `load_dataset` knows, or the folder of your own data
    options: tuple[tuple[str, object], ...] = ()  # the loader's options, e.g. (("noise", 0.8),)
    profiles: str = "given"  # the texts: "given" with the data, or without a language model: "extractive", "titles"
    embedder: str = "auto"  # what turns texts into vectors
    vectors: str = "real"  # or a control: "shuffled", "random", "noisy:0.5", or "clicks", which read no text
    model: str | ModelCard = "mult-vae"  # the backbone, or a baseline of its own; or a backbone of yours
    strategy: str | Strategy = "base"  # or a name of `matching.ALL_STRATEGIES`, or a strategy of yours
    lam: float | None = None  # lambda; None where the strategy has none
    variant: str = "published"  # or "paper": the equations as printed
    aggregate: bool = True  # Eq. 7; False is the ablation "w/o PMN"
    kl_weight: float = 1.0  # of the base model's prior term: its "equal tuning"
    hidden: int = 600  # width of hidden layers: Mult-VAE's, and the meta-network's
    latent: int = 200  # d; for a baseline the width of its embeddings
    dropout: float = 0.3  # of the input rows (CVGA: of its encoder's output too)
    settings: tuple[tuple[str, object], ...] = ()  # a model's own hyper-parameters
    warm: float | None = None  # the lambda of the run whose trained weights it starts from, all else equal
    seed: int = 2024
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        for field_name, theirs in (("model", CARDS), ("strategy", ALL_STRATEGIES)):
            given = getattr(self, field_name)
            if theirs.get(str(given)) is given:  # the kit's own go by their names
                object.__setattr__(self, field_name, str(given))
        for name in ("options", "settings"):
            pairs = getattr(self, name)
            pairs = pairs.items() if isinstance(pairs, Mapping) else pairs
            checked_pairs = sorted((str(key), checked(str(key), value)) for key, value in pairs)
            object.__setattr__(self, name, tuple(checked_pairs))
        for name in ("seed", "hidden", "latent", "dropout", "kl_weight", "aggregate"):
            object.__setattr__(self, name, checked(name, getattr(self, name)))
        if not isinstance(self.train, TrainSettings):
            raise ValueError(f"train must be TrainSettings; got {short(self.train)}")
        _check_vectors(self.vectors)
        if not self.uses_language:
            object.__setattr__(self, "profiles", "given")
            object.__setattr__(self, "embedder", "none")
            object.__setattr__(self, "vectors", "real")
        known("profiles", self.profiles, PROFILES)
        idle = self.card.idle
        if self.strategy == "base":
            for name in ("lam", "variant", "aggregate", "warm", *idle):
                object.__setattr__(self, name, TrainSettings() if name == "train" else getattr(type(self), name))
            return
        if not self.card.is_backbone:
            raise ValueError(f"{self.model} is no backbone DMRec could be put on; its strategy must be 'base'")
        known("variant", self.variant, VARIANTS)
        matching = strategy_of(self.strategy)
        lam = self.lam if matching.highest_lam else 0.0
        if lam is None:
            raise ValueError(f"strategy {self.strategy} needs lam")
        lam = checked("lam", lam)
        matching.check(lam)  # before anything is loaded or trained
        object.__setattr__(self, "lam", round(float(lam), 10))  # 0.1 + 0.2 and 0.3 are one run
        if self.warm is not None:
            matching.check(checked("lam", self.warm))
            object.__setattr__(self, "warm", round(float(self.warm), 10) if matching.highest_lam else None)
        object.__setattr__(self, "kl_weight", 1.0)

    @property
    def card(self) -> ModelCard:
        """What there is to know of the model."""
        return card_of(self.model)

    @property
    def solved(self) -> bool:
        """Whether the model is solved, not trained: the same for every seed, which it then has none of."""
        return self.card.solved

    @property
    def is_own(self) -> bool:
        """Whether the model or the strategy is yours: it lives in this process only, and no worker can import it."""
        return not (isinstance(self.model, str) and isinstance(self.strategy, str))

    @property
    def uses_language(self) -> bool:
        """Whether this run reads semantic vectors; a base model's numbers do not depend on them.

        L-DiffRec does where it clusters items by them.
        """
        return self.strategy != "base" or self.card.reads_text(dict(self.settings))

    @property
    def pretraining(self) -> str | None:
        """The model whose trained embeddings this run starts from: "lightgcn", or None.

        LLMRec's candidates and L-DiffRec's item categories come from a LightGCN of the same data and seed.
        """
        return "lightgcn" if self.card.starts_from(dict(self.settings)) else None

    @property
    def numbers_version(self) -> dict[str, int]:
        """The numbers version of each of the kit's models that this run trains: its own, and its pretraining's."""
        return {model: CARDS[model].numbers_version for model in (self.model, self.pretraining) if model in CARDS}

    @property
    def label(self) -> str:
        """A short name for legends and progress lines: `mult-vae mddm λ=0.4 seed 2024`."""
        parts = [str(self.model), str(self.strategy)] if self.card.is_backbone else [str(self.model)]
        if self.strategy != "base" and strategy_of(self.strategy).highest_lam:
            parts.append(f"λ={self.lam:g}")
        if self.warm is not None:
            parts.append(f"from λ={self.warm:g}")
        if self.variant != "published":
            parts.append(self.variant)
        if self.profiles != "given":
            parts.append("titles only" if self.profiles == "titles" else f"{self.profiles} profiles")
        if self.vectors != "real":
            parts.append(f"{self.vectors} vectors")
        if self.strategy == "base" and self.kl_weight != 1:
            parts.append(f"KL weight {self.kl_weight:g}")
        return " ".join(parts if self.solved else [*parts, f"seed {self.seed}"])

    def to_json(self) -> dict:
        """Plain values, for `spec.json`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"train": asdict(self.train)}
        if self.warm is None:  # most runs have none, and many were kept before there was any
            del values["warm"]
        if isinstance(self.model, ModelCard):
            values["model"] = f"{self.model}-{code_digest(self.model.build)}"
        if isinstance(self.strategy, Strategy):
            values["strategy"] = f"{self.strategy}-{code_digest(self.strategy.terms)}"
        return json.loads(json.dumps(values))

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

    @property
    def as_trained(self) -> RunSpec:
        """The run that is trained for this one: itself, but where nothing is matched, as all strategies then are one.

        Without matching, $L_{DM}$ is the prior's term whatever the strategy: the same steps to the last bit.

        Example:
            >>> ends = RunSpec(strategy="godm", lam=0), RunSpec(strategy="cpdm", lam=0), RunSpec(strategy="add")
            >>> {spec.as_trained.label for spec in ends}
            {'mult-vae mddm λ=1 seed 2024'}
        """
        kits = self.strategy in ALL_STRATEGIES  # what another does at some lambda, only its author knows
        if not kits or self.warm is not None or self.lam != strategy_of(self.strategy).lam_without_matching:
            return self
        return self.with_(strategy=DEFAULT_STRATEGY, lam=ALL_STRATEGIES[DEFAULT_STRATEGY].lam_without_matching)

    def key(self, fingerprint: str) -> str:
        """The run's folder name: a hash of what is trained and of the data it runs on (`RecDataset.fingerprint`)."""
        return self.as_trained.own_key(fingerprint)

    def own_key(self, fingerprint: str) -> str:
        """The same of this spec, whatever it is trained as: the name that a run without matching had before."""
        values = self.to_json() | {"dataset": PurePath(self.dataset).name}  # your folder may move
        # the fingerprint covers the vectors themselves, so "auto" and the embedder it chose are one run,
        # and they are named after the profiles they were made from
        del values["profiles"], values["embedder"], values["vectors"]
        canonical = json.dumps([self.card.numbers_version, values, fingerprint], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def with_(self, **changes: object) -> RunSpec:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def in_precision(self, precision: str) -> RunSpec:
        """A copy whose matrix products are taken in `precision`, see `TrainSettings`."""
        return self.with_(train=replace(self.train, precision=precision))


def _check_vectors(vectors: str) -> None:
    kind, colon, share = str(vectors).partition(":")
    if kind == "noisy" and colon:
        try:
            checked("noise", float(share))
        except ValueError:
            raise ValueError(f"vectors 'noisy:SHARE' needs a share from 0 to 1; got {short(vectors)}") from None
    elif colon or kind not in VECTORS:
        raise ValueError(f"vectors must be one of {', '.join(VECTORS)} or 'noisy:SHARE'; got {short(vectors)}")
