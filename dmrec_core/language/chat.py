"""One request to a chat endpoint, and what its reply is worth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmrec_core.language.answer_cache import Record, is_count
from dmrec_core.language.answers import BadAnswer, parse_answer
from dmrec_core.language.endpoint import AnswerTooLarge, UnreadableBody
from dmrec_core.language.prompts import Prompt

if TYPE_CHECKING:
    from dmrec_core.language.connection import Connection

MAX_BYTES = 1 << 20
"""Of a chat completion: thoughts and all, a hundred times what is asked for."""

KEPT_CHARACTERS = 4000
"""Of an answer that is not valid: shown to the model once more, and kept for people."""


def ask(
    connection: Connection, request: Mapping[str, object], prompt: Prompt, key: str, invalid: Record | None = None
) -> Record:
    """Ask a prompt once.

    Args:
        connection: to the server.
        request: what is sent beside the messages: the model and the settings.
        prompt: the question, and the limits its answer is held to.
        key: of the record.
        invalid: an earlier answer that broke the contract; the model is shown it and told what is wrong.

    Returns:
        An ``ok`` record, or an ``invalid`` one that says why.

    Raises:
        EndpointError: no reply, or one that is no chat completion.
    """
    messages = prompt.messages() if invalid is None else _repair(prompt, invalid)
    record, began = Record(key, "invalid", label=prompt.label), time.monotonic()
    question = {**request, "messages": messages, "stream": False}
    try:
        reply = _Reply.read(connection.post("/chat/completions", question, MAX_BYTES))
    except AnswerTooLarge:
        return replace(record, why="the answer is far too long", seconds=round(time.monotonic() - began, 3))
    except UnreadableBody as error:  # it may name what the server sent
        raise UnreadableBody(connection.endpoint.scrubbed(str(error))) from None
    record = replace(
        record,
        prompt_tokens=reply.prompt_tokens,
        answer_tokens=reply.answer_tokens,
        seconds=round(time.monotonic() - began, 3),
    )
    scrubbed = connection.endpoint.scrubbed
    content = scrubbed(reply.content)
    try:
        if reply.refused:
            raise BadAnswer("the answer is a refusal")
        answer = parse_answer(content, prompt.summary_words)
    except BadAnswer as error:
        why = f"{error} (cut off at the token limit)" if reply.cut else str(error)
        return replace(record, why=why, content=content[:KEPT_CHARACTERS])
    return replace(record, status="ok", summary=scrubbed(answer.summary), reasoning=scrubbed(answer.reasoning))


@dataclass(frozen=True)
class _Reply:
    """The parts of a chat completion that matter here."""

    content: str
    cut: bool
    refused: bool
    prompt_tokens: int
    answer_tokens: int

    @classmethod
    def read(cls, body: Mapping[str, object]) -> _Reply:
        """From the server's JSON object; UnreadableBody where it is no chat completion."""
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise UnreadableBody(f"the server answered without a message (keys: {sorted(map(str, body))[:8]})")
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        tokens = [counts.get(name) for name in ("prompt_tokens", "completion_tokens")]
        return cls(
            content=_text(message.get("content")),
            cut=choice.get("finish_reason") == "length",
            refused=bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter",
            prompt_tokens=tokens[0] if is_count(tokens[0]) else 0,
            answer_tokens=tokens[1] if is_count(tokens[1]) else 0,
        )


def _text(content: object) -> str:
    """A message's text, in one piece or in several; pieces that are thoughts are no part of it.

    Example:
        >>> _text([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b"])
        'ab'
    """
    pieces = content if isinstance(content, list) else [content]
    texts = (piece.get("text") if isinstance(piece, dict) else piece for piece in pieces)
    return "".join(text for text in texts if isinstance(text, str))


def _repair(prompt: Prompt, past: Record) -> list[dict[str, str]]:
    """The question again, with the answer that was not valid and what is wrong with it."""
    wrong = (
        f"That cannot be used: {past.why}. Answer again, with only one JSON object with the two keys "
        f'"summary" (a string of at most {prompt.summary_words} words, or "None") and "reasoning" (a string).'
    )
    said = [{"role": "assistant", "content": past.content}] if past.content else []
    return [*prompt.messages(), *said, {"role": "user", "content": wrong}]
