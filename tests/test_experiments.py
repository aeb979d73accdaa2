"""Runs on disk: cached, resumed, asked for twice at once, swept on any executor; and specs that mean the same."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.matching import STRATEGIES
from dmrec_core.runs import store as experiments
from dmrec_core.runs.folder import FILES, seal
from dmrec_core.runs.inputs import load
from dmrec_core.runs.measurements import Measurements, save_measurements
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import cached, finished, folder_of, forget, pretraining_run, run, untrained
from dmrec_core.runs.sweeps import RunFailed, grid, sweep
from dmrec_core.training.checkpoint import load_tensors, save_tensors
from dmrec_core.training.evaluate import METRICS, Metric, evaluate
from dmrec_core.training.fit import TrainingCancelled, TrainSettings, fit

TINY = TrainSettings(epochs=4, batch_size=256, evaluate_every=2)
SPEC = paper_settings("toy", strategy="mddm", train=TINY)


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=200, n_items=80), "tfidf")


def test_a_run_is_trained_once_and_read_back(dataset, tmp_path, monkeypatch):
    assert cached(SPEC, dataset, tmp_path) is None
    first = run(SPEC, dataset, runs=tmp_path)
    monkeypatch.setattr(experiments, "fit", lambda *_, **__: pytest.fail("trained again"))
    second = run(SPEC, dataset, runs=tmp_path)
    assert second.metrics == first.metrics == cached(SPEC, dataset, tmp_path).metrics
    names = {path.name for path in first.folder.iterdir()} - {".lock"}
    assert names == {"spec.json", "history.csv", "metrics.json", "per_user.safetensors", "weights.safetensors"}
    assert RunSpec.from_json(json.loads((first.folder / "spec.json").read_text())) == SPEC
    assert len(first.history) == 4 and first.record["embedder"].startswith("tfidf")


def test_the_saved_model_scores_what_was_recorded(dataset, tmp_path):
    result = run(SPEC, dataset, runs=tmp_path)
    again = evaluate(result.model(dataset), dataset, "test")
    assert again.means() == result.metrics["test"]
    np.testing.assert_array_equal(again.per_user["ndcg@20"], result.per_user["test"].per_user["ndcg@20"])


def test_a_cancelled_run_leaves_no_result_and_resumes(dataset, tmp_path):
    calls = iter(range(1000))
    with pytest.raises(TrainingCancelled):
        run(SPEC, dataset, runs=tmp_path, cancel=lambda: next(calls) == 2, checkpoint_seconds=0)
    assert cached(SPEC, dataset, tmp_path) is None
    assert (folder_of(SPEC, dataset, tmp_path) / "resume.safetensors").exists()
    resumed = run(SPEC, dataset, runs=tmp_path)
    whole = run(SPEC, dataset, runs=tmp_path / "other")
    assert resumed.metrics == whole.metrics
    assert not (resumed.folder / "resume.safetensors").exists()


ASKED = """
import sys, time
from pathlib import Path
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs import store as experiments
from tests_spec import SPEC
dataset = with_language(toy_dataset(n_users=200, n_items=80), "tfidf")
real, trained = experiments.fit, []
def fit(*args, **kwargs):
    trained.append(1)
    time.sleep(1.5)
    return real(*args, **kwargs)
