"""What a run will cost before it starts, and how far it is while it runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmrec_core.language.answer_cache import Record
from dmrec_core.language.prompts import Prompt

TOKENS_PER_WORD = 1.4
ASSUMED_SECONDS = 3.0
"""Per answer, until there are answers to measure."""

ENOUGH = 10
"""Answers of the same model from which tokens and seconds are measured rather than assumed."""


@dataclass(frozen=True)
class Price:
    """What a provider asks, in dollars per million tokens. None is built in: it would go stale."""

    prompt: float
    answer: float

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < math.inf and 0 <= self.answer < math.inf):
            raise ValueError(f"prices must be dollars of at least 0, got {self.prompt} and {self.answer}")

    def of(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Dollars.

        Example:
            >>> Price(prompt=0.5, answer=1.5).of(1_000_000, 200_000)
            0.8
        """
        return (self.prompt * prompt_tokens + self.answer * answer_tokens) / 1e6


@dataclass(frozen=True)
class CostEstimate:
    """What asking these prompts would take."""

    prompts: int
    answered: int  # of them, already in the cache
    to_ask: int  # requests to make; equal prompts are asked once
    prompt_tokens: int  # of those still to ask
    answer_tokens: int
    seconds: float
    cost: float | None  # dollars; None where no price is known
    basis: str  # measured or assumed

    def __str__(self) -> str:
        price = "cost unknown (no price given)" if self.cost is None else f"about ${self.cost:.2f}"
        return (
            f"{self.prompts} prompts, {self.answered} already answered, {self.to_ask} to ask: "
            f"about {self.prompt_tokens:,} + {self.answer_tokens:,} tokens, {price}, {duration(self.seconds)} "
            f"({self.basis})"
        )


@dataclass(frozen=True)
class AskingProgress:
    """One moment of a run."""

    done: int  # of this run's requests
    total: int
    failed: int  # answers that stayed invalid, and requests refused
    prompt_tokens: int
    answer_tokens: int
    cost: float | None
    seconds: float  # since the run began
    trouble: str | None  # what the server did last, where that was no answer

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; ``None`` before the first answer."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None

    def __str__(self) -> str:
        cost = "" if self.cost is None else f", ${self.cost:.2f}"
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        failed = f", {self.failed} failed" if self.failed else ""
        trouble = f" | waiting: {self.trouble}" if self.trouble else ""
        tokens = f"{self.prompt_tokens:,} + {self.answer_tokens:,} tokens"
        return f"{self.done}/{self.total} answers{failed}, {tokens}{cost}{left}{trouble}"


def count_tokens(text: str) -> int:
    """About how many tokens a text has: four ASCII characters, or one other, each. No tokenizer is asked.

    Example:
        >>> count_tokens("four" * 25), count_tokens("日本")
        (25, 2)
    """
    ascii_characters = sum(map(str.isascii, text)) if not text.isascii() else len(text)
    return -(-ascii_characters // 4) + len(text) - ascii_characters


def estimate(
    to_ask: Sequence[Prompt],
    past: Iterable[Record],
    *,
    prompts: int,
    answered: int,
    concurrency: int,
    price: Price | None = None,
) -> CostEstimate:
    """What asking ``to_ask`` would take: measured on this model's past answers where there are enough, else assumed.

    Args:
        to_ask: the distinct prompts without an answer.
        past: this model's records.
        prompts: how many prompts there are in all.
        answered: how many of those have an answer.
        concurrency: requests under way at once.
        price: of the model.
    """
    good = [record for record in past if record.status == "ok" and record.answer_tokens]
    prompt_tokens = sum(count_tokens(prompt.system) + count_tokens(prompt.user) for prompt in to_ask)
    if len(good) >= ENOUGH:
        answer_tokens = round(len(to_ask) * statistics.fmean(record.answer_tokens for record in good))
        seconds, basis = statistics.median(record.seconds for record in good), f"measured on {len(good)} answers"
    else:
        answer_tokens = round(sum(prompt.summary_words for prompt in to_ask) * 2 * TOKENS_PER_WORD)
        seconds, basis = ASSUMED_SECONDS, f"assuming {ASSUMED_SECONDS:g} s and full-length answers"
    return CostEstimate(
        prompts=prompts,
        answered=answered,
        to_ask=len(to_ask),
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        seconds=len(to_ask) * seconds / concurrency,
        cost=None if price is None else price.of(prompt_tokens, answer_tokens),
        basis=basis,
    )


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(42), duration(4000)
        ('42 s', '1 h 07 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
