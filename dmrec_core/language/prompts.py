"""P(i) and P(u) of Eq. 4: what a language model is told about an item and about a user.

Only training interactions are read. A review belongs to an interaction, so the reviews shown are looked up among
training pairs, for users and for items alike: nothing of validation or test can reach a prompt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dmrec_core.data.errors import DataError
from dmrec_core.language.templates import FEEDBACK, PromptTemplate
from dmrec_core.language.user_texts import MISSING, sampled_training_items

if TYPE_CHECKING:
    from dmrec_core.data.dataset import RecDataset

Reviews = Mapping[tuple[int, int], str]
"""(user, item) -> what that user wrote about that item, for any of the interactions."""


@dataclass(frozen=True)
class Prompt:
    """One question to a language model, and the limits its answer is held to."""

    system: str  # the task
    user: str  # the data, as JSON
    summary_words: int  # most words of the answer's summary
    label: str  # "item 17", for reports; no part of the question

    def messages(self) -> list[dict[str, str]]:
        """As a chat endpoint takes them."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def digest(self) -> str:
        """sha256 of the question."""
        question = json.dumps([self.system, self.user, self.summary_words])
        return hashlib.sha256(question.encode()).hexdigest()


def item_prompts(
    dataset: RecDataset,
    template: PromptTemplate,
    fields: Mapping[str, Sequence[str | None]] | None = None,
    reviews: Reviews | None = None,
    seed: int = 2024,
) -> list[Prompt]:
    r"""$\mathcal P(i)$ for every item: its fields, and sampled training reviews of it.

    Args:
        dataset: its titles fill the template's first field, its item texts a field called ``description``, where
            ``fields`` does not.
        template: the words around the data.
        fields: columns by name, one value per item; columns the template does not name are ignored.
        reviews: of interactions; those outside the training split are never looked at.
        seed: of the sample of reviews.

    Returns:
        ``n_items`` prompts.

    Raises:
        ValueError: a column of another length.
        DataError: no column at all for the template.

    Example:
        >>> from dmrec_core.data.toy import toy_dataset
        >>> from dmrec_core.language.templates import TEMPLATES
        >>> prompt = item_prompts(toy_dataset(), TEMPLATES["items"])[0]
        >>> sorted(json.loads(prompt.user))
        ['description', 'feedback', 'title']

    Source: Eq. 4; RLMRec's item prompts.
    """
    columns = _columns(dataset, template, fields or {})
    by_item = dataset.train.tocsc()
    prompts = []
    for item in range(dataset.n_items):
        data: dict[str, object] = {name: _shown(columns[name][item], template) for name in template.fields}
        wanted = template.feedback_without is None or data[template.feedback_without] == MISSING
        users = by_item.indices[by_item.indptr[item] : by_item.indptr[item + 1]]
        written = [(int(user), item) for user in np.sort(users) if reviews and (int(user), item) in reviews]
        if len(written) > template.feedback_reviews:
            rng = np.random.default_rng([seed, 1, item])
            chosen = rng.choice(len(written), template.feedback_reviews, replace=False)
            written = [written[k] for k in np.sort(chosen)]
        data[FEEDBACK] = [_shown(reviews[pair], template) for pair in written] if wanted and written else MISSING
        prompts.append(Prompt(template.item_message(), _as_json(data), template.item_words, f"item {item}"))
    return prompts


def user_prompts(
    dataset: RecDataset,
    template: PromptTemplate,
    item_profiles: Sequence[str] | None = None,
    reviews: Reviews | None = None,
    seed: int = 2024,
) -> list[Prompt]:
    r"""$\mathcal P(u)$ for every user: sampled training items with title, profile and the user's own review.

    Args:
        dataset: only ``train`` and ``titles`` are read.
        template: the words around the data.
        item_profiles: one text per item, written before the users'; ``None`` for the data set's own.
        reviews: of interactions; those outside the training split are never looked at.
        seed: of the sample of items, the same draw as ``user_texts``.

    Returns:
        ``n_users`` prompts.

    Raises:
        DataError: no titles and no item profiles.
        ValueError: profiles of another number than items.

    Source: Eq. 4; RLMRec's user prompts.
    """
    if item_profiles is None:
        item_profiles = dataset.profiles.item if dataset.profiles is not None else ("",) * dataset.n_items
    if len(item_profiles) != dataset.n_items:
        raise ValueError(f"{len(item_profiles)} item profiles for {dataset.n_items} items")
    titles = dataset.titles or ("",) * dataset.n_items
    if not any(titles) and not any(item_profiles):
        raise DataError(f"data set {dataset.name!r} has no titles and no item profiles to tell of a user")
    prompts = []
    for user, items in enumerate(sampled_training_items(dataset, template.history_items, seed)):
        told = [
            {
                "title": _shown(titles[item], template),
                "description": _shown(item_profiles[item], template),
                "review": _shown((reviews or {}).get((user, int(item))), template),
            }
            for item in items
        ]
        data = _as_json({template.history: told})
        prompts.append(Prompt(template.user_message(), data, template.user_words, f"user {user}"))
    return prompts


def _columns(
    dataset: RecDataset, template: PromptTemplate, given: Mapping[str, Sequence[str | None]]
) -> dict[str, Sequence[str | None]]:
    """One column per field of the template."""
    columns = dict(given)
    if dataset.titles is not None:
        columns.setdefault(template.title_field, dataset.titles)
    if dataset.profiles is not None:
        columns.setdefault("description", dataset.profiles.item)
    for name, column in columns.items():
        if len(column) != dataset.n_items:
            raise ValueError(f"field {name!r} has {len(column)} values for {dataset.n_items} items")
    if not set(columns) & set(template.fields):
        raise DataError(
            f"the template asks for {list(template.fields)}, the data has {sorted(columns) or 'no text'}: "
            "give such columns (to your items file, or as fields), or choose another template"
        )
    return {name: columns.get(name, (None,) * dataset.n_items) for name in template.fields}


def _shown(value: str | float | None, template: PromptTemplate) -> str:
    """A field's text, cut to the limit; RLMRec's "None" for a missing one (None, NaN or blank)."""
    missing = value is None or value != value
    text = "" if missing else str(value).strip()
    return text[: template.field_chars] or MISSING


def _as_json(data: Mapping[str, object]) -> str:
    # lone surrogates cannot be sent as UTF-8
    return json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8", "replace").decode("utf-8")
