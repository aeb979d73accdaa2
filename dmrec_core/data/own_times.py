"""When each interaction was: unix seconds (or milli-, micro-, nanoseconds) or ISO dates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dmrec_core.data.errors import DataError
from dmrec_core.data.tables import Table

MILLISECONDS = 1e11  # as seconds, this is the year 5138; as milliseconds, 1973


def read_times(table: Table) -> np.ndarray:
    """The column `timestamp` as numbers that grow with time, (n,) float64 or int64.

    Raises:
        DataError: a cell that is no time, or one in another unit than the others; with its row.
    """
    cells = table.columns["timestamp"].str.strip()
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    numeric = np.isfinite(numbers) & (numbers >= 0)
    if numeric.mean() >= 0.5:
        _refuse(table, ~numeric, "expected a number, as in the other rows")
        unit = np.digitize(numbers, [MILLISECONDS, 1e14, 1e17])  # s, ms, us, ns
        usual = np.bincount(unit).argmax()
        _refuse(table, unit != usual, f"expected {('', 'milli', 'micro', 'nano')[usual]}seconds, as in the other rows")
        return numbers
    dates = pd.to_datetime(cells.where(~numeric), format="ISO8601", utc=True, errors="coerce")
    _refuse(
        table, dates.isna().to_numpy(), "expected unix seconds, or an ISO date as 2024-05-31 or 2024-05-31T18:30:00"
    )
    return dates.dt.tz_convert(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _refuse(table: Table, wrong: np.ndarray, expected: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        cell = table.columns["timestamp"][rows[0]]
        raise DataError(f"{table.where(rows[0])}: timestamp is {cell[:40]!r}, {expected} ({rows.size} such rows)")
