"""What a notebook's `.ipynb` half shows: outputs made on toy, free of what belongs to one machine, and stamped.

People read on GitHub before they install anything, so the tables, numbers and pictures are kept beside the cells. The
stamp says from which sources and of which numbers versions they are; nothing compares the numbers themselves, whose
last digits are a processor's own.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import nbformat

from dmrec_core.records.checkout import find_checkout
from dmrec_core.records.files import digest
from dmrec_core.runs.models import of_older_runs
from dmrec_core.upkeep.pictures import smaller

LARGEST = 400_000  # bytes of one .ipynb
STAMP = "dmrec"  # its key in the notebook's metadata
PLOTLY = "application/vnd.plotly.v1+json"
SHOWN = ("text/plain", "text/html", "text/markdown", "image/png")  # all that GitHub, nbviewer and VS Code show alike

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MEASURED = re.compile(r"\d+\.\d+(?= m?s\b)")  # a time that was measured, not one that is assumed
_STYLE = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
_STYLER = re.compile(r"\bT_[0-9a-f]{5}(?=_|\b)")  # pandas draws a new id for every styled table
_ABSOLUTE = re.compile(
    r"(?<![\w.:/~<])(?:/(?:home|root|Users|tmp|var|opt|usr|work|mnt|private)/|[A-Z]:\\)[^\s'\"<>),;]*"
)


def cells_of(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    """What both halves of a pair have in common: type, source and tags of each cell."""
    return [
        {"type": cell.cell_type, "source": cell.source, "tags": sorted(cell.metadata.get("tags", []))}
        for cell in notebook.cells
    ]


def renewed_by(name: str) -> str:
    """The command that makes the outputs of the notebook `name` again.

    Example:
        >>> renewed_by("05_training")
        'python -m dmrec_core notebooks execute --only 05'
    """
    return f"python -m dmrec_core notebooks execute --only {name.partition('_')[0]}"


def stamp(notebook: nbformat.NotebookNode, numbers_version: Mapping[str, int]) -> None:
    """Write into the metadata of what the outputs are: these cells, runs of these numbers versions, these outputs."""
    notebook.metadata[STAMP] = nbformat.from_dict(
        {
            "sources": _digest(cells_of(notebook)),
            "outputs": _digest(_outputs(notebook)),
            "numbers_version": dict(sorted(numbers_version.items())),
        }
    )


def stale(notebook: nbformat.NotebookNode, written: nbformat.NotebookNode | None = None) -> str:
    """Why the outputs of `notebook` are not those of the cells of `written`, by default its own; "" where they are."""
    kept = notebook.metadata.get(STAMP)
    if not kept:
        return "has no outputs that were stamped"
    if kept.get("sources") != _digest(cells_of(written or notebook)):
        return "its outputs are of other cells than it has"
    if kept.get("outputs") != _digest(_outputs(notebook)):
        return "its outputs are not those that were stamped"
    return "; ".join(of_older_runs(kept.get("numbers_version", {})))


def drop(notebook: nbformat.NotebookNode) -> None:
    """Take outputs and stamp away."""
    notebook.metadata.pop(STAMP, None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def output_faults(notebook: nbformat.NotebookNode, size: int) -> Iterator[str]:
    """What outputs must not hold: widgets, errors, a machine's paths, more than a page can carry.

    Args:
        notebook: the `.ipynb` half.
        size: of its file, in bytes.
    """
    if size > LARGEST:
        yield f"is {size:,} bytes, and {LARGEST:,} is the most: show less"
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield f"cell {number} shows an error, {output.ename}"
            if odd := sorted(set(output.get("data", {})) - set(SHOWN)):
                yield f"cell {number} shows {', '.join(odd)}, which is not seen everywhere"
            if found := next(filter(None, map(_ABSOLUTE.search, _texts(output))), None):
                yield f"cell {number} shows a path of one machine, {found[0]}"


def cleaned(notebook: nbformat.NotebookNode, drawn: Callable[[Mapping], bytes]) -> None:
    """Leave in executed cells what every reader of the file sees, and nothing that changes from run to run.

    Progress (the error stream), addresses, drawn ids and printed times go; folders of this machine become `~` or `...`.

    Args:
        notebook: executed; it is changed.
        drawn: makes a PNG of a plotly figure.
    """
    count, styles = 0, set()
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        outputs: list[nbformat.NotebookNode] = []
        for output in cell.outputs:
            if output.output_type == "stream":
                if output.name == "stderr":
                    continue
                if outputs and outputs[-1].output_type == "stream":  # one print came in two pieces
                    outputs[-1].text += output.text
                    continue
            elif "data" in output:
                output.data = nbformat.from_dict(_shown(output.data, drawn, number))
                if "text/html" in output.data:  # every source brings the colours of its words: once a page is enough
                    output.data["text/html"] = _STYLE.sub(
                        lambda style: _once(style[0], styles), output.data["text/html"]
                    )
                output.metadata = nbformat.from_dict({})
            outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                output.text = _MEASURED.sub("…", _without_folders(output.text))
        count += bool(cell.source.strip())
        cell.execution_count = count if cell.source.strip() else None
        for output in outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
        cell.outputs = outputs


def _shown(data: Mapping, drawn: Callable[[Mapping], bytes], number: int) -> dict[str, object]:
    shown = {kind: data[kind] for kind in SHOWN if kind in data}
    if PLOTLY in data:
        shown["image/png"] = base64.b64encode(drawn(data[PLOTLY])).decode()
    elif "image/png" in shown:
        shown["image/png"] = base64.b64encode(smaller(base64.b64decode(shown["image/png"]))).decode()
    if len(shown) > 1:
        shown.pop("text/plain", None)  # nobody sees it beside the other
    for kind in shown:
        if kind != "image/png":
            text = _STYLER.sub(f"T_{number:05}", _ADDRESS.sub("", shown[kind]))
            shown[kind] = _without_folders(text)
    return shown


def _once(style: str, seen: set[str]) -> str:
    new = style not in seen
    seen.add(style)
    return style if new else ""


def _without_folders(text: str) -> str:
    folders = {str(find_checkout() or Path.cwd()): ".", tempfile.gettempdir(): "...", str(Path.home()): "~"}
    for folder, said in folders.items():
        if folder != "/":
            text = re.sub(rf"(?<![\w/]){re.escape(folder)}(?=/|\b)", said, text)
    return text


def _texts(output: nbformat.NotebookNode) -> Iterator[str]:
    yield output.get("text", "")
    yield from (text for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


def _outputs(notebook: nbformat.NotebookNode) -> list[object]:
    return [[cell.get("execution_count"), cell.get("outputs", [])] for cell in notebook.cells]


def _digest(what: object) -> str:
    return digest([("", json.dumps(what, sort_keys=True).encode())])
