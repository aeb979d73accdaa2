"""Kept figures: none is of an older numbers version, and making them again changes a file only where it is asked."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from dmrec_core.__main__ import main
from dmrec_core.analysis.verdicts import FAILS, HOLDS, UNDECIDED
from dmrec_core.data.load import DATASETS, figures_folder, subfolder
from dmrec_core.paper import claims
from dmrec_core.records.checkout import MADE
from dmrec_core.records.writer import provenance, record
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.upkeep.kept import keep, outdated
from dmrec_core.upkeep.reproduction import DIFFERS, SAME, VERDICT_CHANGED, WITHIN, documents, report, reproduced

NOW = {model: card.numbers_version for model, card in CARDS.items()}
FIGURES = Path(__file__).resolve().parents[2] / "figures"
FACTS = {"dataset": "toy", "seeds": [1, 2], "commit": "a", "torch": "1", "python": "3", "device": "cpu"}


def document(numbers, **facts) -> dict:
    return {"name": "x", "numbers": numbers, "provenance": FACTS | facts}


def found(kept, made) -> list:
    (only,) = reproduced({"x": document(kept)}, {"x": document(made, commit="b", torch="2")})
    return [(each.name, each.status) for each in only.compared]


def test_no_kept_figure_is_of_an_older_numbers_version():
    assert outdated(FIGURES) == [], "make these figures again and keep them: make figures ARGS='--only NN --keep'"


def test_every_kept_figure_lies_in_its_data_sets_folder():
    kept = [path for path in FIGURES.rglob("*.json") if not path.name.endswith(".timing.json")]
    assert len(kept) > 20
    for path in kept:
        dataset = json.loads(path.read_text(encoding="utf-8"))["provenance"]["dataset"]
        assert dataset is None or path.parent == FIGURES / subfolder(dataset), path


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"runs": 3, "numbers_version": {"mult-vae": 1, "kar": CARDS["kar"].numbers_version - 1}},
            "runs of kar are of numbers",
        ),
        ({"runs": 3, "numbers_version": {"gone": 1}}, "the code's is none"),
        ({"runs": 3}, "does not say of which numbers version"),
    ],
)
@pytest.mark.parametrize("place", ["provenance", "provenance_of"])
def test_an_older_numbers_version_is_named(tmp_path, facts, said, place):
    kept = document([1.0], runs=3, numbers_version=NOW)
    path = tmp_path / "steam" / "x.json"
    path.parent.mkdir()
    path.write_text(json.dumps(kept))
    assert outdated(tmp_path) == []
    path.write_text(json.dumps(kept | {place: facts if place == "provenance" else {"one": facts}}))
    (fault,) = outdated(tmp_path)
    assert fault.startswith("steam/x.json: ") and said in fault


def test_a_spec_knows_the_version_of_all_it_trains():
    kar, diffrec = paper_settings("toy", "kar"), paper_settings("toy", "l-diffrec")
    assert kar.numbers_version == {"kar": CARDS["kar"].numbers_version}
    assert set(diffrec.numbers_version) == {"l-diffrec", "lightgcn"}  # starts from a trained LightGCN


def test_a_commit_a_processor_and_unprinted_digits_are_no_difference():
    kept = {"mean": 0.40181, "low": 0.39, "high": 0.41, "p_users": 0.2, "label": "1-4", "none": None, "users": 3}
    assert found(kept, kept | {"mean": 0.40184, "low": 0.38, "p_users": 0.3}) == [("mean", SAME)]


@pytest.mark.parametrize(
    ("kept", "made", "expected"),
    [
        ({"mean": 0.40, "low": 0.38, "high": 0.42}, {"mean": 0.419}, [("mean", WITHIN)]),
        ({"mean": 0.40, "low": 0.38, "high": 0.42}, {"mean": 0.421}, [("mean", DIFFERS)]),
        ({"mean": 0.40, "low": None, "high": None}, {"mean": 0.419}, [("mean", WITHIN)]),  # one seed: 5 %
        ({"mean": 0.40, "low": None, "high": None}, {"mean": 0.421}, [("mean", DIFFERS)]),
        ({"share": -2.0}, {"share": -2.09}, [("share", WITHIN)]),
        ({"share": -2.0}, {"share": -2.11}, [("share", DIFFERS)]),
        ({"share": 0.0}, {"share": 0.01}, [("share", DIFFERS)]),
        ({"users": 100}, {"users": 101}, [("users", WITHIN)]),
        ({"test": "0.35 ± 0.02"}, {"test": "0.36 ± 0.01"}, [("test", WITHIN)]),
        ({"test": "0.35 ± 0.02"}, {"test": "0.38 ± 0.01"}, [("test", DIFFERS)]),
        ({"chosen": "KL weight 1"}, {"chosen": "KL weight 2"}, [("chosen", DIFFERS)]),
        ({"ours": "λ = 0: +0.10 ± 0.05 (+6.7 %), p over users 0.01"},
         {"ours": "λ = 0: +0.12 ± 0.09 (+8.1 %), p over users 6e-09"}, [("ours", WITHIN)]),
        ({"ours": "λ = 0: +0.10 ± 0.05"}, {"ours": "λ = 1: +0.10 ± 0.05"}, [("ours", DIFFERS), ("ours", SAME)]),
        ({"verdict": HOLDS}, {"verdict": UNDECIDED}, [("verdict", VERDICT_CHANGED)]),
        ({"curve": [1.0, 2.0]}, {"curve": [1.0]}, [("curve, entries", DIFFERS)]),
        ({"old": 1.0}, {"new": 1.0}, [("old", DIFFERS), ("new", DIFFERS)]),
    ],
)  # fmt: skip
def test_a_number_is_judged_by_its_interval_and_a_verdict_by_its_words(kept, made, expected):
    shared = {key: kept[key] for key in ("low", "high") if key in kept}
    assert found(kept, shared | made) == expected


@pytest.mark.parametrize(
    ("made", "status"), [((-0.01, 0.09), VERDICT_CHANGED), ((0.01, 0.09), WITHIN), ((-0.09, -0.01), VERDICT_CHANGED)]
)
def test_a_difference_that_is_no_longer_on_one_side_of_zero_is_a_changed_verdict(made, status):
    difference = {"difference": {"mean": 0.05, "low": 0.005, "high": 0.095}}
    again = {"difference": {"mean": sum(made) / 2 + 0.001, "low": made[0], "high": made[1]}}
    assert found([difference], [again]) == [("0 difference mean", status)]


def test_where_a_verdict_is_written_it_is_counted_once():
    kept = {"difference": 0.05, "low": 0.01, "high": 0.09, "better": HOLDS}
    made = {"difference": 0.04, "low": -0.01, "high": 0.09, "better": UNDECIDED}
    assert found(kept, made) == [("difference", WITHIN), ("better", VERDICT_CHANGED)]


def test_numbers_made_with_other_settings_are_not_compared():
    kept = {"x": document({"a": 1.0}), "y": document({"a": 1.0})}
    made = {"x": document({"a": 9.0}, seeds=[1]), "z": document({"a": 9.0})}
    first, second = reproduced(kept, made)
    assert first.reason == "made with other settings: seeds [1, 2] → [1]" and "nothing was kept" in second.reason
    assert not first.compared and not first.same
    assert report([first, second]).startswith("Reproduction: nothing compared; 2 could not be compared.")


def test_the_report_says_at_a_glance_what_moved_farthest():
    kept = {"rows": [{"name": "KAR", "mean": 0.4, "low": 0.3, "high": 0.5, "is above": HOLDS}], "share": 1.0, "n": 2.0}
    made = copy.deepcopy(kept)
    made["rows"][0] |= {"mean": 0.45, "is above": FAILS}
    made["share"] = 3.0
    text = report(reproduced({"t": document(kept)}, {"t": document(made)}))
    assert (
        "4 kept numbers and verdicts in 1 figures and tables: 1 the same, 1 within the seeds' interval, 1 differ, "
        in text
    )
    assert f"| t | 4 | 1 | 1 | 1 | 1 | rows KAR is above: {HOLDS} → {FAILS} |" in text
    assert f"- t, rows KAR is above: {HOLDS} → {FAILS}" in text
    made["rows"][0]["is above"] = HOLDS
    assert "| rows" not in report(reproduced({"t": document(kept)}, {"t": document(made)}))
    assert "| share: 1 → 3 |" in report(reproduced({"t": document(kept)}, {"t": document(made)}))


def finding(key, **changes):
    values = {"key": key, "claim": "c", "where": "w", "ours": "+0.10 ± 0.05", "verdict": HOLDS, "seeds": (1, 2)}
    return claims.Finding(**values | {"dataset": "toy", "vectors": "v"} | changes)


def test_statements_are_compared_and_kept_one_by_one(tmp_path):
    kept, made = tmp_path / "kept", tmp_path / "made"
    facts, others = FACTS | {"runs": 9}, FACTS | {"runs": 3}
    claims.save([finding("mddm-best"), finding("pmn-matters")], facts, kept)
    claims.save([finding("language-baselines")], others, kept)
    # a run of some notebooks: one statement judged anew, one that these runs cannot test
    judged = [finding("mddm-best", verdict=FAILS), finding("pmn-matters", seeds=(), verdict="cannot be tested here")]
    claims.save(judged, facts | {"commit": "b"}, made)
    claims.save([finding("other-backbones")], others | {"commit": "c"}, made)
    (only,) = reproduced(documents(kept), documents(made))
    assert [(each.name, each.status) for each in only.compared] == [
        ("mddm-best ours", SAME),
        ("mddm-best verdict", VERDICT_CHANGED),
    ]
    keep(["claims"], made, kept)
    after = json.loads((kept / "claims.json").read_text())
    verdicts = {row["key"]: row["verdict"] for row in after["claims"]}
    assert verdicts == dict.fromkeys(("mddm-best", "other-backbones", "language-baselines", "pmn-matters"), HOLDS) | {
        "mddm-best": FAILS
    }
    commits = {key: after["provenance_of"].get(key, after["provenance"])["commit"] for key in verdicts}
    assert commits == {"mddm-best": "b", "other-backbones": "c", "language-baselines": "a", "pmn-matters": "a"}


@pytest.fixture
def run(monkeypatch) -> None:
    """Notebooks that only keep a figure, without a kernel: its one number is the parameter lam."""

    def keep_a_figure(source, parameters, build, timeout):
        values = {"lam": 0.5} | parameters
        folder = figures_folder(values["dataset"], values["figures_dir"])
        record(source.stem, Figure(), {"lam": values["lam"], "note": "x"}, provenance(values["dataset"]), folder)
        build.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("dmrec_core.upkeep.make_figures.run_notebook", keep_a_figure)


def test_making_figures_again_leaves_the_kept_ones_alone_until_asked(run, write, tmp_path, capsys):
    source = write("01_tiny")
    command, kept = ["figures", "--notebooks", str(source.parent)], tmp_path / "figures"
    assert main([*command, "--keep"]) == 0  # the first
    assert {path.name for path in kept.iterdir()} == {"01_tiny.json", "01_tiny.png", "01_tiny.svg"}

    path = kept / "01_tiny.json"
    of_another_machine = path.read_text().replace('"lam": 0.5', '"lam": 0.500001').replace('"cpu"', '"gpu"')
    path.write_text(of_another_machine)
    assert main([*command, "--keep"]) == 0 and path.read_text() == of_another_machine
    said = capsys.readouterr().out
    assert "1 kept numbers and verdicts in 1 figures and tables: 1 the same" in said and "left as they were" in said
    assert (tmp_path / "build/reproduction.md").read_text() in said

    assert main([*command, "-p", "lam", "0.9"]) == 0 and path.read_text() == of_another_machine
    assert "| 01_tiny | 1 |  |  | 1 |  | lam: 0.5 → 0.9 |" in capsys.readouterr().out
    assert main([*command, "-p", "lam", "0.9", "--keep"]) == 0
    assert json.loads(path.read_text())["numbers"]["lam"] == 0.9
    assert main([*command, "-p", "lam", "0.9", "--keep", "all"]) == 0 and "kept in" in capsys.readouterr().out


def test_numbers_that_only_a_parameter_asks_for_are_not_lost_without_it(run, write, tmp_path, capsys):
    command, path = ["figures", "--notebooks", str(write("01_tiny").parent)], tmp_path / "figures/01_tiny.json"
    assert main([*command, "--keep"]) == 0
    richer = json.loads(path.read_text())
    richer["numbers"] |= {"readings": [{"model": "KAR", "mean": 0.4}], "none": []}
    path.write_text(json.dumps(richer))
    assert main([*command, "-p", "lam", "0.9", "--keep"]) == 0 and json.loads(path.read_text()) == richer
    assert "left as it was: 01_tiny, whose kept readings this run did not make" in capsys.readouterr().out
    assert main([*command, "-p", "lam", "0.9", "--keep", "all"]) == 0
    assert json.loads(path.read_text())["numbers"] == {"lam": 0.9, "note": "x"}


def test_only_what_this_call_made_is_reported_and_kept(run, write, tmp_path):
    for name in ("01_tiny", "02_other"):
        source = write(name)
    assert main(["figures", "--notebooks", str(source.parent)]) == 0
    assert main(["figures", "--notebooks", str(source.parent), "--only", "2", "--keep"]) == 0
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"02_other"}


def test_no_two_data_sets_share_a_folder(tmp_path, monkeypatch):
    names = [str(tmp_path / place) for place in ("a/data", "b/data", "yelp-xrec", "toy")]
    for name in names:
        Path(name).mkdir(parents=True)
    folders = [subfolder(name) for name in [*names, *DATASETS]]
    assert len(set(folders)) == len(folders) and subfolder("toy") == ""
    monkeypatch.chdir(tmp_path)
    assert subfolder("a/data") == folders[0]  # the same folder, however it is called
    assert figures_folder("yelp-xrec").parts[-3:] == (*MADE.parts, "yelp-xrec")
    assert figures_folder("yelp-xrec", "out") == Path("out/yelp-xrec")
