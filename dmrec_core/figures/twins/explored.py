"""The page of notebook 13 on data whose runs take hours: what it shows is kept, and the page is made of that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dmrec_core.data import data_card
from dmrec_core.figures.twins.pages import explored, write_explored
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.paper.ledger import as_preset, kept_measurements
from dmrec_core.records.files import write_whole
from dmrec_core.records.origin import provenance
from dmrec_core.records.ranges import cut
from dmrec_core.records.writer import MEND, Damaged, kept_document, plain_numbers
from dmrec_core.runs.inputs import load
from dmrec_core.runs.store import RunResult

KEPT = "explored.json"


def keep_explored(results: Iterable[RunResult], folder: Path) -> Path | None:
    """Keep what the page shows of DMRec's longest line of lambdas with one seed that can be looked into.

    Args:
        results: finished runs of one data set; those with settings of their own, or without weights, are passed over.
        folder: where measurements are kept.

    Returns:
        The file, or None where there is no line of two lambdas, or one as long is kept, with the base if this has one.

    Raises:
        Damaged: what is kept there cannot be used.
    """
    lines: dict[tuple[str, int], list[RunResult]] = {}
    bases: dict[int, RunResult] = {}
    for run in results:
        if run.has_weights and as_preset(run.spec):
            if run.spec.strategy == DEFAULT_STRATEGY:
                lines.setdefault((run.spec.embedder, run.spec.seed), []).append(run)
            elif run.spec.strategy == "base":
                bases[run.spec.seed] = run
    whole = [line + [bases[at] for at in (seed,) if at in bases] for (_, seed), line in lines.items() if len(line) > 1]
    path = Path(folder) / KEPT
    line = max(whole, key=_length, default=[])
    if not line or (path.exists() and _length_kept(path) >= _length(line)):
        return None
    data = load(next(run.spec for run in line if run.spec.uses_language))
    facts = provenance(data, line) | {"licence": data_card(data)["licence"]}
    document = {"name": path.stem, "numbers": explored(line, data), "provenance": facts}
    write_whole(path, json.dumps(plain_numbers(document), ensure_ascii=False, separators=(",", ":")).encode())
    return path


def _length(line: list[RunResult]) -> tuple[int, int]:
    """How many lambdas, and whether the base stands beside them."""
    lams = sum(run.spec.lam is not None for run in line)
    return lams, len(line) - lams


def _length_kept(path: Path) -> tuple[int, int]:
    numbers = kept_document(path)["numbers"]
    return len(numbers["lams"]), int(numbers["base"] is not None)


def write_kept_explore(path: str | Path, dataset: str, figures: Path | None = None) -> Path | None:
    """The twin of notebook 13 on a data set of which `keep_explored` kept something; None where it did not.

    Args:
        path: e.g. `figures/13_explore.google-xrec.html`.
        dataset: its name.
        figures: the folder of kept figures; None is the checkout's.

    Raises:
        Damaged: what is kept cannot be used.
    """
    kept = kept_measurements(dataset, figures) / KEPT
    if not kept.exists():
        return None
    document = kept_document(kept)
    try:
        return write_explored(path, document["numbers"], document["provenance"])
    except (KeyError, IndexError, TypeError) as problem:
        raise Damaged(f"{kept}: this is no page of this version ({cut(repr(problem), 200)}); {MEND}") from None
