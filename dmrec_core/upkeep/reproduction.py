"""What was kept against what was just made: the report that `make figures` ends with.

Another processor, or another number of threads, rounds otherwise, and training carries that on: a figure made again has
other last digits, and some of its numbers move as far as another seed would move them. So a number is judged by the
interval over seeds that was kept with it, and every verdict by its words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from dmrec_core.analysis.statistics import Interval
from dmrec_core.analysis.verdicts import FAILS, HOLDS, NOT_IN_PLAY, UNDECIDED, UNTESTED, verdict
from dmrec_core.paper.claims import read
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.writer import kept_document

SAME, WITHIN, DIFFERS, VERDICT_CHANGED = "same", "within the seeds' interval", "differs", "verdict changed"
STATUSES = SAME, WITHIN, DIFFERS, VERDICT_CHANGED  # from good to bad
LAST_DIGIT = 5e-5  # half of the fourth decimal, the last that figures, tables and the README print
FOUR_DIGITS = 5e-4  # the same, relatively, for numbers above 0.1
TOLERANCE = 0.05  # relatively, of a number that has no interval
OF_THE_MACHINE = {"commit", "kit", "torch", "python", "device", "fingerprint", "config_hash", "numbers_version", "runs"}
ESTIMATES = "mean", "difference", "relative"  # whose interval is `low` to `high` beside them
# what follows from an estimate beside it and is judged with it
FOLLOWS = {"low", "high", "values", "off", "off_in_standard_errors", "best_epochs", "gain in %", "share of the gain"}
P_VALUE = re.compile(r"p(_| |$)")
PLUS_MINUS = re.compile(r"([+-]?\d+\.\d+) ± (\d+\.\d+)")
BESIDE_ESTIMATES = re.compile(r" \([+-][\d.]+ %\)|, p [a-z ]+[\d.e-]+")  # in the words of a claim
VERDICTS = {HOLDS, FAILS, UNDECIDED, NOT_IN_PLAY, UNTESTED}
ABSENT = "not there"


@dataclass(frozen=True)
class Compared:
    """One kept number or verdict beside the one just made.

    Args:
        name: where it stands, e.g. `rows cvga base: ours recall@20 mean`.
        kept, made: numbers or texts.
        status: one of `STATUSES`.
        off: how far it moved, in units of what it may move: half an interval, or the tolerance.
    """

    name: str
    kept: Any
    made: Any
    status: str
    off: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: {_said(self.kept)} → {_said(self.made)}"


@dataclass(frozen=True)
class Reproduced:
    """One figure or table: all its numbers compared, or why they are not."""

    name: str
    compared: tuple[Compared, ...] = ()
    reason: str = ""

    @property
    def counts(self) -> Counter:
        """Status -> how many numbers."""
        return Counter(each.status for each in self.compared)

    @property
    def same(self) -> bool:
        """Whether nothing a reader could see has changed."""
        return not self.reason and all(each.status == SAME for each in self.compared)

    @property
    def worst(self) -> Compared | None:
        """What moved farthest; a changed verdict before any number."""
        moved = [each for each in self.compared if each.status != SAME]
        return max(moved, key=lambda each: (STATUSES.index(each.status), each.off), default=None)


def documents(folder: Path) -> dict[str, dict]:
    """Name -> the JSON of every figure and table in `folder`; nothing that measures time.

    Raises:
        Damaged: one holds something else.
    """
    paths = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith(".")]
    timed = [path for path in paths if path.name.endswith(".timing.json") or path.stem in ("cost", "linear")]
    wanted = [path for path in paths if path not in timed]
    return {path.stem: read(path)[0] if path.stem == "claims" else kept_document(path) for path in wanted}


def reproduced(kept: Mapping[str, Mapping], made: Mapping[str, Mapping]) -> list[Reproduced]:
    """Each figure of `made` beside the kept one of its name, see `documents`."""
    found = []
    for name, document in made.items():
        before = kept.get(name)
        if before is None:
            found.append(Reproduced(name, reason="nothing was kept to compare with"))
        elif other := _other_settings(before, document):
            found.append(Reproduced(name, reason=f"made with other settings: {', '.join(other)}"))
        else:
            found.append(Reproduced(name, tuple(_all_of(before, document))))
    return found


def report(found: Sequence[Reproduced]) -> str:
    """The report as markdown: a sentence, a line for each figure, every verdict that changed."""
    rows = []
    for each in found:
        counts = [each.counts[status] or "" for status in STATUSES]
        rows.append((each.name, len(each.compared) or "", *counts, markdown_text(each.reason or each.worst or "")))
    columns = "figure", "numbers", "same", "within", "differ", "verdicts changed", "moved farthest"
    changed = [
        f"- {figure.name}, {markdown_text(each)}"
        for figure in found
        for each in figure.compared
        if each.status == VERDICT_CHANGED
    ]
    legend = (
        "Same: to four decimals or four digits. Within: a mean or difference inside the 95 % interval over seeds that "
        f"was kept with it; a number without an interval within {100 * TOLERANCE:g} %. A changed verdict: an interval "
        "that lay on one side of zero and no longer does, or the other way round."
    )
    parts = [
        summary(found),
        markdown_table(columns, rows),
        "\n".join(["Changed:", *changed]) if changed else "",
        legend,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def summary(found: Sequence[Reproduced]) -> str:
    """The report in one line."""
    counts = sum((each.counts for each in found), Counter())
    compared = [each for each in found if not each.reason]
    left_out = f"; {len(found) - len(compared)} could not be compared" if len(found) > len(compared) else ""
    if not compared:
        return f"Reproduction: nothing compared{left_out}."
    return (
        f"Reproduction: {sum(counts.values())} kept numbers and verdicts in {len(compared)} figures and tables: "
        f"{counts[SAME]} the same, {counts[WITHIN]} within the seeds' interval, {counts[DIFFERS]} differ, "
        f"{counts[VERDICT_CHANGED]} verdicts changed{left_out}."
    )


def compare(kept: Any, made: Any, name: str = "") -> Iterator[Compared]:
    """Every number and verdict of `kept` beside that of `made`; counts and texts, mostly labels, where they differ."""
    if isinstance(kept, Mapping) and isinstance(made, Mapping):
        yield from _mappings(kept, made, name)
    elif isinstance(kept, list) and isinstance(made, list):
        if len(kept) != len(made):
            yield Compared(f"{name}, entries", len(kept), len(made), DIFFERS, inf)
        else:
            for index, (before, now) in enumerate(zip(kept, made, strict=True)):
                yield from compare(before, now, f"{name} {_label(before, index)}".strip())
    elif _is_number(kept) and _is_number(made) and not (isinstance(kept, int) and kept == made):
        yield _numbers(name, kept, made)
    elif isinstance(kept, str) and isinstance(made, str):
        yield from _texts(name, kept, made)
    elif kept != made:
        yield Compared(name, kept, made, DIFFERS, inf)


def _all_of(kept: Mapping, made: Mapping) -> Iterator[Compared]:
    if "claims" not in made:
        return compare(kept["numbers"], made["numbers"])
    before, now = _claims(kept), _claims(made)  # a run of one notebook judges some of them only
    return (each for key in now.keys() & before.keys() for each in compare(before[key], now[key], key[0]))


def _claims(document: Mapping) -> dict[tuple, dict]:
    """Statement and the runs it was judged by -> what was found; only those that could be judged."""
    judged = [row for row in document["claims"] if row["seeds"]]
    facts = "key", "seeds", "vectors", "precision"
    found = "ours", "verdict"
    return {tuple(str(row[fact]) for fact in facts): {name: row[name] for name in found} for row in judged}


def _other_settings(kept: Mapping, made: Mapping) -> list[str]:
    """What was chosen otherwise, e.g. `seeds [2024, 2025] → [2024]`; of statements each says it itself."""
    before, now = kept["provenance"], made["provenance"]
    chosen = sorted((before.keys() & now.keys()) - OF_THE_MACHINE) if "claims" not in made else ["dataset"]
    return [f"{fact} {before[fact]} → {now[fact]}" for fact in chosen if before.get(fact) != now.get(fact)]


def _mappings(kept: Mapping, made: Mapping, name: str) -> Iterator[Compared]:
    judged, stated = {}, any(value in VERDICTS for value in kept.values() if isinstance(value, str))
    for key in kept.keys() & made.keys():
        if (interval := _interval(kept, key)) and _is_number(made[key]):
            is_difference = key != "mean" or name.rpartition(" ")[2] == "difference"
            then = _interval(made, key) if is_difference and not stated else None
            judged[key] = _numbers(f"{name} {key}".strip(), kept[key], made[key], interval, then)
    for key in dict.fromkeys((*kept, *made)):
        if key in judged:
            yield judged[key]
        elif key not in FOLLOWS and not _beside(key, kept):
            yield from compare(kept.get(key, ABSENT), made.get(key, ABSENT), f"{name} {key}".strip())


def _interval(row: Mapping, key: str) -> Interval | None:
    """The interval that stands beside an estimate: `low` to `high`, or `difference_low` to `difference_high`."""
    prefix = f"{key}_" if f"{key}_low" in row else ""
    first = next((each for each in ESTIMATES if each in row), None)
    low, high = row.get(f"{prefix}low"), row.get(f"{prefix}high")
    if key not in ESTIMATES or not (prefix or key == first) or not all(map(_is_number, (low, high, row[key]))):
        return None
    return Interval(row[key], low, high, 2)


def _beside(key: str, row: Mapping) -> bool:
    """Whether `key` only says otherwise what an estimate in the same row says."""
    bound = key.removesuffix("_low").removesuffix("_high")
    return bool(P_VALUE.match(key)) or (bound != key and bound in row) or (key == "relative" and "difference" in row)


def _numbers(
    name: str, kept: float, made: float, interval: Interval | None = None, then: Interval | None = None
) -> Compared:
    """Two numbers, the kept one with its interval; `then` is the new one's, where both are claimed differences."""
    moved = abs(made - kept)
    if interval is not None:
        allowed = (interval.high - kept) if made > kept else (kept - interval.low)
    else:
        allowed = TOLERANCE * abs(kept)
    off = moved / allowed if allowed else inf * moved if moved else 0.0
    if then is not None and verdict(interval) != verdict(then):
        said = [f"{value:+.4g} ({verdict(each)})" for value, each in ((kept, interval), (made, then))]
        return Compared(name, *said, VERDICT_CHANGED, off)
    if moved <= max(LAST_DIGIT, FOUR_DIGITS * abs(kept)):
        return Compared(name, kept, made, SAME, off)
    return Compared(name, kept, made, WITHIN if off <= 1 else DIFFERS, off)


