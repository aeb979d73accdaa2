"""s_i and s_u of Eq. 4: items first, then users, whose prompts quote the items' profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from dmrec_core.data.dataset import Profiles, RecDataset
from dmrec_core.data.errors import DataError
from dmrec_core.data.own_origin import KEY
from dmrec_core.language.answer_cache import Record
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.prompts import Prompt, Reviews, item_prompts, user_prompts
from dmrec_core.language.templates import TEMPLATES, PromptTemplate
from dmrec_core.language.user_texts import user_texts
from dmrec_core.records.files import read_json, write_whole
from dmrec_core.records.ranges import short


class NothingWritten(ValueError):
    """Every answer failed: there is nothing to put the writer's name to."""


class ProfileWriter(Protocol):
    """Who answers prompts: a ``LanguageModel``, or the ``ExtractiveProfiler`` where there is none."""

    @property
    def name(self) -> str:
        """What profiles cite."""

    def answer(self, prompts: Sequence[Prompt], **options: object) -> list[Record]:
        """One record per prompt."""


@dataclass(frozen=True)
class ProfileRun:
    """The profiles, and what became of each prompt."""

    profiles: Profiles
    items: list[Record]  # empty where the given item profiles were kept
    users: list[Record]

    @property
    def without(self) -> list[Record]:
        """Prompts that gave no profile: refused, invalid twice, or answered "None"."""
        return [record for record in (*self.items, *self.users) if not record.summary]

    def __str__(self) -> str:
        lines = [f"{len(self.items)} item and {len(self.users)} user profiles by {self.profiles.source}"]
        for record in self.without:
            lines.append(f"  no profile for {record.label}: {record.why or 'the writer said none is possible'}")
        return "\n".join(lines)


def write_profiles(
    dataset: RecDataset,
    writer: ProfileWriter,
    template: PromptTemplate,
    *,
    fields: Mapping[str, Sequence[str | None]] | None = None,
    reviews: Reviews | None = None,
    keep_items: bool = False,
    seed: int = 2024,
    **options: object,
) -> ProfileRun:
    r"""Profiles of all items and all users, from training interactions only.

    Eq. 4.

    $$s_u = f_{LM}(\mathcal P(u)),\qquad s_i = f_{LM}(\mathcal P(i))$$

    An item without a valid answer gets a blank profile (its title stands in when it is embedded); a user without one
    gets the text of ``user_texts``, and ``source`` counts both.

    Args:
        dataset: interactions and what texts there are.
        writer: who answers.
        template: how it is asked.
        fields: further columns of items, see ``item_prompts``.
        reviews: of interactions, see ``item_prompts``.
        keep_items: keep the data set's item profiles and write the users' only.
        seed: of the samples.
        options: for the writer: ``on_progress``, ``on_wait``, ``retry_failed``.

    Returns:
        Profiles and records.

    Raises:
        DataError: no texts to tell of; ``keep_items`` without item profiles.
        NothingWritten: no item, or with ``keep_items`` no user, got a profile.
        EndpointError: from the writer.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> run = write_profiles(toy_dataset(n_users=30, n_items=20), ExtractiveProfiler(), TEMPLATES["items"])
        >>> len(run.profiles.user), run.profiles.source, run.without
        (30, 'extractive (no language model)', [])

    Source: Eq. 4; RLMRec's order, items before users.
    """
    if keep_items and (dataset.profiles is None or not any(dataset.profiles.item)):
        raise DataError(f"data set {dataset.name!r} has no item profiles to keep")
    items: list[Record] = []
    if keep_items:
        item_profiles, source = dataset.profiles.item, f"{writer.name}, items by {dataset.profiles.source}"
    else:
        items = written(writer, item_prompts(dataset, template, fields, reviews, seed), **options)
        item_profiles, source = tuple(record.summary for record in items), writer.name
        missing = sum(not record.summary for record in items)
        source += f", {missing} of {len(items)} items missing" if missing else ""
    told = dataset.with_profiles(Profiles(item_profiles, None, source))
    prompts = user_prompts(told, template, reviews=reviews, seed=seed)
    users = written(writer, prompts, **options) if keep_items else writer.answer(prompts, **options)
    missing = sum(not record.summary for record in users)
    if missing:
        source += f", {missing} of {len(users)} users by their training items"
    stand_ins = user_texts(told, template.history_items, seed) if missing else ("",) * len(users)
    user_profiles = tuple(record.summary or text for record, text in zip(users, stand_ins, strict=True))
    return ProfileRun(Profiles(item_profiles, user_profiles, source), items, users)


def written(writer: ProfileWriter, prompts: Sequence[Prompt], **options: object) -> list[Record]:
    """The writer's answers, at least one of which is one.

    Raises:
        NothingWritten: saying what became of the first.
    """
    records = writer.answer(prompts, **options)
    if records and not any(record.summary for record in records):
        why = records[0].why or "the writer said that none is possible"
        raise NothingWritten(
            f"{writer.name} wrote none of {len(records)} profiles, so nothing is kept under its name; "
            f"{records[0].label}: {why}"
        )
    return records


def extractive_profiles(dataset: RecDataset, template: PromptTemplate = TEMPLATES["items"]) -> Profiles:
    """Profiles without asking any language model, from whatever texts the data set has, for items and users.

    Where the only item texts are profiles that a model wrote, these are extracts of those, and ``source`` says so.

    Args:
        dataset: with titles, item texts or both.
        template: which fields are read.

    Returns:
        Profiles whose ``source`` says that they are extracts, and of whose texts.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> extractive_profiles(toy_dataset(n_users=30, n_items=20)).source
        'extractive (no language model), of titles and texts by toy generator'
    """
    profiles = write_profiles(dataset, ExtractiveProfiler(), template).profiles
    told = "titles" if dataset.profiles is None else f"titles and texts by {dataset.profiles.source}"
    return replace(profiles, source=f"{profiles.source}, of {told}")


def save_profiles(path: Path, profiles: Profiles, without: Sequence[Record] = (), made_from: str | None = None) -> None:
    """Profiles as one JSON file, whole or not at all.

    Args:
        without: the prompts that gave none, and why.
        made_from: what binds them to the user's own data, see ``own_origin.made_from``.
    """
    content = {KEY: made_from} if made_from else {}
    content |= {
        "source": profiles.source,
        "without": [[record.label, record.status, record.why] for record in without],
        "item": profiles.item,
        "user": profiles.user,
    }
    write_whole(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())


def load_profiles(path: Path) -> Profiles:
    """Profiles that ``save_profiles`` wrote; their number is checked when a data set takes them.

    Raises:
        DataError: not such a file.
    """
    content = read_json(path)
    fits = isinstance(content, dict) and {"item", "user", "source"} <= set(content)
    if not fits or not isinstance(content["source"], str):
        raise DataError(f"{path} is no file of profiles: expected source, item and user; got {short(content)}")
    for side in ("item", "user"):
        texts = content[side]
        if texts is None and side == "user":
            continue
        wrong = [] if not isinstance(texts, list) else [text for text in texts if not _is_text(text)]
        if wrong or not isinstance(texts, list):
            raise DataError(f"{path}: {side} holds {short(wrong[0] if wrong else texts)}; expected a list of texts")
    return Profiles(item=content["item"], user=content["user"], source=content["source"])


def _is_text(value: object) -> bool:
    """Whether it is a text that can be written down: JSON can name half a character, which no file can hold."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
