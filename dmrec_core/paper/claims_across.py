"""The paper's statements over several data sets: the verdicts side by side, and what is fair to say of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dmrec_core.analysis.verdicts import FAILS, HOLDS, NOT_IN_PLAY, UNDECIDED, UNTESTED
from dmrec_core.paper.claims import AGREED, DECIDED, Finding, among_all, lost, runs_of
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text

MADE_UP = "toy"
SHORT = {NOT_IN_PLAY: "validation chose no matching", UNDECIDED: "not decided", UNTESTED: "not tested"}


def across(findings: Mapping[str, Sequence[Finding]]) -> str:
    """A markdown table, a row a statement and a column a data set: its verdict there, bold where it stands among all.

    Args:
        findings: data set -> what its runs say.
    """
    ran = {dataset: _mostly(mine) for dataset, mine in findings.items()}
    among = {dataset: among_all(mine) for dataset, mine in findings.items()}
    said: dict[str, dict[str, Finding]] = {}
    for dataset, mine in findings.items():
        for finding in mine:
            said.setdefault(finding.key, {})[dataset] = finding
    rows = []
    for row in said.values():
        first = next(iter(row.values()))
        cells = [_cell(row[name], ran[name], among[name]) if name in row else "-" for name in ran]
        stands = {name: finding.verdict for name, finding in row.items() if not lost(finding, among[name])}
        wants = "; ".join(f"{name}: {finding.wants}" for name, finding in row.items() if finding.wants)
        rows.append((first.claim, first.where, *cells, _fair_to_say(stands, _tested(row)), wants or "-"))
    facts = (f"{dataset}: {said}" for dataset, said in ran.items())
    columns = ("the paper says (our words)", "where", *facts, "what is fair to say", "what would decide it")
    return markdown_table(columns, rows)


HOW_TO_READ = (
    f"{AGREED}. *Alone*: only if it were the one statement tested on this data; with so many, luck could produce it "
    "(Holm's correction). *Validation chose no matching*: of the λ that were run there, some as few as two, the one "
    f"that matches nothing ranked best. {DECIDED}"
)


def glance(dataset: str, findings: Sequence[Finding]) -> str:
    """One line: of so many statements so many hold, do not, and are not decided."""
    among = among_all(findings)
    counts = Counter(finding.verdict for finding in findings if not lost(finding, among))
    rest = len(findings) - counts[HOLDS] - counts[FAILS] - counts[NOT_IN_PLAY]
    return (
        f"- **{dataset}** ({_mostly(findings)}): of {len(findings)} statements of the paper {counts[HOLDS]} hold there "
        f"and {counts[FAILS]} do not; in {counts[NOT_IN_PLAY]} validation chose no matching; {rest} are not decided or "
        "cannot be tested there"
    )


def _ran_on(finding: Finding) -> str:
    return markdown_text(runs_of(finding).removeprefix(f"{finding.dataset}, "))


def _mostly(findings: Sequence[Finding]) -> str:
    run = [finding for finding in findings if finding.seeds] or findings
    return Counter(map(_ran_on, run)).most_common(1)[0][0]


def _cell(finding: Finding, ran: str, among: Mapping[str, float]) -> str:
    """The verdict, bold where it stands among the others, and what it was run on where that is not the column's."""
    otherwise = "" if _ran_on(finding) == ran or not finding.seeds else f" ({_ran_on(finding)})"
    alone = lost(finding, among)
    stands = finding.verdict in (HOLDS, FAILS) and not alone
    said = SHORT.get(finding.verdict, finding.verdict)
    return (f"**{said}**" if stands else said + alone) + otherwise


def _tested(row: Mapping[str, Finding]) -> int:
    """On how many real data sets there were runs to test a statement by."""
    return sum(name != MADE_UP and finding.verdict != UNTESTED for name, finding in row.items())


def _fair_to_say(verdicts: Mapping[str, str], real_data: int) -> str:
    """What is left of a statement: data set -> verdict that stands there, on so many real data sets that tested it."""
    real = [said for name, said in verdicts.items() if name != MADE_UP and said in (HOLDS, FAILS)]
    if not real:
        toy = {HOLDS: "seen on made-up data only", FAILS: "not even so on made-up data"}
        return toy.get(verdicts.get(MADE_UP, ""), "open")
    if len(set(real)) == 2:
        return "it depends on the data"
    so, tested = "so" if HOLDS in real else "not so", f"{real_data} real data set{'s' * (real_data > 1)}"
    return f"{so} on {len(real)} of {tested} that tested it"
