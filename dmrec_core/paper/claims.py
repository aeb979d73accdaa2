"""The paper's testable statements, judged by runs: our number, and a verdict that only an interval may give.

The statements are paraphrased; `where` says which section, figure or table of the paper makes them. A verdict is given
by the 95 % intervals of a paired difference, over seeds and over users: with both on the claimed side of zero the
statement holds, with both on the other side it does not, and otherwise it is not decided. Of many statements about one
in twenty would be decided by luck; which verdicts are left after Holm's correction for that is said beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dmrec_core.analysis.verdicts import FAILS, HOLDS, LEVEL, holm
from dmrec_core.data import DATASETS, RecDataset
from dmrec_core.data.load import subfolder
from dmrec_core.matching import STRATEGIES
from dmrec_core.paper import evidence
from dmrec_core.paper.evidence import Answer, Evidence
from dmrec_core.records.checkout import MADE, in_checkout
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markdown import markdown_table
from dmrec_core.records.markup import markdown_text
from dmrec_core.records.ranges import cut
from dmrec_core.records.writer import MEND, Damaged, kept_document, to_json
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult
from dmrec_core.runs.sweeps import grid

NOT_RUN = "not run, or not with all of these seeds"
NO_RISE = "no λ above 0 was run with all of these seeds, or λ = 0 was not"
NO_MODEL = f"{NOT_RUN}; or kept without the models"
# key -> statement, where the paper makes it, its test, and what is said where the runs for it are missing
CLAIMS: Mapping[str, tuple[str, str, Callable[[Evidence], Answer], str]] = {
    "godm-beats-base": ("DMRec-G ranks better than the base model", "Table 2", evidence.beats("godm"), NOT_RUN),
    "cpdm-beats-base": ("DMRec-C ranks better than the base model", "Table 2", evidence.beats("cpdm"), NOT_RUN),
    "mddm-beats-base": ("DMRec-M ranks better than the base model", "Table 2", evidence.beats("mddm"), NOT_RUN),
    "mddm-best": (
        "Of the three strategies, DMRec-M is the best",
        "Table 2, Sec. 3.2",
        evidence.mddm_is_best,
        NOT_RUN,
    ),
    "other-backbones": (
        "The gain is there on other generative base models too",
        "Table 2",
        evidence.helps_other_backbones,
        "needs runs of CVGA and L-DiffRec: notebook 10",
    ),
    "language-baselines": (
        "DMRec ranks better than other recommenders that use a language model",
        "Table 3",
        evidence.beats_language_baselines,
        "needs runs of the baselines: notebook 11",
    ),
    "sparse-gain-most": (
        "Users with few interactions gain most",
        "Figure 3",
        evidence.sparse_users_gain_most,
        f"{NOT_RUN}; or one group only",
    ),
    "active-fused": (
        "DMRec-M's latent dimensions are more active than the base's (mean that is decoded)",
        "Figure 4",
        evidence.more_active("fused"),
        NO_MODEL,
    ),
    "active-collaborative": (
        "The same, of the collaborative encoder's mean alone",
        "Figure 4",
        evidence.more_active("collaborative"),
        NO_MODEL,
    ),
    "pmn-matters": (
        "Without the items' vectors (w/o PMN) it gets worse",
        "Figure 5",
        evidence.hurts("mddm", aggregate=False),
        NOT_RUN,
    ),
    "matching-matters": (
        "Adding the two distributions without matching (Add) is worse",
        "Figure 5",
        evidence.hurts("add"),
        NOT_RUN,
    ),
    "mixing-matters": (
        "Adding the language divergence instead of mixing it in (w/o Mixing) is worse",
        "Figure 5",
        evidence.hurts("without_mixing"),
        NOT_RUN,
    ),
    "godm-peak": (
        "DMRec-G rises from λ = 0 to a peak",
        "Figure 6",
        evidence.rises_from_zero("godm"),
        NO_RISE,
    ),
    "cpdm-peak": (
        "DMRec-C rises from λ = 0 to a peak",
        "Figure 6",
        evidence.rises_from_zero("cpdm"),
        NO_RISE,
    ),
    "mddm-collapse": (
        "DMRec-M falls below the base as λ goes to 0",
        "Figure 6",
        evidence.collapses_at_zero,
        "λ = 0 was not run",
    ),
    "mddm-base-at-one": (
        "DMRec-M at λ = 1 ranks as the base model does",
        "Figure 6",
        evidence.is_the_base_at_one,
        "λ = 1 was not run",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One statement and what these runs say about it."""

    key: str
    claim: str  # in our words
    where: str  # in the paper
    ours: str  # our number or numbers, in words
    verdict: str
    seeds: tuple[int, ...] = ()
    dataset: str = ""
    vectors: str = ""
    precision: str = "float32"  # of the runs' matrix products
    p: float | None = None  # of the verdict, before any correction; None where nothing was compared
    tuned_over: int = 0  # settings that validation chose from; 0: nothing was chosen
    wants: str = ""  # what would decide it


