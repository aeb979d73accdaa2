"""What counts as an answer: a JSON object with a summary and a reasoning, within its limits. All else is refused."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass

SLACK = 1.5
"""A summary may have so many times the words it was asked for: models count badly."""

CHARACTERS_PER_WORD = 12
"""Bounds text without spaces as well."""

MAX_REASONING = 20_000
"""Characters."""

MAX_CHARACTERS = 200_000
"""Of an answer, thoughts left out."""

STARTS = 100
"""Places where an object may begin that are tried."""

MENDED = 8
"""Of these, the first that are read once more without trailing commas."""

_THOUGHT = r"think|thinking|thoughts?|reasoning|reflection"
_THOUGHTS_END = re.compile(rf"</(?:{_THOUGHT})>|\[/THINK\]|<\|channel\|>final<\|message\|>", re.IGNORECASE)
_THOUGHTS_BEGIN = re.compile(rf"\A\W*<(?:{_THOUGHT})>|\A\s*\[THINK\]", re.IGNORECASE)
_START = re.compile(r'\{\s*"')
_STRING_OR_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
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

    Read as a person would: thoughts before the object (``<think>…</think>``, the opening tag left out or not), words or
    a fence around it, an object around it, further keys, line breaks inside strings and trailing commas are forgiven.
    Nothing is guessed: a missing key, a value that is not a string, two objects that differ, one cut short, a refusal,
    an empty or over-long summary are not.

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
    text = _without_thoughts(content or "")
    if not text:
        raise BadAnswer("the answer is empty")
    if len(text) > MAX_CHARACTERS:
        raise BadAnswer(f"the answer is longer than {MAX_CHARACTERS:,} characters")
    found = _objects(text)
    if not found:
        raise BadAnswer("the answer is a refusal" if _REFUSAL.match(text) else "the answer is not a JSON object")
    if len(found) > 1:
        raise BadAnswer(f"the answer holds {len(found)} different JSON objects")
    (value,) = found
    if not {"summary", "reasoning"} <= set(value):
        raise BadAnswer('the answer does not have the two keys "summary" and "reasoning"')
    if not all(isinstance(value[name], str) for name in ("summary", "reasoning")):
        raise BadAnswer('"summary" and "reasoning" are not both strings, each given once')
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


def _without_thoughts(content: str) -> str:
    """What a model says after it has thought; a tag inside the answer's own strings ends no thought."""
    starts = [start.start() for start in _START.finditer(content)]
    for end in reversed([*_THOUGHTS_END.finditer(content)][-MENDED:]):
        here = bisect_left(starts, end.start())
        if all(_decoded(content, start)[1] <= end.start() for start in starts[max(0, here - 3) : here]):
            return content[end.end() :].strip()
    if _THOUGHTS_BEGIN.match(content):
        raise BadAnswer("the answer ends before the thoughts do")
    return content.strip()


def _objects(text: str) -> list[dict[str, object]]:
    """The different JSON objects of a text that have a summary, outer before inner; else its first object."""
    found: list[dict[str, object]] = []
    others: list[dict[str, object]] = []
    start = _START.search(text)
    for tried in range(STARTS):
        if start is None:
            break
        value, end = _decoded(text, start.start(), mend=tried < MENDED)
        if value is not None and "summary" in value:
            found += [value] if value not in found else []
            start = _START.search(text, end)
        else:
            others += [] if value is None else [value]
            start = _START.search(text, start.start() + 1)
    return found or others[:1]


def _decoded(text: str, position: int, mend: bool = True) -> tuple[dict[str, object] | None, int]:
    """The object that begins at a position, and where it ends; ``None`` where none does.

    Args:
        text: of the answer.
        position: of the opening brace.
        mend: whether to read it once more with blanks for trailing commas; commas inside strings stay.
    """
    try:
        return _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):
        if not mend:
            return None, position
    part = text[position : position + MAX_CHARACTERS]
    value, length = _decoded(_STRING_OR_TRAILING_COMMA.sub(lambda found: found[1] or " ", part), 0, mend=False)
    return value, position + length


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are read whatever their case; one given twice with two values has none."""
    value: dict[str, object] = {}
    for name, part in pairs:
        name = name.strip().lower()
        value[name] = part if name not in value or value[name] == part else None
    return value


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once)
"""Not strict: line breaks and tabs may stand in strings."""
