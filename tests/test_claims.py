"""A verdict needs an interval; each statement's test is tried on results made up to satisfy it and to break it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from dmrec_core.__main__ import main
from dmrec_core.analysis.statistics import mean_interval
from dmrec_core.analysis.verdicts import (
    FAILS,
    HOLDS,
    NOT_IN_PLAY,
    UNDECIDED,
    UNTESTED,
    Judged,
    all_of,
    jointly,
    judged,
    verdict,
    verdict_equal,
)
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.paper import claims_at_hand, evidence
from dmrec_core.paper.claims import CLAIMS, judge, markdown, read, runs_of, save, specs
from dmrec_core.paper.claims_across import across, glance
from dmrec_core.runs.presets import paper_settings
from tests.made_results import result

DATASET = with_language(toy_dataset(n_users=100, n_items=60), "tfidf")
USERS = np.flatnonzero(np.diff(DATASET.test.indptr))
SPARSE = np.diff(DATASET.train.indptr)[USERS] <= 4  # roughly; the sparsest group
SEEDS = (2024, 2025, 2026)
WIGGLE = (-0.002, 0.0, 0.002)  # of the seeds
ACTIVITY = {"base": -2.0, ("mddm", "fused"): -1.0, ("mddm", "collaborative"): -3.0}


def runs(strategy="base", level=0.3, sparse=0.0, wiggle=WIGGLE, **changes):
    """One run a seed at a level, with something extra for sparse users."""
    return [
        result(np.full(len(USERS), level + shift) + sparse * SPARSE, strategy, seed, users=USERS, **changes)
        for seed, shift in zip(SEEDS, wiggle, strict=True)
    ]


def a_world_as_the_paper_has_it(**other):
    """Every statement that such runs can test is true in it; `other` replaces groups of runs."""
    world = {
        "base": runs("base", 0.30),
        "godm 0": runs("godm", 0.31, lam=0.0),
        "godm": runs("godm", 0.33, lam=0.4),
        "cpdm 0": runs("cpdm", 0.31, lam=0.0),
        "cpdm": runs("cpdm", 0.34, lam=0.2),
        "mddm 0": runs("mddm", 0.20, lam=0.0),
        "mddm 1": runs("mddm", 0.3001, lam=1.0),
        "mddm": runs("mddm", 0.35, sparse=0.05, lam=0.5),
        "w/o PMN": runs("mddm", 0.32, lam=0.5, aggregate=False),
        "add": runs("add", 0.32),
        "w/o mixing": runs("without_mixing", 0.33, lam=0.5),
    } | other
    return [run for group in world.values() for run in group]


@pytest.fixture(autouse=True)
def known_activity(monkeypatch):
    """Activities are those of trained models; here they are given."""

    def activities(results, dataset):
        rows = []
        for run in results:
            for which in ("fused",) if run.spec.strategy == "base" else ("collaborative", "fused"):
                key = "base" if run.spec.strategy == "base" else ("mddm", which)
                value = ACTIVITY[key] + 0.01 * (run.spec.seed % 3) * (which == "fused")
                rows.append(
                    {"strategy": run.spec.strategy, "kl_weight": 1.0, "which": which, "seed": run.spec.seed,
                     "activity": np.exp(value), "log_activity": value}
                )  # fmt: skip
        return pd.DataFrame(rows)

    monkeypatch.setattr(evidence, "activities", activities)


def verdicts(results) -> dict[str, str]:
    return {finding.key: finding.verdict for finding in judge(results, DATASET)}


def test_a_verdict_needs_an_interval_on_one_side_of_zero():
    assert verdict(mean_interval([0.01, 0.02, 0.03])) == UNDECIDED  # 0.02 ± 0.025
    assert verdict(mean_interval([0.019, 0.02, 0.021])) == HOLDS
    assert verdict(mean_interval([-0.019, -0.02, -0.021])) == FAILS
    assert verdict(mean_interval([5.0])) == UNDECIDED  # one seed has no interval
    assert verdict(mean_interval([0.0, 0.0, 0.0])) == UNDECIDED


def test_equal_is_close_and_known_to_be_close():
    assert verdict_equal(mean_interval([0.001, -0.001, 0.0]), 0.01) == HOLDS
    assert verdict_equal(mean_interval([0.03, -0.03, 0.0]), 0.01) == UNDECIDED
    assert verdict_equal(mean_interval([0.020, 0.021, 0.022]), 0.01) == FAILS
    assert verdict_equal(mean_interval([0.004, 0.005, 0.006]), 0.01) == HOLDS  # a difference, but a small one
    assert verdict_equal(mean_interval([0.0]), 0.01) == UNDECIDED


def test_the_seeds_and_the_users_must_agree():
    surely, hardly = mean_interval([0.019, 0.02, 0.021]), mean_interval([-0.1, 0.02, 0.14])
    assert judged(surely, surely).verdict == HOLDS and judged(surely).verdict == HOLDS
    assert judged(surely, hardly).verdict == judged(hardly, surely).verdict == UNDECIDED
    opposite = mean_interval([-0.019, -0.02, -0.021])
    assert judged(opposite, opposite).verdict == FAILS and judged(surely, opposite).verdict == UNDECIDED
    assert judged(surely, surely).p == pytest.approx(scipy.stats.ttest_1samp([0.019, 0.02, 0.021], 0).pvalue)
    assert judged(surely, hardly).p == pytest.approx(scipy.stats.ttest_1samp([-0.1, 0.02, 0.14], 0).pvalue)
    assert judged(mean_interval([0.1]), surely) == Judged(UNDECIDED, None, "more than one of its seeds")
    assert judged(mean_interval([0.0, 0.0]), mean_interval([0.0, 0.0])).p == 1


def test_equality_is_tested_on_both_sides_of_the_margin():
    near = mean_interval([0.001, -0.001, 0.0])
    error = np.std([0.001, -0.001, 0.0], ddof=1) / np.sqrt(3)
    assert judged(near, near, 0.01) == Judged(HOLDS, pytest.approx(scipy.stats.t.sf(0.01 / error, 2)))
    far = mean_interval([0.020, 0.021, 0.022])
    assert judged(far, far, 0.01).verdict == FAILS and judged(near, far, 0.01).verdict == UNDECIDED


def test_so_many_seeds_decide_four_times_in_five():
    """Drawn anew with the spread that was seen, and the seeds it is said to want: about 80 % of the draws decide."""
    seen = mean_interval([0.02, -0.03, 0.025, 0.01])
    wanted = int(judged(seen).wants.removesuffix(" seeds").replace(",", ""))
    spread = np.std([0.02, -0.03, 0.025, 0.01], ddof=1)
    draws = np.random.default_rng(0).normal(seen.mean, spread, (4000, wanted))
    decided = np.mean(scipy.stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert 0.77 < decided < 0.84 and wanted > 4
    assert judged(mean_interval([0.0001, 1.0, -1.0])).wants == "over 200 seeds"


def test_parts_and_statements_are_corrected_for_their_number():
    parts = {"a": Judged(FAILS, 0.03), "b": Judged(HOLDS, 0.001)}
    assert jointly(parts).verdict == UNDECIDED and jointly({"a": parts["a"]}).verdict == FAILS
    assert jointly({**parts, "a": Judged(FAILS, 0.01)}) == Judged(FAILS, 0.02)
    assert jointly({"a": Judged(HOLDS, 0.02), "b": Judged(HOLDS, 0.001)}) == Judged(HOLDS, 0.02)
    undecided = jointly({"a": Judged(UNDECIDED, 0.2, "9 seeds"), "b": Judged(HOLDS, 0.001)})
    assert undecided == Judged(UNDECIDED, 0.2, "a: 9 seeds")
    assert jointly({"a": Judged(NOT_IN_PLAY), "b": Judged(HOLDS, 0.001)}).verdict == NOT_IN_PLAY
    found = judge(a_world_as_the_paper_has_it(), DATASET, ["godm-beats-base", "mddm-collapse"])
    weak, strong = replace(found[0], p=0.04), replace(found[1], p=0.03)
    for said, alone in (([weak], 0), ([weak, strong], 2), ([weak, replace(strong, p=0.01)], 0)):
        assert markdown(said).count("**holds** (*alone*)") == alone


def test_over_data_sets_only_what_stands_is_said():
    def found(verdict, p=0.001, **changes):
        made = judge(a_world_as_the_paper_has_it(), DATASET, ["godm-beats-base"])[0]
        return [replace(made, verdict=verdict, p=p, **changes)]

    def fair(**data):
        return across(data).splitlines()[-1].split(" | ")[-2]

    assert fair(toy=found(HOLDS)) == "seen on made-up data only" and fair(toy=found(HOLDS, 0.06)) == "open"
    assert fair(toy=found(HOLDS), other=found(FAILS)) == "not so on 1 of 1 real data set that tested it"
    assert fair(one=found(HOLDS), other=found(UNDECIDED, 0.4)) == "so on 1 of 2 real data sets that tested it"
    assert fair(one=found(HOLDS), other=found(UNTESTED, None)) == "so on 1 of 1 real data set that tested it"
    assert fair(one=found(HOLDS), other=found(FAILS)) == "it depends on the data"
    both = across({"toy": found(HOLDS), "one": found(UNDECIDED, 0.4, wants="9 seeds")})
    assert "| **holds** | not decided |" in both and both.endswith("| one: 9 seeds |")
    assert "1 statements of the paper 1 hold there and 0 do not; in 0 validation" in glance("toy", found(HOLDS))


def test_no_matching_is_never_compared_with_itself():
    best = runs("mddm", 0.3, lam=1.0, valid=0.9)
    found = verdicts(a_world_as_the_paper_has_it(**{"mddm 1": best}))
    not_in_play = {"mddm-beats-base", "mddm-best", "sparse-gain-most", "active-fused", "active-collaborative"}
    assert {key for key, said in found.items() if said == NOT_IN_PLAY} == not_in_play | {"matching-matters"}


def test_a_statement_with_parts_is_as_good_as_its_worst_part():
    assert all_of([HOLDS, HOLDS]) == HOLDS and all_of([HOLDS, UNDECIDED]) == UNDECIDED
    assert all_of([UNDECIDED, FAILS, HOLDS]) == FAILS


def test_in_the_papers_world_its_statements_hold():
    found = verdicts(a_world_as_the_paper_has_it())
    assert found.pop("other-backbones") == UNTESTED and found.pop("language-baselines") == UNTESTED
    assert found.pop("active-collaborative") == FAILS  # given so above
    assert set(found.values()) == {HOLDS}, found


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("godm-beats-base", {"godm": runs("godm", 0.25, lam=0.4), "godm 0": []}),
        ("cpdm-beats-base", {"cpdm": runs("cpdm", 0.25, lam=0.2), "cpdm 0": []}),
        ("mddm-beats-base", {"base": runs("base", 0.5)}),
        ("mddm-best", {"cpdm": runs("cpdm", 0.6, lam=0.2)}),
        ("sparse-gain-most", {"mddm": runs("mddm", 0.4, sparse=-0.05, lam=0.5)}),
        ("pmn-matters", {"w/o PMN": runs("mddm", 0.6, lam=0.5, aggregate=False)}),
        ("matching-matters", {"add": runs("add", 0.6)}),
        ("mixing-matters", {"w/o mixing": runs("without_mixing", 0.6, lam=0.5)}),
        ("godm-peak", {"godm 0": runs("godm", 0.6, lam=0.0)}),
        ("cpdm-peak", {"cpdm 0": runs("cpdm", 0.6, lam=0.0)}),
        ("mddm-collapse", {"mddm 0": runs("mddm", 0.34, lam=0.0)}),
        ("mddm-base-at-one", {"mddm 1": runs("mddm", 0.34, lam=1.0)}),
    ],
)
def test_each_statement_can_fail(key, changed):
    assert verdicts(a_world_as_the_paper_has_it(**changed))[key] == FAILS


def test_the_activity_statements_can_hold_and_fail(monkeypatch):
    monkeypatch.setitem(ACTIVITY, ("mddm", "fused"), -4.0)
    monkeypatch.setitem(ACTIVITY, ("mddm", "collaborative"), -1.0)
    found = verdicts(a_world_as_the_paper_has_it())
    assert found["active-fused"] == FAILS and found["active-collaborative"] == HOLDS


def test_noise_over_seeds_decides_nothing():
    found = verdicts(a_world_as_the_paper_has_it(base=runs("base", 0.30, wiggle=(-0.2, 0.0, 0.2))))
    assert found["mddm-beats-base"] == UNDECIDED and found["mddm-collapse"] == UNDECIDED


def test_statements_without_their_runs_cannot_be_tested():
    found = verdicts(runs("base"))
    assert set(found.values()) == {UNTESTED} and set(found) == set(CLAIMS)
    assert all(finding.ours and not finding.seeds for finding in judge(runs("base"), DATASET))


def test_other_backbones_and_baselines_are_judged_where_they_were_run():
    more = [*runs("base", 0.2, model="cvga"), *runs("mddm", 0.4, model="cvga", lam=0.3), *runs(level=0.1, model="kar")]
    found = verdicts([*a_world_as_the_paper_has_it(), *more])
    assert found["other-backbones"] == HOLDS and found["language-baselines"] == HOLDS


def test_lambda_is_chosen_on_validation_and_no_matching_is_said():
    zero = runs("godm", 0.31, lam=0.0, valid=0.9)
    (finding,) = [
        f for f in judge(a_world_as_the_paper_has_it(**{"godm 0": zero}), DATASET) if f.key.startswith("godm-b")
    ]
    assert "λ = 0, no matching" in finding.ours


def test_a_strategy_that_was_run_without_matching_only_is_not_tested():
    found = verdicts(a_world_as_the_paper_has_it(godm=[]))
    assert {found[key] for key in ("godm-beats-base", "godm-peak", "mddm-best")} == {UNTESTED}
    assert found["cpdm-beats-base"] == HOLDS


def test_the_runs_asked_for_are_enough_for_every_statement_about_them():
    def make(strategy, **changes):
        return paper_settings("toy", strategy=strategy, **changes)

    wanted = specs(make, lambdas=[0.0, 1.0], seeds=SEEDS)
    assert len(wanted) == len(set(wanted)) == 3 * (1 + 3 * 3 + 3)  # base; three strategies at 0, 0.5, 1; ablations
    made = [result(np.full(len(USERS), 0.3), run.strategy, run.seed, users=USERS, lam=run.lam, aggregate=run.aggregate)
            for run in wanted]  # fmt: skip
    assert {run.spec for run in made} == set(wanted)
    untested = {key for key, said in verdicts(made).items() if said == UNTESTED}
    assert untested == {"other-backbones", "language-baselines"}


def test_the_table_says_what_each_number_came_from(tmp_path):
    found = judge(a_world_as_the_paper_has_it(), DATASET)
    path = save(found, {"dataset": "toy"}, tmp_path)
    document = json.loads(path.read_text())
    assert read(path)[1] == found and document["provenance"] == {"dataset": "toy"}
    lines = (tmp_path / "claims.md").read_text().splitlines()
    assert len(lines) == 4 + len(CLAIMS) and lines == markdown(found).splitlines() and "Holm" in lines[-1]
    for line, finding in zip(lines[2:-2], found, strict=True):
        assert finding.verdict in line and line.count("|") == 9
        assert (f"toy, {DATASET.language.embedder}, seeds 2024-2026" in line) == (finding.verdict != UNTESTED)
    again = save(found, {"dataset": "toy"}, tmp_path).read_bytes()
    assert again == path.read_bytes()


def test_another_notebook_adds_its_statement_to_those_that_are_kept(tmp_path):
    world = a_world_as_the_paper_has_it()
    on_mine = {"dataset": "mine", "fingerprint": "a"}
    save(judge(world, DATASET), on_mine | {"runs": 60}, tmp_path)
    cvga = [*runs("mddm", 0.4, lam=0.5, model="cvga"), *runs("base", 0.3, model="cvga")]
    added = judge(cvga, DATASET, ["other-backbones"])
    assert [finding.verdict for finding in added] == [HOLDS]
    path = save(added, on_mine | {"runs": 6}, tmp_path)
    document = json.loads(path.read_text())
    found = {finding.key: finding for finding in read(path)[1]}
    assert list(found) == list(CLAIMS) and found["other-backbones"] == added[0]
    assert found["mddm-beats-base"].verdict == HOLDS and document["provenance"]["runs"] == 60
    assert document["provenance_of"] == {"other-backbones": on_mine | {"runs": 6}}
    # the whole again, whose runs cannot test the added one: it stays, and other data would not keep it
    document = json.loads(save(judge(world, DATASET), on_mine | {"runs": 61}, tmp_path).read_text())
    assert read(path)[1][4] == added[0] and document["provenance_of"]["other-backbones"]["runs"] == 6
    document = json.loads(save(judge(world, DATASET), {"dataset": "mine", "fingerprint": "b"}, tmp_path).read_text())
    assert read(path)[1][4].verdict == UNTESTED and document["provenance_of"] == {}


def test_the_same_vectors_from_another_processor_are_the_same_data(tmp_path):
    save(judge(a_world_as_the_paper_has_it(), DATASET), {"dataset": "toy", "fingerprint": "a"}, tmp_path)
    added = judge([*runs("mddm", 0.4, lam=0.5), *runs(level=0.1, model="kar")], DATASET, ["language-baselines"])
    document = json.loads(save(added, {"dataset": "toy", "fingerprint": "b"}, tmp_path).read_text())
    assert len(document["claims"]) == len(CLAIMS) and document["provenance"]["fingerprint"] == "a"
    assert document["provenance_of"]["language-baselines"]["fingerprint"] == "b"


def test_of_two_bases_the_better_on_validation_is_the_one_to_beat():
    worse = runs("base", 0.2, model="cvga", settings={"divide_kl_by_batch": False})
    better, ours = runs("base", 0.35, model="cvga"), runs("mddm", 0.3, lam=0.5, model="cvga")
    found = judge([*ours, *worse, *better], DATASET, ["other-backbones"])[0]
    assert found.verdict == FAILS and "cvga, λ = 0.5" in found.ours
    tuned = runs("base", 0.35, model="l-diffrec", kl_weight=0.2)  # where a base was tuned as lambda was
    other = [*runs("base", 0.2, model="l-diffrec"), *runs("mddm", 0.3, lam=0.5, model="l-diffrec")]
    assert judge(other, DATASET, ["other-backbones"])[0].verdict == HOLDS
    assert judge([*other, *tuned], DATASET, ["other-backbones"])[0].verdict == FAILS


def test_a_run_that_stands_in_two_rows_counts_once():
    world = [
        *a_world_as_the_paper_has_it(),
        *runs("base", 0.2, model="cvga"),
        *runs("mddm", 0.4, lam=0.3, model="cvga"),
    ]
    assert judge([*world, *world], DATASET) == judge(world, DATASET)


def test_what_was_run_with_all_seeds_is_judged_and_nothing_is_trained(tmp_path, monkeypatch, capsys):
    world = a_world_as_the_paper_has_it(
        **{"godm": runs("godm", 0.33, lam=0.4)[:2], "mddm": runs("mddm", 0.35, lam=0.6), "kar": runs(model="kar")}
    )
    kept = {run.spec: run for run in world}
    monkeypatch.setattr(claims_at_hand, "cached", lambda spec, runs: kept.get(spec))
    monkeypatch.setattr(claims_at_hand, "load", lambda spec: DATASET)
    found = claims_at_hand.at_hand("toy", SEEDS, [0.0, 1.0])
    assert {run.spec for run in found} == {r.spec for r in world if (r.spec.strategy, r.spec.lam) != ("godm", 0.4)}
    assert main(["claims", "--out", str(tmp_path)]) == 0
    said = {f.key: f for f in read(tmp_path / "claims.json")[1]}
    assert said["godm-beats-base"].verdict == said["godm-peak"].verdict == UNTESTED
    assert said["mddm-collapse"].verdict == HOLDS and said["other-backbones"].verdict == UNTESTED
    assert "over kar" in said["language-baselines"].ours and "claims.md" in capsys.readouterr().out


def test_where_nothing_was_run_the_command_says_what_would(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims_at_hand, "cached", lambda spec, runs: None)
    assert main(["claims", "--seeds", "7", "--precision", "bf16", "--runs", str(tmp_path)]) == 1
    assert f"{tmp_path} has no setting on toy that was run in bf16 with all of the seeds 7" in capsys.readouterr().err


def test_runs_in_half_precision_say_so():
    half = {"train": replace(paper_settings("toy").train, precision="bf16")}
    finding = judge([*runs("base", 0.3, **half), *runs("godm", 0.4, lam=0.5, **half)], DATASET, ["godm-beats-base"])[0]
    assert finding.precision == "bf16" and ", bf16, seeds 2024-2026" in runs_of(finding)


def test_seeds_are_said_as_they_are():
    finding = judge(a_world_as_the_paper_has_it(), DATASET)[0]
    assert runs_of(replace(finding, seeds=(7,))).endswith("seed 7")
    assert runs_of(replace(finding, seeds=(7, 9))).endswith("seeds 7, 9")


def test_the_glance_names_the_runs_and_not_that_there_are_none():
    one = judge(a_world_as_the_paper_has_it(), DATASET)[0]
    never = replace(one, verdict=UNTESTED, seeds=(), vectors="")
    assert f"({runs_of(one).removeprefix(f'{one.dataset}, ')})" in glance("toy", [never, never, one])
