"""Ids as people mean them: one user is one id, however it was typed, and a missing id is no user."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd

from dmrec_core.data.errors import DataError
from dmrec_core.records.ranges import cut

MISSING = frozenset(
    ("", "nan", "null", "none", "nil", "nat", "na", "n/a", "#n/a", "<na>", "(null)", "\\n", "undefined", "-", "?")
)
"""What programs write where there is nothing, in lower case."""

_EDGES = "".join(
    character
    for character in map(chr, range(0x10000))
    if character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
)  # blanks and what nobody can see
_INSIDE = {ord(c): " " for c in _EDGES if unicodedata.category(c) == "Zs"} | dict.fromkeys((0x200B, 0x2060, 0xFEFF))
_NUMBER = re.compile(r"[+-]?\d{1,300}")
_MANGLED = re.compile(r"\d([.,]\d+)?[Ee]\+\d+")


def clean_id(text: str) -> str:
    """One spelling for what reads as one id: composed (NFC), without blanks around it or characters nobody can see.

    Blanks inside (a no-break space, say) are plain spaces, and a whole number written as a decimal is that number.
    Everything else stays as it is: `Anna` and `anna` are two ids, and so are `001` and `x1`.

    Example:
        >>> clean_id(" anna\\u00a0"), clean_id("e\\u0301va"), clean_id("17.0"), clean_id("001")
        ('anna', 'éva', '17', '001')
    """
    text = unicodedata.normalize("NFC", text).translate(_INSIDE).strip(_EDGES)
    return text.split(".")[0] if re.fullmatch(r"-?[0-9]+\.0+", text) else text


def clean_ids(raw: pd.Series, column: str, where: Callable[[int], str]) -> tuple[pd.Series, str | None]:
    """A column of ids, each in its one spelling.

    Args:
        raw: the cells, as texts.
        column: what it is called in messages.
        where: names a row, as `Table.where`.

    Returns:
        The ids, and a word about what was changed, None where nothing was.

    Raises:
        DataError: a missing id (empty, or a word of `MISSING`), a line break inside one, a number that a spreadsheet
            cut to `1.2E+12`, or one number in two spellings that are not the same text (`1` and `001`).
    """
    codes, distinct = pd.factorize(raw)
    spelled = distinct.tolist()
    cleaned = [clean_id(text) for text in spelled]

    def row(code: int) -> int:
        return int((codes == code).argmax())

    missing = [code for code, identifier in enumerate(cleaned) if identifier.casefold() in MISSING]
    if missing:
        rows, word = np.flatnonzero(np.isin(codes, missing)), cleaned[missing[0]]
        named, also = (f" but {word!r}", "; if it is really called so, call it something else") if word else ("", "")
        raise DataError(
            f"{where(rows[0])}: no {column}{named} ({len(rows)} such rows): fill it in, or drop the row{also}"
        )
    number_of: dict[int, int] = {}
    for code, identifier in enumerate(cleaned):
        if "\n" in identifier or "\r" in identifier:
            raise DataError(
                f"{where(row(code))}: {column} {identifier[:40]!r} holds a line break; is a quote left open? "
                "Close it, or double the quotes inside a cell"
            )
        if _MANGLED.fullmatch(identifier):
            raise DataError(
                f"{where(row(code))}: {column} {identifier!r} is a long number that a spreadsheet has rounded; "
                "export it again with that column formatted as text"
            )
        if _NUMBER.fullmatch(identifier):
            other = number_of.setdefault(int(identifier), code)
            if cleaned[other] != identifier:
                raise DataError(
                    f"{where(row(code))}: {column} {cut(identifier)!r}, but {cut(cleaned[other])!r} in "
                    f"{where(row(other)).rpartition(', ')[2]}: one number in two spellings; write it in one"
                )
    changed = [(text, identifier) for text, identifier in zip(spelled, cleaned, strict=True) if text != identifier]
    word = f"{len(changed)} {column} ids tidied, {cut(changed[0][0])!r} to {cut(changed[0][1])!r}" if changed else None
    return pd.Series(np.array(cleaned, dtype=object)[codes], index=raw.index, dtype=object), word
