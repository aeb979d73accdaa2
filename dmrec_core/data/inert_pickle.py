"""Read a pickle from the internet without running anything it names.

A pickle is a program: it names functions and calls them with arguments of its choice. Here every name on a short list
is replaced by a class that only remembers what it was called with, and every other name is refused. So no code of
numpy, scipy or pandas runs while the file is read, none of their versions matters, and what comes out is a tree of
plain values and `Record`s that `safe_pickle` then turns into arrays.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path

from dmrec_core.data.errors import DataError

MAX_BYTES = 2 << 30  # the largest upstream file, steam's user vectors, is about 0.3 GB in float64

# What the upstream files may name. Several spellings of a module are the same thing over the years.
ALLOWED = {
    "ndarray": ("numpy.ndarray",),
    "dtype": ("numpy.dtype",),
    "reconstruct": ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    "frombuffer": ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    "encode": ("_codecs.encode",),  # how protocol 2 spells bytes
    "coo": ("scipy.sparse._coo.coo_matrix", "scipy.sparse.coo.coo_matrix", "scipy.sparse._coo.coo_array"),
    "csr": ("scipy.sparse._csr.csr_matrix", "scipy.sparse.csr.csr_matrix", "scipy.sparse._csr.csr_array"),
    "frame": ("pandas.core.frame.DataFrame", "pandas.DataFrame"),
    "blocks": ("pandas.core.internals.managers.BlockManager",),
    "block": ("pandas._libs.internals._unpickle_block",),
    "placement": ("pandas._libs.internals.BlockPlacement",),
    "slice": ("builtins.slice",),
    "new_index": ("pandas.core.indexes.base._new_Index",),
    "index": ("pandas.core.indexes.base.Index", "pandas.core.indexes.numeric.Int64Index", "pandas.Index"),
    "range_index": ("pandas.core.indexes.range.RangeIndex", "pandas.RangeIndex"),
}


class UnsafePickleError(DataError):
    """A pickle names something that is not on the short list; nothing of it was run."""


class _Sealed(type):
    def __setattr__(cls, name: str, value: object) -> None:
        raise TypeError(f"a pickle may not change {cls.__name__}.{name}")  # a BUILD opcode aimed at the class itself


class Record(metaclass=_Sealed):
    """What a pickle asked for: `kind` (a key of `ALLOWED`), the arguments, and the state set afterwards."""

    __slots__ = ("args", "state")
    kind = ""

    def __new__(cls, *args: object) -> Record:
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: object) -> None:
        self.state = state


_STAND_INS = {
    spelling: stand_in
    for kind, spellings in ALLOWED.items()
    for stand_in in [_Sealed(kind, (Record,), {"kind": kind, "__slots__": ()})]
    for spelling in spellings
}


def read_inert(path: Path) -> object:
    """The content of a pickle as plain values and `Record`s.

    Args:
        path: the pickle.

    Raises:
        UnsafePickleError: it names a global that is not in `ALLOWED`; the message says which.
        DataError: it is empty, cut short, too large or not a pickle.

    Example:
        >>> import tempfile, os
        >>> path = Path(tempfile.mkdtemp()) / "hello.pkl"
        >>> _ = path.write_bytes(pickle.dumps(os.system))
        >>> try:
        ...     read_inert(path)
        ... except UnsafePickleError as error:
        ...     "posix.system" in str(error) or "nt.system" in str(error)
        True
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: {path.stat().st_size:,} bytes; expected at most {MAX_BYTES:,}: not an upstream file")
    content = path.read_bytes()
    _check_stream(content, path)
    try:
        return _Unpickler(content, path).load()
    except UnsafePickleError:
        raise
    except (pickle.UnpicklingError, TypeError, ValueError, AttributeError, LookupError, EOFError) as problem:
        raise DataError(f"{path}: a pickle that does not hold together ({problem}); fetch the file again") from problem


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(content))
        self._path = path

    def find_class(self, module: str, name: str) -> type[Record]:
        stand_in = _STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise UnsafePickleError(
                f"{self._path}: the pickle names {module}.{name}, which none of the expected files does. "
                "Nothing was run. Do not open this file with pickle or pandas; delete it and fetch it again"
            )
        return stand_in

    def persistent_load(self, identifier: object) -> None:
        raise UnsafePickleError(f"{self._path}: the pickle refers to an object outside itself ({identifier!r})")


def _check_stream(content: bytes, path: Path) -> None:
    """Walk the opcodes without running them: a stream cut short or one that asks for absurd memory ends here."""
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > count:
                raise ValueError(f"memo slot {argument} after {count} opcodes")
    except ValueError as problem:
        raise DataError(
            f"{path}: {len(content):,} bytes that are no complete pickle ({problem}); "
            "the file is cut short or something else: delete it and fetch it again"
        ) from problem