def judge(results: Sequence[RunResult], dataset: RecDataset, keys: Sequence[str] | None = None) -> list[Finding]:
    """Every statement of the paper that runs can test, judged by these runs.

    Args:
        results: at least those of `specs(...)`; whatever is missing makes its statements "cannot be tested here".
        dataset: what they ran on.
        keys: of the statements to judge; None is all of them.
    """
    runs_at_hand = Evidence(results, dataset)
    findings = []
    for key in CLAIMS if keys is None else keys:
        claim, where, test, lacking = CLAIMS[key]
        ours, said, runs, tuned_over = test(runs_at_hand)
        findings.append(
            Finding(
                key=key,
                claim=claim,
                where=where,
                ours=ours or lacking,
                verdict=said.verdict,
                seeds=tuple(sorted({run.spec.seed for run in runs})),
                dataset=dataset.name,
                vectors=dataset.language.embedder if dataset.language else "none",
                precision=", ".join(sorted({run.spec.train.precision for run in runs})) or "float32",
                p=None if said.p is None else float(f"{said.p:.6g}"),
                tuned_over=tuned_over,
                wants=said.wants,
            )
        )
    return findings


def specs(
    make: Callable[..., RunSpec], lambdas: Sequence[float], seeds: Sequence[int], **changes: object
) -> list[RunSpec]:
    """The runs that `judge` asks about.

    Args:
        make: strategy, changes -> spec; `paper_settings` with data set and embedder filled in.
        lambdas: the grid every strategy is tuned on.
        seeds: of every setting.
        changes: to every run, such as `variant="paper"`.
    """
    wanted = grid(make("base", **changes), seed=seeds)
    for strategy in STRATEGIES:
        preset = make(strategy, **changes)  # every strategy is tuned on the same values
        wanted += grid(preset, lam=[*lambdas, preset.lam], seed=seeds)
    full = make("mddm", **changes)
    wanted += grid(full, aggregate=[False], seed=seeds)
    wanted += grid(make("add", **changes), seed=seeds)
    wanted += grid(make("without_mixing", lam=full.lam, **changes), seed=seeds)
    return list(dict.fromkeys(wanted))


def markdown(findings: Sequence[Finding]) -> str:
    """The findings as a table, each number with what it came from and what it is worth among the others."""
    columns = ("the paper says (our words)", "where", "here", "runs", "chosen from", "verdict", "p", "would decide it")
    among = among_all(findings)
    rows = [
        (f.claim, f.where, f.ours, markdown_text(runs_of(f)), f.tuned_over or "-", f"**{f.verdict}**{lost(f, among)}",
         "-" if f.p is None else f"{f.p:.2g}", f.wants or "-")
        for f in findings
    ]  # fmt: skip
    return f"{markdown_table(columns, rows)}\n\n{HOW_TO_READ}\n" if len(findings) > 1 else markdown_table(columns, rows)


AGREED = "A verdict needs the seeds and the users to agree, each by the 95 % interval of a paired difference"
DECIDED = (
    "Would decide it: with so many seeds the test over seeds would find the difference four times in five, with so "
    "many users the test over users, if it and its spread are what they seem here; a data set's users cannot be added "
    "to, so a number far above theirs says that these data will not tell."
)
HOW_TO_READ = (
    f"{AGREED}; p is the larger of the two. *Alone*: it would not stand after Holm's correction for all the statements "
    f"that were tested on this data. Chosen from: so many λ, of which validation chose one. {DECIDED}"
)


def among_all(findings: Sequence[Finding]) -> dict[str, float]:
    """Key -> p of a statement after Holm's correction for all that were tested here."""
    return holm({finding.key: finding.p for finding in findings if finding.p is not None})


def lost(finding: Finding, among: Mapping[str, float]) -> str:
    """What is added to a verdict that does not stand among the others: ` (alone)`."""
    return " (*alone*)" if finding.verdict in (HOLDS, FAILS) and among.get(finding.key, 1.0) >= LEVEL else ""


