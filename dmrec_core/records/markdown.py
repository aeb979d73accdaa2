"""Numbers and tables as people read them: an interval in one line, rows as a markdown grid."""

from __future__ import annotations

import re
from collections.abc import Sequence


def plus_minus(mean: float, low: float | None, high: float | None, sign: str = "") -> str:
    """A mean with half of its interval, or marked where one seed gives none.

    Args:
        mean, low, high: as `mean_interval` or a kept JSON has them; without an interval low is None or NaN; one of no
            width, of a number that no seed changes, is not printed.
        sign: "+" to print a sign always.

    Example:
        >>> plus_minus(0.25, 0.24, 0.26), plus_minus(0.01, None, None, "+"), plus_minus(0.25, 0.25, 0.25)
        ('0.2500 ± 0.0100', '+0.0100 (one seed)', '0.2500')
    """
    if low is None or low != low:
        return f"{mean:{sign}.4f} (one seed)"
    if low == high:
        return f"{mean:{sign}.4f}"
    return f"{mean:{sign}.4f} ± {(high - low) / 2:.4f}"


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table; a cell is markdown already, but for the bars and line ends that would break the table.

    Example:
        >>> print(markdown_table(["model", "Recall@20"], [["a|b", 0.25]]))
        | model | Recall@20 |
        | --- | --- |
        | a\\|b | 0.25 |
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", str(value)).replace("\n", " ")