experiments.fit = fit
print("ready", flush=True); sys.stdin.readline()
result = experiments.run(SPEC, dataset, runs=Path(sys.argv[1]))
print(len(trained), result.metrics["test"]["recall@20"], flush=True)
"""


def test_two_processes_asking_at_once_train_once(tmp_path):
    (tmp_path / "tests_spec.py").write_text(
        "from dmrec_core.runs.presets import paper_settings\nfrom dmrec_core.training.fit import TrainSettings\n"
        "SPEC = paper_settings('toy', strategy='mddm', train=TrainSettings(epochs=4, batch_size=256))\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", ASKED, str(tmp_path / "runs")], cwd=tmp_path, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    assert [p.stdout.readline().strip() for p in both] == ["ready", "ready"]
    for p in both:
        p.stdin.write("go\n")
        p.stdin.flush()
    answers = [p.communicate(timeout=120)[0].split() for p in both]
    assert sorted(a[0] for a in answers) == ["0", "1"]
    assert answers[0][1] == answers[1][1]


def test_other_data_or_settings_are_other_runs_and_equal_meaning_is_one(dataset, tmp_path):
    others = [
        folder_of(SPEC, dataset),
        folder_of(SPEC.with_(seed=1), dataset),
        folder_of(SPEC.with_(lam=0.4), dataset),
        folder_of(SPEC.with_(train=replace(TINY, precision="bf16")), dataset),
        folder_of(SPEC, with_language(toy_dataset(n_users=200, n_items=80, seed=1), "tfidf")),
    ]
    assert len(set(others)) == len(others)
    assert SPEC.with_(lam=0.1 + 0.2) == SPEC.with_(lam=0.3)
    base = paper_settings("toy", train=TINY)
    assert folder_of(base, dataset) == folder_of(base, replace(dataset, language=None)), "a base reads no vectors"
    assert base.with_(lam=0.7) == base and base.with_(embedder="minilm") == base
    assert folder_of(SPEC.with_(embedder="tfidf"), dataset) == folder_of(SPEC, dataset), "equal vectors, equal run"
    run(SPEC, dataset, runs=tmp_path)
    forget(SPEC, dataset, tmp_path)
    assert cached(SPEC, dataset, tmp_path) is None


def test_a_run_keeps_its_name_when_the_spec_learns_a_new_field():
    old = paper_settings("yelp-xrec", strategy="mddm", lam=0.5)
    assert old.key("of the data") == "b78b90bf423a775d", "everything trained so far would be trained again"
    values = old.to_json()
    del values["profiles"]  # as written before there was a choice
    assert RunSpec.from_json(values) == old


def test_new_numbers_of_one_model_leave_the_runs_of_the_others(monkeypatch):
    specs = [RunSpec(model=model) for model in ("mult-vae", "kar")]
    before = [spec.key("of the data") for spec in specs]
    monkeypatch.setitem(CARDS, "kar", replace(CARDS["kar"], numbers_version=99))
    after = [spec.key("of the data") for spec in specs]
    assert after[0] == before[0] and after[1] != before[1]


def test_other_texts_are_other_runs_and_say_so(tmp_path):
    named = {"given": "", "extractive": ", extractive profiles", "titles": ", titles only"}
    folders = set()
    for profiles, name in named.items():
        spec = SPEC.with_(profiles=profiles)
        data = load(spec)
        assert data.language.embedder == f"tfidf-svd-128{name}"
        folders.add(folder_of(spec))
    assert len(folders) == 3, "the fingerprint tells them apart"
    record = run(SPEC.with_(profiles="extractive"), runs=tmp_path).record
    assert record["embedder"].endswith(", extractive profiles")
    assert record["profiles"] == "extractive"
    assert "extractive profiles" in SPEC.with_(profiles="extractive").label
    base = paper_settings("toy", train=TINY)
    assert base.with_(profiles="extractive") == base, "a base reads no texts"
    with pytest.raises(ValueError, match="profiles must be one of"):
        SPEC.with_(profiles="invented")


def test_spec_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="needs lam"):
        RunSpec(strategy="mddm")
    with pytest.raises(ValueError, match="strategy"):
        RunSpec(strategy="gdom", lam=1)
    with pytest.raises(ValueError, match="colour"):
        RunSpec.from_json({**SPEC.to_json(), "colour": "blue"})
    with pytest.raises(ValueError, match="vectors must be"):
        load(SPEC.with_(vectors="mixed"))


def test_sweep_returns_results_in_order_and_runs_only_what_is_missing(dataset, tmp_path):
    specs = grid(SPEC, lam=(0.2, 0.8), seed=(1, 2))
    run(specs[1], dataset, runs=tmp_path)
    lines = []
    results = sweep(specs, dataset, runs=tmp_path, workers=2, progress=lambda text, final: lines.append((text, final)))
    assert [r.spec for r in results] == specs
    assert lines[-1] == (lines[-1][0], True) and lines[-1][0].startswith("3/3 runs")
    with ThreadPoolExecutor(2) as executor:  # stands for any other executor, a cluster's included
        again = sweep(specs, dataset, runs=tmp_path / "threads", scheduler=executor, progress=lambda *_: None)
    one_by_one = [run(s, dataset, runs=tmp_path / "single") for s in specs]
    for a, b in zip(again, one_by_one, strict=True):
        assert a.metrics == b.metrics, "in one process and one thread pool the numbers are the same bits"
    for a, b in zip(results, one_by_one, strict=True):  # other processes use other numbers of threads
        assert a.metrics["test"]["recall@20"] == pytest.approx(b.metrics["test"]["recall@20"], abs=0.02)


def test_workers_see_the_environment_of_now(dataset, tmp_path, monkeypatch):
    for seed in (1, 2):  # the second sweep's fork server was started in the first one's environment
        monkeypatch.setenv("DMREC_RUNS", str(tmp_path / str(seed)))
        sweep([SPEC.with_(seed=seed)], dataset, device="cpu", progress=lambda *_: None)
    for seed in (1, 2):
        folder = folder_of(SPEC.with_(seed=seed), dataset, tmp_path / str(seed))
        assert list((tmp_path / str(seed)).iterdir()) == [folder]


def test_a_sweep_works_where_the_path_for_temporary_files_is_too_long_for_a_socket(dataset, tmp_path, monkeypatch):
    deep = tmp_path / "d" / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setenv("TMPDIR", str(deep))
    (result,) = sweep([SPEC], dataset, runs=tmp_path, workers=1, device="cpu", progress=lambda *_: None)
    assert result.spec == SPEC and not list(deep.glob("pymp-*"))


@pytest.fixture
def interruptible():
    """A shell starts what it puts in the background with Ctrl-C ignored; here it is as in the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_noted_and_then_interrupts_again(interruptible):
    with ctrl_c() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_sweep_names_the_run_that_failed(dataset, tmp_path):
    bad = SPEC.with_(train=replace(TINY, learning_rate=1e30))
    with pytest.raises(RunFailed, match=r"run failed: mult-vae mddm.*not finite") as failed:
        sweep([bad], dataset, runs=tmp_path, scheduler=ThreadPoolExecutor(1), progress=lambda *_: None)
    assert "Traceback" not in str(failed.value)


