"""The page of notebook 13 on data whose runs take hours: what it shows is kept, and the page is made of that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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
    for run in results:
        if run.has_weights and as_preset(run.spec) and run.spec.strategy in (DEFAULT_STRATEGY, "base"):
            lines.setdefault(run.spec.seed, []).append(run)
    line = max(lines.values(), key=lambda line: (len({run.spec.lam for run in line} - {None}), len(line)), default=[])
    lams = {run.spec.lam for run in line} - {None}
    path = Path(folder) / KEPT
    if len(lams) < 2 or (path.exists() and _length(kept_document(path)["numbers"]) >= (len(lams), len(line))):
        return None
    data = load(next(run.spec for run in line if run.spec.uses_language))
    facts = provenance(data, line) | {"licence": data_card(data)["licence"]}
    document = {"name": path.stem, "numbers": explored(line, data), "provenance": facts}
    write_whole(path, json.dumps(plain_numbers(document), ensure_ascii=False, separators=(",", ":")).encode())
    return path


def _length(numbers: Mapping[str, Any]) -> tuple[int, int]:
    lams = len(numbers["lams"])
    return lams, lams + (numbers["base"] is not None)


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
