"""The generated sections of README.md: `python -m dmrec_core readme [--check]`.

Between `<!-- BEGIN name -->` and `<!-- END name -->` stand tables made from the code and from figures/: `equations`
(who owns each equation in the core, and which notebook shows it), `elsewhere` (how the first notebook opens without
make), `claims` and `results`. `--check` writes nothing and fails where the README differs from what would be written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dmrec_core.data import DATASETS, DataError
from dmrec_core.matching import DEFAULT_STRATEGY, STRATEGIES
from dmrec_core.paper import interventions, linear, real_data
from dmrec_core.paper.budget import thousand_runs
from dmrec_core.paper.claims import made_with, read
from dmrec_core.paper.claims_across import HOW_TO_READ, across, glance
from dmrec_core.records.checkout import checkout
from dmrec_core.records.files import write_whole
from dmrec_core.records.markdown import markdown_table, plus_minus
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.ranges import cut
from dmrec_core.records.writer import MEND, Damaged, kept_document
from dmrec_core.runs.models import CARDS, LINEAR
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.evaluate import metric_label
from dmrec_core.upkeep.elsewhere import elsewhere
from dmrec_core.upkeep.runner import discover, number_of

EQUATIONS = range(1, 20)  # of the paper
OWNED = re.compile(r"Eq\. (\d+)(?:\.|,[^.]*\.| with [^.]*\.)(?:\s|$)")  # how an owner's second paragraph begins
TAG = re.compile(r"\\tag\{(\d+)\}")


class Stale(RuntimeError):
    """README.md does not say what the code and figures say now."""


class Owner(NamedTuple):
    """The function or class whose docstring claims an equation."""

    name: str
    path: Path  # from the checkout's root
    line: int
    summary: str


def owners(root: Path) -> dict[int, list[Owner]]:
    """Equation -> who owns it in the core: those whose docstring's second paragraph begins with `Eq. n.`"""
    found: dict[int, list[Owner]] = {}
    for path in sorted((root / "dmrec_core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            summary, _, rest = (ast.get_docstring(node) or "").partition("\n\n")
            if match := OWNED.match(rest):
                owner = Owner(node.name, path.relative_to(root), node.lineno, " ".join(summary.split()))
                found.setdefault(int(match[1]), []).append(owner)
    return found


def cards(root: Path) -> dict[int, list[Path]]:
    """Equation -> the notebooks whose text displays it with its number, `\\tag{n}`."""
    found: dict[int, list[Path]] = {}
    for path in discover(root / "notebooks"):
        shown = {int(number) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")
                 for number in TAG.findall(line)}  # fmt: skip
        for number in sorted(shown):
            found.setdefault(number, []).append(path.relative_to(root))
    return found


def equations_table(root: Path) -> str:
    """One row an equation: what it is, its owner in the core, the notebooks that show it."""
    owned, shown = owners(root), cards(root)
    rows = []
    for number in EQUATIONS:
        mine = owned.get(number, [])
        what = mine[0].summary.rstrip(".") if mine else "-"
        where = ", ".join(f"[`{owner.name}`]({owner.path.as_posix()})" for owner in mine) or "-"
        notebooks = ", ".join(
            f"[{number_of(path)}]({path.with_suffix('.ipynb').as_posix()})" for path in shown.get(number, [])
        )
        rows.append((str(number), what, where, notebooks or "-"))
    return markdown_table(("Eq.", "what it is", "in the core", "walked through in"), rows)


def _claims_table(root: Path) -> str:
    """One row a statement of the paper, one column a data set: the verdicts, whose numbers are in claims.md."""
    findings = {dataset: read(root / at)[1] for dataset, at in _places(root, "claims").items()}
    if not findings:
        return "No claims have been judged yet: run `make figures ARGS=--keep`."
    return f"{across(findings)}\n\n{HOW_TO_READ}\n\nThe numbers behind it: {_pages(root, 'claims')}."


def _glance(root: Path) -> str:
    """A line a data set: how many of the paper's statements hold there, and where all of it is."""
    lines = [glance(dataset, read(root / at)[1]) for dataset, at in _places(root, "claims").items()]
    if not lines:
        return "No claims have been judged yet: run `make figures ARGS=--keep`."
    return "\n".join([*lines, "", f"Every number and verdict, with what it came from: [{RESULTS}]({RESULTS})."])


def results_table(root: Path) -> str:
    """Notebook 00's headline and real data, what 12 says the gain is made of, what texts are worth, both tables."""
    made_of = {
        "00_start_here": _headline,
        "real_data": _real_data,
        "12_is_it_the_language": _what_the_gain_is_made_of,
        "texts": _texts,
        "interventions": _interventions,
        "linear": _linear,
        "table2": _table2,
        "table3": _table3,
    }
    parts = {}
    for name, part in made_of.items():
        try:
            parts[name] = part(root)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as problem:
            if isinstance(problem, Damaged | DataError):  # they name their file
                raise
            places = ", ".join(str(root / at) for at in _places(root, name).values())
            raise Damaged(f"{places}: not what this version keeps ({cut(repr(problem), 200)}); {MEND}") from None
    if not parts["00_start_here"]:
        return "Nothing has been run yet: run `make figures ARGS=--keep`."
    return "\n\n".join(piece for part in parts.values() for piece in part)


def _headline(root: Path) -> list[str]:
    rows = []
    for dataset, document in _documents(root, "00_start_here").items():
        for row in document["numbers"]["headline"]:
            p = row["p (paired t)"]
            tested = _p(p)
            gain = f"{row['gain in %']:+.1f} %"
            preset = paper_settings(dataset, strategy=DEFAULT_STRATEGY).lam  # earlier files do not say it
            lam = document["provenance"].get("lam", preset)
            facts = (*_made_with(dataset, document), row["metric"], f"{lam:g}")
            rows.append((*facts, row["base"], row["DMRec-M"], gain, tested))
    columns = ("data", "vectors", "seeds", "metric", "λ", "base", "DMRec-M", "gain", "p (paired t over seeds)")
    return [markdown_table(columns, rows)] if rows else []


def _what_the_gain_is_made_of(root: Path) -> list[str]:
    rows = []
    for dataset, document in _documents(root, "12_is_it_the_language").items():
        for row in document["numbers"]["decomposition"]:
            spread = "one seed" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
            step = (row["step"], f"{row['difference']:+.4f}", spread, row["is above zero"])
            rows.append((*_made_with(dataset, document), metric_label(document["provenance"]["metric"]), *step))
    columns = ("data", "vectors", "seeds", "metric", "step", "difference", "95 % interval over seeds", "above zero")
    only = "" if any(row[0] != "toy" for row in rows) else " No real data set has these runs yet."
    title = f"Where the gain comes from, every step tuned on the same grid (notebook 12).{only}"
    return [title, markdown_table(columns, rows)] if rows else []


def _texts(root: Path) -> list[str]:
    rows = []
    for dataset, document in _documents(root, "texts").items():
        seeds = _made_with(dataset, document)[2]
        for row in document["numbers"]["texts"]:
            if row["metric"] == "recall@20":
                mean = _spread(row)
                less = ("-", "-", "-") if row["difference"] is None else (
                    f"{row['difference']:+.4f}", _p(row["p_seeds"]), row["given_is_better"]
                )  # fmt: skip
                texts, vectors = markdown_text(row["texts"]), markdown_text(row["vectors"])
                rows.append((dataset, seeds, texts, vectors, mean, *less))
    columns = ("data", "seeds", "texts", "vectors", "Recall@20", "minus the given texts", "p (paired t over seeds)",
               "given texts are better")  # fmt: skip
    title = (
        "What DMRec-M's texts are worth (`python -m dmrec_core texts`; extractive: cut from the item texts "
        "there are, which on the xrec data are GPT's):"
    )
    return [title, markdown_table(columns, rows)] if rows else []


def _real_data(root: Path) -> list[str]:
    """Page one's answer."""
    title = "Does DMRec-M help on real data? Test Recall@20 of the runs whose measurements are kept (notebook 00):"
    return [title, real_data.does_it_help(root / "figures")]


def _interventions(root: Path) -> list[str]:
    """Of every data set with kept measurements."""
    parts = []
    for dataset in DATASETS:
        if rows := interventions.measured(dataset, root / "figures"):
            title = (
                f"DMRec-M with one setting changed at a time on {interventions.made_on(rows)} (notebook 12; λ = 1 "
                "gives back the whole prior, too):"
            )
            parts += [title, interventions.as_markdown(rows), " ".join(interventions.findings(rows))]
    return parts


def _linear(root: Path) -> list[str]:
    found = _documents(root, "linear")
    if not found:
        return []
    by_key = {dataset: {row["key"]: row for row in document["numbers"]} for dataset, document in found.items()}
    rows = []
    for key, row in {key: row for mine in by_key.values() for key, row in mine.items()}.items():
        cells = (f"{mine[key]['ours']['recall@20']['mean']:.4f}" if key in mine else "-" for mine in by_key.values())
        rows.append((CARDS[row["model"]].name, row["label"], *cells))
    printed = [document["paper"] and document["paper"]["recall@20"] for document in found.values()]
    best = (f"{one['value']:.4f} ({one['label']} on {one['model']})" if one else "-" for one in printed)
    rows.append(("the paper's best DMRec", "", *best))
    title = (
        "Linear references, solved without gradient steps and chosen on validation (`python -m dmrec_core tables "
        "--tables linear`): Recall@20, the same for every seed."
    )
    told = "\n".join(f"- **{dataset}**: {' '.join(linear.findings(document))}" for dataset, document in found.items())
    table = markdown_table(("model", "", *found), rows)
    return [title, table, told, f"Settings, seconds and memory: {_pages(root, 'linear')}."]


def _table2(root: Path) -> list[str]:
    rows = []
    for name, document in _documents(root, "table2").items():
        facts = _facts(name, document)
        numbers, tuned = document["numbers"], bool(document["provenance"]["tuned"])
        for base in numbers:
            wanted = base["model"] in LINEAR or tuned is base["key"].endswith("tuned")
            if base["strategy"] != "base" or not wanted:
                continue
            beside = {row["strategy"]: row for row in numbers if base["key"] in row["compared"]}
            cells = [_over(beside[name], base["key"]) if name in beside else "-" for name in STRATEGIES]
            label = base["label"].removeprefix("base").removesuffix(", tuned")
            model = CARDS[base["model"]].name + (f", {label}" if base["model"] in LINEAR else label)
            rows.append((facts, model, _value(base, "recall@20"), *cells))
            facts = ""
    columns = ("data", "base model", "base", *(strategy.label for strategy in STRATEGIES.values()))
    title = (
        "Table 2, DMRec on three base models: Recall@20, and how far ahead of the base (bold where the whole 95 % "
        "interval over seeds is on one side). CVGA's base comes with its KL term divided by the batch size once more, "
        "as it was released, and without. Tuned: validation of the first seed chose λ and the base's KL weight from "
        "the same number of values (CVGA's base: from so many with the division and so many without). Rows that say "
        "bf16 are runs of their own, and do not repeat the float32 numbers above."
    )
    return (
        [title, markdown_table(columns, rows), f"More of it, with p-values: {_pages(root, 'table2')}."] if rows else []
    )


def _table3(root: Path) -> list[str]:
    found = _documents(root, "table3")
    if not found:
        return []
    every = {row["key"]: row for document in found.values() for row in document["numbers"]}
    names = {key: f"{CARDS[row['model']].name}, {row['label']}".rstrip(", ") for key, row in every.items()}
    names["mult-vae mddm"] = "DMRec-M on Mult-VAE"
    keys = sorted(every, key="mult-vae mddm".__eq__)  # DMRec-M last
    rows = []
    for key in keys:
        cells = []
        for document in found.values():
            ours, row = document["numbers"][-1], {row["key"]: row for row in document["numbers"]}.get(key)
            ahead = f", {_ahead(ours, key)}" if key in ours["compared"] else ""
            lam = f" (λ = {row['lam']:g})" if row and row["lam"] is not None else ""
            cells.append("-" if row is None else _value(row, "recall@20") + lam + ahead)
        rows.append((names[key], *cells))
    title = (
        "Table 3, other ways to use a language model, all run here: Recall@20, and how far DMRec-M is ahead (bold "
        "where the whole 95 % interval over seeds is on one side)."
    )
    columns = ("model", *(_facts(name, document) for name, document in found.items()))
    return [title, markdown_table(columns, rows), f"More of it, with p-values: {_pages(root, 'table3')}."]


def _over(row: Mapping, base: str) -> str:
    return f"{row['ours']['recall@20']['mean']:.4f} (λ = {row['lam']:g}), {_ahead(row, base)}"


def _ahead(row: Mapping, other: str) -> str:
    """`+0.0022 ± 0.0010`, bold where no part of the interval lies on the other side of zero."""
    found = row["compared"][other]["difference"]
    said = plus_minus(found["mean"], found["low"], found["high"], "+")
    return f"**{said}**" if found["low"] is not None and found["low"] * found["high"] > 0 else said


def _facts(name: str, document: Mapping) -> str:
    """`yelp-xrec: all-MiniLM-L6-v2, bf16, seeds 2024-2026`."""
    facts = document["provenance"]
    made = made_with(facts["embedder"] or "no vectors", facts.get("precision", "float32"), facts["seeds"])
    return f"{name}: {markdown_text(made)}"


def _pages(root: Path, name: str) -> str:
    """Links to the pages `name`, which stand beside their JSON."""
    return ", ".join(f"[{said}]({place.with_suffix('.md').as_posix()})" for said, place in _places(root, name).items())


def _value(row: Mapping, metric: str) -> str:
    """Ours, and behind it the paper's where it has the number."""
    return _spread(row["ours"][metric]) + (f" (the paper's: {row['paper'][metric]:.4f})" if row.get("paper") else "")


def _spread(found: Mapping) -> str:
    """The mean, with half of its interval where more than one seed gave it one."""
    return plus_minus(found["mean"], found["low"], found["high"])


def _p(value: float | None) -> str:
    return "one seed" if value is None else f"{value:.2g}"


def _made_with(dataset: str, document: Mapping) -> tuple[str, str, str]:
    facts = document["provenance"]
    seeds = facts["seeds"]
    if facts.get("precision", "float32") != "float32":
        dataset = f"{dataset}, in {facts['precision']}"
    said = f"{seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    return dataset, markdown_text(facts["embedder"] or "none"), said


def _thousand(root: Path) -> str:
    """What a thousand runs of amazon take."""
    found = {name: _documents(root, name).get("amazon") for name in ("cost", "table2", "table3")}
    if found["cost"] is None:
        return "No costs are kept for amazon yet: run `python -m dmrec_core cost amazon --out figures`."
    return thousand_runs(found["cost"], [found[name] for name in ("table2", "table3") if found[name]])


SECTIONS = {"equations": equations_table, "glance": _glance, "claims": _claims_table, "results": results_table,
            "thousand": _thousand, "elsewhere": elsewhere}  # fmt: skip
RESULTS = "figures/RESULTS.md"
PAGES = {
    "README.md": ("elsewhere", "glance", "equations"),
    RESULTS: ("claims", "results"),
    "site/cluster.md": ("thousand",),
}


def _documents(root: Path, name: str) -> dict[str, Mapping]:
    """Data set -> the JSON `name` that was kept for it."""
    return {said: kept_document(root / at) for said, at in _places(root, name).items()}


def _places(root: Path, name: str) -> dict[str, Path]:
    """Data set -> where its JSON `name` is, from the root; toy's lie in figures/ itself. Tuned tables come too."""
    places = {
        dataset + ", tuned" * bool(tuned): Path("figures", "" if dataset == "toy" else dataset, f"{name}{tuned}.json")
        for dataset in DATASETS
        for tuned in ("", "_tuned")
    }
    return {said: place for said, place in places.items() if (root / place).is_file()}


def filled(text: str, root: Path, page: str = "README.md") -> str:
    """A page's text with every generated section renewed.

    Raises:
        Stale: a section's markers are missing, doubled or the wrong way round.
    """
    for name in PAGES[page]:
        begin, end = f"<!-- BEGIN {name} -->", f"<!-- END {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise Stale(f"{page} needs one `{begin}` and, after it, one `{end}`")
        head, _, rest = text.partition(begin)
        tail = rest.partition(end)[2]
        section = SECTIONS[name](root)
        if page == RESULTS:  # links are from the root; this page lies in figures/
            section = section.replace("](figures/", "](").replace("](notebooks/", "](../notebooks/")
        text = f"{head}{begin}\n{section}\n{end}{tail}"
    return text


def renew(check: bool) -> int:
    """Renew the pages; with `check`, say whether they are as they would be written. The command's exit status.

    Raises:
        Stale: one is not.
    """
    root = checkout()
    for page, sections in PAGES.items():
        path = root / page
        before = path.read_text(encoding="utf-8")
        after = filled(before, root, page)
        if before == after:
            print(f"{page} is up to date")
        elif check:
            raise Stale(f"{page} is stale; `python -m dmrec_core readme` renews it")
        else:
            write_whole(path, after.encode())
            print(f"{page}: renewed {', '.join(sections)}")
    return 0
