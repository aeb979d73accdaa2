"""The upstream pickles as arrays, tables and dictionaries, read without running them (see `inert_pickle`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy import sparse

from dmrec_core.data.errors import DataError
from dmrec_core.data.inert_pickle import Record, UnsafePickleError, read_inert

__all__ = ["UnsafePickleError", "load_array", "load_coo", "load_frame", "load_profile_dict"]

MAX_SIDE = 100_000_000  # rows or columns; a shape in a damaged file must not make us allocate for it


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
    record = _expect(read_inert(path), ("coo", "csr"), path, "a scipy sparse matrix")
    with _known_layout(path, "a sparse matrix"):
        state = record.state
        n_rows, n_columns = (int(size) for size in state["_shape"])
        values = _array(state["data"], path)
        if record.kind == "csr":
            columns, starts = _array(state["indices"], path), _array(state["indptr"], path)
            rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        else:
            rows, columns = (_array(ids, path) for ids in state.get("coords") or (state["row"], state["col"]))
    if max(n_rows, n_columns) > MAX_SIDE or not rows.shape == columns.shape == values.shape or rows.ndim != 1:
        raise DataError(
            f"{path}: {n_rows} by {n_columns}, {rows.size} row ids, {columns.size} column ids, {values.size} values; "
            f"expected as many of each, and at most {MAX_SIDE:,} rows and columns"
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
    array = _array(_expect(read_inert(path), ("reconstruct", "frombuffer"), path, "a numpy array"), path)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: an array of dtype {array.dtype}, expected numbers")
    return array


def load_frame(path: Path) -> dict[str, np.ndarray | list]:
    """A pickled pandas DataFrame, e.g. `tst.pkl`, as column name -> numbers (array) or texts (list), in order."""
    frame = _expect(read_inert(path), ("frame",), path, "a pandas table")
    with _known_layout(path, "a table"):
        manager = frame.state.get("_mgr") or frame.state["_data"]
        blocks, (columns, *_) = _expect(manager, ("blocks",), path, "a table made by pandas 1.3 or later").args
        names = _array(_expect(columns, ("new_index",), path, "column names").args[1]["data"], path).tolist()
        found: dict[str, np.ndarray | list] = {}
        for block in blocks:
            values, placement = _expect(block, ("block",), path, "a block of columns").args[:2]
            cells = _array(values, path)
            for position, column in zip(_positions(placement, path), cells, strict=True):
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
            raise DataError(f"{path}: entry {key!r} is a {_name(entry)}; expected an integer id with a text 'profile'")
    return entries


def _expect(value: object, kinds: tuple[str, ...], path: Path, wanted: str) -> Record:
    if isinstance(value, Record) and value.kind in kinds:
        return value
    raise DataError(f"{path}: holds a {_name(value)}, expected {wanted}: is it the right file?")


def _name(value: object) -> str:
    return value.kind if isinstance(value, Record) else type(value).__name__


@contextmanager
def _known_layout(path: Path, what: str) -> Iterator[None]:
    """Anything a damaged or foreign file can make go wrong while its parts are looked up, as one kind of error."""
    try:
        yield
    except DataError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise DataError(f"{path}: {what} laid out in an unknown way ({problem!r}); is it the right file?") from problem


def _array(record: object, path: Path) -> np.ndarray:
    """The array a record describes, built from its bytes; an object array may hold texts, numbers, truths and None."""
    record = _expect(record, ("reconstruct", "frombuffer"), path, "a numpy array")
    with _known_layout(path, "an array"):
        if record.kind == "frombuffer":
            payload, dtype, shape, order = record.args[:4]
        else:
            _, shape, dtype, by_column, payload = record.state
            order = "F" if by_column else "C"
        dtype, shape = _dtype(dtype, path), tuple(int(size) for size in shape)
        if dtype.kind == "O":
            return _objects(payload, path).reshape(shape, order=order)
        if isinstance(payload, Record) and payload.kind == "encode":
            payload = payload.args[0].encode("latin1")
        if len(payload) != dtype.itemsize * math.prod(shape):
            raise DataError(f"{path}: {len(payload)} bytes for an array of shape {shape} and dtype {dtype}")
        return np.frombuffer(payload, dtype=dtype).reshape(shape, order=order).copy()


def _dtype(record: object, path: Path) -> np.dtype:
    record = _expect(record, ("dtype",), path, "a numpy dtype")
    code, byteorder = record.args[0], (record.state or (3, "|"))[1]
    if not re.fullmatch(r"b1|[iuf][1248]|O8?|[SU]\d{1,6}", code) or byteorder not in ("<", ">", "|", "="):
        raise DataError(f"{path}: an array of dtype {byteorder}{code}; expected plain numbers or texts")
    return np.dtype(code if code[0] == "O" else byteorder + code)


def _objects(payload: list, path: Path) -> np.ndarray:
    for place, cell in enumerate(payload):
        if not isinstance(cell, str | int | float | bool | None):
            raise UnsafePickleError(
                f"{path}: cell {place} of an object array holds a {_name(cell)}, expected a text or a number"
            )
    cells = np.empty(len(payload), dtype=object)
    cells[:] = payload
    return cells


def _positions(placement: object, path: Path) -> range | np.ndarray:
    record = _expect(placement, ("slice", "placement", "reconstruct", "frombuffer"), path, "column positions")
    if record.kind == "slice":
        return range(*record.args)
    return _positions(record.args[0], path) if record.kind == "placement" else _array(record, path)
