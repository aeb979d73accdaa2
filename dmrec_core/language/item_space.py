"""All items under one template: prompts, answers, vectors. Two of these, side by side, show what an edit changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dmrec_core.data.dataset import Profiles
from dmrec_core.language.embedders import Embedder, choose_embedder, semantic_vectors
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.geometry import nearest
from dmrec_core.language.profiles import ProfileWriter, written
from dmrec_core.language.prompts import Prompt, item_prompts
from dmrec_core.language.templates import PromptTemplate

if TYPE_CHECKING:
    from dmrec_core.data.dataset import RecDataset


@dataclass(frozen=True, eq=False)
class ItemSpace:
    """What a template, a writer and an embedder make of all items."""

    prompts: tuple[Prompt, ...]  # P(i)
    profiles: tuple[str, ...]  # s_i, "" where the writer gave none
    vectors: np.ndarray  # (I, d_s) w_i
    writer: str
    embedder: str

    def nearest(self, item: int, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
        """The items whose vectors are nearest to one item's: ids and cosines, nearest first."""
        return nearest(self.vectors, item, n)


def item_space(
    dataset: RecDataset,
    template: PromptTemplate,
    writer: ProfileWriter | None = None,
    embedder: str | Embedder = "tfidf",
    fields: Mapping[str, Sequence[str | None]] | None = None,
) -> ItemSpace:
    """Eq. 4 and 5 for all items under one template; users are left alone.

    Args:
        dataset: with titles, item texts or both.
        template: what is told, and how it is asked.
        writer: who answers; by default the extractive stand-in, which asks no language model.
        embedder: by default TF-IDF, which takes a moment, so that an edit can be followed while it is made.
        fields: further columns of items, see ``item_prompts``.

    Raises:
        NothingWritten: the writer gave no profile at all.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> from dmrec_core.language.templates import TEMPLATES
        >>> space = item_space(toy_dataset(), TEMPLATES["items"])
        >>> space.writer, space.embedder, len(space.nearest(0)[0])
        ('extractive (no language model)', 'tfidf-svd-128', 6)
    """
    writer = ExtractiveProfiler() if writer is None else writer
    prompts = item_prompts(dataset, template, fields)
    profiles = tuple(record.summary for record in written(writer, prompts))
    chosen = choose_embedder(embedder)
    told = dataset.with_profiles(Profiles(profiles, ("",) * dataset.n_users, writer.name))
    vectors = semantic_vectors(told, chosen)
    return ItemSpace(tuple(prompts), profiles, vectors.item, writer.name, vectors.embedder)
