"""The house stands as designed: imports point one way, no file is a warehouse, nothing knows one machine."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import dmrec_core

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "dmrec_core"

# Imports point from a higher floor to a lower one; modules of one room may import each other. Every module has a room
# and every room a floor: a new room without one fails.
EQUATIONS = "gaussian", "matching", "likelihood", "meta_network", "interactions", "recommender", "dmrec"
FLOORS = {
    "": 0,  # the face, which imports a name when it is asked for
    "records": 0.5,
    "equations": 1,
    "data": 2,
    "backbones": 2,
    "baselines": 2,
    "theory": 2,
    "language": 3,
    "catalogues": 3,
    "training": 3,
    "runs": 4,
    "analysis": 5,
    "every_lambda": 6,
    "paper": 6,
    "figures": 7,
    "panels": 8,
    "exercises": 8,
    "notebook": 9,
    "upkeep": 9,
    "commands": 10,
    "__main__": 11,
}
WITHOUT_MODELS = {"data", "language"}
MODELS = {"equations", "backbones", "baselines"}
ONLY_IN = {
    "ipywidgets": {"panels"},
    "papermill": {"upkeep"},
    "jupytext": {"upkeep"},
    "nbclient": {"upkeep"},
}
LONGEST_FILE = 400
MODULES_AT_THE_ROOT = 10
CODE_OF_MODELS_AND_LOSSES = 1800  # lines of root, backbones and baselines without docstrings, comments and blank lines


def modules(package: Path) -> dict[str, Path]:
    """Dotted name inside the package -> file; the package itself is ""."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules(PACKAGE)


def room(module: str) -> str:
    first = module.split(".")[0]
    return "equations" if first in EQUATIONS else first


