"""Regenerate the figures: `python -m dmrec_core.figures` runs every notebook under papermill.

Figures go to figures/ (those of another data set to figures/<dataset>/, of your own folder to figures/<folder>-<hash of
its path>/), executed notebooks to build/. A notebook that fails leaves build/NN_name.failed.ipynb and the others still
run; Ctrl-C leaves nothing half made.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from dmrec_core.data import is_own
from dmrec_core.figures.checkout import NotACheckout, checkout, subfolder
from dmrec_core.figures.run_notebooks import (
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
        dataset = str(Path(options.dataset).resolve()) if is_own(options.dataset) else options.dataset
        fixed = {
            "dataset": dataset,
            "figures_dir": str((options.out or root / "figures").resolve() / folder),
        } | ({"device": options.device} if options.device else {})
        plan = _plan(declared, fixed, dict(options.parameter))
    except (NotACheckout, ValueError) as error:  # an UnknownParameter is a ValueError
        parser.error(str(error))
    return _run_all(plan, (options.build or root / "build").resolve() / folder, options.timeout)


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
    add("--out", type=Path, help="where the figures go (default: figures/ of the checkout)")
    add("--build", type=Path, help="where the executed notebooks go (default: build/ of the checkout)")
    add("--notebooks", type=Path, help="run the notebooks of another folder")
    add("--timeout", type=int, default=3600, metavar="SECONDS", help="longest time for one cell (default: %(default)s)")
    add("--list", action="store_true", help="list the notebooks and their parameters, run nothing")
    return parser


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):  # a polite kill ends like Ctrl-C; a background shell ignores SIGINT
        signal.signal(stop, signal.default_int_handler)
    sys.exit(main())
