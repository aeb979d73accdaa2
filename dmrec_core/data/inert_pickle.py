"""Read a pickle from the internet without running anything it names.

A pickle is a program: it names functions and calls them with arguments of its choice. Here its opcodes are read one by
one, and only those that say "a number", "a text", "a list of these" mean anything. A call of a name on a short list
becomes a `Record` that remembers what was called with what; every other name is refused. So no code of pickle, numpy,
scipy or pandas runs while the file is read, none of their versions matters, and what comes out is a tree of plain
values and `Record`s that `safe_pickle` then turns into arrays.

Nothing is looked into while it is read: keys are texts and whole numbers, so no tuple is ever hashed, and no value is
copied. So a tuple doubled sixty times is sixty tuples here, and time and memory grow with the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dmrec_core.data.errors import DataError
from dmrec_core.records.ranges import cut

MAX_BYTES = 2 << 30  # the largest upstream file, steam's user vectors, is about 0.3 GB in float64
MAX_STEPS = 600_000  # opcodes; the profiles of 23,310 users take about 300,000
MAX_BITS = 64  # of a whole number

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
_KINDS = {spelling: kind for kind, spellings in ALLOWED.items() for spelling in spellings}


class UnsafePickleError(DataError):
    """A pickle names something that is not on the short list; nothing of it was run."""


@dataclass(frozen=True)
class Name:
    """A class or function on the short list, as a pickle names it."""

    kind: str  # a key of `ALLOWED`


@dataclass(eq=False)
class Record:
    """What a pickle asked for."""

    kind: str  # a key of `ALLOWED`
    args: tuple
    state: object = None  # set afterwards


def read_inert(path: Path) -> object:
    """The content of a pickle as plain values and `Record`s.

    Args:
        path: the pickle.

    Raises:
        UnsafePickleError: it names a global that is not in `ALLOWED`; the message says which.
        DataError: it is empty, cut short, too large or not a pickle.

    Example:
        >>> import pickle, tempfile, os
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
    reader = _Reader(path)
    content = path.read_bytes()
    for step, (opcode, argument) in enumerate(_opcodes(content, path)):
        if step == MAX_STEPS:
            raise DataError(f"{path}: more than {MAX_STEPS:,} opcodes, which no upstream file has; fetch it again")
        reader.step(opcode, argument)
    return reader.result()


def _opcodes(content: bytes, path: Path) -> Iterator[tuple[str, object]]:
    try:
        for opcode, argument, _ in pickletools.genops(content):
            yield opcode.name, argument
    except ValueError as problem:
        raise DataError(
            f"{path}: {len(content):,} bytes that are no complete pickle ({cut(str(problem))}); "
            "the file is cut short or something else: delete it and fetch it again"
        ) from problem


