"""Every notebook run under papermill, one after another, and what they made compared with what is kept."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmrec_core.data import is_own
from dmrec_core.data.load import subfolder
from dmrec_core.records.checkout import MADE, checkout, find_checkout
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.runs.parameters import check_parameters
from dmrec_core.upkeep import readme, reproduction
from dmrec_core.upkeep.kept import keep, missing
from dmrec_core.upkeep.reproduction import Reproduced
from dmrec_core.upkeep.runner import (
    NotebookFailed,
    UnknownParameter,
    check_names,
    declared_parameters,
    discover,
    parse_value,
    run_notebook,
)


class NotebooksFailed(RuntimeError):
    """Some notebooks failed; the message names them, and what was wrong has been said."""


def make_figures(options: argparse.Namespace) -> int:
    """Run what the options of the command `figures` ask for; its exit status.

    Raises:
        ValueError: a notebook, a data set or a parameter that is none.
        NotebooksFailed: after the others have run.
        KeyboardInterrupt: the message says what was done and what was not.
    """
    try:
        notebooks = options.notebooks or checkout() / "notebooks"
        root = notebooks.resolve().parent
        sources = discover(notebooks, options.only)
        if not sources:
            raise ValueError(f"{notebooks} has no notebook NN_name.py")
        declared = {source: declared_parameters(source) for source in sources}
        if options.list:
            for source, parameters in declared.items():
                print(f"{source.stem}  " + ", ".join(f"{name}={default}" for name, default in parameters.items()))
            return 0
        folder = subfolder(options.dataset)
        # one's own folder is told absolutely, because notebooks run in their own
        dataset = str(Path(options.dataset).resolve()) if is_own(options.dataset) else options.dataset
        fixed = {
            "dataset": dataset,
            "figures_dir": str((options.out or root / MADE).resolve()),  # each data set's folder is in there
            "device": options.device,
        }
        plan = _plan(declared, fixed, dict(options.parameter))
    except UnknownParameter as error:  # of the call, as a ValueError is
        raise ValueError(str(error)) from error
    made, kept = Path(fixed["figures_dir"], folder), root / "figures" / folder
    build = (options.build or root / "build").resolve() / folder
    first = next(iter(plan)).stem
    check_writable(made / f"{first}.json", "--out")
    check_writable(build / f"{first}.ipynb", "--build")
    if options.keep:
        check_writable(kept / f"{first}.json", "another folder of notebooks, --notebooks")
    known, before = reproduction.documents(kept), _written(made)
    failed = _run_all(plan, build, options.cell_timeout)
    new = {name for name, when in _written(made).items() if before.get(name) != when}
    documents = reproduction.documents(made)
    found = reproduction.reproduced(known, {name: documents[name] for name in documents if name in new})
    if known and found:
        text = reproduction.report(found)
        write_whole(build / "reproduction.md", text.encode())
        print(f"\n{text}\n{build / 'reproduction.md'}")
    if options.keep:
        poorer = {name: lost for name in known.keys() & new if (lost := missing(known[name], documents[name]))}
        _keep(found, {} if options.keep == "all" else poorer, options.keep == "all", made, kept)
    if failed:
        raise NotebooksFailed(f"{len(failed)} of {len(plan)} notebooks failed: {', '.join(failed)}")
    return 0


def _written(folder: Path) -> dict[str, int]:
    """Name -> when its JSON was written, in nanoseconds."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def _keep(found: list[Reproduced], poorer: Mapping[str, list[str]], everything: bool, made: Path, kept: Path) -> None:
    """Keep what was made, but not where only a processor's or a commit's difference would change the files.

    Nor where kept numbers would go that a parameter asks for, which was not given this time: `poorer`, figure -> those.
    """
    names = [each.name for each in found if everything or not (each.same or each.name in poorer)]
    keep(names, made, kept)
    print(f"kept in {kept}: {', '.join(names) or 'nothing'}")
    for name, lost in sorted(poorer.items()):
        print(f"left as it was: {name}, whose kept {', '.join(lost)} this run did not make (--keep all replaces it)")
    if same := [each.name for each in found if each.name not in {*names, *poorer}]:
        print(f"left as they were, the numbers being the same: {', '.join(same)} (--keep all replaces these too)")
    if (root := find_checkout()) and kept.is_relative_to(root / "figures"):
        readme.renew(check=False)


def _plan(
    declared: dict[Path, dict[str, str]], fixed: dict[str, Any], given: dict[str, str]
) -> dict[Path, dict[str, Any]]:
    """What each notebook receives: the fixed values and `-p` values, each only where it is declared."""
    for name in given.keys() & fixed.keys():
        raise UnknownParameter(f"{name} has an option of its own: --{'out' if name == 'figures_dir' else name}")
    where = next(iter(declared)).stem if len(declared) == 1 else "the selection of notebooks"
    check_names(given, set().union(*declared.values()), where)
    plan = {}
    for source, parameters in declared.items():
        mine = {name: value for name, value in fixed.items() if name in parameters}
        mine |= {name: parse_value(name, text, parameters[name]) for name, text in given.items() if name in parameters}
        check_parameters(mine)
        plan[source] = mine
    return plan


def _run_all(plan: dict[Path, dict[str, Any]], build: Path, timeout: int) -> list[str]:
    begun, done, failed = time.monotonic(), [], []
    try:
        for number, (source, parameters) in enumerate(plan.items(), start=1):
            label = f"[{number}/{len(plan)}] {source.stem}"
            print(f"{label} ...", flush=True)
            start = time.monotonic()
            try:
                run_notebook(source, parameters, build, timeout)
            except NotebookFailed as error:
                failed.append(source.stem)
                print(f"{label}: FAILED after {time.monotonic() - start:.0f} s in {error}", file=sys.stderr, flush=True)
            else:
                done.append(source.stem)
                left = (time.monotonic() - begun) / number * (len(plan) - number)
                print(f"{label}: {time.monotonic() - start:.0f} s, about {left:.0f} s left", flush=True)
    except KeyboardInterrupt:
        rest = [source.stem for source in plan if source.stem not in {*done, *failed}]
        raise KeyboardInterrupt(
            f"in {''.join(rest[:1]) or 'the end'}, whose notebook was not kept. "
            f"Done: {', '.join(done) or 'none'}. Not done: {', '.join(rest) or 'none'}"
        ) from None
    return failed