def imports(module: str, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Every module that `module` imports, for types only or not, with the line; those of the kit as `dmrec_core...`."""
    path = known[module]
    package = ["dmrec_core", *module.split(".")] if module else ["dmrec_core"]
    package = package if path.name == "__init__.py" else package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
    """Imports that do not point to a lower floor; so no two rooms import each other."""
    return [
        f"{known[module].name}:{line} imports {other}"
        for module in known
        for other, line in inner_imports(module, known)
        if room(module) != room(other) and FLOORS[room(module)] <= FLOORS[room(other)]
    ]


def models_in_data_or_language(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{line} imports {other}"
        for module in known
        for other, line in inner_imports(module, known)
        if room(module) in WITHOUT_MODELS and room(other) in MODELS
    ]


def tools_out_of_their_room(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{line} imports {name}; only {', '.join(ONLY_IN[name.split('.')[0]])} may"
        for module in known
        for name, line in imports(module, known)
        if room(module) not in ONLY_IN.get(name.split(".")[0], {room(module)})
    ]


def circle(known: dict[str, Path]) -> str:
    """One circle of imports between modules as "a -> b -> a", or nothing; what a face gathers is no circle."""
    edges = {
        module: {other for other, _ in inner_imports(module, known) if other != module}
        for module in known
        if known[module].name != "__init__.py"
    }
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


def code_lines(path: Path) -> int:
    """Lines that are neither docstring nor comment nor blank."""
    text = path.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    silent = tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    written = {
        line for t in tokens if t.type not in silent for line in range(t.start[0], t.end[0] + 1)
    }  # fmt: skip
    return len(written - docstrings)


def test_every_module_has_a_floor():
    homeless = sorted({room(module) for module in MODULES} - set(FLOORS))
    assert not homeless, f"no floor for {homeless}: put the module into a room, or give its room a floor here"


def test_the_root_holds_the_equations_and_nothing_else():
    root = {module for module in MODULES if "." not in module and MODULES[module].parent == PACKAGE}
    assert root - {"", "notebook", "__main__"} == set(EQUATIONS) and len(root) <= MODULES_AT_THE_ROOT


def test_models_and_losses_stay_small():
    parts = [module for module in MODULES if room(module) in MODELS or module == ""]
    lines = sum(code_lines(MODULES[module]) for module in parts)
    assert lines <= CODE_OF_MODELS_AND_LOSSES, f"{lines} lines of code"


def test_models_load_no_more_than_they_need():
    heavy = "pandas", "plotly", "matplotlib", "IPython", "ipywidgets", "pooch", "httpx"
    names = ", ".join(dmrec_core.__all__)
    program = (
        f"import sys\nfrom dmrec_core import {names}\nimport dmrec_core.backbones, dmrec_core.baselines\n"
        f"print(*[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


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
        "gaussian.py": "from dmrec_core.training import fit",
        "matching.py": "from .gaussian import kl\nif typing.TYPE_CHECKING:\n    from dmrec_core import recommender",
        "recommender.py": "from dmrec_core.matching import godm",
        "data/toy.py": "def make():\n    from dmrec_core import matching",
        "training/fit.py": "import ipywidgets\nimport papermill.execute\nif TYPE_CHECKING:\n    import dmrec_core.runs",
        "panels/explorer.py": "import ipywidgets\nfrom dmrec_core.training import fit",
        "runs/__init__.py": "",
    }
    for name, text in planted.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    known = modules(tmp_path)
    assert upward_imports(known) == ["gaussian.py:1 imports training.fit", "fit.py:4 imports runs"]
    assert models_in_data_or_language(known) == ["toy.py:2 imports matching"]
    assert [line.split(";")[0] for line in tools_out_of_their_room(known)] == [
        "fit.py:1 imports ipywidgets",
        "fit.py:2 imports papermill.execute",
    ]
    assert circle(known) == "matching -> recommender -> matching"
    (tmp_path / "counted.py").write_text('"""One\ntwo."""\n\n# three\nx = (\n    1,\n)  # four\n')
    assert code_lines(tmp_path / "counted.py") == 3


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


def private_imports(known: dict[str, Path]) -> list[str]:
    return [
        f"{known[module].name}:{node.lineno} imports {alias.name}"
        for module in known
        for node in ast.walk(ast.parse(known[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dmrec_core")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]


MOST_PARAMETERS, MOST_UNTYPED = 8, 4
MODELS_WITH_MANY = "backbones", "baselines"  # a model's constructor names all its hyper-parameters


def crowded(known: dict[str, Path]) -> list[str]:
    """Functions that take too much, and private ones that do not say what."""
    found = []
    for module, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            taken = [argument for argument in every if argument.arg not in ("self", "cls")]
            untyped = [argument for argument in taken if argument.annotation is None]
            of_a_model = node.name == "__init__" and room(module) in MODELS_WITH_MANY
            if len(taken) > MOST_PARAMETERS and not of_a_model:
                found.append(f"{path.name}:{node.lineno} {node.name} takes {len(taken)}")
            if re.match(r"_[^_]", node.name) and len(untyped) > MOST_UNTYPED:
                found.append(f"{path.name}:{node.lineno} {node.name} has {len(untyped)} without a type")
    return found


def strangers(known: dict[str, Path], names: dict[str, str]) -> list[str]:
    """Public functions and classes that nobody else needs: no module, notebook or test; errors are for who catches."""
    homes = {
        (module, node.name)
        for module, path in known.items()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if not any(re.search("Error|Exception", ast.unparse(base)) for base in getattr(node, "bases", []))
    }
    words = {name: set(re.findall(r"\w+", text)) for name, text in names.items()}
    return sorted(
        f"{module}.{name}"
        for module, name in homes
        if not any(name in found for where, found in words.items() if where != str(known[module]))
        and not re.search(rf"->.*\b{name}\b", names[str(known[module])])  # what a function of its module returns
    )


def test_no_private_name_crosses_a_module():
    assert private_imports(MODULES) == []


def test_no_function_takes_too_much():
    assert crowded(MODULES) == []


def test_every_public_function_and_class_has_a_user():
    places = [*MODULES.values(), *(CHECKOUT / "notebooks").glob("*.py"), *(CHECKOUT / "tests").rglob("*.py")]
    assert strangers(MODULES, {str(path): path.read_text(encoding="utf-8") for path in places}) == []


STRATEGY_NAMES_IN = {"matching.py", "presets.py", "claims.py", "evidence.py", "printed.py", "questions.py"}
HOMES = {  # what is written in one place -> the only files that hold it
    r"""["'](godm|cpdm|mddm)["']""": STRATEGY_NAMES_IN,
    r"±\s*\{[^}]*(high|half)": {"markdown.py"},
    r"""["']\|[\s-]*---|\[["']---["']\]""": {"markdown.py"},
    r"os\.replace\(|getpid\(\)\}\.|\.partial\b": {
        "files.py",
        "download.py",
        "folder.py",
    },  # downloads and damaged files are moved
}


@pytest.mark.parametrize("pattern", HOMES)
def test_a_shared_fact_has_one_home(pattern):
    found = {
        f"{path.relative_to(CHECKOUT)}:{number}"
        for path in MODULES.values()
        if path.name not in HOMES[pattern]
        for number, line in enumerate(without_docstrings(path).splitlines(), start=1)
        if re.search(pattern, line)
    }
    assert not found


def without_docstrings(path: Path) -> str:
    """The text of a module, its docstrings emptied: examples in them may name anything."""
    lines = path.read_text(encoding="utf-8").splitlines()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, documented) and ast.get_docstring(node):
            lines[node.body[0].lineno - 1 : node.body[0].end_lineno] = [""] * (
                node.body[0].end_lineno - node.body[0].lineno + 1
            )
    return "\n".join(line.partition("  # ")[0] for line in lines)


def test_these_checks_of_names_find_what_they_look_for(tmp_path):
    planted = {
        "runs/spec.py": "from dmrec_core.matching import _is_paper\ndef _f(a, b, c, d, e): pass\ndef lonely(): pass\n",
        "baselines/kar.py": "class K:\n    def __init__(self, a, b, c, d, e, f, g, h, i): pass\n",
        "matching.py": "def wide(a, b, c, d, e, f, g, h, *, i): pass\n",
    }
    for name, text in planted.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    known = modules(tmp_path)
    assert private_imports(known) == ["spec.py:1 imports _is_paper"]
    assert sorted(crowded(known)) == ["matching.py:1 wide takes 9", "spec.py:2 _f has 5 without a type"]
    texts = {str(path): path.read_text() for path in known.values()} | {"a test": "wide K"}
    assert strangers(known, texts) == ["runs.spec.lonely"]
