"""The two halves of a notebook: `NN_name.py` is the source, `NN_name.ipynb` the same cells with what they show on toy.

`python -m dmrec_core notebooks check` compares them, `... sync` rebuilds every `.ipynb` from its `.py`, `... execute`
runs those whose outputs are stale. The header of a `.py` is HEADER below; JupyterLab then keeps both halves up to date
when one is saved.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from papermill.translators import PythonTranslator

from dmrec_core.records.checkout import checkout
from dmrec_core.records.files import write_whole
from dmrec_core.upkeep import outputs

FORMATS = "ipynb,py:percent"
CELL_METADATA = "tags,-all"  # "-all" alone would drop the `parameters` tag
NOTEBOOK_METADATA = "-jupytext.text_representation"  # or JupyterLab writes its own version into the source
PAIRED = {
    "cell_metadata_filter": CELL_METADATA,
    "formats": FORMATS,
    "notebook_metadata_filter": NOTEBOOK_METADATA,
}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HEADER = f"""\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: {CELL_METADATA}
#     formats: {FORMATS}
#     notebook_metadata_filter: {NOTEBOOK_METADATA}
#   kernelspec:
#     display_name: {KERNEL["display_name"]}
#     language: {KERNEL["language"]}
#     name: {KERNEL["name"]}
# ---
"""


class PairsDiffer(RuntimeError):
    """The halves of a notebook differ, or one is not as it should be."""


def check_pairs(folder: Path, executed: bool = True) -> list[str]:
    """Everything wrong with the pairs in `folder`, one line per fault, each beginning with the file; empty is good.

    Args:
        folder: where they are.
        executed: an `.ipynb` without outputs, or with those of other cells, is a fault.
    """
    sources = {path.stem for path in folder.glob("*.py")}
    notebooks = {path.stem for path in folder.glob("*.ipynb")}
    faults = [f"{name}.py: has no {name}.ipynb; `make sync` makes it" for name in sorted(sources - notebooks)]
    faults += [f"{name}.ipynb: has no {name}.py, which is the source of a pair" for name in sorted(notebooks - sources)]
    for name in sorted(sources & notebooks):
        faults += _check_pair(folder / f"{name}.py", executed)
    return faults


def _check_pair(source: Path, executed: bool) -> list[str]:
    """Everything wrong with one pair, given its `.py`."""
    twin = source.with_suffix(".ipynb")
    halves = {path.name: jupytext.read(path) for path in (source, twin)}
    faults = []
    for file, notebook in halves.items():
        faults += [f"{file}: {fault}" for fault in _header_faults(notebook.metadata)]
        faults += [f"{file}: {fault}" for fault in _parameter_faults(notebook)]
    written, committed = (outputs.cells_of(notebook) for notebook in halves.values())
    first = next((i for i, (mine, theirs) in enumerate(zip(written, committed, strict=False)) if mine != theirs), None)
    if first is not None:
        different = [what for what in written[first] if written[first][what] != committed[first][what]]
        faults.append(
            f"{twin.name}: cell {first + 1} differs from {source.name} in its {', '.join(different)}; run `make sync`"
        )
    elif len(written) != len(committed):
        faults.append(f"{twin.name}: has {len(committed)} cells, {source.name} has {len(written)}; run `make sync`")
    elif executed and (why := outputs.stale(halves[twin.name])):
        faults.append(f"{twin.name}: {why}; run `{outputs.renewed_by(source.stem)}`")
    return faults + [f"{twin.name}: {fault}" for fault in _half_faults(halves[twin.name], twin.stat().st_size)]


def _parameter_faults(notebook: nbformat.NotebookNode) -> list[str]:
    """Exactly one cell tagged `parameters`, holding only assignments that papermill can read."""
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        return [f"has {len(tagged)} cells tagged `parameters`, needs exactly one"]
    if tagged[0].cell_type != "code":
        return ["the cell tagged `parameters` is not a code cell"]
    try:
        statements = ast.parse(tagged[0].source).body
    except SyntaxError as error:
        return [f"the cell tagged `parameters` is not Python: {error}"]
    assigned = [node.targets[0] for node in statements if isinstance(node, ast.Assign)]
    assigned += [node.target for node in statements if isinstance(node, ast.AnnAssign)]
    names = {target.id for target in assigned if isinstance(target, ast.Name)}
    readable = {parameter.name for parameter in PythonTranslator.inspect(tagged[0])}
    return [
        f"papermill cannot read the parameter {name!r}: write `{name} = value  # meaning` with one `=` in the line"
        for name in sorted(names - readable)
    ]


def rebuilt(source: Path) -> nbformat.NotebookNode:
    """The `.ipynb` half that `source` should have: same cells, known cell ids and outputs of these cells kept."""
    notebook = jupytext.read(source)
    twin = source.with_suffix(".ipynb")
    known: set[str] = set()
    stamped = None
    if twin.exists():
        before = jupytext.read(twin)
        known = {cell.id for cell in before.cells if "id" in cell}
        stamped = None if outputs.stale(before, notebook) else before.metadata[outputs.STAMP]
        notebook = combine_inputs_with_outputs(notebook, before, fmt=FORMATS.split(",")[1])
    taken: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.get("id") not in known or cell.id in taken:  # a new cell: an id that two machines agree on
            cell.id = hashlib.sha256(f"{source.stem} {index} {cell.source}".encode()).hexdigest()[:12]
        taken.add(cell.id)
    notebook.metadata = nbformat.from_dict({"jupytext": PAIRED, "kernelspec": KERNEL})
    if stamped is None:
        outputs.drop(notebook)
    else:
        notebook.metadata[outputs.STAMP] = stamped
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first format with cell ids
    return notebook


def write_pair(source: Path, notebook: nbformat.NotebookNode) -> bool:
    """Write `notebook` as the `.ipynb` half of `source`. True where that changed the file."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1) + "\n"
    twin = source.with_suffix(".ipynb")
    if twin.exists() and twin.read_text(encoding="utf-8") == text:
        return False
    write_whole(twin, text.encode())
    return True


