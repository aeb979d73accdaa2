"""Arrays and columns out of files from anywhere: what a file says of its size is checked before anything is allocated.

A header is a claim. Here an array takes no more memory than there are bytes for it, what is compressed may grow
twentyfold at most, and what is repeated counts with its repetitions.
"""

from __future__ import annotations

import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from dmrec_core.data.errors import DataError
from dmrec_core.records.files import Unwritable
from dmrec_core.records.ranges import cut, short

MAX_GROWTH = 20  # bytes out of one compressed byte; numbers and texts give about 4
MAX_HEADER = 1 << 20  # bytes; numpy's and ours are some hundred
FREE = 64 << 20  # bytes that any file may grow to: a small one compresses better
MAX_FIXED = 64  # bytes of a parquet cell of fixed length: half-precision numbers, decimals
FREE_ROWS, ROWS_PER_BYTE = 200_000, 4  # of a parquet file; two ids take about a byte

# any header numpy writes for plain numbers, truths and texts, and what other programs make of it
_DTYPE = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?(?:[biuf]\d{1,2}|\?|[SU]\d{1,7}))['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d,\s]{0,200})\)""")
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, SafetensorError, pa.ArrowException),
)


@contextmanager
def damage_named(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Whatever a library raises over a damaged or hostile file, as a `DataError` that names it."""
    try:
        yield
    except (DataError, Unwritable):
        raise
    except _DAMAGE as problem:
        raise DataError(f"{path}: {what} ({cut(str(problem), 200)}); {remedy}") from problem


def read_npy(path: Path) -> np.ndarray:
    """The array of a `.npy` file. Nothing in it is unpickled.

    Raises:
        ValueError: objects, or fewer bytes than its header says.
    """
    with open(path, "rb") as file:
        return _read_array(file, path.stat().st_size)


def read_npz(path: Path, wanted: Collection[str] | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
    """The wanted arrays of a `.npz` file, and the names of all.

    Raises:
        ValueError, zipfile.BadZipFile, zlib.error and others: it is damaged; see `damage_named`.
    """
    with zipfile.ZipFile(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        arrays = {}
        for name in members if wanted is None else [name for name in members if name in wanted]:
            check_growth(members[name])
            with archive.open(members[name]) as stream:
                arrays[name] = _read_array(stream, members[name].file_size)
                if stream.read(1):
                    raise ValueError(f"array {short(name)} is followed by something else")
    return arrays, list(members)


def check_growth(member: zipfile.ZipInfo) -> None:
    """Refuse a member of a zip that would grow out of proportion, before it is unpacked.

    Raises:
        ValueError: it would; or it is compressed by a method that may ask for gigabytes by itself.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{cut(member.filename)} is compressed by method {member.compress_type}; expected deflate")
    if member.file_size > max(FREE, MAX_GROWTH * member.compress_size):
        raise ValueError(f"{cut(member.filename)}: {member.compress_size:,} bytes would become {member.file_size:,}")


def read_safetensors(path: Path, wanted: Collection[str]) -> tuple[dict[str, np.ndarray], list[str], dict[str, str]]:
    """The wanted arrays of a `.safetensors` file, bfloat16 as float32; the names of all, and the metadata.

    Raises:
        SafetensorError, ValueError and others: it is damaged; see `damage_named`.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length:,} bytes")
    with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
        tensors = {name: file.get_tensor(name) for name in file.keys() if name in wanted}
        names, metadata = list(file.keys()), file.metadata() or {}
    numpys = "float16", "float32", "float64"
    numbers = {
        name: tensor.float() if tensor.is_floating_point() and str(tensor.dtype)[6:] not in numpys else tensor
        for name, tensor in tensors.items()
    }
    return {name: tensor.numpy().copy() for name, tensor in numbers.items()}, names, metadata


def read_parquet(path: Path, wanted: Collection[str]) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """The wanted columns of a `.parquet` file and the names of all. Texts come as a dictionary and indices into it.

    Raises:
        ValueError: rows or texts that its size cannot hold.
        pa.ArrowException and others: it is damaged; see `damage_named`.
    """
    size = path.stat().st_size
    schema = pq.ParquetFile(path).schema
    leaves = [leaf for leaf in map(schema.column, range(len(schema))) if leaf.path.split(".")[0] in wanted]
    for leaf in leaves:
        nested_text = leaf.physical_type == "BYTE_ARRAY" and leaf.path != leaf.name
        if nested_text or (leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" and leaf.length > MAX_FIXED):
            raise ValueError(f"column {cut(leaf.path)} holds neither numbers nor texts nor lists of numbers")
    # a text that is stored once and repeated a million times stays so: it is not spelt out
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    file = pq.ParquetFile(path, read_dictionary=texts)
    values, most = file.metadata.num_rows, FREE_ROWS + ROWS_PER_BYTE * size
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    grown = sum(group.total_byte_size for group in groups)  # before a page is unpacked: one may hold a gigabyte
    if not 0 <= values <= most or not 0 <= grown <= max(FREE, MAX_GROWTH * size):
        raise ValueError(f"{values:,} rows and {grown:,} bytes in a file of {size:,} bytes")
    file.scan_contents()  # what is wrong with a column is an error here; asked of its metadata, it ends the process
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    wide = max((c.num_values for c in columns if c.path_in_schema.split(".")[0] in wanted), default=0)
    if not 0 <= wide <= most:
        raise ValueError(f"{wide:,} values in a file of {size:,} bytes")
    names = [name for name in file.schema_arrow.names if name in wanted]
    for name in texts:
        if not pa.types.is_dictionary(file.schema_arrow.field(name).type):
            raise ValueError(f"column {cut(name)} holds {file.schema_arrow.field(name).type}")
    table = file.read(columns=names)
    return dict(zip(table.column_names, table.columns, strict=True)), file.schema_arrow.names


def cells(column: pa.ChunkedArray) -> list:
    """A column as Python values; a text that is repeated is one object.

    Raises:
        ValueError: texts that would take more memory than any file of a sensible size holds.
    """
    found: list = []
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            found += chunk.to_pylist()
            continue
        words = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)
        found += words[chunk.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)].tolist()
    written = sum(map(len, filter(lambda cell: isinstance(cell, str), found)))
    if written > FREE and written > MAX_GROWTH * column.nbytes:
        raise ValueError(f"texts of {written:,} characters out of {column.nbytes:,} bytes")
    return found


def rows_of_lists(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of numbers, all of one length, as an array (rows, width).

    Raises:
        ValueError: something else, with the row.
    """
    flat, lengths = [], []
    for chunk in column.chunks:
        if not pa.types.is_list(chunk.type) and not pa.types.is_large_list(chunk.type):
            if not pa.types.is_fixed_size_list(chunk.type):
                raise ValueError(f"expected a list of numbers in each row, not {chunk.type}")
        lengths.append(chunk.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False))
        flat.append(chunk.flatten().to_numpy(zero_copy_only=False))
    lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=int)
    if not lengths.size:
        return np.zeros((0, 0), dtype=np.float32)
    other = np.flatnonzero(lengths != lengths[0])
    if other.size or lengths[0] < 0:
        row = other[0] if other.size else 0
        raise ValueError(f"row {row} has {lengths[row]} numbers, row 0 has {lengths[0]}".replace("-1", "no"))
    return np.concatenate(flat).reshape(len(lengths), int(lengths[0]))


