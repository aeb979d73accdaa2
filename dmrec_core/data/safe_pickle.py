"""The upstream pickles as arrays, tables and dictionaries, read without running them (see `inert_pickle`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from dmrec_core.data.errors import DataError
from dmrec_core.data.inert_pickle import Record, UnsafePickleError, read_inert
from dmrec_core.records.ranges import cut, short

__all__ = ["UnsafePickleError", "load_array", "load_coo", "load_frame", "load_profile_dict"]

MAX_SIDE = 1_000_000  # rows or columns; a shape in a damaged file must not make us allocate for it
MAX_DIMENSIONS = 8


@dataclass
class _File:
    """A pickle that was read, and what is made of it: its arrays are all in it, so they take no more bytes than it."""

    path: Path
    content: object
    size: int  # bytes
    left: int  # bytes that arrays may still take
    made: dict[int, np.ndarray] = field(default_factory=dict)  # the array of a record, by the record's id

    def take(self, size: int) -> None:
        """Count an array of `size` bytes, before it is made."""
        self.left -= size
        if self.left < 0:
            raise DataError(f"{self.path}: arrays that are larger than the file; expected each to be in it once")


def _opened(path: Path) -> _File:
    size = Path(path).stat().st_size
    return _File(Path(path), read_inert(path), size, left=size)


def load_coo(path: Path) -> sparse.coo_matrix:
    """A pickled scipy COO or CSR matrix, e.g. `trn_mat.pkl`; values as they are, not yet binary.

    Raises:
        UnsafePickleError, DataError: refused, damaged, or not a sparse matrix; the message names the file.

    Example:
        >>> import pickle, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "trn_mat.pkl"
        >>> _ = path.write_bytes(pickle.dumps(sparse.coo_matrix(np.eye(2))))
        >>> load_coo(path).nnz
        2
    """
    file = _opened(path)
    record = _expect(file.content, ("coo", "csr"), file, "a scipy sparse matrix")
    with _known_layout(file, "a sparse matrix"):
        state = record.state
        n_rows, n_columns = (int(size) for size in state["_shape"])
        values = _array(state["data"], file)
        if record.kind == "csr":
            columns = _array(state["indices"], file)
            rows = _row_of_each(_array(state["indptr"], file), n_rows, columns, file)
        else:
            rows, columns = (_array(ids, file) for ids in state.get("coords") or (state["row"], state["col"]))
    fits = 0 < min(n_rows, n_columns) and max(n_rows, n_columns) <= MAX_SIDE and rows.ndim == 1
    if not fits or not rows.shape == columns.shape == values.shape:
        raise DataError(
            f"{path}: {short(n_rows)} by {short(n_columns)}, {rows.size} row ids, {columns.size} column ids, "
            f"{values.size} values; expected as many of each, and 1 to {MAX_SIDE:,} rows and columns"
        )
    for ids, size, what in ((rows, n_rows, "row"), (columns, n_columns, "column")):
        if ids.dtype.kind not in "iu" or values.dtype.kind not in "biuf":
            raise DataError(f"{path}: {what} ids of dtype {ids.dtype}, values of {values.dtype}; expected numbers")
        outside = ids[(ids < 0) | (ids >= size)]
        if outside.size:
            raise DataError(f"{path}: {what} id {outside[0]}, expected 0 to {size - 1}")
    return sparse.coo_matrix((values, (rows, columns)), shape=(n_rows, n_columns))


def load_array(path: Path) -> np.ndarray:
    """A pickled numpy array of numbers, e.g. `usr_emb_np.pkl`."""
    file = _opened(path)
    array = _array(_expect(file.content, ("reconstruct", "frombuffer"), file, "a numpy array"), file)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: an array of dtype {array.dtype}, expected numbers")
    return array


def load_frame(path: Path) -> dict[str, np.ndarray | list]:
    """A pickled pandas DataFrame, e.g. `tst.pkl`, as column name -> numbers (array) or texts (list), in order."""
    file = _opened(path)
    frame = _expect(file.content, ("frame",), file, "a pandas table")
    with _known_layout(file, "a table"):
        manager = frame.state.get("_mgr") or frame.state["_data"]
        blocks, (columns, *_) = _expect(manager, ("blocks",), file, "a table made by pandas 1.3 or later").args
        names = _array(_expect(columns, ("new_index",), file, "column names").args[1]["data"], file).tolist()
        found: dict[str, np.ndarray | list] = {}
        for block in blocks:
            values, placement = _expect(block, ("block",), file, "a block of columns").args[:2]
            cells = _array(values, file)
            for position, column in zip(_positions(placement, file), cells, strict=True):
                found[names[position]] = column.tolist() if cells.dtype.kind == "O" else column
        return {name: found[name] for name in names}


def load_profile_dict(path: Path) -> dict[int, dict[str, str]]:
    """`usr_prf.pkl` or `itm_prf.pkl`: integer id -> {"profile": text, "reasoning": text}; a list counts from 0."""
    content = read_inert(path)
    entries = dict(enumerate(content)) if isinstance(content, list) else content
    if not isinstance(entries, dict):
        raise DataError(f"{path}: a {_name(content)}, expected profiles by integer id")
    for key, entry in entries.items():
        if not isinstance(key, int) or not isinstance(entry, dict) or not isinstance(entry.get("profile"), str):
            raise DataError(
                f"{path}: entry {short(key)} is a {_name(entry)}; expected an integer id with a text 'profile'"
            )
    return entries


def _expect(value: object, kinds: tuple[str, ...], file: _File, wanted: str) -> Record:
    if isinstance(value, Record) and value.kind in kinds:
        return value
    raise DataError(f"{file.path}: holds a {_name(value)}, expected {wanted}: is it the right file?")


def _name(value: object) -> str:
    return value.kind if isinstance(value, Record) else type(value).__name__


@contextmanager
def _known_layout(file: _File, what: str) -> Iterator[None]:
    """Anything a damaged or foreign file can make go wrong while its parts are looked up, as one kind of error."""
    try:
        yield
    except DataError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise DataError(
            f"{file.path}: {what} laid out in an unknown way ({short(problem)}); is it the right file?"
        ) from problem


def _array(record: object, file: _File) -> np.ndarray:
    """The array a record describes, built from its bytes; an object array may hold texts, numbers, truths and None."""
    record = _expect(record, ("reconstruct", "frombuffer"), file, "a numpy array")
    if id(record) not in file.made:
        with _known_layout(file, "an array"):
            file.made[id(record)] = _made(record, file)
    return file.made[id(record)]


def _made(record: Record, file: _File) -> np.ndarray:
    if record.kind == "frombuffer":
        payload, dtype, shape, order = record.args[:4]
    else:
        _, shape, dtype, by_column, payload = record.state
        order = "F" if by_column else "C"
    dtype, shape = _dtype(dtype, file), tuple(int(size) for size in shape[:MAX_DIMENSIONS])
    if any(not 0 <= size <= file.size for size in shape):
        raise DataError(f"{file.path}: an array of shape {short(shape)} in a file of {file.size:,} bytes")
    file.take(len(payload.args[0] if isinstance(payload, Record) else payload))
    if dtype.kind == "O":
        return _objects(payload, file).reshape(shape, order=order)
    if isinstance(payload, Record) and payload.kind == "encode":
        payload = payload.args[0].encode("latin1")
    if len(payload) != dtype.itemsize * math.prod(shape):
        raise DataError(f"{file.path}: {len(payload)} bytes for an array of shape {shape} and dtype {dtype}")
    return np.frombuffer(payload, dtype=dtype).reshape(shape, order=order).copy()


def _row_of_each(starts: np.ndarray, n_rows: int, columns: np.ndarray, file: _File) -> np.ndarray:
    """The row of each stored value of a CSR matrix, whose row r holds values `starts[r]` to `starts[r + 1]`."""
    whole = starts.dtype.kind in "iu" and starts.shape == (n_rows + 1,) and columns.ndim == 1
    if not whole or starts[0] != 0 or starts[-1] != len(columns) or (starts[1:] < starts[:-1]).any():
        raise DataError(
            f"{file.path}: indptr {short(starts[:4].tolist())} … of shape {starts.shape} for {short(n_rows)} rows and "
            f"{len(columns)} column ids; expected {short(n_rows + 1)} numbers from 0 up to {len(columns)}"
        )
    return np.repeat(np.arange(n_rows), np.diff(starts))


def _dtype(record: object, file: _File) -> np.dtype:
    record = _expect(record, ("dtype",), file, "a numpy dtype")
    code, byteorder = record.args[0], (record.state or (3, "|"))[1]
    if not re.fullmatch(r"b1|[iuf][1248]|O8?|[SU]\d{1,6}", code) or byteorder not in ("<", ">", "|", "="):
        raise DataError(f"{file.path}: an array of dtype {cut(byteorder + code)}; expected plain numbers or texts")
    return np.dtype(code if code[0] == "O" else byteorder + code)


def _objects(payload: list, file: _File) -> np.ndarray:
    for place, cell in enumerate(payload):
        if not isinstance(cell, str | int | float | bool | None):
            raise UnsafePickleError(
                f"{file.path}: cell {place} of an object array holds a {_name(cell)}, expected a text or a number"
            )
    cells = np.empty(len(payload), dtype=object)
    cells[:] = payload
    return cells


def _positions(placement: object, file: _File) -> range | np.ndarray:
    if isinstance(placement, Record) and placement.kind == "placement":
        placement = placement.args[0]
    record = _expect(placement, ("slice", "reconstruct", "frombuffer"), file, "column positions")
    return range(*record.args) if record.kind == "slice" else _array(record, file)
