"""Tables 2 and 3: the printed numbers, what the rows are, what is chosen and compared, and the files written."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from dmrec_core.__main__ import main
from dmrec_core.analysis.comparisons import compare
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.paper import printed as paper
from dmrec_core.paper.plan import GRID, has_text, plan_table2, plan_table3, tuned_setting, without_vectors
from dmrec_core.paper.rows import fill
from dmrec_core.paper.tables import as_markdown, as_numbers, write_table
from dmrec_core.records.origin import provenance
from dmrec_core.runs.models import BACKBONES, BASELINES
from dmrec_core.runs.store import run
from dmrec_core.training.fit import TrainSettings

FEW = TrainSettings(epochs=3, batch_size=64)
# improvement of the best strategy over the base, per cent, as Table 2 prints it: R@10 R@20 N@10 N@20
IMPROVEMENTS = {
    ("mult-vae", "amazon"): (5.53, 4.87, 5.32, 4.59),
    ("mult-vae", "yelp"): (5.33, 6.06, 5.40, 5.46),
    ("l-diffrec", "yelp"): (6.24, 6.03, 8.64, 7.92),
    ("l-diffrec", "steam"): (8.59, 5.66, 7.06, 6.27),
    ("cvga", "amazon"): (10.19, 8.54, 8.76, 8.54),
    ("cvga", "steam"): (17.46, 14.71, 16.64, 15.58),
}


@pytest.mark.parametrize(("model", "dataset"), IMPROVEMENTS)
def test_the_printed_numbers_have_the_printed_improvements(model, dataset):
    base = paper.table2(dataset, model, "base")
    rows = [paper.table2(dataset, model, strategy) for strategy in ("godm", "cpdm", "mddm")]
    for metric, improvement in zip(paper.TABLE2_METRICS, IMPROVEMENTS[model, dataset], strict=True):
        best = max(row[metric] for row in rows)
        assert 100 * (best / base[metric] - 1) == pytest.approx(improvement, abs=0.02)


def test_table_3_repeats_table_2_and_knows_no_other_data():
    for dataset in paper.PAPERS_DATASETS:
        ours = paper.table2(dataset, "mult-vae", "mddm")
        assert paper.table3(dataset, "mult-vae") == {metric: ours[metric] for metric in paper.TABLE3_METRICS}
    assert paper.table2("toy", "cvga", "base") is None and paper.table3("amazon", "cvga") is None


def test_rows_of_table_2():
    plans = plan_table2("amazon", BACKBONES)
    assert len(plans) == 3 * 4 + 1 and len({plan.key for plan in plans}) == len(plans)
    by_key = {plan.key: plan for plan in plans}
    assert [o.lam for o in by_key["mult-vae mddm"].options] == [0.6]
    assert dict(by_key["cvga base undivided"].options[0].settings) == {"divide_kl_by_batch": False}
    assert by_key["cvga mddm"].against == ("cvga base", "cvga base undivided")
    assert by_key["l-diffrec cpdm"].paper["ndcg@20"] == 0.1006
    # the paper prints one base of CVGA and does not say which: it stands beside both
    assert by_key["cvga base undivided"].paper == by_key["cvga base"].paper and by_key["cvga base undivided"].notes


def test_tuning_gives_the_base_the_same_grid():
    by_key = {plan.key: plan for plan in plan_table2("toy", ["mult-vae", "cvga"], tune=GRID)}
    assert [o.lam for o in by_key["mult-vae mddm"].options] == list(GRID)
    assert sorted({o.kl_weight for o in by_key["mult-vae base tuned"].options}) == list(GRID)
    assert len(by_key["cvga base tuned"].options) == 2 * len(GRID)
    assert by_key["mult-vae godm"].against == ("mult-vae base", "mult-vae base tuned")


def test_rows_of_table_3_say_where_the_printed_numbers_come_from():
    plans = plan_table3("yelp", BASELINES)
    assert [plan.key for plan in plans][-1] == "mult-vae mddm"
    assert plans[-1].against == tuple(plan.key for plan in plans[:-1])
    assert all("the printed number" in plan.notes[-1] for plan in plans)
    notes = {plan.key: " ".join(plan.notes) for plan in plans}
    assert (
        "copied" in notes["rlmrec-c"] and "proxy" in notes["llmrec"] and "replaces the mean" in notes["alpharec-star"]
    )


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=120, n_items=60), "tfidf")


def test_tuning_gives_every_baseline_as_many_values_as_lambda_has():
    plain, tuned = plan_table3("amazon", BASELINES), plan_table3("amazon", BASELINES, tune=GRID)
    assert {len(plan.options) for plan in tuned} == {len(GRID)}
    for one, several in zip(plain[:-1], tuned[:-1], strict=True):
        assert one.options[0] in several.options  # the published value is among them, and is the same run
        name, value = tuned_setting(one.options[0])
        assert sorted(tuned_setting(o)[1] / value for o in several.options) == pytest.approx([0.25, 0.5, 1, 2, 4])
        assert all(one.options[0].with_(settings={}) == o.with_(settings={}) for o in several.options), name


@pytest.mark.parametrize("values", [(0.3,), (0.2, 0.5, 1.0), (0.1, 0.2, 0.3, 0.4)])
def test_on_a_grid_of_ones_own_everybody_has_as_many_values(values):
    *baselines, ours = plan_table3("amazon", BASELINES, tune=values)
    assert [o.lam for o in ours.options] == list(values)
    assert {len(plan.options) for plan in baselines} == {len(values)}
    assert all(plan_table3("amazon", BASELINES)[k].options[0] in plan.options for k, plan in enumerate(baselines))
    by_key = {plan.key: plan for plan in plan_table2("amazon", ["mult-vae"], tune=values)}
    assert {o.kl_weight for o in by_key["mult-vae base tuned"].options} == {1.0, *values}


def test_data_without_texts_keeps_the_rows_that_read_none():
    assert [plan.key for plan in without_vectors(plan_table3("amazon", BASELINES))] == ["lightgcn"]
    assert all(plan.label.startswith("base") for plan in without_vectors(plan_table2("amazon", BACKBONES, GRID)))
    plain = toy_dataset(n_users=30, n_items=30)
    assert has_text(plain) and not has_text(replace(plain, titles=None, profiles=None))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def rows(dataset, runs):
    plans = [p for p in plan_table2("toy", ["mult-vae"], tune=GRID, train=FEW) if not p.key.endswith(("godm", "cpdm"))]
    plans = [replace(plan, options=plan.options[:3]) for plan in plans]
    printed = {metric: 0.1 for metric in paper.TABLE2_METRICS}
    plans[0] = replace(plans[0], paper=printed)
    return fill(
        plans, [1, 2, 3], paper.TABLE2_METRICS, dataset, runs=runs, device="cpu",
        scheduler=ThreadPoolExecutor(1), progress=lambda *_: None,
    )  # fmt: skip


def test_the_first_seed_chooses_and_only_its_choice_is_run_with_the_others(rows, runs, dataset):
    tried = [json.loads((folder / "spec.json").read_text()) for folder in runs.iterdir()]
    for row in rows:
        mine = [one for one in tried if one["strategy"] == row.spec.strategy]
        assert {one["seed"] for one in mine} == {1, 2, 3}
        first = [run(option.with_(seed=1), dataset, runs=runs) for option in row.plan.options]
        best = max(first, key=lambda run: run.metrics["valid"]["recall@20"])
        assert {run.spec.with_(seed=1) for run in row.runs} == {best.spec}
    dmrec = [(one["lam"], one["seed"]) for one in tried if one["strategy"] == "mddm"]
    assert len(dmrec) == 3 + 2  # three values with the first seed, the best of them with two more


def test_rows_are_means_over_seeds(rows):
    base, tuned, *strategies = rows
    assert [run.spec.seed for run in base.runs] == [1, 2, 3]
    values = [run.metrics["test"]["recall@20"] for run in base.runs]
    assert base.ours["recall@20"].mean == pytest.approx(np.mean(values))
    assert base.off("recall@20") == pytest.approx(np.mean(values) - 0.1)
    assert base.off_in_standard_errors("recall@20") == pytest.approx(
        (np.mean(values) - 0.1) / (np.std(values, ddof=1) / np.sqrt(3))
    )
    assert tuned.runs[0].metrics["valid"]["recall@20"] >= base.runs[0].metrics["valid"]["recall@20"]
    assert "the best on validation with seed 1 of 0.2, 0.4, 0.6" in strategies[0].chosen and base.chosen == ""
    expected = compare(strategies[0].runs, base.runs)
    assert strategies[0].beyond["mult-vae base"] == expected and expected.p_seeds is not None


def test_the_files(rows, dataset, tmp_path):
    facts = provenance(dataset, [run for row in rows for run in row.runs])
    path = write_table("table2", "Table 2", rows, facts, tmp_path / "there")
    text, kept = path.read_text(), json.loads((tmp_path / "there" / "table2.json").read_text())
    base = rows[0]
    assert f"data: toy; vectors: {dataset.language.embedder}; seeds: 1, 2, 3; device: cpu" in text
    assert f"| Mult-VAE | base | {base.ours['recall@10'].mean:.4f} ± " in text and " SE) |" in text
    assert "/ 0.1000 (" in text and "not comparable" in text
    assert "λ = " in text and "p (seeds)" in text and "paired t-test" in text
    assert "in the paper" in text and "by the first seed's validation" in text
    assert kept["numbers"][0]["ours"]["recall@20"]["values"] == pytest.approx(
        [run.metrics["test"]["recall@20"] for run in base.runs], rel=1e-5
    )
    assert set(kept["numbers"][2]["compared"]) == {"mult-vae base", "mult-vae base tuned"}
    assert kept["provenance"]["seeds"] == [1, 2, 3]
    beside = write_table("table2", "Table 2", rows, facts | {"tuned": [0.2, 0.4, 0.6]}, tmp_path / "there")
    assert beside.name == "table2_tuned.md" and path.read_text() == text
    assert {p.name for p in beside.parent.iterdir()} == {
        f"table2{e}.{k}" for e in ("", "_tuned") for k in ("md", "json")
    }


def test_one_seed_has_no_interval_and_says_so(rows, dataset):
    one = [replace(row, runs=row.runs[:1], beyond={}) for row in rows[:1]]
    one = [
        replace(one[0], ours={m: replace(i, n=1, low=float("nan"), high=float("nan")) for m, i in one[0].ours.items()})
    ]
    numbers = as_numbers(one[0])
    assert numbers["ours"]["recall@20"]["low"] is None and numbers["off_in_standard_errors"]["recall@20"] is None
    assert "±" not in as_markdown("t", one, provenance(dataset, one[0].runs)).split("Mean over")[0]


def test_a_row_compared_with_nothing_is_refused_before_anything_runs(tmp_path):
    plans = [plan for plan in plan_table2("toy", ["mult-vae"]) if plan.key != "mult-vae base"]
    with pytest.raises(ValueError, match="'mult-vae base'"):
        fill(plans, [1], paper.TABLE2_METRICS, runs=tmp_path)
    with pytest.raises(ValueError, match="at least one seed"):
        fill([], [], paper.TABLE2_METRICS)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    said = ["tables", "--dataset", "toy", "--seeds", "1", "2", "--epochs", "1", "--models", "mult-vae", "lightgcn",
            "--without-language", "--precision", "bf16", "--patience", "3", "--device", "cpu", "--workers", "1",
            "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(said) == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"table2.md", "table2.json", "table3.md", "table3.json"}
    out = capsys.readouterr().out
    assert "A rehearsal: at most 1 epochs. Not results." in out and "LightGCN" in out
    assert "DMRec" not in (tmp_path / "out" / "table2.md").read_text().split("\n", 1)[1]
    assert "Left out: rows that read vectors, as asked." in out
    kept = json.loads((tmp_path / "out" / "table2.json").read_text())["provenance"]
    assert kept["precision"] == "bf16" and kept["tuned"] == []
    assert "matrix products in: bf16" in out and "every model stops after: 3 evaluations without a gain" in out
    specs = [json.loads(path.read_text())["train"] for path in (tmp_path / "runs").glob("*/spec.json")]
    assert {(train["precision"], train["patience"]) for train in specs} == {("bf16", 3)}
    assert main(["tables", "--dataset", "nowhere"]) == 2


def test_the_command_says_what_to_do_about_data_without_validation(tmp_path, capsys):
    rows = [f"u{user},i{(user + k) % 7},{'train' if k < 3 else 'test'}" for user in range(9) for k in range(4)]
    (tmp_path / "interactions.csv").write_text("\n".join(["user,item,split", *rows]))
    said = ["tables", "--dataset", str(tmp_path), "--tables", "2", "--models", "mult-vae", "--device", "cpu",
            "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(said) == 1
    assert "no interaction in its valid split" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