def _read_array(stream: BinaryIO, size: int) -> np.ndarray:
    """One array in numpy's format, of which there are `size` bytes, header and all."""
    version, _ = np.lib.format.read_magic(stream)
    width = 2 if version == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length:,} bytes")
    header = stream.read(length).decode("latin1")
    dtype, order, shape = (pattern.search(header) for pattern in (_DTYPE, _ORDER, _SHAPE))
    if not dtype or not order or not shape:
        kind = "objects, which are not read (allow_pickle=False)" if "'|O'" in header else cut(header.strip(), 200)
        raise ValueError(f"not an array of plain numbers, truths or texts: {kind}")
    dtype = np.dtype(dtype[1])
    shape = tuple(int(side) for side in shape[1].replace(" ", "").split(",") if side)
    needed, there = dtype.itemsize * math.prod(shape), size - len(np.lib.format.magic(1, 0)) - width - length
    if needed > there or max(shape, default=0) > size:
        raise ValueError(f"its header says {short(shape)} of {dtype}, but {there:,} bytes follow")
    content = bytearray()
    while len(content) < needed:
        chunk = stream.read(min(needed - len(content), 1 << 20))
        if not chunk:
            raise ValueError(f"{len(content):,} of {needed:,} bytes")
        content += chunk
    codes = np.frombuffer(content, np.dtype("u4").newbyteorder(dtype.byteorder)) if dtype.kind == "U" else np.zeros(0)
    if (codes > 0x10FFFF).any():
        raise ValueError("texts with characters that do not exist")
    return np.ndarray(shape, dtype, content, order="F" if order[1] == "True" else "C")
