"""A csv or parquet file as columns of texts, with the row to name when something is wrong."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dmrec_core.data.arrays import cells, damage_named, read_parquet
from dmrec_core.data.errors import DataError
from dmrec_core.records.ranges import cut


@dataclass(frozen=True, eq=False)
class Table:
    """The columns asked for, every cell a text."""

    path: Path
    columns: pd.DataFrame  # index 0, 1, 2, ...
    first_row: int  # what a reader calls index 0: 2 in a csv (the header is row 1), 1 in a parquet

    def where(self, index: int) -> str:
        """ "own/interactions.csv, row 17", as a spreadsheet would number it."""
        return f"{self.path}, row {index + self.first_row}"


def read_table(path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Table:
    """Read these columns of a UTF-8 csv with a header, or of a parquet file.

    Args:
        required: columns that must be there.
        optional: columns read where they are there; all others are ignored.

    Raises:
        DataError: no such file, another kind of file, not UTF-8, no rows, a column that is missing, an empty cell in a
            required column, rows of unequal length. The message names file and row.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "items.csv"
        >>> _ = path.write_text("item,text\\n7,green tea\\n")
        >>> read_table(path, ("item", "text")).columns.values.tolist()
        [['7', 'green tea']]
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.suffix == ".csv":
        frame, first_row = _read_csv(path), 2
    elif path.suffix == ".parquet":
        frame, first_row = _read_parquet(path, required, optional), 1
    else:
        raise DataError(f"{path}: own data is read from .csv or .parquet, not from {path.suffix or 'a nameless kind'}")
    missing = [column for column in required if column not in frame]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; it has {cut(', '.join(map(str, frame)), 400)}. "
            "Name the columns in the first row"
        )
    if frame.empty:
        raise DataError(f"{path}: no rows; expected at least one below the header")
    table = Table(path, frame[[c for c in (*required, *optional) if c in frame]], first_row)
    for column in required:
        blank = frame[column].str.strip().eq("").to_numpy().nonzero()[0]
        if blank.size:
            raise DataError(f"{table.where(blank[0])}: no {column} ({blank.size} such rows): fill it in, or drop it")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig").rstrip()
    except UnicodeDecodeError as problem:
        row = content[: problem.start].count(b"\n") + 1
        raise DataError(
            f"{path}, row {row}: byte {content[problem.start]:#04x} is not UTF-8; save the file with UTF-8 encoding"
        ) from problem
    if not text:
        raise DataError(f"{path}: an empty file; expected a header and rows")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would lose cells
            frame = pd.read_csv(
                io.StringIO(text),
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
                skipinitialspace=True,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as problem:
        raise DataError(f"{path}: rows of unequal length ({problem}); quote cells that hold commas") from problem
    return frame.fillna("")


def _read_parquet(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    with damage_named(path, "not a parquet file", "write it again"):
        read, names = read_parquet(path, (*required, *optional))
        read = {name: (column.type, cells(column)) for name, column in read.items()}
    if not set(required) <= set(read):
        return pd.DataFrame(columns=names, dtype=str)  # whoever asked says which is missing
    columns = {}
    for name, (kind, found) in read.items():
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        textual = pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not textual and name in required:
            raise DataError(f"{path}: column {name} holds {cut(str(kind))}; expected whole numbers or texts: cast it")
        columns[name] = ["" if cell is None else str(cell) for cell in found]
    return pd.DataFrame(columns, dtype=str)