def runs_of(finding: Finding) -> str:
    """`toy, tfidf-svd-128, seeds 2024-2026`: what a number came from."""
    if not finding.seeds:
        return f"{finding.dataset}: none"
    return f"{finding.dataset}, {made_with(finding.vectors, finding.precision, finding.seeds)}"


def made_with(vectors: str, precision: str, seeds: Sequence[int]) -> str:
    """`tfidf-svd-128, bf16, seeds 2024-2026`; float32, the usual, is not said."""
    run_on = list(seeds) == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 1
    said = f"seeds {seeds[0]}-{seeds[-1]}" if run_on else f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return ", ".join([vectors, *[precision] * (precision != "float32"), said])


def check_savable(folder: str | Path, instead: str = "--out") -> None:
    """Refuse, before any work, a folder into which `save` could not write; `instead` names another one.

    Raises:
        Unwritable: it cannot be written to.
        Damaged: the claims that are there cannot be used.
    """
    path = in_checkout(folder) / "claims.json"
    check_writable(path, instead)
    if path.exists():
        read(path)


def save(findings: Sequence[Finding], provenance: Mapping[str, object], folder: str | Path = MADE) -> Path:
    """Write `claims.md` and `claims.json`, beside what other notebooks have judged there; returns the JSON.

    Statements that are not in `findings`, or that these runs could not test, stay as they were kept if they were judged
    on the same data in the same variant.

    Args:
        findings: as `judge` gives them.
        provenance: of these findings; kept by statement where they are not all of them.
        folder: a relative one is meant from the checkout's root.

    Raises:
        Damaged: the claims that are there cannot be used; nothing is written.
    """
    folder = in_checkout(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "claims.json"
    before, findings_before = read(path) if path.exists() else ({}, [])
    told = {finding.key: finding for finding in findings_before}
    facts = {key: before.get("provenance_of", {}).get(key, before["provenance"]) for key in told}
    kept = {key: finding for key, finding in told.items() if _same_data(facts[key], provenance)}
    mine = {finding.key: finding for finding in findings}
    new = {key for key, finding in mine.items() if finding.seeds or key not in kept or not kept[key].seeds}
    merged = [mine[key] if key in new else kept[key] for key in CLAIMS if key in new or key in kept]
    whole = before["provenance"] if kept and len(mine) < len(CLAIMS) else provenance
    facts |= dict.fromkeys(new, provenance)
    others = {finding.key: facts[finding.key] for finding in merged if facts[finding.key] != whole}
    document = {"name": "claims", "claims": [asdict(f) for f in merged], "provenance": whole, "provenance_of": others}
    write_whole(folder / "claims.md", markdown(merged).encode())
    write_whole(path, to_json(document).encode())
    return path


def _same_data(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    # a published data set is known by its name: in its fingerprint are vectors, whose last bits vary by processor
    own = {"fingerprint"} if other.get("dataset") not in DATASETS else set()
    return all(one.get(fact) == other.get(fact) for fact in {"dataset", "embedder", "variant"} | own)


def read(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """A `claims.json`, and the findings in it.

    Raises:
        Damaged: it holds something else; the message names it.
    """
    document = kept_document(path)
    try:
        findings = [replace(Finding(**row), seeds=tuple(row["seeds"])) for row in document["claims"]]
        numbers = {"seeds", "p", "tuned_over"}
        texts = [value for finding in findings for name, value in vars(finding).items() if name not in numbers]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a finding's values are texts")
        if not all(type(seed) is int for finding in findings for seed in finding.seeds):
            raise TypeError("seeds are whole numbers")
        if not all(type(finding.tuned_over) is int for finding in findings):
            raise TypeError("tuned_over is a whole number")
        if not all(
            finding.p is None or (type(finding.p) in (int, float) and 0 <= finding.p <= 1) for finding in findings
        ):
            raise TypeError("p is a probability")
        if not isinstance(document.get("provenance_of", {}), dict):
            raise TypeError("provenance_of is an object")
    except (KeyError, TypeError) as problem:
        raise Damaged(f"{path}: these are no claims of this version ({cut(problem, 200)}); {MEND}") from None
    return document, findings


def kept(key: str, dataset: str) -> str:
    """What the kept runs of a data set say of a statement, and what they were: for a page that did not run them.

    Example:
        >>> kept("no-such-statement", "toy")
        'toy: nothing is kept of it'
    """
    path = in_checkout(Path("figures", subfolder(dataset), "claims.json"))
    findings = read(path)[1] if path.is_file() else []
    found = next((finding for finding in findings if finding.key == key), None)
    return f"{dataset}: nothing is kept of it" if found is None else f"{runs_of(found)}: {found.ours}"