def test_a_fault_that_nobody_foresaw_keeps_its_traceback(dataset, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise KeyError("no such tensor")

    monkeypatch.setattr("dmrec_core.runs.sweeps.run", broken)
    with pytest.raises(RunFailed, match=r"(?s)run failed: mult-vae mddm.*Traceback.*in broken.*no such tensor"):
        sweep([SPEC], dataset, runs=tmp_path, scheduler=ThreadPoolExecutor(1), progress=lambda *_: None)


def test_sweep_can_be_cancelled_and_taken_up_again(dataset, tmp_path):
    long = [s.with_(train=TrainSettings(epochs=500, batch_size=32)) for s in grid(SPEC, seed=(1, 2))]
    with pytest.raises(TrainingCancelled, match="unfinished"):
        sweep(
            long, dataset, runs=tmp_path, scheduler=ThreadPoolExecutor(2), progress=lambda *_: None, cancel=lambda: True
        )
    assert not list(tmp_path.glob("*/metrics.json")) and not list(tmp_path.glob(".stop*"))


def test_build_is_deterministic_and_leaves_the_global_generator_alone(dataset):
    before = torch.get_rng_state()
    first = run_weights(SPEC, dataset)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first, run_weights(SPEC, dataset), strict=True))


def run_weights(spec, dataset):
    from dmrec_core.runs.build import build_model

    return list(build_model(spec, dataset).state_dict().values())


