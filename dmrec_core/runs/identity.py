"""What tells one's own strategy or model from an earlier one of the same name: its code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import CodeType, FunctionType


def code_digest(thing: object) -> str:
    """Eight hex digits over a function's or class's code, and over what it calls in its own module.

    So an edited notebook cell makes new runs, and one that is only run again finds the old ones. Another Python version
    may give another digest.

    Raises:
        ValueError: it is neither a function nor a class.

    Example:
        >>> code_digest(lambda x: x + 1) == code_digest(lambda x: x + 1) != code_digest(lambda x: x + 2)
        True
    """
    if not isinstance(thing, FunctionType | type):
        raise ValueError(f"expected a function or a class, whose code can be told apart; got {thing!r}")
    parts = "\n".join(_described(thing, set()))
    return hashlib.sha256(parts.encode()).hexdigest()[:8]


def _described(thing: object, seen: set[int]) -> Iterator[str]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, type):
        for base in thing.__bases__:
            yield from _described(base, seen) if base.__module__ == thing.__module__ else [base.__qualname__]
        for name, member in sorted(vars(thing).items()):
            member = getattr(
                member, "__func__", getattr(member, "fget", member)
            )  # class and static methods, properties
            if isinstance(member, FunctionType):
                yield name
                yield from _described(member, seen)
            elif not name.startswith("__"):
                yield f"{name}={member!r}" if isinstance(member, str | int | float | tuple) else name
        return
    yield from _of_code(thing.__code__)
    yield repr(thing.__defaults__)
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    named = [thing.__globals__[name] for name in sorted(_names(thing.__code__)) if name in thing.__globals__]
    for value in [*cells, *named]:
        if isinstance(value, FunctionType | type) and value.__module__ == thing.__module__:
            yield from _described(value, seen)
        elif isinstance(value, str | int | float | tuple):
            yield repr(value)


def _of_code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield " ".join(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:  # a set's own order differs from process to process
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


def _names(code: CodeType) -> set[str]:
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)
