"""A stand-in for a language model that is none: it picks words and sentences, and is named so wherever it is used."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence

from dmrec_core.language.answer_cache import Record
from dmrec_core.language.prompts import Prompt
from dmrec_core.language.user_texts import MISSING
from dmrec_core.language.words import count_words, first_words, without_blanks, words

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_SENTENCE_END_WITHOUT_BLANKS = re.compile(r"(?<=[.!?])\s+|(?<=[。！？｡])\s*|\n+")


class ExtractiveProfiler:
    r"""Answers the same prompts as a language model, from their data alone: deterministic, offline, no model.

    An item's summary is its title and those sentences of its fields and reviews whose words are rarest on average; a
    user's is the titles they chose and the words most typical of them, those that several of their items share first.

    $$\text{score}(w) = n_u(w)\,\log\frac{N}{n(w)}$$

    where $n_u(w)$ of the user's items and $n(w)$ of all $N$ prompts hold the word; for sentences, the mean over words.
    In scripts without blanks, pairs of neighbouring characters are the words (``dmrec_core.language.words``).

    Args:
        item_words: most words taken from sentences.
        user_words: words named of a user. The prompt's own limit on the summary holds as well; nothing else of the
            system message is read.

    Example:
        >>> prompt = Prompt("", json.dumps({"title": "Teapot", "description": "Green tea. Nice."}), 50, "item 0")
        >>> ExtractiveProfiler().answer([prompt])[0].summary
        'Teapot: Green tea. Nice.'
    """

    name = "extractive (no language model)"

    def __init__(self, item_words: int = 40, user_words: int = 12) -> None:
        if item_words < 1 or user_words < 1:
            raise ValueError(f"item_words and user_words must be at least 1, got {item_words} and {user_words}")
        self.item_words, self.user_words = item_words, user_words

    def answer(self, prompts: Sequence[Prompt], **_: object) -> list[Record]:
        """One record per prompt; the options of a language model (progress, retries) mean nothing here."""
        told = [json.loads(prompt.user) for prompt in prompts]
        documents = [set(words(" ".join(_texts(data)))) for data in told]
        frequency = Counter(word for document in documents for word in document)
        rarity = {word: math.log((1 + len(documents)) / count) for word, count in frequency.items()}
        records = []
        for prompt, data in zip(prompts, told, strict=True):
            (first, *rest) = data.values()
            summary = self._user(first, rarity) if isinstance(first, list) else self._item(first, rest, rarity)
            if without_blanks(summary):
                summary = first_words(summary, prompt.summary_words)
            else:
                summary = " ".join(summary.split(" ")[: prompt.summary_words])
            reasoning = "sentences and words extracted from the data"
            records.append(Record(prompt.digest, "ok", summary=summary, reasoning=reasoning, label=prompt.label))
        return records

    def _item(self, title: str, fields: list[str | list[str]], rarity: dict[str, float]) -> str:
        flat = [text for field in fields for text in (field if isinstance(field, list) else [field])]
        sentences = [part.strip() for text in flat if text != MISSING for part in _sentences(text)]
        sentences = list(dict.fromkeys(sentence for sentence in sentences if words(sentence)))
        scores = {s: sum(rarity[word] for word in words(s)) / len(words(s)) for s in sentences}
        chosen, room = [], self.item_words
        for sentence in sorted(sentences, key=lambda sentence: (-scores[sentence], sentence)):
            part = first_words(sentence, room)
            chosen.append((sentences.index(sentence), part))
            room -= count_words(part)
            if room <= 0:
                break
        body = " ".join(text for _, text in sorted(chosen))
        return ": ".join(part for part in ("" if title == MISSING else title, body) if part)

    def _user(self, entries: list[dict[str, str]], rarity: dict[str, float]) -> str:
        count = Counter(word for entry in entries for word in set(words(" ".join(_texts(entry)))))
        typical = sorted(count, key=lambda word: (count[word] < 2, -count[word] * rarity[word], word))[
            : self.user_words
        ]
        titles = [entry["title"] for entry in entries if entry["title"] != MISSING]
        chose = f"Chose {'; '.join(titles)}. " if titles else ""
        return f"{chose}Words: {', '.join(typical)}." if typical else chose.strip()


def _texts(data: dict[str, object]) -> list[str]:
    """All texts in a prompt's data, "None" left out."""
    found: list[str] = []
    for value in data.values():
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            found.extend(_texts(part) if isinstance(part, dict) else [part])
    return [text for text in found if text != MISSING]


def _sentences(text: str) -> list[str]:
    return (_SENTENCE_END_WITHOUT_BLANKS if without_blanks(text) else _SENTENCE_END).split(text)
