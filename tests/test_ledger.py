"""A run's measurements travel without its weights, and every metric of every user comes back to the last bit."""

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from dmrec_core.__main__ import main
from dmrec_core.data import load_dataset
from dmrec_core.data.errors import DataError
from dmrec_core.figures.twins import keep_explored, write_explore, write_kept_explore
from dmrec_core.paper.interventions import measured
from dmrec_core.paper.ledger import along_lambda, keep
from dmrec_core.records.writer import Damaged
from dmrec_core.runs import measurements, presets, store
from dmrec_core.runs.inputs import load
from dmrec_core.runs.measurements import CLOSE, Measurements, hits_of, save_measurements
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import cached, finished, folder_of, run
from dmrec_core.training import fit as training_fit
from dmrec_core.training.checkpoint import CheckpointError
from dmrec_core.training.evaluate import CUTOFFS, RankingMetrics, ranking_metrics
from dmrec_core.training.fit import TrainSettings

FIGURES = Path(__file__).parents[1] / "figures"
SPEC = paper_settings("toy", strategy="mddm", train=TrainSettings(epochs=2, batch_size=256, evaluate_every=2))
KEPT = sorted(FIGURES.glob("*/runs/*.npz"))


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("toy")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(SPEC, runs=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def file(result, dataset, tmp_path):
    return save_measurements(result, dataset, tmp_path / "kept")


def test_the_places_of_hits_follow_from_ndcg():
    draw = torch.Generator().manual_seed(0)
    hits = torch.rand(4000, 20, generator=draw) < torch.rand(4000, 1, generator=draw)
    relevant = hits.sum(1).clamp(min=1) + torch.randint(0, 40, (4000,), generator=draw)
    values = {name: each.numpy() for name, each in ranking_metrics(hits, relevant).items()}
    found = hits_of(RankingMetrics(np.arange(4000), values), relevant.numpy())
    np.testing.assert_array_equal(found, hits.numpy())
    values["ndcg@10"] = values["ndcg@10"] + 1e-5
    with pytest.raises(ValueError, match="not that of a ranking"):
        hits_of(RankingMetrics(np.arange(4000), values), relevant.numpy())


def test_no_two_sets_of_places_between_two_cutoffs_have_nearly_the_same_sum():
    discount = 1 / np.log2(np.arange(2, max(CUTOFFS) + 2))
    for start, end in zip((0, *CUTOFFS), CUTOFFS, strict=False):
        sums = np.sort([sum(chosen) for chosen in product(*([0, each] for each in discount[start:end]))])
        assert np.diff(sums).min() > 10_000 * CLOSE


def test_a_run_comes_back_to_the_last_bit_and_is_not_trained(result, file, tmp_path, monkeypatch):
    assert file.stat().st_size < 20_000 < result.folder.joinpath("weights.safetensors").stat().st_size
    assert Measurements(file).put_back(tmp_path / "there") and not Measurements(file).put_back(tmp_path / "there")
    monkeypatch.setattr(store, "fit", lambda *_, **__: pytest.fail("trained"))
    again = run(SPEC, runs=tmp_path / "there")
    assert again.metrics == result.metrics and again.record == {**result.record, "weights": "not kept"}
    for split, ranked in result.per_user.items():
        np.testing.assert_array_equal(again.per_user[split].users, ranked.users)
        assert set(again.per_user[split].per_user) == set(ranked.per_user)
        for name, values in ranked.per_user.items():
            np.testing.assert_array_equal(again.per_user[split].per_user[name], values)
    np.testing.assert_allclose(again.history, result.history, rtol=1e-5)
    assert result.has_weights and not again.has_weights
    with pytest.raises(CheckpointError, match="without its weights; delete that folder"):
        again.model()


def test_a_damaged_measurement_of_a_user_is_seen(file, tmp_path):
    Measurements(file).put_back(tmp_path / "there")
    path = next(tmp_path.glob("there/*/per_user.safetensors"))
    path.write_bytes(path.read_bytes()[:-8] + b"somebody")
    with pytest.warns(UserWarning, match="not whole"):
        assert cached(SPEC, runs=tmp_path / "there") is None


def test_a_run_that_was_begun_here_is_left_alone(file, tmp_path):
    begun = folder_of(SPEC, runs=tmp_path / "there")
    begun.mkdir(parents=True)
    begun.joinpath("resume.safetensors").write_bytes(b"mine")
    assert not Measurements(file).put_back(tmp_path / "there")
    assert [path.name for path in begun.iterdir()] == ["resume.safetensors"]


def test_what_is_cut_short_leaves_nothing(file, tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "seal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Measurements(file).put_back(tmp_path / "there")
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize("harm", ["cut", "renamed", "no document", "text", "nested", "fewer users"])
def test_what_is_no_measurement_is_refused_by_name(file, harm):
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif harm == "text":
        file.write_bytes(b"not a zip")
    elif harm == "renamed":
        file = file.rename(file.with_name("toy-mult-vae-mddm-0123456789abcdef.npz"))
    else:
        arrays = dict(np.load(file))
        if harm == "no document":
            del arrays["document"]
        elif harm == "nested":
            arrays["document"] = np.frombuffer(b"[" * 100_000, dtype=np.uint8)
        else:
            arrays["test.hits"] = arrays["test.hits"][:-1]
        np.savez_compressed(file, **arrays)
    with pytest.raises(DataError, match=f"{file.name}: these are no measurements of a run.*get it again, or delete it"):
        Measurements(file)


def test_one_of_an_older_numbers_version_is_refused(file, monkeypatch):
    newer = replace(CARDS["mult-vae"], numbers_version=CARDS["mult-vae"].numbers_version + 1)
    monkeypatch.setitem(CARDS, "mult-vae", newer)
    with pytest.raises(DataError, match="numbers version"):
        Measurements(file)


def test_finished_runs_are_those_of_the_data_and_of_the_codes_numbers(result, tmp_path, monkeypatch):
    runs = result.folder.parent
    assert [one.spec for one in finished("toy", runs)] == [SPEC] and finished("amazon", runs) == []
    assert finished("toy", tmp_path / "nowhere") == []
    newer = replace(CARDS["mult-vae"], numbers_version=CARDS["mult-vae"].numbers_version + 1)
    monkeypatch.setitem(CARDS, "mult-vae", newer)
    assert finished("toy", runs) == []


def test_measurements_are_kept_once(result, tmp_path):
    assert len(keep([result, result], tmp_path)) == 1 and keep([result], tmp_path) == []


def test_the_command_keeps_takes_and_lists(result, tmp_path, capsys):
    where = ["--kept", str(tmp_path / "kept")]
    assert main(["runs", "toy", "--save", "--runs", str(result.folder.parent), *where]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 new in ") and "| mult-vae mddm λ=0.5 | epochs 2, " in said and "| here 2024 |" in said
    assert main(["runs", "toy", "--take", "--runs", str(tmp_path / "there"), *where]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 taken into ") and "| taken 2024 |" in said
    assert f"{result.metrics['test']['recall@20']:.4f} (one seed)" in said
    assert main(["runs", "toy", "--runs", str(tmp_path / "none"), *where]) == 0
    assert "| kept 2024 |" in capsys.readouterr().out
    assert main(["runs", "toy", "--runs", str(tmp_path / "none"), "--kept", str(tmp_path / "none")]) == 0
    assert "no run on toy" in capsys.readouterr().out


def test_what_the_checkout_keeps_can_be_read_and_is_of_the_codes_numbers():
    assert KEPT
    for path in KEPT:
        one = Measurements(path)
        assert one.spec.dataset == path.parents[1].name
        assert json.loads(json.dumps(one.metrics)) == one.metrics
        assert path.stat().st_size < 100_000


@pytest.mark.parametrize("dataset", sorted({path.parents[1].name for path in KEPT}))
def test_along_lambda_are_the_presets_runs_and_no_other(dataset):
    runs = along_lambda(dataset)
    assert {run.spec.strategy for run in runs} >= {"base", "mddm"}
    assert not any(run.spec.vectors != "real" or run.spec.kl_weight != 1 for run in runs)
    assert len({(run.spec.strategy, run.spec.lam, run.spec.seed) for run in runs}) == len(runs)


@pytest.fixture
def line(monkeypatch, tmp_path):
    """The base and two lambdas of two epochs each, which are the presets."""
    monkeypatch.setitem(presets.TOY, "train", TrainSettings(epochs=2, batch_size=256, evaluate_every=2))
    specs = [paper_settings("toy"), *(paper_settings("toy", strategy="mddm", lam=lam) for lam in (0.0, 1.0))]
    return [run(spec, runs=tmp_path / "line") for spec in specs]


def test_what_twelve_users_look_like_travels_without_a_model_or_the_data(line, tmp_path):
    kept, page = tmp_path / "figures", tmp_path / "13_explore.toy.html"
    assert write_kept_explore(page, "toy", tmp_path / "figures") is None and not page.exists()
    assert keep_explored(line[:2], kept) is None  # one lambda is no line
    assert keep_explored(line[1:], kept).is_file()  # without the base; which then comes to it
    file = keep_explored(line, kept)
    assert keep_explored(line, kept) is None  # it is there
    renamed = [replace(one, spec=one.spec.with_(embedder="tfidf")) if at == 1 else one for at, one in enumerate(line)]
    assert keep_explored(renamed, tmp_path / "renamed").is_file()  # what "auto" chose is no other line
    assert write_kept_explore(page, "toy", tmp_path / "figures") == page
    text = page.read_text("utf-8")
    assert "One user at a time: DMRec-M on toy" in text and "licence: the kit" in text
    now = write_explore(tmp_path / "now.html", line, load(line[1].spec), {"dataset": "toy"})
    data = [re.search(r'id="data">(.*?)</script>', one.read_text("utf-8"))[1] for one in (page, now)]
    assert json.loads(data[0]) == json.loads(data[1])
    for harm in ("{}", "not json", file.read_text("utf-8").replace('"start"', '"begin"')):
        file.write_text(harm, encoding="utf-8")
        with pytest.raises(Damaged, match=r"explored\.json"):
            write_kept_explore(page, "toy", tmp_path / "figures")
        if "begin" not in harm:  # which is as long as it was
            with pytest.raises(Damaged, match=r"explored\.json"):
                keep_explored(line, kept)


def test_users_of_an_older_numbers_version_are_not_shown_and_make_way(line, tmp_path):
    kept = tmp_path / "figures"
    file = keep_explored(line, kept)
    document = json.loads(file.read_text("utf-8"))
    document["provenance"]["numbers_version"]["mult-vae"] -= 1
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(Damaged, match=r"explored\.json: its runs of mult-vae are of numbers version"):
        write_kept_explore(tmp_path / "13.html", "toy", tmp_path / "figures")
    assert keep_explored(line, kept) == file and write_kept_explore(tmp_path / "13.html", "toy", tmp_path / "figures")


def test_a_run_without_matching_ends_the_line_of_every_strategy_that_was_run(line, dataset, tmp_path):
    godm = [run(paper_settings("toy", strategy="godm", lam=lam), runs=tmp_path / "line") for lam in (0.0, 0.5)]
    keep([*line, *godm], tmp_path / "figures" / "runs")
    found = {(one.spec.strategy, one.spec.lam): one.per_user for one in along_lambda("toy", tmp_path / "figures")}
    assert set(found) == {("base", None), ("mddm", 0.0), ("mddm", 1.0), ("godm", 0.0), ("godm", 0.5)}
    assert found["godm", 0.0] is found["mddm", 1.0]
    alone = Measurements(save_measurements(godm[0], dataset, tmp_path / "alone"))
    assert alone.spec == line[2].spec  # by the name that it was trained as, whoever asked


def test_runs_in_the_precision_that_most_have_are_compared_and_no_others(line, monkeypatch, tmp_path):
    monkeypatch.setattr(training_fit, "require_fast", lambda *_: None)  # a processor without units is slow, not wrong
    narrow = [run(one.spec.in_precision("bf16"), runs=tmp_path / "line") for one in line]
    keep([*line, narrow[0]], tmp_path / "figures" / "runs")
    lines = along_lambda("toy", tmp_path / "figures")
    assert {one.spec.train.precision for one in lines} == {"float32"} and len(lines) == 3
    (tmp_path / "figures" / "runs" / f"{line[1].folder.name}.npz").unlink()
    (tmp_path / "figures" / "runs" / f"{line[2].folder.name}.npz").unlink()
    keep(narrow, tmp_path / "figures" / "runs")
    lines = along_lambda("toy", tmp_path / "figures")
    assert {one.spec.train.precision for one in lines} == {"bf16"} and len(lines) == 3
    rows = measured("toy", tmp_path / "figures")
    assert {one.spec.train.precision for row in rows for one in [*row.runs, *row.base]} == {"bf16"}
    explored = keep_explored([*line[:2], *narrow], tmp_path / "explored")  # no line of two precisions
    assert len(json.loads(explored.read_text("utf-8"))["numbers"]["lams"]) == 2


def test_runs_that_came_without_weights_are_no_line(line, dataset, tmp_path):
    for one in line:
        Measurements(save_measurements(one, dataset, tmp_path / "kept")).put_back(tmp_path / "there")
    assert len(finished("toy", tmp_path / "there")) == 3
    assert keep_explored(finished("toy", tmp_path / "there"), tmp_path / "kept") is None
