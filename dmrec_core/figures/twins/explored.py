"""The page of notebook 13 on data whose runs take hours: what it shows is kept, and the page is made of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dmrec_core.data import data_card
from dmrec_core.data.load import figures_folder
from dmrec_core.figures.twins.pages import explored, write_explored
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.paper.ledger import as_preset
from dmrec_core.records.checkout import in_checkout
from dmrec_core.records.files import write_whole
from dmrec_core.records.origin import provenance
from dmrec_core.records.ranges import cut
from dmrec_core.records.writer import MEND, Damaged, kept_document, to_json
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import of_older_runs
from dmrec_core.runs.store import RunResult

KEPT = "explored.json"


def keep_explored(results: Iterable[RunResult], folder: Path) -> Path | None:
    """Keep what the page shows of DMRec's longest line of lambdas with one seed that can be looked into.

    It holds titles and texts of some users: keep it where their licence lets you.

    Args:
        results: finished runs of one data set; those with settings of their own, or without weights, are passed over.
        folder: the data set's, of kept figures.

    Returns:
        The file, or None where there is no line of two lambdas, or one as long is kept, with the base if this has one.

    Raises:
        Damaged: what is kept there cannot be used.
    """
    lines: dict[tuple[str, tuple[str, int]], list[RunResult]] = {}
    bases: dict[tuple[str, int], RunResult] = {}
    for run in results:
        if run.has_weights and as_preset(run.spec):
            trained = run.spec.train.precision, run.spec.seed
            if run.spec.strategy == DEFAULT_STRATEGY:
                line = lines.setdefault((run.record["embedder"], trained), [])
                embedder = line[0].spec.embedder if line else run.spec.embedder  # "auto" and what it chose are one
                line.append(replace(run, spec=run.spec.with_(embedder=embedder)))
            elif run.spec.strategy == "base":
                bases[trained] = run
    whole = [
        line + ([bases[trained]] if trained in bases else []) for (_, trained), line in lines.items() if len(line) > 1
    ]
    path = Path(folder) / KEPT
    line = max(whole, key=_length, default=[])
    if not line or _length(line) <= _length_kept(path):
        return None
    data = load(next(run.spec for run in line if run.spec.uses_language))
    facts = provenance(data, line) | {"licence": data_card(data)["licence"]}
    document = {"name": path.stem, "numbers": explored(line, data), "provenance": facts}
    write_whole(path, to_json(document).encode())
    return path


def _length(line: list[RunResult]) -> tuple[int, int]:
    """How many lambdas, and whether the base stands beside them."""
    lams = sum(run.spec.lam is not None for run in line)
    return lams, len(line) - lams


def _length_kept(path: Path) -> tuple[int, int]:
    """The same of what is kept; nothing where there is none, or one of another numbers version."""
    if not path.exists():
        return 0, 0
    document = kept_document(path)
    with _named(path):
        older = of_older_runs(document["provenance"]["numbers_version"])
        return (0, 0) if older else (len(document["numbers"]["lams"]), int(document["numbers"]["base"] is not None))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is not as it should be in a kept file is said with its name."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError) as problem:
        raise Damaged(f"{path}: this is no page of this version ({cut(repr(problem), 200)}); {MEND}") from None


def write_kept_explore(path: str | Path, dataset: str, figures: Path | None = None) -> Path | None:
    """The twin of notebook 13 on a data set of which `keep_explored` kept something; None where it did not.

    Args:
        path: e.g. `figures/13_explore.google-xrec.html`.
        dataset: its name.
        figures: the folder of kept figures; None is the checkout's.

    Raises:
        Damaged: what is kept cannot be used.
    """
    kept = figures_folder(dataset, figures or in_checkout("figures")) / KEPT
    if not kept.exists():
        return None
    document = kept_document(kept)
    with _named(kept):
        if older := of_older_runs(document["provenance"]["numbers_version"]):
            raise Damaged(f"{kept}: {'; '.join(older)}; {MEND}")
        return write_explored(path, document["numbers"], document["provenance"])
