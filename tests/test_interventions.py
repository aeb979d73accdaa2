"""DMRec-M with one thing changed at a time: which runs are compared, and what is said about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dmrec_core.__main__ import main
from dmrec_core.figures import kept
from dmrec_core.paper import interventions as asked
from dmrec_core.paper.interventions import AS_PUBLISHED, as_markdown, changed, findings, interventions, measured
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from tests.made_results import result

FIGURES = Path(__file__).parents[1] / "figures"
SPECS = changed("toy", 0.5, embedder="tfidf")
BASE, WORSE = np.array([0.5, 0.4, 0.6, 0.5]), np.array([-0.10, -0.11, -0.09, -0.10])


def of(change, values, seed=2024, best_epoch=9):
    made = result(values)
    record = made.record | {"best_epoch": best_epoch}
    made = replace(made, spec=SPECS[change].with_(seed=seed), record=record)
    return SimpleNamespace(**vars(made), history="epoch,valid_recall@20\n1,0.1\n2,\n3,0.2\n")  # as Measurements have it


def runs(seeds=(2024, 2025, 2026), **changes):
    """The base and DMRec-M, which is worse; and what is given, less the base."""
    noise = {seed: 0.001 * (seed - 2025) for seed in seeds}
    less = {"the base": 0 * WORSE, AS_PUBLISHED: WORSE} | changes
    return [
        of(name, BASE + values + noise[s] * (name != "the base"), s) for name, values in less.items() for s in seeds
    ]


def test_every_change_changes_the_spec_and_nothing_else_that_is_listed():
    assert len(set(SPECS.values())) == len(SPECS) and len({spec.seed for spec in SPECS.values()}) == 1
    assert SPECS["the base"] == paper_settings("toy", embedder="tfidf")
    assert SPECS[AS_PUBLISHED] == paper_settings("toy", strategy="mddm", lam=0.5, embedder="tfidf")
    assert SPECS["the base, its prior weighted by λ"].kl_weight == 0.5
    assert SPECS["the whole prior: DMRec-G"].lam == SPECS["vectors of the clicks"].lam == 0.5
    assert SPECS["no matching, whole prior (λ = 1)"].lam == 1
    assert changed("amazon", embedder="tfidf")[AS_PUBLISHED].lam == 0.6
    assert sum(spec.as_trained.lam == 1 for spec in changed("toy", 0.0).values() if spec.lam is not None) == 1
    assert "no matching, whole prior (λ = 1)" not in changed("toy", 1.0) and "λ = 0.75" not in changed("toy", 0.75)


def test_a_row_is_less_the_base_on_the_seeds_that_both_were_run_with():
    rows = interventions([*runs(), of("vectors of other owners", BASE + 0.1, 2025)], SPECS)
    assert [row.change for row in rows] == [AS_PUBLISHED, "vectors of other owners"]
    assert rows[0].over_base.difference.mean == pytest.approx(-0.1) and rows[0].over_base.seeds == 3
    assert rows[0].over_published is None
    assert rows[1].over_base.seeds == 1 and rows[1].over_published.difference.mean == pytest.approx(0.2)


def test_a_run_with_a_seed_that_the_base_lacks_is_not_compared():
    only = [of("the base", BASE), of(AS_PUBLISHED, BASE, 2030)]
    assert interventions(only, SPECS) == []
    assert findings([]) == []


def test_what_is_said_follows_from_the_verdicts():
    better, same = WORSE + 0.2, WORSE + np.array([0.001, -0.001, 0.001, -0.001])
    given = {"no matching, whole prior (λ = 1)": better, "vectors of the clicks": same, "λ = 0.25": WORSE + WORSE}
    said = findings(interventions(runs(**given), SPECS))
    assert said[0].startswith("DMRec-M at λ = 0.5 minus its base: -0.1000")
    assert said[0].endswith("worse.")
    assert (
        "it ranks better than DMRec-M as published: no matching, whole prior (λ = 1) (+0.2000, p over users" in said[1]
    )
    assert said[2].startswith("Changed so, it ranks worse: λ = 0.25 (-0.1000, p over users")
    assert said[3].startswith("Not decided, as seeds and users must agree") and "vectors of the clicks" in said[3]


def test_validation_chooses_lambda_and_the_sentence_says_whether_that_ends_below_the_base():
    no_matching = "no matching, whole prior (λ = 1)"
    said = findings(interventions(runs(**{no_matching: -0.5 * WORSE, "λ = 0.25": 2 * WORSE}), SPECS))
    (chosen,) = [line for line in said if line.startswith("Let validation choose")]
    assert "from 0.25, 0.5, 1 (seeds 2024, 2025, 2026): 1, no matching, +0.0500" in chosen and chosen.endswith(
        "above it."
    )
    said = findings(interventions(runs(**{"λ = 0.25": 2 * WORSE}), SPECS))
    (chosen,) = [line for line in said if line.startswith("Let validation choose")]
    assert "from 0.25, 0.5 (" in chosen and ": 0.5, -0.1000" in chosen and chosen.endswith("from the base, below it.")
    assert not any(line.startswith("Let validation") for line in findings(interventions(runs(), SPECS)))
    one_seed = runs(seeds=(2024,), **{no_matching: -0.5 * WORSE})  # of the three that the others have
    said = findings(interventions([*runs(), *(r for r in one_seed if r.spec.lam == 1)], SPECS))
    (chosen,) = [line for line in said if line.startswith("Let validation choose")]
    assert "from 0.5, 1 (seeds 2024): 1, no matching, +0.0490 (one seed) from the base" in chosen
    assert said[-1].startswith("Not among these runs") and "DMRec-G" in said[-1] and "(λ = 1)" not in said[-1]


def test_the_share_of_the_weaker_prior_is_said_where_both_lose():
    name = "the base, its prior weighted by λ"
    said = findings(interventions(runs(**{name: WORSE / 2}), SPECS))
    assert said[1] == (
        "A base whose prior weighs λ reads no text, and alone loses 0.0500: 50% of the 0.1000 that DMRec-M loses with "
        "the same seeds (3 seeds); than the base: worse."
    )
    assert not any("reads no text" in line for line in findings(interventions(runs(**{name: -WORSE}), SPECS)))


def test_one_seed_says_so_and_decides_nothing():
    rows = interventions(runs(seeds=(2024,)), SPECS)
    table = as_markdown(rows)
    rows = interventions(runs(seeds=(2024,), **{"no matching, whole prior (λ = 1)": 0 * WORSE}), SPECS)
    alone = "Run with one seed, which decides nothing alone: no matching, whole prior (λ = 1) (+0.1000, p over users"
    assert findings(rows)[1].startswith(alone)
    assert "-0.1010 (one seed)" in table and "| not decided |" in table and "| 10 |" in table


@pytest.mark.parametrize("dataset", sorted({path.parents[1].name for path in FIGURES.glob("*/runs/*.npz")}))
def test_what_is_kept_has_a_row_for_dmrec_m_itself(dataset):
    rows = measured(dataset)
    assert rows and rows[0].change == AS_PUBLISHED and rows[0].over_base.users > 1000
    assert measured("toy") == []


def test_the_figure_shows_every_row_and_the_curves_asked_for():
    rows = interventions(runs(**{"no matching, whole prior (λ = 1)": 0 * WORSE}), SPECS)
    looks = {AS_PUBLISHED: "mddm", "the base": "base"}
    curves, differences = asked.drawn(rows, looks)
    assert set(curves["change"]) == set(looks) and curves["value"].notna().all()
    along, ends = kept.changed_alone(curves, differences, looks).axes
    assert [label.get_text() for label in ends.get_yticklabels()] == [AS_PUBLISHED, "no matching, whole prior (λ = 1)"]
    assert {text.get_text() for text in along.get_legend().get_texts()} == set(looks)


def test_the_command_trains_and_prints_and_keeps_nothing(tmp_path, monkeypatch, capsys):
    few = {AS_PUBLISHED, "the base"}
    quick = {name: spec.with_(train=replace(spec.train, epochs=3)) for name, spec in SPECS.items() if name in few}
    monkeypatch.setattr(asked, "changed", lambda *_, **__: quick)
    monkeypatch.setattr(asked, "sweep", lambda specs, runs, **_: [run(spec, runs=runs) for spec in specs])
    monkeypatch.chdir(tmp_path)
    assert main(["interventions", "toy", "--seeds", "2024", "--runs", "runs"]) == 0
    assert f"| {AS_PUBLISHED} |" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["runs"] and not list((FIGURES / "runs").glob("*"))


def test_the_command_asks_for_runs_in_the_precision_it_was_given(monkeypatch, capsys):
    wanted = []
    monkeypatch.setattr(asked, "sweep", lambda specs, **_: wanted.extend(specs) or [])
    assert main(["interventions", "toy", "--seeds", "2024", "--precision", "bf16"]) == 0
    assert wanted and {spec.train.precision for spec in wanted} == {"bf16"}