def test_a_new_metric_is_measured_by_the_kept_weights(dataset, tmp_path, monkeypatch):
    kept = run(SPEC, dataset, runs=tmp_path)
    monkeypatch.setitem(METRICS, "hits", Metric("Hits", lambda hits, relevant: hits.sum(1)))
    monkeypatch.setattr(experiments, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert cached(SPEC, dataset, tmp_path) is None
    again = run(SPEC, dataset, runs=tmp_path)
    assert again.metrics["test"]["hits@20"] >= again.metrics["test"]["hits@5"] > 0
    assert again.metrics["test"]["recall@20"] == kept.metrics["test"]["recall@20"]
    assert dict(again.record) == dict(kept.record) and cached(SPEC, dataset, tmp_path) is not None


def test_a_warm_start_begins_where_another_run_ended(dataset, tmp_path):
    short = {"strategy": "mddm", "train": TrainSettings(epochs=2, batch_size=256, evaluate_every=1)}
    cold = paper_settings("toy", lam=0.4, **short)
    warm = cold.with_(warm=0.6)
    assert "warm" not in cold.to_json() and RunSpec.from_json(warm.to_json()) == warm
    assert cold.key("data") != warm.key("data") != cold.with_(warm=0.7).key("data")
    assert warm.label == "mult-vae mddm λ=0.4 from λ=0.6 seed 2024"
    begun = untrained(warm, dataset, runs=tmp_path)
    end = cached(cold.with_(lam=0.6), dataset, tmp_path)
    assert begun.lam == 0.4 and end is not None
    for name, tensor in end.model(dataset).state_dict().items():
        assert torch.equal(begun.state_dict()[name], tensor)
    result = run(warm, dataset, runs=tmp_path)
    assert result.metrics != run(cold, dataset, runs=tmp_path).metrics
    assert pretraining_run(warm) == end.spec


UNMATCHED = ("mddm", 1.0), ("godm", 0.0), ("cpdm", 0.0), ("add", 0.0), ("without_mixing", 0.0)


@pytest.mark.parametrize("variant", ["published", "paper"])
@pytest.mark.parametrize("model", ["mult-vae", "cvga", "l-diffrec"])
def test_without_matching_all_strategies_end_in_the_same_bits(dataset, tmp_path, model, variant):
    specs = [
        paper_settings("toy", model, strategy=name, lam=lam, variant=variant).with_(train=TINY)
        for name, lam in UNMATCHED
    ]
    ends = []
    for spec in specs:
        trained = untrained(spec, dataset, runs=tmp_path)
        fit(trained, dataset, spec.train, seed=spec.seed, device="cpu")
        ends.append(trained.state_dict())
    for end in ends[1:]:
        assert all(torch.equal(value, ends[0][name]) for name, value in end.items())
    assert {spec.as_trained for spec in specs} == {specs[0]}


def test_one_run_stands_at_the_end_of_every_line(dataset, tmp_path):
    ends = [paper_settings("toy", strategy=name, lam=lam).with_(train=TINY) for name, lam in UNMATCHED]
    first, *others = sweep(ends, dataset, runs=tmp_path, device="cpu", workers=1)
    assert [result.spec for result in (first, *others)] == ends
    assert {result.folder for result in others} == {first.folder} and len(list(tmp_path.glob("*/metrics.json"))) == 1
    assert [result.spec for result in finished("toy", tmp_path)] == [ends[0]]
    for result in others:
        assert result.model(dataset).strategy.label != first.model(dataset).strategy.label
        assert result.metrics == first.metrics
    matched = ends[1].with_(lam=0.5), ends[1].with_(warm=0.5)
    own = ends[1].with_(strategy=replace(STRATEGIES["godm"], label="mine"))
    assert all(spec.as_trained is spec for spec in (*matched, own, paper_settings("toy")))


def test_a_run_that_was_kept_under_the_name_of_its_strategy_is_found(dataset, tmp_path, monkeypatch):
    add = paper_settings("toy", strategy="add", train=TINY)
    first = run(add, dataset, runs=tmp_path / "now")
    before = tmp_path / "before" / f"toy-mult-vae-add-{add.own_key(first.record['fingerprint'])}"
    made_before(first.folder, before, add)
    monkeypatch.setattr(experiments, "fit", lambda *_, **__: pytest.fail("trained"))
    assert run(add, dataset, runs=tmp_path / "before").metrics == first.metrics
    (found,) = finished("toy", tmp_path / "before")
    assert found.spec == add
    assert Measurements(save_measurements(found, dataset, tmp_path / "kept")).spec == add  # which can be read again


def made_before(folder, before, spec):
    """A finished run as it lay on disk when every strategy trained its own."""
    before.mkdir(parents=True)
    for name in (*FILES, "metrics.json"):
        before.joinpath(name).write_bytes(folder.joinpath(name).read_bytes())
    before.joinpath("spec.json").write_text(json.dumps(spec.to_json()))
    tensors, state = load_tensors(before / "weights.safetensors")
    save_tensors(before / "weights.safetensors", tensors, state | {"run": before.name})
    values = json.loads(before.joinpath("metrics.json").read_text())
    seal(before, values["metrics"], values["record"])


def test_what_has_no_lambda_has_no_warm_start():
    assert paper_settings("toy", warm=0.5) == paper_settings("toy")
    assert paper_settings("toy", strategy="add", warm=0.0) == paper_settings("toy", strategy="add")
    with pytest.raises(ValueError, match="lam"):
        paper_settings("toy", strategy="mddm", warm=1.5)
    with pytest.raises(ValueError, match="lam"):
        paper_settings("toy", strategy="mddm", warm="half")
