"""What are a language model's profiles worth? DMRec on the same interactions with other texts, compared in pairs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import pandas as pd

from dmrec_core.analysis.comparisons import compare
from dmrec_core.analysis.statistics import mean_interval
from dmrec_core.analysis.summaries import HEADLINE, for_json
from dmrec_core.analysis.verdicts import verdict
from dmrec_core.data import RecDataset
from dmrec_core.data.load import figures_folder
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markdown import markdown_table, plus_minus
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.origin import provenance
from dmrec_core.records.writer import to_json
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult
from dmrec_core.runs.sweeps import grid, sweep


def text_arms(spec: RunSpec, data: RecDataset, embedders: Sequence[str] = ("tfidf",)) -> dict[str, RunSpec]:
    """One spec for each kind of texts and each further embedder that this data set can have, the given ones first.

    Args:
        spec: DMRec on the given texts.
        data: what `load(spec)` gives; says which texts there are.
        embedders: further ones for the given texts; those that make the same vectors are left out.

    Returns:
        "texts, embedder" -> spec.
    """
    texts = ["given"]
    has_titles = data.titles is not None and any(data.titles)
    if data.profiles is not None or has_titles:
        texts.append("extractive")
    if has_titles:
        texts.append("titles")
    arms = [spec.with_(profiles=kind) for kind in texts]
    if len(texts) > 1:  # vectors without texts cannot be made again by another embedder
        arms += [spec.with_(embedder=name) for name in embedders]
    named: dict[str, RunSpec] = {}
    for arm in arms:
        named.setdefault(f"{arm.profiles}: {load(arm).language.embedder}", arm)
    return named


def texts_table(
    arms: Mapping[str, Sequence[RunResult]], base: Sequence[RunResult] = (), metrics: Sequence[str] = HEADLINE
) -> pd.DataFrame:
    """Each arm, and its difference from the first arm on the same seeds and users.

    Args:
        arms: name -> one run a seed; the first is what the others are compared with.
        base: the base model's runs, the last row where there are any.
        metrics: of the test split.

    Returns:
        Columns texts, vectors, metric, mean, low, high, difference, difference_low, difference_high, p_seeds, p_users,
        given_is_better (a verdict), seeds. No difference (None) in the first arm's rows.
    """
    rows = []
    given = next(iter(arms.values()))
    for runs in [*arms.values(), *([base] if base else [])]:
        spec = runs[0].spec
        texts = "none (base model)" if spec.strategy == "base" else spec.profiles
        for metric in metrics:
            interval = mean_interval([run.metrics["test"][metric] for run in runs])
            row = {"texts": texts, "vectors": runs[0].record["embedder"], "metric": metric, "mean": interval.mean}
            row |= {"low": interval.low, "high": interval.high} | dict.fromkeys(COMPARED)
            if runs is not given:
                found, other_way = compare(runs, given, metric), compare(given, runs, metric)
                ends = (found.difference.mean, found.difference.low, found.difference.high)
                row |= dict(zip(COMPARED, (*ends, found.p_seeds, found.p_users), strict=False))
                row["given_is_better"] = verdict(other_way.difference)
            rows.append(row | {"seeds": len(runs)})
    return pd.DataFrame(rows)


COMPARED = ("difference", "difference_low", "difference_high", "p_seeds", "p_users", "given_is_better")


def as_markdown(table: pd.DataFrame) -> str:
    """The table for people, intervals as ± where there are two seeds or more."""
    header = [
        "texts",
        "vectors",
        "metric",
        "mean",
        "minus the given texts",
        "p (seeds)",
        "p (users)",
        "given is better",
    ]
    lines = []
    for row in for_json(table):
        cells = [markdown_text(row[name]) for name in ("texts", "vectors", "metric")]
        cells.append(plus_minus(row["mean"], row["low"], row["high"]))
        if row["difference"] is None:
            cells += [""] * 4
        else:
            p = ["—" if row[name] is None else f"{row[name]:.2g}" for name in ("p_seeds", "p_users")]
            less = plus_minus(row["difference"], row["difference_low"], row["difference_high"], "+")
            cells += [less, *p, row["given_is_better"]]
        lines.append(cells)
    return markdown_table(header, lines)


def make_texts_table(options: argparse.Namespace) -> int:
    """Make the table that the options of the command `texts` ask for; its exit status."""
    folder = figures_folder(options.dataset, options.out)
    check_writable(folder / "texts.json")
    lam = {} if options.lam is None else {"lam": options.lam}
    spec = paper_settings(options.dataset, strategy=options.strategy, embedder=options.embedder, **lam)
    data = load(spec)
    kinds = {"given", *options.beside}
    arms = {name: arm for name, arm in text_arms(spec, data).items() if arm.profiles in kinds}
    wanted = {name: grid(arm, seed=options.seeds) for name, arm in arms.items()}
    wanted["base"] = grid(paper_settings(options.dataset), seed=options.seeds)
    everything = [run for runs in wanted.values() for run in runs]
    where = {"device": options.device, "workers": options.workers, "runs": options.runs}
    with ctrl_c() as cancel:
        done = iter(sweep(everything, cancel=cancel, **where))
    results = {name: [next(done) for _ in runs] for name, runs in wanted.items()}
    base = results.pop("base")
    table = texts_table(results, base)
    facts = provenance(data, [run for runs in results.values() for run in runs] + base, lam=spec.lam)
    folder.mkdir(parents=True, exist_ok=True)
    seeds = ", ".join(map(str, facts["seeds"]))
    text = (
        f"# {spec.label.rsplit(' seed', 1)[0]} on {markdown_text(facts['dataset'])}, by what its texts are\n\n"
        f"Seeds {seeds}; test split; ± is half of a 95 % interval over seeds (Student's t); p of paired t-tests. "
        f"Commit {facts['commit']}, {markdown_text(facts['device'])}.\n\n{as_markdown(table)}\n"
    )
    document = {"name": "texts", "numbers": {"texts": for_json(table)}, "provenance": facts}
    write_whole(folder / "texts.md", text.encode())
    write_whole(folder / "texts.json", to_json(document).encode())
    print(f"{text}\n{folder / 'texts.md'}")
    return 0
