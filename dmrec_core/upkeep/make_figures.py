"""Regenerate the figures: `python -m dmrec_core.figures` runs every notebook under papermill.

Figures go to build/figures/ (those of another data set to build/figures/<dataset>/), executed notebooks to build/. A
notebook that fails leaves build/NN_name.failed.ipynb and the others still run; Ctrl-C leaves nothing half made.

At the end each number is compared with the one that figures/ keeps, also in build/reproduction.md. figures/ and the
README, which is made from it, change with --keep only.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from dmrec_core.data import DATASETS
from dmrec_core.data.load import subfolder
from dmrec_core.records.checkout import MADE, NotACheckout, checkout
from dmrec_core.records.files import write_whole
from dmrec_core.upkeep import readme, reproduction
from dmrec_core.upkeep.kept import keep
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

FAILED, INTERRUPTED = 1, 130  # 2 is argparse's, for usage


def main(arguments: list[str] | None = None) -> int:
    """Run what `arguments` ask for; exit status 0, or 1 a notebook failed, 2 usage, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        notebooks = options.notebooks or checkout() / "notebooks"
        root = notebooks.resolve().parent
        sources = discover(notebooks, options.only)
        if not sources:
            parser.error(f"{notebooks} has no notebook NN_name.py")
        declared = {source: declared_parameters(source) for source in sources}
        if options.list:
            for source, parameters in declared.items():
                print(f"{source.stem}  " + ", ".join(f"{name}={default}" for name, default in parameters.items()))
            return 0
        folder = subfolder(options.dataset)
        # one's own folder is told absolutely, because notebooks run in their own
        dataset = options.dataset if options.dataset in DATASETS else str(Path(options.dataset).resolve())
        fixed = {
            "dataset": dataset,
            "figures_dir": str((options.out or root / MADE).resolve()),  # each data set's folder is in there
        } | ({"device": options.device} if options.device else {})
        plan = _plan(declared, fixed, dict(options.parameter))
    except (NotACheckout, ValueError) as error:  # an UnknownParameter is a ValueError
        parser.error(str(error))
    made, kept = Path(fixed["figures_dir"], folder), root / "figures" / folder
    build = (options.build or root / "build").resolve() / folder
    known, before = reproduction.documents(kept), _written(made)
    status = _run_all(plan, build, options.timeout)
    if status == INTERRUPTED:
        return status
    new = {name for name, when in _written(made).items() if before.get(name) != when}
    documents = reproduction.documents(made)
    found = reproduction.reproduced(known, {name: documents[name] for name in documents if name in new})
    if known and found:
        text = reproduction.report(found)
        write_whole(build / "reproduction.md", text.encode())
        print(f"\n{text}\n{build / 'reproduction.md'}")
    if options.keep:
        _keep(found, options.keep == "all", made, kept)
    return status


def _written(folder: Path) -> dict[str, int]:
    """Name -> when its JSON was written, in nanoseconds."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def _keep(found: list[Reproduced], everything: bool, made: Path, kept: Path) -> None:
    """Keep what was made, but not where only a processor's or a commit's difference would change the files."""
    names = [each.name for each in found if everything or not each.same]
    keep(names, made, kept)
    print(f"kept in {kept}: {', '.join(names) or 'nothing'}")
    if same := [each.name for each in found if each.name not in names]:
        print(f"left as they were, the numbers being the same: {', '.join(same)} (--keep all replaces these too)")
    if kept.is_relative_to(checkout() / "figures"):
        readme.main([])


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
        plan[source] = mine
    return plan


def _run_all(plan: dict[Path, dict[str, Any]], build: Path, timeout: int) -> int:
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
        print(
            f"\ninterrupted in {''.join(rest[:1]) or 'the end'}, of which nothing was kept. "
            f"Done: {', '.join(done) or 'none'}. Not done: {', '.join(rest) or 'none'}",
            file=sys.stderr,
            flush=True,
        )
        return INTERRUPTED
    if failed:
        print(f"{len(failed)} of {len(plan)} notebooks failed: {', '.join(failed)}", file=sys.stderr)
    return FAILED if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmrec_core.figures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", default="toy", help="a data set's name, or a folder with your own (default: %(default)s)")
    add("--only", nargs="+", default=[], metavar="NN", help="run only these, by number or name: --only 05 09")
    add("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="set a notebook parameter; repeatable; a name that no notebook declares is refused")  # fmt: skip
    add("--device", help="auto, cpu, cuda or mps (default: what each notebook says)")
    add("--keep", nargs="?", const="changed", choices=("changed", "all"),
        help="then put them into figures/, in the place of those kept there, and renew the README; "
        "where the numbers are the same the kept files stay, but for --keep all")  # fmt: skip
    add("--out", type=Path, help="where the figures go (default: build/figures/ of the checkout)")
    add("--build", type=Path, help="where the executed notebooks go (default: build/ of the checkout)")
    add("--notebooks", type=Path, help="run the notebooks of another folder")
    add("--timeout", type=int, default=3600, metavar="SECONDS", help="longest time for one cell (default: %(default)s)")
    add("--list", action="store_true", help="list the notebooks and their parameters, run nothing")
    return parser


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # a polite kill ends like Ctrl-C; a background shell ignores SIGINT
        signal.signal(stop, signal.default_int_handler)
    sys.exit(main())
