"""The one writer of kept figures: picture, numbers and provenance together, each file whole or not there at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmrec_core.records.checkout import MADE, in_checkout
from dmrec_core.records.files import whole_or_not
from dmrec_core.records.origin import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plain_numbers", "provenance", "record"]

SIGNIFICANT_DIGITS = 6  # more than a figure shows, fewer than a change of thread count disturbs


def record(
    name: str,
    figure: Figure,
    numbers: Mapping[str, Any],
    provenance: Mapping[str, Any],
    folder: str | Path = MADE,
    timings: Mapping[str, Any] | None = None,
) -> Path:
    """Write `name.png`, `name.svg` and `name.json`; the same inputs write the same bytes. Tuned: see `kept_name`.

    Args:
        name: file name without suffix, e.g. `"09_lambda_sensitivity"`.
        figure: a matplotlib Figure; it is neither shown nor closed.
        numbers: what was drawn, nested as you like: mappings, sequences, arrays, tensors, DataFrames, None where
            there is no number. No wall-clock times: they go to `timings`.
        provenance: what the numbers came from, see `provenance`.
        folder: a relative folder is meant from the checkout's root, so that a notebook need not know where it runs.
        timings: seconds and the like, to `name.timing.json`, so that `name.json` stays the same when made again.

    Returns:
        The path of the JSON, which is put in place last: where it is new, the pictures are.

    Raises:
        ValueError: a name with a folder in it; a number that is NaN or infinite (the message says where).
        TypeError: something JSON has no word for.
    """
    from matplotlib import rc_context

    if not name or Path(name).name != name:
        raise ValueError(f"a figure's name is a file name without folders, got {name!r}; the folder is an argument")
    name = kept_name(name, provenance)
    documents = {".json": {"name": name, "numbers": numbers, "provenance": provenance}}
    if timings is not None:
        documents[".timing.json"] = {"name": name, "timings": timings}
    texts = {suffix: to_json(document) for suffix, document in documents.items()}

    folder = in_checkout(folder)
    suffixes = [*texts, ".svg", ".png"]  # what is entered first is put in place last
    with ExitStack() as whole:
        temporary = {suffix: whole.enter_context(whole_or_not(folder / f"{name}{suffix}")) for suffix in suffixes}
        stamp(figure, provenance)
        with rc_context({"svg.hashsalt": name}):  # otherwise the ids inside the SVG are random
            figure.savefig(temporary[".png"], format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})
            figure.savefig(
                temporary[".svg"], format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None}
            )
        for suffix, text in texts.items():
            temporary[suffix].write_text(text, encoding="utf-8")
    return folder / f"{name}.json"


def kept_name(name: str, provenance: Mapping[str, Any]) -> str:
    """`name_tuned` where settings were tuned: that is another figure or table, and takes no other's place."""
    return f"{name}_tuned" if provenance.get("tuned") else name


def stamp(figure: Figure, provenance: Mapping[str, Any]) -> None:
    """Print data set, embedder and seeds under the picture, so that it says what it shows wherever it is pasted.

    Vectors that are not ada-002 are never to be taken for the paper's; the stamp names the embedder for that reason.
    """
    dataset, embedder, seeds = (provenance.get(key) for key in ("dataset", "embedder", "seeds"))
    parts = [f"data: {dataset}"] if dataset else []
    parts += [f"vectors: {embedder}"] if embedder and embedder != "none" else []
    parts += [f"seeds: {', '.join(map(str, seeds))}"] if seeds else []
    if (precision := provenance.get("precision", "float32")) != "float32":
        parts.append(f"matrix products in: {precision}")
    if provenance.get("tuned"):
        parts.append("settings chosen by validation")
    for old in [text for text in figure.texts if text.get_gid() == "stamp"]:
        old.remove()
    if parts:
        figure.text(0, -0.01, "   ".join(parts), fontsize=8, color="#666666", ha="left", va="top", gid="stamp")


def to_json(document: Mapping[str, Any]) -> str:
    """`document` as JSON text: sorted keys, six significant digits, UTF-8, one newline at the end."""
    return json.dumps(plain_numbers(document), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain_numbers(value: Any, where: str = "") -> Any:
    """`value` in JSON's own types, floats rounded to six significant digits.

    Raises:
        ValueError: NaN or infinity, or two keys that become the same text.
        TypeError: a type that has no plain form.

    Example:
        >>> import numpy as np
        >>> plain_numbers({"recall": np.array([0.1234567, 1.0]), "lam": {0.5: None}})
        {'recall': [0.123457, 1.0], 'lam': {'0.5': None}}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                f"{where or 'the value'} is {value}: a kept figure holds finite numbers. "
                "Write None where there is no number; if a run diverged, the figure should not be kept."
            )
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    if isinstance(value, list | tuple):
        return [plain_numbers(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a DataFrame: named indices become columns
        frame = value.reset_index() if any(name is not None for name in value.index.names) else value
        return plain_numbers(frame.to_dict(orient="records"), where)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, tensors, Series
        return plain_numbers(value.tolist(), where)
    raise TypeError(
        f"{where or 'the value'} is a {type(value).__name__}, which JSON has no word for: "
        "pass numbers, text, None, or mappings, sequences, arrays and DataFrames of them"
    )


def _plain_mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        text = str(plain_numbers(key, f"a key of {where or 'the mapping'}"))
        if text in plain:
            raise ValueError(f"{where or 'the mapping'} has two keys that are both {text!r} as text")
        plain[text] = plain_numbers(item, f"{where}.{text}" if where else text)
    return plain