def _header_faults(metadata: nbformat.NotebookNode) -> list[str]:
    kernel, header = metadata.get("kernelspec", {}), metadata.get("jupytext", {})
    faults = []
    if (kernel.get("name"), kernel.get("language")) != (KERNEL["name"], KERNEL["language"]):
        faults.append(f"kernelspec is {dict(kernel)}, needs name python3 and language python")
    if missing := [f"`{name}: {value}`" for name, value in PAIRED.items() if header.get(name) != value]:
        faults.append(f"jupytext header needs {' and '.join(missing)}")
    return faults


def _half_faults(notebook: nbformat.NotebookNode, size: int) -> list[str]:
    faults = [] if "widgets" not in notebook.metadata else ["holds widget state; run `make sync`"]
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) != len(ids):
        faults.append("cells need ids, each its own; run `make sync`")
    return [*faults, *outputs.output_faults(notebook, size)]


def check_or_sync(folder: Path | None, sync: bool) -> int:
    """Check the checkout's notebooks, or those of another folder, after a rebuild if asked; the command's exit status.

    A rebuild says which outputs it dropped, because they were of other cells; that is no fault of the pair yet.

    Raises:
        ValueError: there is no such folder.
        PairsDiffer: the message has a line for each fault.
    """
    folder = folder or checkout() / "notebooks"
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    sources = sorted(folder.glob("*.py"))
    if sync:
        for source in sources:
            notebook = rebuilt(source)
            said = "rebuilt" if write_pair(source, notebook) else "up to date"
            missing = "" if outputs.STAMP in notebook.metadata else f", no outputs: {outputs.renewed_by(source.stem)}"
            print(f"{source.stem}.ipynb: {said}{missing}")
    if faults := check_pairs(folder, executed=not sync):
        raise PairsDiffer("\n".join([f"{len(faults)} faults in {folder}", *faults]))
    print(f"{len(sources)} notebook pairs agree")
    return 0
