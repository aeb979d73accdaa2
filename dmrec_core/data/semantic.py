"""What language knows about users and items: texts, and vectors made from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmrec_core.data.errors import DataError


@dataclass(frozen=True, eq=False)
class SemanticVectors:
    """One vector per user and per item, made from text by `embedder`.

    Eq. 5 makes these from the profiles of Eq. 4; here they are only stored and checked.

    Raises:
        DataError: a matrix that is not 2-D, two widths, NaN or infinity, or a row of zeros (with the row).

    Example:
        >>> SemanticVectors(np.ones((3, 4)), np.ones((5, 4)), embedder="ones").dim
        4
    """

    user: np.ndarray  # (U, d_s) float32
    item: np.ndarray  # (I, d_s) float32
    embedder: str  # what made them, e.g. "tfidf-svd-128", "all-MiniLM-L6-v2", "text-embedding-ada-002"

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", checked_vectors(self.user, "user vectors"))
        object.__setattr__(self, "item", checked_vectors(self.item, "item vectors"))
        if self.user.shape[1] != self.item.shape[1]:
            raise DataError(
                f"user vectors have {self.user.shape[1]} columns, item vectors {self.item.shape[1]}: "
                "both must come from the same embedder"
            )

    @property
    def dim(self) -> int:
        """d_s, the width of the language space."""
        return self.user.shape[1]


@dataclass(frozen=True, eq=False)
class Profiles:
    """The texts behind the vectors, s_u and s_i of Eq. 4 (made in the language room, only stored here)."""

    item: tuple[str, ...]  # one text per item, "" = none
    user: tuple[str, ...] | None  # one text per user; None = not made yet (made from TRAINING items only)
    source: str  # who wrote them: "gpt-3.5-turbo (RLMRec)", "toy generator", ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "item", tuple(self.item))
        object.__setattr__(self, "user", None if self.user is None else tuple(self.user))


def checked_vectors(vectors: np.ndarray, what: str) -> np.ndarray:
    """`vectors` as contiguous float32 (rows, d_s), or a DataError naming `what` and the offending row."""
    array = np.asarray(vectors)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise DataError(
            f"{what}: shape {array.shape}, dtype {array.dtype}; expected numbers of shape (rows, width), not empty"
        )
    largest = np.finfo(np.float32).max
    finite = np.isfinite(array) & (np.abs(array) <= largest)  # NaN compares False; too large would become inf
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"{what}: row {row}, column {column} is {array[row, column]}; expected a finite float32: "
            "embed that text again"
        )
    array = np.ascontiguousarray(array, dtype=np.float32)
    zero = np.flatnonzero(~array.any(axis=1))
    if zero.size:
        raise DataError(
            f"{what}: row {zero[0]} is all zeros ({zero.size} such rows); a vector needs a direction: "
            "give that row a text and embed it, or use the mean vector"
        )
    return array