def _texts(name: str, kept: str, made: str) -> Iterator[Compared]:
    """Verdicts by their words; `0.1 ± 0.2` as the estimates they are; any other text must be the same."""
    if {kept, made} <= VERDICTS:
        yield Compared(name, kept, made, SAME if kept == made else VERDICT_CHANGED)
        return
    before, now = PLUS_MINUS.findall(kept), PLUS_MINUS.findall(made)
    words = [PLUS_MINUS.sub("", BESIDE_ESTIMATES.sub("", text)) for text in (kept, made)]
    if words[0] != words[1] or len(before) != len(now):
        yield Compared(name, kept, made, DIFFERS, inf)
    for (mean, half), (new, _) in zip(before, now, strict=False):
        mean, half = float(mean), float(half)
        yield _numbers(name, mean, float(new), Interval(mean, mean - half, mean + half, 2))


def _label(entry: Any, index: int) -> str:
    """What an entry of a list is called: its names, or its position."""
    if not isinstance(entry, Mapping):
        return str(index)
    texts = [value for value in entry.values() if isinstance(value, str) and value not in VERDICTS]
    places = "lam", "epoch", "seed", "user", "group"
    numbers = [f"{key} {entry[key]:g}" for key in places if _is_number(entry.get(key))]
    names = [text for text in texts if text and "±" not in text and len(text) <= 40]
    return " ".join(dict.fromkeys(names + numbers)) or str(index)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
