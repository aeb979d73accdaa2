"""A user's own semantic vectors, put in the order of the data set's ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dmrec_core.data.arrays import (
    cells,
    damage_named,
    read_npy,
    read_npz,
    read_parquet,
    read_safetensors,
    rows_of_lists,
)
from dmrec_core.data.errors import DataError
from dmrec_core.data.ids import clean_id
from dmrec_core.data.semantic import SemanticVectors, checked_vectors
from dmrec_core.records.ranges import cut, short

SIDES = ("user", "item")
NAMELESS = "own vectors"
"""What vectors are called that nobody named."""

UNREADABLE, REMEDY = "vectors that cannot be read", "write plain numbers, one row of d_s per id"


def read_vectors(
    vectors: str | Path | Mapping[str, str | Path],
    user_ids: Sequence[str | int],
    item_ids: Sequence[str | int],
    embedder: str | None = None,
) -> SemanticVectors:
    """Vectors for exactly these users and items, in this order.

    Args:
        vectors: one `.npz` or `.safetensors` file holding `user` and `item`, each (rows, d_s), and optionally
            `user_ids` and `item_ids`, which say whose row is whose; or `{"user": path, "item": path}`, each a `.npy`
            (rows, d_s) or a `.parquet` with columns `id` and `vector`. Where no ids are given, row k belongs to id k.
            An array `embedder` of the `.npz`, or metadata of that name in the `.safetensors`, says what made them.
        user_ids, item_ids: the ids of the interactions, in the data set's order.
        embedder: what made the vectors, where you know better than the file; "own vectors" if neither says.

    Raises:
        DataError: a file that is damaged or holds something else, an id without a row or out of range, two rows for one
            id, NaN, infinity or a row of zeros. The message names file and row.
    """
    said = None
    if isinstance(vectors, Mapping):
        missing = [side for side in SIDES if side not in vectors]
        if missing:
            raise DataError(f"vectors: no file for {missing[0]}; expected both 'user' and 'item'")
        found = {side: (Path(vectors[side]), *_one_side(Path(vectors[side]))) for side in SIDES}
    else:
        arrays, said = _both_sides(Path(vectors))
        found = {side: (Path(vectors), arrays[side], arrays.get(f"{side}_ids")) for side in SIDES}
    user, item = (
        _aligned(*found[side], wanted, side) for side, wanted in zip(SIDES, (user_ids, item_ids), strict=True)
    )
    return SemanticVectors(user, item, embedder=embedder or said or NAMELESS)


def _both_sides(path: Path) -> tuple[dict[str, np.ndarray], str | None]:
    """The file's arrays, and what it says made them."""
    wanted = [*SIDES, *(f"{side}_ids" for side in SIDES), "embedder"]
    with damage_named(path, UNREADABLE, REMEDY):
        if path.suffix == ".npz":
            arrays, names = read_npz(path, wanted)
            said = arrays.pop("embedder", None)
            said = str(said) if said is not None and said.shape == () and said.dtype.kind == "U" else None
        elif path.suffix == ".safetensors":
            arrays, names, metadata = read_safetensors(path, wanted)
            said = metadata.get("embedder")
        else:
            raise DataError(f"{path}: expected .npz or .safetensors, or one .npy or .parquet each for user and item")
    for side in SIDES:
        if side not in arrays:
            has = cut(", ".join(names), 200)
            raise DataError(f"{path}: no array {side!r}; it has {has}, expected 'user' and 'item'")
    return arrays, said


def _one_side(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    with damage_named(path, UNREADABLE, REMEDY):
        if path.suffix == ".npy":
            return read_npy(path), None
        if path.suffix == ".parquet":
            columns, _ = read_parquet(path, ("id", "vector"))
            return rows_of_lists(columns["vector"]), np.array(cells(columns["id"]))
    raise DataError(f"{path}: expected .npy or .parquet for the vectors of one side")


def _aligned(
    path: Path, array: np.ndarray, row_ids: np.ndarray | None, wanted: Sequence[str | int], side: str
) -> np.ndarray:
    """The rows of `array` (rows, d_s) that belong to `wanted`, in that order."""
    array = checked_vectors(array, f"{path}: {side} vectors")
    if row_ids is None:
        for number in wanted:
            if not isinstance(number, int):
                raise DataError(f"{path}: {side} ids are texts like {short(number)}; name each row's in {side}_ids")
            if not 0 <= number < len(array):
                raise DataError(
                    f"{path}: {side} id {number} is out of range, the {side} vectors have rows 0 to {len(array) - 1}; "
                    f"add the row, drop the {side}, or give {side}_ids"
                )
        return array[list(wanted)]
    if len(row_ids) != len(array):
        raise DataError(f"{path}: {len(row_ids)} {side}_ids for {len(array)} {side} vectors; expected as many")
    row_of: dict[str, int] = {}
    for row, identifier in enumerate(clean_id(str(value)) for value in np.asarray(row_ids).tolist()):
        if identifier in row_of:
            raise DataError(f"{path}: rows {row_of[identifier]} and {row} are both {side} {cut(identifier)}; keep one")
        row_of[identifier] = row
    absent = [identifier for identifier in wanted if str(identifier) not in row_of]
    if absent:
        raise DataError(
            f"{path}: no vector for {side} {cut(str(absent[0]))} ({len(absent)} such {side}s): "
            f"embed it or drop the {side}"
        )
    return array[[row_of[str(identifier)] for identifier in wanted]]
