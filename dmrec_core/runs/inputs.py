"""The data a spec runs on: interactions, and semantic vectors where the model reads any."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from dmrec_core.data import RecDataset, contents, load_dataset
from dmrec_core.language import with_language
from dmrec_core.language.controls import noisy, of_clicks, random_like, shuffled
from dmrec_core.language.other_texts import with_language_from
from dmrec_core.runs.spec import VECTORS, RunSpec


def load(spec: RunSpec) -> RecDataset:
    """The data a spec runs on: interactions, and vectors if the model reads any. Kept in memory for the next run.

    A folder of one's own is read again when one of its files has changed.
    """
    return _load(spec.dataset, spec.options, spec.profiles, spec.embedder, spec.vectors, contents(spec.dataset))


@lru_cache(maxsize=8)
def _load(name: str, options: tuple, profiles: str, embedder: str, vectors: str, files: tuple) -> RecDataset:
    dataset = load_dataset(name, **dict(options))
    if embedder == "none":
        return dataset
    if profiles == "given":
        dataset = with_language(dataset, embedder)
    else:
        dataset = with_language_from(dataset, profiles, embedder)
    kind, _, share = vectors.partition(":")
    if kind == "real":
        return dataset
    if kind == "shuffled":
        return dataset.with_language(shuffled(dataset.language, seed=2024))
    if kind == "random":
        return dataset.with_language(random_like(dataset.language, seed=2024))
    if kind == "noisy":
        return dataset.with_language(noisy(dataset.language, float(share), seed=2024))
    if kind == "clicks":
        return dataset.with_language(of_clicks(dataset.language, dataset.train))
    raise ValueError(f"vectors must be one of {', '.join(VECTORS)} or 'noisy:SHARE'; got {vectors!r}")


@lru_cache(maxsize=16)
def fingerprint(dataset: RecDataset, uses_language: bool) -> str:
    """Of what a run's numbers depend on: the interactions, and the vectors where the model reads any."""
    language = dataset.language if uses_language else None
    return replace(dataset, language=language, titles=None, profiles=None).fingerprint
