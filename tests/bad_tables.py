"""A seeded maker of interactions files as they should not be, each with a word on whether and why it may be read.

A file is a good table with one to three faults. A fault's `reason` says why a file with it may be accepted; a file with
a fault without one must be refused. Damage to single bytes may leave a good file, so it has a reason, too.
"""

from __future__ import annotations

import datetime
import decimal
import io
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

MISSING_WORDS = ["", " ", "\u00a0", "nan", "NaN", "NULL", "None", "<NA>", "\\N", "N/A", "na", "\u200b", "#N/A", "NaT"]
USER_NAMES = ["user_id", "userId", "USER", "Customer ID", "reviewer", "\ufeffuser", " user "]
ITEM_NAMES = ["movieId", "artist", "ASIN", "product_id", "Item", "item\u200b"]
ODD_IDS = ["\U0001f375", "שלום", "a\x07b", "x" * 100_000, "=1+1", "<b>", "'", "1;2", "1::2", "-0", "1e5", "0x1F", "٣"]


@dataclass(frozen=True)
class Fault:
    """Something done to a table of texts, to its bytes, or to a parquet table."""

    name: str
    do: Callable
    reason: str | None = None  # why a file with it may be read; None: it must not be


class Csv:
    """Rows of texts on their way to a file."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        numbers = r.random() < 0.5
        users = [f"{u + 11}" if numbers else f"u{u}" for u in range(r.randint(1, 6))]
        self.names = ["user", "item"]
        self.rows = [[user, f"{i}"] for user in users for i in r.sample(range(20), r.randint(1, 6))]
        self.delimiter, self.end, self.encoding, self.quote = ",", "\n", "utf-8", False

    def row(self) -> list[str]:
        return self.r.choice(self.rows)

    def add(self, name: str, value: Callable[[int], str]) -> None:
        self.names.append(name)
        for k, row in enumerate(self.rows):
            row.append(value(k))

    def bytes(self) -> bytes:
        def cell(text: str) -> str:
            special = self.quote or any(c in text for c in (self.delimiter, "\n", "\r")) or text[:1] == '"'
            return '"' + text.replace('"', '""') + '"' if special and text[:2] != '"\0' else text.replace("\0", "", 1)

        lines = [self.delimiter.join(map(cell, row)) for row in [self.names, *self.rows]]
        return (self.end.join(lines) + self.end).encode(self.encoding)


def _set(column: int, words: list[str]) -> Callable:
    def do(table: Csv) -> None:
        table.row()[column] = table.r.choice(words)

    return do


def _cell(change: Callable[[str], str]) -> Callable:
    def do(table: Csv) -> None:
        row, column = table.row(), table.r.randint(0, 1)
        row[column] = change(row[column])

    return do


def _name(column: int, words: list[str]) -> Callable:
    def do(table: Csv) -> None:
        table.names[column] = table.r.choice(words)

    return do


def _field(**values: object) -> Callable:
    return lambda table: [setattr(table, name, value) for name, value in values.items()]


def _two_spellings(table: Csv) -> None:
    table.rows += [["41", "1"], ["041", "2"]]


CSV_FAULTS = [
    Fault("missing user", _set(0, MISSING_WORDS)),
    Fault("missing item", _set(1, MISSING_WORDS)),
    Fault("long number", _set(1, ["9.78E+12", "1,2E+05"])),
    Fault("two spellings", _two_spellings),
    Fault("line break", _cell(lambda text: f"{text}\n{text}")),
    Fault("open quote", _cell(lambda text: f'"\0{text}')),
    Fault("nul", _cell(lambda text: f"{text}\0\0{text}")),
    Fault("row too long", lambda table: table.row().extend(["x"] * table.r.randint(5, 9))),
    Fault("row too short", lambda table: table.row().__delitem__(slice(1, None))),
    Fault("unknown name", _name(0, ["colour", "", "usr", "196"])),
    Fault("no header", lambda table: table.names.__setitem__(slice(0, 2), ["196", "242"])),
    Fault("no rows", lambda table: table.rows.clear()),
    Fault("same name twice", lambda table: (table.names.__setitem__(0, "user"), table.add("user", lambda k: "x"))),
    Fault("which item", lambda table: (table.names.__setitem__(1, "sku"), table.add("article", lambda k: "x"))),
    Fault("ratings", lambda table: table.add(table.r.choice(["Rating", "label", "stars"]), lambda k: f"{k % 2 * 4}")),
    Fault("events", lambda table: table.add("event", lambda k: "view")),
    Fault("other numbers", lambda table: table.add("price", lambda k: f"{k * k + 2}.5")),
    Fault("no such split", lambda table: table.add("split", lambda k: "dev")),
    Fault("nobody trains", lambda table: table.add("split", lambda k: "test")),
    Fault("cyrillic", lambda table: (table.add("note", lambda k: "привет"), setattr(table, "encoding", "cp1251"))),
    Fault("blanks", _cell(lambda text: f" {text}\u00a0"), "blanks around ids are trimmed"),
    Fault("nobody sees", _cell(lambda text: f"\u200b{text}\u200e"), "characters that nobody sees are dropped"),
    Fault("decomposed", _cell(lambda text: unicodedata.normalize("NFD", f"é{text}")), "ids are composed (NFC)"),
    Fault("odd id", _set(1, ODD_IDS), "an id may be any text"),
    Fault("repeated row", lambda table: table.rows.append(list(table.row())), "a row given twice counts once"),
    Fault("user's other name", _name(0, USER_NAMES), "a synonym"),
    Fault("item's other name", _name(1, ITEM_NAMES), "a synonym"),
    Fault("all one", lambda table: table.add("rating", lambda k: "1.0"), "every row is a like"),
    Fault("note", lambda table: table.add("note", lambda k: 'he said "x", twice'), "other texts are ignored, said so"),
    Fault("row numbers", lambda table: table.add("", lambda k: str(k)), "rows numbered in order say nothing"),
    Fault("time", lambda table: table.add("timestamp", lambda k: "soon"), "times are ignored unless asked for"),
    Fault("delimiter", lambda table: setattr(table, "delimiter", table.r.choice(";\t|")), "the delimiter is found"),
    Fault("line ends", _field(end="\r\n"), "Windows's line ends"),
    Fault("quotes", _field(quote=True), "cells may be quoted"),
    Fault("bom", _field(encoding="utf-8-sig"), "a byte order mark"),
    Fault("utf-16", _field(encoding="utf-16"), "UTF-16 is found"),
    Fault("empty end", lambda table: table.rows.extend([[""] * len(table.names)] * 3), "empty rows at the end"),
]


def _flip(r: random.Random, content: bytes) -> bytes:
    k = r.randrange(max(1, len(content)))
    return content[:k] + bytes([r.randrange(256)]) + content[k + 1 :]


BYTE_FAULTS = [
    Fault("flip", _flip, "one other byte may be another text"),
    Fault("cut", lambda r, content: content[: r.randrange(len(content) + 1)], "a shorter file may be a file"),
    Fault("again", lambda r, content: content + content, "the header as one more row is a user called user"),
    Fault("zeros", lambda r, content: b"\0" * len(content)),
    Fault("empty", lambda r, content: b""),
    Fault("noise", lambda r, content: bytes([0xFF, *(r.randrange(256) for _ in range(200))])),
]


def _ids(kind: pa.DataType, values: list) -> Callable:
    return lambda r, columns: columns.__setitem__(r.choice(["user", "item"]), pa.array(values, kind))


PARQUET_FAULTS = [
    Fault("fractions", _ids(pa.float64(), [1.5, 2.0, 3.0])),
    Fault("infinite", _ids(pa.float64(), [float("inf"), 2.0, 3.0])),
    Fault("null float", _ids(pa.float64(), [1.0, None, float("nan")])),
    Fault("null text", _ids(pa.string(), ["a", None, "b"])),
    Fault("all null", _ids(pa.null(), [None] * 3)),
    Fault("bools", _ids(pa.bool_(), [True, False, True])),
    Fault("lists", _ids(pa.list_(pa.int64()), [[1], [2], []])),
    Fault("structs", _ids(pa.struct([("a", pa.int64())]), [{"a": 1}] * 3)),
    Fault("dates", _ids(pa.date32(), [datetime.date(2024, 1, 1)] * 3)),
    Fault("bytes", _ids(pa.binary(), [b"\xff\xfe", b"b", b"c"])),
    Fault("no user", lambda r, columns: columns.pop("user", None)),
    Fault("ratings", lambda r, columns: columns.__setitem__("stars", pa.array([1, 5, 3]))),
    Fault("dislikes", lambda r, columns: columns.__setitem__("liked", pa.array([True, False, True]))),
    Fault("other numbers", lambda r, columns: columns.__setitem__("price", pa.array([1.0, 2.5, None]))),
    Fault("whole floats", _ids(pa.float32(), [1.0, 2.0, 2.0]), "whole numbers"),
    Fault("large", _ids(pa.uint64(), [2**64 - 1, 2**63, 0]), "whole numbers of any size"),
    Fault("decimals", _ids(pa.decimal128(20, 2), [decimal.Decimal(k) for k in (1, 2, 3)]), "whole numbers"),
    Fault("category", _ids(pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"]), "pandas's category"),
    Fault("text as bytes", _ids(pa.binary(), [b"a", b"b", b"c"]), "texts as older writers wrote them"),
    Fault("large text", _ids(pa.large_string(), ["a", "b", "c"]), "texts"),
    Fault("nested extra", lambda r, c: c.__setitem__("tags", pa.array([["x"], [], None])), "ignored, said so"),
    Fault("all true", lambda r, c: c.__setitem__("liked", pa.array([True] * 3)), "every row is a like"),
]


LAST = (
    "unknown name", "no header", "missing user", "missing item", "long number", "open quote", "which item",
    "same name twice", "row too short", "row too long", "cyrillic", "empty end", "no rows",
)  # fmt: skip
"""Faults that another could undo, in this order after all others."""


def make(seed: int) -> tuple[str, bytes, list[Fault]]:
    """A suffix, the bytes of a file, and what is wrong with it."""
    r = random.Random(seed)
    if r.random() < 0.3:
        columns = {"user": pa.array([1, 2, 1]), "item": pa.array(["x", "y", "z"])}
        faults = [r.choice(PARQUET_FAULTS)]  # of two, the second could undo the first
        faults[0].do(r, columns)
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        suffix, content = ".parquet", file.getvalue()
    else:
        table, suffix = Csv(r), ".csv"
        faults = r.sample(CSV_FAULTS, r.randint(1, 3))
        for fault in sorted(faults, key=lambda fault: LAST.index(fault.name) if fault.name in LAST else -1):
            if fault.name in ("no rows", "empty end") or table.rows:
                fault.do(table)
        undone = set()
        if table.delimiter == "\t":  # there a quote is part of a name
            undone.add("open quote")
        try:
            content = table.bytes()
        except UnicodeEncodeError:  # not everything can be written in cp1251
            table.encoding = "utf-16"
            content = table.bytes()
            undone.add("cyrillic")
        faults = [fault for fault in faults if fault.name not in undone]
    if r.random() < 0.3:
        damage = r.choice(BYTE_FAULTS)
        content = damage.do(r, content)
        faults = [damage] if damage.reason else [*faults, damage]  # a cut may take a fault away
    return suffix, content, faults
