"""What counts as an answer: a JSON object with a summary and a reasoning, within its limits. All else is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

SLACK = 1.5
"""A summary may have so many times the words it was asked for: models count badly."""

CHARACTERS_PER_WORD = 12
"""Bounds text without spaces as well."""

MAX_REASONING = 20_000
"""Characters."""

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)
_REFUSAL = re.compile(
    r"\A\W*(?:i['’]?m (?:very |so )?sorry|i am (?:very |so )?sorry|sorry\b|as an ai\b|as a language model\b"
    r"|i (?:cannot|can['’]?t|can not|am unable|am not able|won['’]?t)\b|i['’]m (?:unable|not able)\b)",
    re.IGNORECASE,
)


class BadAnswer(ValueError):
    """An answer that breaks the contract; the message says how, in words a model can act on."""


@dataclass(frozen=True)
class Answer:
    """A valid answer. ``summary`` is empty where the model said that none is possible ("None")."""

    summary: str
    reasoning: str


def parse_answer(content: str | None, summary_words: int) -> Answer:
    """The answer in a model's words, or what is wrong with them.

    A code fence around the object and a ``<think>`` block before it are forgiven. Anything else around it, a missing
    or further key, a value that is not a string, a refusal, an empty or over-long summary is not.

    Args:
        content: the message's content.
        summary_words: most words asked for.

    Returns:
        Summary and reasoning, stripped.

    Raises:
        BadAnswer: what is wrong.

    Example:
        >>> parse_answer('{"summary": "People who like tea.", "reasoning": "It sells tea."}', 10).summary
        'People who like tea.'
        >>> parse_answer("They like tea.", 10)
        Traceback (most recent call last):
        ...
        dmrec_core.language.answers.BadAnswer: the answer is not a JSON object

    Source: RLMRec's answer format (two keys, "None" if impossible).
    """
    text = _THOUGHTS.sub("", content or "").strip()
    if not text:
        raise BadAnswer("the answer is empty")
    if _REFUSAL.match(text):
        raise BadAnswer("the answer is a refusal")
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):
        raise BadAnswer("the answer is not a JSON object") from None
    if not isinstance(value, dict):
        raise BadAnswer("the answer is not a JSON object")
    if set(value) != {"summary", "reasoning"}:
        raise BadAnswer('the answer does not have exactly the two keys "summary" and "reasoning"')
    if not all(isinstance(part, str) for part in value.values()):
        raise BadAnswer('"summary" and "reasoning" are not both strings')
    summary, reasoning = value["summary"].strip(), value["reasoning"].strip()
    if any("\ud800" <= character <= "\udfff" for character in summary + reasoning):
        raise BadAnswer("the answer holds half a character (a lone surrogate)")
    if not summary:
        raise BadAnswer("the summary is empty")
    if _REFUSAL.match(summary):
        raise BadAnswer("the summary is a refusal")
    if len(summary.split()) > SLACK * summary_words or len(summary) > SLACK * summary_words * CHARACTERS_PER_WORD:
        raise BadAnswer(f"the summary is longer than {summary_words} words")
    if len(reasoning) > MAX_REASONING:
        raise BadAnswer(f"the reasoning is longer than {MAX_REASONING} characters")
    return Answer("" if summary.strip(".").lower() == "none" else summary, reasoning)
