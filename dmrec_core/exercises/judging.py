"""What an exercise is, and how an answer to it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Exercise:
    """One question of a notebook, whose text stands there; what would give it away stands here.

    Args:
        truth: the answer, or a function of the reader's answer that says whether it is right.
        hint: shown when an answer is wrong.
        solution: the way there, Markdown.
        tolerance: relative, for numbers.

    Example:
        >>> halves = Exercise(0.5, "Two halves make one.", "$1/2 = 0.5$.")
        >>> halves.accepts(0.5), halves.accepts(0.6)
        (True, False)
    """

    truth: object | Callable[..., bool]
    hint: str
    solution: str
    tolerance: float = 1e-3

    def accepts(self, answer: object) -> bool:
        """Whether an answer is right; it may raise what the answer makes it raise."""
        if callable(self.truth):
            return bool(self.truth(answer))
        if isinstance(self.truth, str):
            return str(answer).strip().casefold() == self.truth.strip().casefold()
        if isinstance(self.truth, bool | set | frozenset):
            return answer == self.truth
        mine, right = (torch.as_tensor(value).detach().double() for value in (answer, self.truth))
        return mine.shape == right.shape and torch.allclose(
            mine, right, rtol=self.tolerance, atol=self.tolerance * 1e-3
        )
