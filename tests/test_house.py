"""The house stands as designed: imports point one way, no file is a warehouse, nothing knows one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "dmrec_core"

# A module may import modules of a lower floor, or of its own room (the first part of its name).
FLOORS = {
    "gaussian": 0,
    "likelihood": 0,
    "matching": 1,
    "meta_network": 1,
    "backbones": 1,
    "dmrec": 2,
    "baselines": 2,
    "train": 3,
    "experiments": 4,
    "figures": 5,
    "panels": 6,
}
WITHOUT_MODELS = {"data", "language"}
ONLY_IN = {
    "ipywidgets": {"panels"},
    "papermill": {"figures"},
    "jupytext": {"figures"},
    "nbclient": {"figures"},
}
LONGEST_FILE = 400


def modules(package: Path) -> dict[str, Path]:
    """Dotted name inside the package -> file; the package itself is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules(PACKAGE)


def room(module: str) -> str:
    return module.split(".")[0]


def imports(module: str, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Every module that `module` imports when it runs, with the line; those of the kit as `dmrec_core...`."""
    path = known[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    package = ["dmrec_core", *module.split(".")] if module else ["dmrec_core"]
    package = package if path.name == "__init__.py" else package[:-1]
    for node in ast.walk(tree):
        if id(node) in for_types_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from dmrec_core import matching` means the module
                full = f"{name}.{alias.name}"
                is_module = full.startswith("dmrec_core.") and full.removeprefix("dmrec_core.") in known
                yield (full if is_module else name), node.lineno


def inner_imports(module: str, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    for name, line in imports(module, known):
        if name.startswith("dmrec_core."):
            yield name.removeprefix("dmrec_core."), line


def upward_imports(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{line} imports {other}"
        for module in known
        for other, line in inner_imports(module, known)
        if module and room(module) != room(other) and FLOORS.get(room(module), 99) <= FLOORS.get(room(other), -1)
    ]


def models_in_data_or_language(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{line} imports {other}"
        for module in known
        for other, line in inner_imports(module, known)
        if room(module) in WITHOUT_MODELS and (room(other) in FLOORS or room(other) in {"recommender", "evaluate"})
    ]


def tools_out_of_their_room(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{line} imports {name}; only {', '.join(ONLY_IN[name.split('.')[0]])} may"
        for module in known
        for name, line in imports(module, known)
        if room(module) not in ONLY_IN.get(name.split(".")[0], {room(module)})
    ]


def circle(known: dict[str, Path]) -> str:
    """One circle of imports as "a -> b -> a", or nothing."""
    edges = {module: {other for other, _ in inner_imports(module, known) if other != module} for module in known}
    cleared: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> str:
        if module in trail:
            return " -> ".join([*trail[trail.index(module) :], module])
        if module not in cleared:
            for other in sorted(edges.get(module, ())):
                if found := walk(other, (*trail, module)):
                    return found
            cleared.add(module)
        return ""

    return next(filter(None, (walk(module, ()) for module in known)), "")


def test_imports_point_one_way():
    assert upward_imports(MODULES) == []


def test_data_and_language_know_nothing_of_models():
    assert models_in_data_or_language(MODULES) == []


def test_front_end_and_notebook_tools_stay_in_their_rooms():
    assert tools_out_of_their_room(MODULES) == []


def test_no_circle_of_imports():
    assert circle(MODULES) == ""


def test_these_checks_find_what_they_look_for(tmp_path):
    planted = {
        "gaussian.py": "from dmrec_core.matching import godm",
        "matching.py": "from .gaussian import kl\nif typing.TYPE_CHECKING:\n    import jupytext",
        "data/toy.py": "def make():\n    from dmrec_core import matching",
        "train.py": "import ipywidgets\nimport papermill.execute",
        "panels.py": "import ipywidgets\nfrom dmrec_core import train",
    }
    for name, text in planted.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    known = modules(tmp_path)
    assert upward_imports(known) == ["gaussian.py:1 imports matching"]
    assert models_in_data_or_language(known) == ["toy.py:2 imports matching"]
    assert [line.split(";")[0] for line in tools_out_of_their_room(known)] == [
        "train.py:1 imports ipywidgets",
        "train.py:2 imports papermill.execute",
    ]
    assert circle(known) == "matching -> gaussian -> matching"


@pytest.mark.parametrize("module", MODULES)
def test_module_is_short_and_everything_public_says_what_it_is(module):
    path = MODULES[module]
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < LONGEST_FILE, f"{path} has {text.count(chr(10))} lines: it is two files"
    tree = ast.parse(text)
    silent = [] if ast.get_docstring(tree) or not tree.body else ["the module itself"]
    silent += [
        f"{node.name} (line {node.lineno})"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{path.relative_to(CHECKOUT)} has no docstring for: {', '.join(silent)}"


def text_files() -> Iterator[Path]:
    """What git tracks or would track; the package alone where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else [str(p) for p in PACKAGE.rglob("*.py")]
    for name in names:
        path = CHECKOUT / name
        if path.suffix not in {".png", ".npz", ".safetensors", ".parquet", ".pkl"} and path.is_file():
            yield path


def test_no_file_knows_the_path_of_one_machine():
    machine = re.compile(r"(?<![\w.~$}/-])/(?:home|Users|root|work|mnt|workspace)/\w")
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if machine.search(line)
    ]
    assert not found, found
