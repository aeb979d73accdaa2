"""What every room receives: interactions in three splits, and what language knows about users and items.

Everything is checked once, here, when it is made; nothing downstream needs to check again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from dmrec_core.data.errors import DataError
from dmrec_core.data.semantic import Profiles, SemanticVectors

__all__ = ["SPLITS", "DataError", "Profiles", "RecDataset", "SemanticVectors"]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class RecDataset:
    """Interactions X of Eq. 1, split per user, with the language side where there is one.

    Args:
        train, valid, test: any scipy sparse (U, I) matrix holding only ones; kept as float32 CSR, indices sorted.

    Raises:
        DataError: shapes that disagree, an id out of range, a value that is not 1, an interaction in two splits,
            a user without training items. The message names the data set, the user and the item.

    Example:
        >>> rows, columns = [0, 1, 1], [0, 0, 2]
        >>> train = sparse.coo_matrix((np.ones(3), (rows, columns)), shape=(2, 3))
        >>> nothing = sparse.csr_matrix((2, 3))
        >>> RecDataset("tiny", 2, 3, train, nothing, nothing).summary()["train"]
        3
    """

    name: str
    n_users: int
    n_items: int
    train: sparse.csr_matrix  # (U, I) binary float32
    valid: sparse.csr_matrix  # (U, I)
    test: sparse.csr_matrix  # (U, I)
    language: SemanticVectors | None = None
    titles: tuple[str, ...] | None = None  # one per item
    profiles: Profiles | None = None
    source: Mapping[str, str | int | float] = field(default_factory=dict)  # where it came from, sha256s, counts
    user_ids: tuple[str | int, ...] | None = None  # what each row was called where it came from
    item_ids: tuple[str | int, ...] | None = None  # what each column was called

    def __post_init__(self) -> None:
        for split in SPLITS:
            object.__setattr__(self, split, self._checked_split(split))
        self._check_disjoint()
        self._check_every_user_trains()
        for what, size, unit in (
            ("titles", self.n_items, "items"),
            ("user_ids", self.n_users, "users"),
            ("item_ids", self.n_items, "items"),
        ):
            if getattr(self, what) is not None:
                object.__setattr__(self, what, tuple(getattr(self, what)))
                self._check_length(what, getattr(self, what), size, unit)
        if self.profiles is not None:
            self._check_length("item profiles", self.profiles.item, self.n_items, "items")
            if self.profiles.user is not None:
                self._check_length("user profiles", self.profiles.user, self.n_users, "users")
        if self.language is not None:
            self._check_length("user vectors", self.language.user, self.n_users, "users")
            self._check_length("item vectors", self.language.item, self.n_items, "items")

    def with_language(self, vectors: SemanticVectors) -> RecDataset:
        """The same interactions with these semantic vectors."""
        return replace(self, language=vectors)

    def with_profiles(self, profiles: Profiles) -> RecDataset:
        """The same interactions with these texts."""
        return replace(self, profiles=profiles)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over interactions, vectors and texts: equal content, equal fingerprint, whatever the name."""
        digest = hashlib.sha256(f"{self.n_users} {self.n_items}".encode())
        for split in SPLITS:
            matrix = getattr(self, split)
            digest.update(np.ascontiguousarray(matrix.indptr, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(matrix.indices, dtype="<i8").tobytes())
        if self.language is not None:
            digest.update(self.language.embedder.encode())
            digest.update(np.ascontiguousarray(self.language.user, dtype="<f4").tobytes())
            digest.update(np.ascontiguousarray(self.language.item, dtype="<f4").tobytes())
        texts = [self.titles, self.profiles and self.profiles.item, self.profiles and self.profiles.user]
        digest.update(json.dumps(texts).encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, str | int | float]:
        """One row for a table: sizes, interactions per split, density over all splits, median training history."""
        counts = {split: int(getattr(self, split).nnz) for split in SPLITS}
        return {
            "name": self.name,
            "users": self.n_users,
            "items": self.n_items,
            **counts,
            "interactions": sum(counts.values()),
            "density": sum(counts.values()) / (self.n_users * self.n_items),
            "median_history": float(np.median(np.diff(self.train.indptr))),
        }

    def _checked_split(self, split: str) -> sparse.csr_matrix:
        given, expected = getattr(self, split), (self.n_users, self.n_items)
        if not sparse.issparse(given):
            raise DataError(f"{self.name}: {split} is a {type(given).__name__}, expected a scipy sparse matrix")
        if given.shape != expected:
            raise DataError(
                f"{self.name}: {split} has shape {given.shape}, expected {expected} "
                "(n_users, n_items): give all three splits the same shape, also where users or items are absent"
            )
        matrix = sparse.csr_matrix(given, dtype=np.float32, copy=True)
        outside = matrix.indices[(matrix.indices < 0) | (matrix.indices >= self.n_items)]
        if outside.size:
            raise DataError(f"{self.name}: {split} has item id {outside[0]}, expected 0 to {self.n_items - 1}")
        matrix.sum_duplicates()  # a pair given twice becomes a 2 and is refused below
        matrix.eliminate_zeros()
        wrong = np.flatnonzero(matrix.data != 1)
        if wrong.size:
            user = int(np.searchsorted(matrix.indptr, wrong[0], side="right")) - 1
            raise DataError(
                f"{self.name}: {split} is not binary: user {user}, item {matrix.indices[wrong[0]]} has value "
                f"{matrix.data[wrong[0]]:g} ({wrong.size} such entries); expected 1 for every interaction: "
                "drop duplicates and binarise ratings first"
            )
        return matrix

    def _check_disjoint(self) -> None:
        for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
            both = getattr(self, first).multiply(getattr(self, second)).tocoo()
            if both.nnz:
                raise DataError(
                    f"{self.name}: user {both.row[0]}, item {both.col[0]} is in both {first} and {second} "
                    f"({both.nnz} such interactions): keep each interaction in one split"
                )

    def _check_every_user_trains(self) -> None:
        idle = np.flatnonzero(np.diff(self.train.indptr) == 0)
        if idle.size:
            raise DataError(
                f"{self.name}: user {idle[0]} has no training item ({idle.size} such users): "
                "move one of the user's interactions to train, or drop the user"
            )

    def _check_length(self, what: str, given: object, expected: int, unit: str) -> None:
        if len(given) != expected:
            raise DataError(f"{self.name}: {len(given)} {what}, expected {expected}, one for each of the {unit}")
