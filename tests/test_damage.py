"""Each file of a finished run, damaged anywhere: the same numbers again, or an error that names the file."""

import json
import shutil

import numpy as np
import pytest

from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs import store
from dmrec_core.runs.folder import HISTORY, METRICS, PER_USER, RESUME, SPEC, WEIGHTS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.checkpoint import load_tensors, save_tensors
from dmrec_core.training.fit import TrainingCancelled, TrainSettings

RUN = paper_settings("toy", strategy="mddm", train=TrainSettings(epochs=4, batch_size=256, evaluate_every=2), hidden=16)
KEPT = [METRICS, WEIGHTS, PER_USER, HISTORY, SPEC]
DAMAGES = {
    "flipped": lambda content, at: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
    "zeroed": lambda content, at: content[:at] + bytes(len(content[at : at + 20])) + content[at + 20 :],
    "cut": lambda content, at: content[:at],
    "emptied": lambda content, at: b"",
}


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=200, n_items=80), "tfidf")


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    return store.run(RUN, dataset, runs=tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished.folder, tmp_path / finished.folder.name)


def assert_same(result, finished, dataset):
    assert result.metrics == finished.metrics
    for split in ("valid", "test"):
        mine, theirs = result.per_user[split].per_user, finished.per_user[split].per_user
        assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    assert result.history.drop(columns="seconds").equals(finished.history.drop(columns="seconds"))
    mine, theirs = (run.model(dataset).state_dict() for run in (result, finished))
    assert all((mine[name] == theirs[name]).all() for name in theirs)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", KEPT)
def test_a_damaged_file_is_set_aside_and_made_again(finished, folder, dataset, name, damage):
    content = (folder / name).read_bytes()
    at = int(np.random.default_rng(len(name)).integers(len(content)))
    (folder / name).write_bytes(DAMAGES[damage](content, at))
    with pytest.warns(UserWarning, match=rf"{name} cannot be used .* made again"):
        result = store.run(RUN, dataset, runs=folder.parent)
    assert_same(result, finished, dataset)
    assert (folder / f"{name}.damaged").exists() and store.cached(RUN, dataset, folder.parent)


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_damage_anywhere(finished, folder, dataset, name):
    content = (folder / name).read_bytes()
    for at in np.linspace(0, len(content) - 1, 40).astype(int):
        for damage in ("flipped", "zeroed", "cut"):
            (folder / name).write_bytes(DAMAGES[damage](content, at))
            if (folder / name).read_bytes() != content:
                with pytest.warns(UserWarning, match=name):
                    assert_same(store.run(RUN, dataset, runs=folder.parent), finished, dataset)


def test_only_lost_weights_cost_a_training(finished, folder, dataset, monkeypatch):
    monkeypatch.setattr(store, "fit", lambda *_, **__: pytest.fail("trained again"))
    for name in (METRICS, PER_USER, HISTORY, SPEC):
        (folder / name).unlink()
    assert_same(store.run(RUN, dataset, runs=folder.parent), finished, dataset)


def test_damage_after_reading_is_named(finished, folder, dataset):
    result = store.run(RUN, dataset, runs=folder.parent)
    for name in (HISTORY, WEIGHTS):
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"history\.csv cannot be used"):
        _ = result.history
    with pytest.raises(ValueError, match=r"weights\.safetensors cannot be used"):
        result.model(dataset)
    with pytest.warns(UserWarning, match=r"is not whole \(history\.csv: .*weights\.safetensors: "):
        assert store.cached(RUN, dataset, folder.parent) is None


def test_files_of_another_run_are_not_taken_for_ones_own(finished, folder, dataset):
    other = store.run(RUN.with_(seed=1), dataset, runs=folder.parent)
    for path in other.folder.glob("*.*"):
        shutil.copy(path, folder / path.name)
    with pytest.warns(UserWarning, match="another run"):
        assert_same(store.run(RUN, dataset, runs=folder.parent), finished, dataset)


def test_a_run_of_an_earlier_version_stays_valid_and_a_changed_digit_is_seen(finished, folder, dataset, monkeypatch):
    save_tensors(folder / WEIGHTS, load_tensors(folder / WEIGHTS)[0])  # without history and record
    values = json.loads((folder / METRICS).read_text())
    old = {"metrics": values["metrics"], "record": values["record"]}
    (folder / METRICS).write_text(json.dumps(old))
    with monkeypatch.context() as patched:
        patched.setattr(store, "fit", lambda *_, **__: pytest.fail("trained again"))
        assert_same(store.run(RUN, dataset, runs=folder.parent), finished, dataset)
    old["metrics"]["test"]["recall@20"] += 1e-4
    (folder / METRICS).write_text(json.dumps(old))
    with pytest.warns(UserWarning, match="its means of test are not those of"):
        assert_same(store.run(RUN, dataset, runs=folder.parent), finished, dataset)


@pytest.mark.parametrize("damage", [*DAMAGES, "without its state", "of another run"])
def test_a_checkpoint_that_cannot_be_used_never_lends_its_weights(finished, dataset, tmp_path, damage):
    calls = iter(range(1000))
    with pytest.raises(TrainingCancelled):
        store.run(RUN, dataset, runs=tmp_path, cancel=lambda: next(calls) == 2, checkpoint_seconds=0)
    path = store.folder_of(RUN, dataset, tmp_path) / RESUME
    tensors, state = load_tensors(path)
    if damage == "without its state":
        save_tensors(path, tensors)
    elif damage == "of another run":
        save_tensors(path, tensors, state | {"run": "another"})
    else:
        content = path.read_bytes()
        path.write_bytes(DAMAGES[damage](content, len(content) // 2))
    with pytest.warns(UserWarning, match=r"resume\.safetensors cannot be used"):
        assert_same(store.run(RUN, dataset, runs=tmp_path), finished, dataset)
