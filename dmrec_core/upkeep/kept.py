"""What figures/ holds: how figures that were made come to be kept, and whether a kept one is of an older version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from dmrec_core.paper import claims
from dmrec_core.records.files import write_whole
from dmrec_core.records.writer import kept_document
from dmrec_core.runs.models import of_older_runs


def keep(names: Iterable[str], made: Path, kept: Path) -> None:
    """Put figures and tables, each with all its files, from `made` in the place of those in `kept`.

    Statements are put one by one: a run of some notebooks judges some of them, and the others stay as they were.
    """
    kept.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name == "claims":
            _keep_claims(made / "claims.json", kept)
            continue
        for path in sorted(made.glob(f"{name}.*"), key=lambda path: path.suffix == ".json"):  # the numbers last
            write_whole(kept / path.name, path.read_bytes())


def _keep_claims(made: Path, kept: Path) -> None:
    document, findings = claims.read(made)
    of_one = document.get("provenance_of", {})
    facts = {finding.key: of_one.get(finding.key, document["provenance"]) for finding in findings}
    for mine in {json.dumps(each, sort_keys=True): each for each in facts.values()}.values():
        claims.save([finding for finding in findings if facts[finding.key] == mine], mine, kept)


def missing(kept: Mapping, made: Mapping) -> list[str]:
    """The groups of numbers that a kept figure has and a new one of it leaves empty or out.

    Example:
        >>> missing({"numbers": {"rows": [1], "readings": [2]}}, {"numbers": {"rows": [3], "readings": []}})
        ['readings']
    """
    before, now = kept.get("numbers"), made.get("numbers")
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return []
    return [
        group for group, values in before.items() if isinstance(values, list | dict) and values and not now.get(group)
    ]


def outdated(folder: Path) -> list[str]:
    """Every kept figure below `folder` whose runs are of another numbers version than the code's, and why.

    Example:
        >>> from pathlib import Path
        >>> outdated(Path("no such folder"))
        []
    """
    faults = []
    for path in sorted(folder.rglob("*.json")):
        if path.name.endswith(".timing.json"):
            continue
        document = kept_document(path)
        for facts in (document["provenance"], *document.get("provenance_of", {}).values()):
            faults += [f"{path.relative_to(folder)}: {why}" for why in _outdated(facts)]
    return list(dict.fromkeys(faults))


def _outdated(facts: Mapping) -> list[str]:
    if not facts.get("runs"):
        return []
    if "numbers_version" not in facts:
        return ["its provenance does not say of which numbers version its runs are"]
    return of_older_runs(facts["numbers_version"])
