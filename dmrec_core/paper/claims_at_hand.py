"""The paper's statements judged by the runs that are kept: of every setting that has been run with all the seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from dmrec_core.data.load import figures_folder
from dmrec_core.paper.claims import CLAIMS, check_savable, judge, markdown, save, specs
from dmrec_core.paper.plan import GRID, plan_table2, plan_table3
from dmrec_core.records.origin import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import BACKBONES, BASELINES
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, cached, runs_folder


class NothingToJudge(RuntimeError):
    """No setting was run with all of the seeds; the message says what would run some."""


def at_hand(
    dataset: str,
    seeds: Sequence[int],
    lambdas: Sequence[float],
    *,
    embedder: str = "auto",
    variant: str = "published",
    precision: str = "float32",
    runs: Path | None = None,
) -> list[RunResult]:
    """The kept runs of every setting that notebooks 09 to 11 or `make tables` may have run, where no seed is missing.

    Args:
        dataset: a name, or the folder of one's own data.
        seeds: all of which a setting must have.
        lambdas: looked for besides the presets' and the tables'.
        embedder, variant, precision: of the runs.
        runs: parent of the run folders; by default `runs_folder()`.
    """

    def make(strategy: str, **changes: object) -> RunSpec:
        return paper_settings(dataset, strategy=strategy, embedder=embedder, **changes)

    settings = specs(make, sorted({*lambdas, *GRID}), seeds[:1], variant=variant)
    for tune in (False, True, lambdas):
        plans = [*plan_table2(dataset, BACKBONES, tune), *plan_table3(dataset, BASELINES, tune)]
        settings += [spec.with_(embedder=embedder, variant=variant) for plan in plans for spec in plan.options]
    found = []
    for spec in dict.fromkeys(spec.in_precision(precision) for spec in settings):
        kept = [cached(spec.with_(seed=seed), runs=runs) for seed in seeds]
        found += kept if None not in kept else []
    return found


def judge_kept(options: argparse.Namespace) -> int:
    """Judge what the options of the command `claims` ask for; its exit status.

    Raises:
        ValueError: a statement that is none.
        NothingToJudge: there are no such runs.
    """
    unknown = [key for key in options.statements or () if key not in CLAIMS]
    if unknown:
        raise ValueError(f"no statement is called {unknown[0]!r}; there are {', '.join(CLAIMS)}")
    folder = figures_folder(options.dataset, options.out)
    check_savable(folder)
    made_with = {"embedder": options.embedder, "variant": options.variant, "precision": options.precision}
    results = at_hand(options.dataset, options.seeds, options.lambdas, **made_with, runs=options.runs)
    if not results:
        raise NothingToJudge(
            f"{options.runs or runs_folder()} has no setting on {options.dataset} that was run in "
            f"{options.precision} with all of the seeds {', '.join(map(str, options.seeds))}; notebooks 09 to 11 and "
            "`make tables` make such runs"
        )
    reading = next((run.spec for run in results if run.spec.uses_language), results[0].spec)
    data = load(reading)
    findings = judge(results, data, options.statements)
    save(findings, provenance(data, results, variant=options.variant), folder)
    print(f"{markdown(findings)}\n{folder / 'claims.md'}")
    return 0