class _Reader:
    """The stack, the marks and the memo of a pickle, with what each opcode does to them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list = []
        self.marked: list[list] = []  # the stacks below each mark
        self.memo: dict[int, object] = {}

    def step(self, name: str, argument: object) -> None:
        action = _ACTIONS.get(name)
        if action is None:
            raise DataError(f"{self.path}: a pickle with the opcode {name}, which no upstream file has")
        try:
            action(self, argument)
        except (LookupError, TypeError, AttributeError, ValueError) as problem:
            if isinstance(problem, DataError):
                raise
            raise DataError(
                f"{self.path}: a pickle that does not hold together ({name}: {problem}); fetch the file again"
            ) from problem

    def result(self) -> object:
        if len(self.stack) != 1 or self.marked:
            raise DataError(f"{self.path}: a pickle of {len(self.stack)} values, expected one; fetch the file again")
        return self.stack[0]

    def pop_mark(self) -> list:
        values, self.stack = self.stack, self.marked.pop()
        return values

    def named(self, module: object, name: object) -> None:
        kind = _KINDS.get(f"{module}.{name}") if isinstance(module, str) and isinstance(name, str) else None
        if kind is None:
            raise UnsafePickleError(
                f"{self.path}: the pickle names {cut(f'{module}.{name}')}, which none of the expected files does. "
                "Nothing was run. Do not open this file with pickle or pandas; delete it and fetch it again"
            )
        self.stack.append(Name(kind))

    def call(self, function: object, arguments: object) -> None:
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise TypeError("a call of something that is no function")
        self.stack.append(Record(function.kind, arguments))

    def whole_number(self, value: int) -> None:
        if value.bit_length() > MAX_BITS:
            raise ValueError(f"a whole number of {value.bit_length()} bits")
        self.stack.append(value)

    def tuple_of(self, size: int) -> None:
        if len(self.stack) < size:
            raise IndexError("too few values")
        self.stack[len(self.stack) - size :] = [tuple(self.stack[len(self.stack) - size :])]

    def mark(self, _: object) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def gather(self, kind: type) -> None:
        values = self.pop_mark()
        self.stack.append(kind(values))

    def pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def extend(self, values: list) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("items for something that is no list")
        self.stack[-1].extend(values)

    def update(self, values: list) -> None:
        target, keys = self.stack[-1], values[::2]
        if type(target) is not dict or not all(type(key) in (str, int) for key in keys):
            raise TypeError("expected a dictionary with texts or whole numbers as keys")
        target.update(zip(keys, values[1::2], strict=True))

    def dictionary(self, _: object) -> None:
        values = self.pop_mark()
        self.stack.append({})
        self.update(values)

    def build(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Record):
            raise TypeError("a state for something that has none")
        target.state = state

    def instance(self, name: str) -> None:
        values = self.pop_mark()
        self.named(*name.split(" ", 1))
        self.call(self.stack.pop(), tuple(values))

    def call_gathered(self, values: list) -> None:
        self.call(values[0], tuple(values[1:]))

    def last_two(self) -> tuple[object, object]:
        second, first = self.stack.pop(), self.stack.pop()
        return first, second

    def remember(self, slot: int) -> None:
        self.memo[slot] = self.stack[-1]


_WORDS = "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 STRING BINSTRING SHORT_BINSTRING"
_BYTES = "SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8"
_INTEGERS = "INT BININT BININT1 BININT2 LONG LONG1 LONG4"
_ACTIONS: dict[str, Callable[[_Reader, object], object]] = {
    "PROTO": lambda reader, version: None,
    "FRAME": lambda reader, size: None,
    "STOP": lambda reader, _: None,
    **{name: lambda reader, value: reader.stack.append(value) for name in f"{_WORDS} {_BYTES} FLOAT BINFLOAT".split()},
    **dict.fromkeys(_INTEGERS.split(), _Reader.whole_number),
    "NONE": lambda reader, _: reader.stack.append(None),
    "NEWTRUE": lambda reader, _: reader.stack.append(True),
    "NEWFALSE": lambda reader, _: reader.stack.append(False),
    "EMPTY_TUPLE": lambda reader, _: reader.stack.append(()),
    "EMPTY_LIST": lambda reader, _: reader.stack.append([]),
    "EMPTY_DICT": lambda reader, _: reader.stack.append({}),
    "TUPLE1": lambda reader, _: reader.tuple_of(1),
    "TUPLE2": lambda reader, _: reader.tuple_of(2),
    "TUPLE3": lambda reader, _: reader.tuple_of(3),
    "MARK": _Reader.mark,
    "TUPLE": lambda reader, _: reader.gather(tuple),
    "LIST": lambda reader, _: reader.gather(list),
    "DICT": _Reader.dictionary,
    "APPEND": lambda reader, _: reader.extend([reader.stack.pop()]),
    "APPENDS": lambda reader, _: reader.extend(reader.pop_mark()),
    "SETITEM": lambda reader, _: reader.update([*reader.last_two()]),
    "SETITEMS": lambda reader, _: reader.update(reader.pop_mark()),
    "POP": _Reader.pop,
    "POP_MARK": lambda reader, _: reader.pop_mark(),
    "DUP": lambda reader, _: reader.stack.append(reader.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Reader.remember),
    "MEMOIZE": lambda reader, _: reader.remember(len(reader.memo)),
    **{name: lambda reader, slot: reader.stack.append(reader.memo[slot]) for name in ("GET", "BINGET", "LONG_BINGET")},
    "GLOBAL": lambda reader, name: reader.named(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda reader, _: reader.named(*reader.last_two()),
    "REDUCE": lambda reader, _: reader.call(*reader.last_two()),
    "NEWOBJ": lambda reader, _: reader.call(*reader.last_two()),
    "INST": _Reader.instance,
    "OBJ": lambda reader, _: reader.call_gathered(reader.pop_mark()),
    "BUILD": _Reader.build,
}
