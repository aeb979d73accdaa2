"""The two halves of a notebook: `NN_name.py` is the source, `NN_name.ipynb` the same cells without outputs.

`python -m dmrec_core.upkeep.pairs check` compares them, `... sync` rebuilds every `.ipynb` from its `.py`. The header
of a `.py` is HEADER below; JupyterLab then keeps both halves up to date when one is saved.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import sys
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from papermill.translators import PythonTranslator

from dmrec_core.records.checkout import NotACheckout, checkout
from dmrec_core.records.files import write_whole

FORMATS = "ipynb,py:percent"
CELL_METADATA = "tags,-all"  # "-all" alone would drop the `parameters` tag
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HEADER = f"""\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: {CELL_METADATA}
#     formats: {FORMATS}
#   kernelspec:
#     display_name: {KERNEL["display_name"]}
#     language: {KERNEL["language"]}
#     name: {KERNEL["name"]}
# ---
"""


def check_pairs(folder: Path) -> list[str]:
    """Everything wrong with the pairs in `folder`, one line per fault, each beginning with the file; empty is good."""
    sources = {path.stem for path in folder.glob("*.py")}
    notebooks = {path.stem for path in folder.glob("*.ipynb")}
    faults = [f"{name}.py: has no {name}.ipynb; `make sync` makes it" for name in sorted(sources - notebooks)]
    faults += [f"{name}.ipynb: has no {name}.py, which is the source of a pair" for name in sorted(notebooks - sources)]
    for name in sorted(sources & notebooks):
        faults += check_pair(folder / f"{name}.py")
    return faults


def check_pair(source: Path) -> list[str]:
    """Everything wrong with one pair, given its `.py`."""
    twin = source.with_suffix(".ipynb")
    halves = {path.name: jupytext.read(path) for path in (source, twin)}
    faults = []
    for file, notebook in halves.items():
        faults += [f"{file}: {fault}" for fault in _header_faults(notebook.metadata)]
        faults += [f"{file}: {fault}" for fault in parameter_faults(notebook)]
    written, committed = (_cells(notebook) for notebook in halves.values())
    first = next((i for i, (mine, theirs) in enumerate(zip(written, committed, strict=False)) if mine != theirs), None)
    if first is not None:
        different = [what for what in written[first] if written[first][what] != committed[first][what]]
        faults.append(
            f"{twin.name}: cell {first + 1} differs from {source.name} in its {', '.join(different)}; run `make sync`"
        )
    elif len(written) != len(committed):
        faults.append(f"{twin.name}: has {len(committed)} cells, {source.name} has {len(written)}; run `make sync`")
    return faults + [f"{twin.name}: {fault}" for fault in _output_faults(halves[twin.name])]


def parameter_faults(notebook: nbformat.NotebookNode) -> list[str]:
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


def sync_pair(source: Path) -> bool:
    """Rebuild the `.ipynb` of `source`: same cells, known cell ids kept, no outputs. True where the file changed."""
    notebook = jupytext.read(source)
    twin = source.with_suffix(".ipynb")
    known: set[str] = set()
    if twin.exists():
        before = jupytext.read(twin)
        known = {cell.id for cell in before.cells if "id" in cell}
        notebook = combine_inputs_with_outputs(notebook, before, fmt=FORMATS.split(",")[1])
    taken: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.get("id") not in known or cell.id in taken:  # a new cell: an id that two machines agree on
            cell.id = hashlib.sha256(f"{source.stem} {index} {cell.source}".encode()).hexdigest()[:12]
        taken.add(cell.id)
    notebook.metadata = nbformat.from_dict(
        {"jupytext": {"cell_metadata_filter": CELL_METADATA, "formats": FORMATS}, "kernelspec": KERNEL}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first format with cell ids
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1) + "\n"
    if twin.exists() and twin.read_text(encoding="utf-8") == text:
        return False
    write_whole(twin, text.encode())
    return True


def _cells(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    return [
        {"type": cell.cell_type, "source": cell.source, "tags": sorted(cell.metadata.get("tags", []))}
        for cell in notebook.cells
    ]


def _header_faults(metadata: nbformat.NotebookNode) -> list[str]:
    kernel, header = metadata.get("kernelspec", {}), metadata.get("jupytext", {})
    faults = []
    if (kernel.get("name"), kernel.get("language")) != (KERNEL["name"], KERNEL["language"]):
        faults.append(f"kernelspec is {dict(kernel)}, needs name python3 and language python")
    if header.get("formats") != FORMATS or header.get("cell_metadata_filter") != CELL_METADATA:
        faults.append(f"jupytext header needs `formats: {FORMATS}` and `cell_metadata_filter: {CELL_METADATA}`")
    return faults


def _output_faults(notebook: nbformat.NotebookNode) -> list[str]:
    faults = [] if "widgets" not in notebook.metadata else ["holds widget state; run `make sync`"]
    for index, cell in enumerate(notebook.cells):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            faults.append(f"cell {index + 1} holds an output or an execution count; run `make sync`")
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) != len(ids):
        faults.append("cells need ids, each its own; run `make sync`")
    return faults


def main(arguments: list[str] | None = None) -> int:
    """`check` or `sync` the checkout's notebooks, or those of another folder."""
    parser = argparse.ArgumentParser(prog="python -m dmrec_core.upkeep.pairs", description=__doc__)
    parser.add_argument("command", choices=["check", "sync"])
    parser.add_argument("folder", nargs="?", type=Path, help="default: notebooks/ of the checkout")
    options = parser.parse_args(arguments)
    try:
        folder = options.folder or checkout() / "notebooks"
    except NotACheckout as error:
        parser.error(str(error))
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder")
    sources = sorted(folder.glob("*.py"))
    if options.command == "sync":
        for source in sources:
            print(f"{source.stem}.ipynb: {'rebuilt' if sync_pair(source) else 'up to date'}")
    faults = check_pairs(folder)
    print("\n".join(faults) if faults else f"{len(sources)} notebook pairs agree")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
