"""The linear references as runs: solved once whatever the seed, kept, read back, cancelled, and refused by size."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from dmrec_core.commands.outcome import FAILED, outcome
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.records import memory
from dmrec_core.runs import folder, store
from dmrec_core.runs.folder import WEIGHTS
from dmrec_core.runs.linear import GRIDS
from dmrec_core.runs.models import LINEAR
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import cached, folder_of, run
from dmrec_core.runs.sweeps import RunFailed, sweep
from dmrec_core.training.checkpoint import load_tensors
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import TrainingCancelled, TrainSettings

ONE_SETTING = {"gf-cf": {"k": 8}, "ials": {"latent": 8, "sweeps": 2}}  # so few items span no 64 directions


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=120, n_items=60), "tfidf")


def reference(name, **settings):
    return RunSpec(model=name, settings=ONE_SETTING.get(name, {}) | settings)


@pytest.mark.parametrize("name", LINEAR)
def test_a_reference_is_solved_kept_and_read_back(dataset, tmp_path, name):
    told, spec = [], reference(name)
    assert cached(spec, dataset, tmp_path) is None
    result = run(spec, dataset, runs=tmp_path, progress=told.append)
    assert [(now.epoch, now.epochs) for now in told] == [(1, 1)]
    assert result.record["stopped"] == "closed form" and result.record["seconds"] >= 0
    assert result.record["embedder"] == (dataset.language.embedder if name == "l3ae" else "none")
    assert "peak_mib" in result.record and len(result.history) == 1
    again = cached(spec, dataset, tmp_path)
    assert again.metrics == result.metrics and again.record == result.record
    for split in ("valid", "test"):
        assert evaluate(again.model(dataset), dataset, split).means() == pytest.approx(result.metrics[split])


@pytest.mark.parametrize("name", LINEAR)
def test_what_cannot_matter_makes_no_second_run(dataset, name):
    spec = paper_settings("toy", model=name)
    others = {"seed": 7, "train": TrainSettings(epochs=3), "latent": 8, "hidden": 9, "dropout": 0.9, "kl_weight": 0.5}
    for field, value in others.items():
        other = paper_settings("toy", model=name, **{field: value})
        assert other == spec and other.key("data") == spec.key("data"), field
    assert RunSpec.from_json(spec.to_json()) == spec and "seed" not in spec.label


def test_only_text_asks_for_vectors_and_makes_another_run(dataset):
    plain = toy_dataset(n_users=120, n_items=60)
    for name in LINEAR:
        assert reference(name).uses_language == (name == "l3ae")
        with_text = reference(name, text_weight=0.1)
        assert with_text.uses_language and with_text != reference(name)
        with pytest.raises(ValueError, match=f"no semantic vectors, which {name} needs"):
            run(with_text, plain)


def test_the_filter_takes_no_more_vectors_than_a_small_data_set_has(dataset, tmp_path):
    assert run(RunSpec(model="gf-cf"), dataset, runs=tmp_path).model(dataset).weight.shape == (60, 59)
    with pytest.raises(ValueError, match="k must be from 1 to 59"):
        run(RunSpec(model="gf-cf", settings={"k": 60}), dataset, runs=tmp_path)


@pytest.mark.parametrize("name", ["ease", "gf-cf"])
def test_a_solution_too_large_to_keep_is_found_again(dataset, tmp_path, monkeypatch, name):
    monkeypatch.setattr(folder, "KEPT_AT_MOST", 4 * dataset.n_items - 1)
    result = run(reference(name), dataset, runs=tmp_path)
    assert load_tensors(result.folder / WEIGHTS)[0] == {}
    assert evaluate(result.model(dataset), dataset).means() == pytest.approx(result.metrics["test"])
    (result.folder / "per_user.safetensors").unlink()  # what was judged is judged again, by a model solved again
    with pytest.warns(UserWarning, match="run it again"):
        assert cached(result.spec, dataset, tmp_path) is None
    assert run(result.spec, dataset, runs=tmp_path).metrics["test"] == pytest.approx(result.metrics["test"])


def test_a_small_solution_is_kept_and_not_found_again(dataset, tmp_path, monkeypatch):
    result = run(reference("ease"), dataset, runs=tmp_path)
    monkeypatch.setattr("dmrec_core.baselines.EASE.solve", lambda self: pytest.fail("solved again"))
    assert list(load_tensors(result.folder / WEIGHTS)[0]) == ["weight"]
    assert result.model(dataset).weight.shape == (60, 60)


def test_what_is_cancelled_before_it_begins_leaves_nothing_finished(dataset, tmp_path):
    with pytest.raises(TrainingCancelled, match="before it was solved"):
        run(reference("ease"), dataset, runs=tmp_path, cancel=lambda: True)
    assert cached(reference("ease"), dataset, tmp_path) is None


def test_a_matrix_that_does_not_fit_is_named_alone_in_a_sweep_and_by_a_command(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "free_memory", lambda: 10)
    size = r"EASE takes 0\.0 GiB, 1 x 60 x 60 items x 4 bytes.*take GFCF"
    with pytest.raises(MemoryError, match=f"^{size}"):
        run(reference("ease"), dataset, runs=tmp_path)
    with pytest.raises(RunFailed, match=f"run failed: ease on toy: {size}") as failed, ThreadPoolExecutor(1) as here:
        sweep([reference("ease")], dataset, runs=tmp_path, scheduler=here, progress=lambda *_: None)
    assert "Traceback" not in str(failed.value)
    assert outcome(lambda: run(reference("ease"), dataset, runs=tmp_path), "x") == FAILED
    assert "Traceback" not in (said := capsys.readouterr().err) and "error: EASE takes" in said


def test_another_process_solves_it_too(tmp_path):
    spec = paper_settings("toy", model="gf-cf")
    [result] = sweep([spec], runs=tmp_path, workers=1, progress=lambda *_: None)
    assert result.folder == folder_of(spec, runs=tmp_path)
    assert json.loads((result.folder / "spec.json").read_text())["model"] == "gf-cf"


def test_every_grid_names_settings_its_model_has(dataset):
    assert tuple(GRIDS) == tuple(LINEAR)
    for name, grid in GRIDS.items():
        settings = {setting: values[-1] for setting, values in grid.items()} | ONE_SETTING.get(name, {})
        assert torch.isfinite(store.untrained(reference(name, **settings), dataset).solve().weight).all()


def test_an_earlier_seed_is_no_other_run(dataset, tmp_path):
    runs = [run(replace(reference("ease"), seed=seed), dataset, runs=tmp_path) for seed in (1, 2)]
    assert runs[0].folder == runs[1].folder and len(list(tmp_path.iterdir())) == 1
