"""The one writer of kept figures: picture, numbers and provenance together, each file whole or not there at all."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmrec_core.records.checkout import MADE, in_checkout
from dmrec_core.records.files import read_json, write_whole
from dmrec_core.records.markup import matplotlib_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.ranges import cut, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plain_numbers", "provenance", "record"]

NUMBERS = {"mean", "low", "high", "lam", "p_seeds", "p_users", "difference_low", "difference_high"}
"""What holds numbers, or null, wherever it stands in a kept document, and never a text."""

MEND = "make it again, take it back from git, or delete it"
SIGNIFICANT_DIGITS = 6  # more than a figure shows, fewer than a change of thread count disturbs


class Damaged(ValueError):
    """A kept JSON that cannot be used; the message names it."""


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

    _stamp(figure, provenance)
    contents = {}
    with rc_context({"svg.hashsalt": name}):  # otherwise the ids inside the SVG are random
        contents[".png"] = _drawn(figure, "png", {"Software": None}, dpi=150)
        contents[".svg"] = _drawn(figure, "svg", {"Date": None, "Creator": None})
    contents |= {suffix: text.encode() for suffix, text in reversed(texts.items())}
    folder = in_checkout(folder)
    for suffix, content in contents.items():
        write_whole(folder / f"{name}{suffix}", content)
    return folder / f"{name}.json"


def kept_document(path: Path) -> dict[str, Any]:
    """What `record` or a table's writer kept in a JSON, read again.

    Raises:
        Damaged: it is none of ours, damaged, or of another version; the message names the file and the place in it.
        OSError: it cannot be read.
    """
    try:
        document = read_json(path)
    except ValueError as problem:
        raise Damaged(f"{problem}; {MEND}") from None
    wrong = None
    if not isinstance(document, dict) or not {"claims", "numbers"} & document.keys():
        wrong = "expected an object with numbers or claims"
    elif not all(map(_is_provenance, (document.get("provenance"), *_values(document.get("provenance_of", {}))))):
        wrong = "expected objects that say what the numbers came from, as its provenance"
    if wrong := wrong or next(_no_numbers(document, ""), None):
        raise Damaged(f"{path}: {wrong}; {MEND}")
    return document


def _is_provenance(facts: Any) -> bool:
    return isinstance(facts, dict) and isinstance(facts.get("numbers_version", {}), dict)


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [value]


def _no_numbers(value: Any, where: str) -> Iterator[str]:
    """Where something else stands in a number's place."""
    if isinstance(value, dict):
        for key, item in value.items():
            place = f"{where}.{key}" if where else key
            if key in NUMBERS and isinstance(item, str | bool):
                yield f"{cut(place)} is {short(item)}, expected a finite number or null"
            yield from _no_numbers(item, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _no_numbers(item, f"{where}[{index}]")
    elif not isinstance(value, str | bool | None) and not _is_finite(value):
        yield f"{cut(where)} is {short(value)}, expected a finite number"


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def _drawn(figure: Figure, kind: str, metadata: Mapping[str, None], **how: object) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, bbox_inches="tight", metadata=metadata, **how)
    return picture.getvalue()


def kept_name(name: str, provenance: Mapping[str, Any]) -> str:
    """`name_tuned` where settings were tuned: that is another figure or table, and takes no other's place."""
    return f"{name}_tuned" if provenance.get("tuned") else name


def _stamp(figure: Figure, provenance: Mapping[str, Any]) -> None:
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
        figure.text(
            0, -0.01, matplotlib_text("   ".join(parts)), fontsize=8, color="#666666", ha="left", va="top", gid="stamp"
        )


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
