"""A text file with delimiters (csv, tsv, MovieLens's `::`) as a frame of texts, whatever program wrote it."""

from __future__ import annotations

import csv
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dmrec_core.data.errors import DataError
from dmrec_core.data.ids import clean_id
from dmrec_core.records.ranges import cut

DELIMITERS = {"::": "'::'", "\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_UNIT_SEPARATOR = "\x1f"  # stands for "::", which the fast parser does not know


@dataclass(frozen=True, eq=False)
class Cells:
    """What a text file holds."""

    frame: pd.DataFrame  # texts
    first_row: int  # the number that a spreadsheet gives the frame's first row
    notes: list[str]  # how the file was read, where that is not a matter of course
    short: dict[int, int]  # rows that end early -> how many cells they have


def read_delimited(path: Path, headerless: tuple[str, ...]) -> Cells:
    """The file's cells as texts.

    Args:
        headerless: the columns' names in a file with `::`, which has no header.

    Raises:
        DataError: naming file and row.
    """
    text, notes = _decoded(path, path.read_bytes())
    body = text.lstrip("\r\n \t")
    above = text[: len(text) - len(body)].count("\n")
    first, _, rest = body.partition("\n")
    if said := re.fullmatch(r"sep=([,;|\t])\s*", first):  # Excel's own hint
        body, above, first, delimiter = rest, above + 1, rest.partition("\n")[0], said[1]
    else:
        delimiter = _delimiter(first)
    body = _without_empty_end(body, delimiter)
    if not body:
        raise DataError(f"{path}: an empty file; expected a header and rows")
    if delimiter != ",":
        notes.append(f"separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
    cells, short = _cells(path, body, delimiter, above)
    if delimiter == "::" and headerless:
        names = [*headerless, *(f"column {k + 1}" for k in range(len(headerless), cells.shape[1]))]
        notes.append(f"no header, so columns are {', '.join(names[: cells.shape[1]])}")
        cells.columns = names[: cells.shape[1]]
        return Cells(cells, above + 1, notes, short)
    names = [clean_id(name) for name in cells.iloc[0]]
    again = [name for k, name in enumerate(names) if name and name in names[:k]]
    if again:
        raise DataError(f"{path}: two columns are called {cut(again[0])!r}: rename or drop one")
    cells = cells.iloc[1:].reset_index(drop=True)
    cells.columns = [name or f"column {k + 1}" for k, name in enumerate(names)]
    empty = [c for c, name in zip(cells, names, strict=True) if not name and cells[c].str.strip().eq("").all()]
    return Cells(cells.drop(columns=empty), above + 2, notes, {row - 1: n for row, n in short.items()})


def _decoded(path: Path, content: bytes) -> tuple[str, list[str]]:
    """The text, from UTF-8, UTF-16 or, where that is plausible, cp1252."""
    encoding = "utf-8-sig"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in content[:1000]:
        encoding = "utf-16-le" if content[1:1000:2].count(0) > content[:1000:2].count(0) else "utf-16-be"
    notes = [] if encoding == "utf-8-sig" else ["UTF-16"]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        row = content[: problem.start].count(b"\n") + 1
        text = _western(content) if encoding == "utf-8-sig" else None
        if text is None:
            raise DataError(
                f"{path}, row {row}: byte {content[problem.start]:#04x} is not {encoding.removesuffix('-sig').upper()};"
                " save the file with UTF-8 encoding"
            ) from problem
        odd = re.search(r"[^\x00-\x7f]", text).start()
        around = re.split(r"[\r\n]", text[max(0, odd - 15) : odd])[-1] + re.split(r"[\r\n]", text[odd : odd + 15])[0]
        notes.append(f"not UTF-8, read as cp1252 (if {around!r} is wrong, save the file with UTF-8 encoding)")
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, row {row}: a NUL character; this is no text file, or damaged: export it again")
    return text, notes


def _western(content: bytes) -> str | None:
    """The text if its bytes look like a Western language's in cp1252, where accents stand alone; else None."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = re.search(r"[^\x00-\x7f]{3}", text)  # Cyrillic, Greek, Chinese: whole words of such bytes
    half_utf8 = re.search(rb"[\xc3-\xf4][\x80-\xbf]", content)
    return None if foreign or half_utf8 else text


def _delimiter(line: str) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=lambda delimiter: (bare.count(delimiter), delimiter == ","))


def _without_empty_end(text: str, delimiter: str) -> str:
    """Spreadsheets end files with rows of delimiters."""
    while text:
        rest, _, last = text.rpartition("\n")
        if last.strip(delimiter + " \t\r\ufeff"):
            return text
        text = rest
    return text


def _cells(path: Path, text: str, delimiter: str, above: int) -> tuple[pd.DataFrame, dict[int, int]]:
    """The cells, header included, and the rows that have fewer of them than the header: row -> how many."""
    quoting = csv.QUOTE_MINIMAL
    if delimiter == "::":
        if _UNIT_SEPARATOR in text:
            raise DataError(f"{path}: a control character beside '::'; this is no text file, or damaged")
        text, delimiter, quoting = text.replace("::", _UNIT_SEPARATOR), _UNIT_SEPARATOR, csv.QUOTE_NONE
    elif delimiter == "\t" and re.search(r'(?:^|\t)"[^"\t\n]*(?:"[^"\t\n]+)?(?:\t|$)', text, re.MULTILINE):
        quoting = csv.QUOTE_NONE  # a quote that opens a cell and does not close it is part of a name
    how = {"delimiter": delimiter, "quoting": quoting, "skipinitialspace": True}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, **how
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as problem:
        raise DataError(f"{path}: rows of unequal length ({problem}); quote cells that hold commas") from problem
    records, width = csv.reader(io.StringIO(text, newline=""), strict=True, **how), frame.shape[1]
    try:  # what pandas lets pass: short rows, and text between a closing quote and the next delimiter
        short = {row: len(cells) for row, cells in enumerate(records) if 0 < len(cells) < width}
    except csv.Error as problem:
        raise DataError(
            f"{path}, row {records.line_num + above}: a cell that cannot be read ({problem}); close its quote, and "
            "double the quotes inside"
        ) from problem
    return frame.fillna(""), short
