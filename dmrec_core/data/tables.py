"""A csv or parquet file as columns of texts, with the row to name when something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dmrec_core.data.arrays import cells, damage_named, read_parquet
from dmrec_core.data.columns import find_columns
from dmrec_core.data.delimited import Cells, read_delimited
from dmrec_core.data.errors import DataError
from dmrec_core.data.ids import clean_ids
from dmrec_core.records.ranges import cut

TEXT_SUFFIXES = (".csv", ".tsv", ".dat", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
IDS = ("user", "item")


@dataclass(frozen=True, eq=False)
class Table:
    """The columns asked for, every cell a text, ids in their one spelling."""

    path: Path
    columns: pd.DataFrame  # index 0, 1, 2, ...
    first_row: int  # what a reader calls index 0: 2 in a csv (the header is row 1), 1 in a parquet
    others: pd.DataFrame  # the columns not asked for
    notes: tuple[str, ...] = ()  # how it was read, where that is not a matter of course

    def where(self, index: int) -> str:
        """ "own/interactions.csv, row 17", as a spreadsheet would number it."""
        return f"{self.path}, row {index + self.first_row}"


def read_table(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = (), headerless: tuple[str, ...] = ()
) -> Table:
    """Read these columns of a csv (or tsv, dat, txt) with a header, or of a parquet file.

    The delimiter is found (commas, semicolons, tabs, bars, `::`), and so is the encoding (UTF-8, UTF-16, cp1252).
    Columns go by the wanted names or by a synonym (`columns.SYNONYMS`); `user` and `item` are cleaned by `clean_ids`.

    Args:
        required: columns that must be there.
        optional: columns read where they are there.
        headerless: the columns of a file with `::`, which has no header.

    Raises:
        DataError: no such file, another kind of file, an unknown encoding, no rows, a column that is missing, an empty
            cell in a required column, rows of unequal length. The message names file and row.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "items.csv"
        >>> _ = path.write_text("movieId;text\\n7;green tea\\n")
        >>> table = read_table(path, ("item", "text"))
        >>> table.columns.values.tolist(), table.notes
        ([['7', 'green tea']], ('separated by semicolons', 'movieId read as item'))
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix.lower() in TEXT_SUFFIXES:
            read = read_delimited(path, headerless)
        elif path.suffix.lower() == ".parquet":
            read = Cells(_read_parquet(path, (*required, *optional)), 1, [], {})
        else:
            raise DataError(
                f"{path}: own data is read from .csv or .parquet, not from {path.suffix or 'a nameless kind'}: "
                "save it as CSV UTF-8"
            )
    except OSError as problem:
        raise DataError(f"{path}: cannot be read ({problem})") from problem
    frame, first_row, notes = read.frame, read.first_row, read.notes
    found = find_columns(path, list(frame), (*required, *optional))
    missing = [column for column in required if column not in found]
    if missing:
        cure = f"rename the one that holds the {missing[0]} to {missing[0]}"
        if len(missing) == len(required) and any(name.isdecimal() for name in frame):
            cure = f"that looks like data, so write a line above that names each, {', '.join(required)} among them"
        raise DataError(
            f"{path}: no column {', '.join(missing)}; it has {cut(', '.join(frame), 200)}. "
            f"Name the columns in the first row: {cure}"
        )
    if frame.empty:
        raise DataError(f"{path}: no rows; expected at least one below the header")
    renamed = {name: want for want, name in found.items() if name != want}
    notes += [", ".join(f"{name} read as {want}" for name, want in renamed.items())] if renamed else []
    columns = frame[list(found.values())].rename(columns=renamed)
    table = Table(path, columns[[c for c in (*required, *optional) if c in found]].copy(), first_row, frame)
    for column in required:
        if column in IDS:
            table.columns[column], note = clean_ids(table.columns[column], column, table.where)
            notes += [note] if note else []
            continue
        blank = table.columns[column].str.strip().eq("").to_numpy().nonzero()[0]
        if blank.size:
            raise DataError(f"{table.where(blank[0])}: no {column} ({blank.size} such rows): fill it in, or drop it")
    for row, there in read.short.items():
        raise DataError(
            f"{table.where(row)}: fewer cells than columns, {there} ({len(read.short)} such rows): is one missing? "
            "Where the last ones are empty, write their delimiters, too"
        )
    return Table(path, table.columns, first_row, frame.drop(columns=list(found.values())), tuple(notes))


def _read_parquet(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Every column as texts, blank where it is nested and nobody asked for it."""
    with damage_named(path, "not a parquet file", "write it again"):
        schema = pq.read_schema(path)
        names = schema.names
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise DataError(f"{path}: two columns are called {cut(twice[0])!r}: rename or drop one")
        meant = {name: want for want, name in find_columns(path, names, wanted).items()}
        flat = [name for name in names if name in meant or not pa.types.is_nested(schema.field(name).type)]
        read, _ = read_parquet(path, flat)
        texts = {name: _as_texts(path, name, meant.get(name), column) for name, column in read.items()}
    if not texts:
        return pd.DataFrame(columns=names, dtype=object)
    blank = [""] * len(next(iter(texts.values())))
    return pd.DataFrame({name: texts.get(name, blank) for name in names}, dtype=object)


def _as_texts(path: Path, name: str, want: str | None, column: pa.ChunkedArray) -> list[str]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type  # pandas's category
    found = cells(column.cast(pa.string()) if pa.types.is_temporal(kind) else column)
    if want and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        found = [None if cell is None else cell.decode() for cell in found]
    if want in IDS and (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):  # where a cell is missing, say
        found = [None if cell is None or cell != cell else cell for cell in found]
        suits = all(cell is None or (abs(cell) < 2**53 and cell == int(cell)) for cell in found)
        found = [None if cell is None else int(cell) for cell in found] if suits else found
    else:
        suits = not (
            pa.types.is_nested(kind) or (want in IDS and (pa.types.is_boolean(kind) or pa.types.is_temporal(kind)))
        )
    if not suits:
        raise DataError(f"{path}: column {name} holds {cut(kind)}; expected whole numbers or texts: cast it")
    return ["" if cell is None else str(cell) for cell in found]
