"""Algorithm 1: early stopping, the best weights, cancel, divergence, and resuming to the same bits."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.recommender import LossTerms
from dmrec_core.runs.build import build_model
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training import device as devices
from dmrec_core.training.checkpoint import Checkpoint, CheckpointError, load_tensors
from dmrec_core.training.device import resolve_device
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import TrainingCancelled, TrainingDiverged, TrainSettings, fit

SHORT = TrainSettings(epochs=7, batch_size=128, evaluate_every=3, patience=5)


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=300, n_items=120), "tfidf")


def new_model(dataset, strategy="mddm", **changes):
    return build_model(paper_settings("toy", strategy=strategy, **changes), dataset)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a) and a.keys() == b.keys()


def test_validation_schedule_and_history(dataset):
    model, seen = new_model(dataset), []
    result = fit(model, dataset, SHORT, device="cpu", progress=seen.append)
    assert [row["epoch"] for row in result.history if "valid_recall@20" in row] == [0, 3, 6]
    assert set(result.history[0]) >= {"epoch", "seconds", "reconstruction", "prior", "matching", "valid_ndcg@20"}
    assert [p.epoch for p in seen] == list(range(1, 8)) and seen[-1].seconds_left == 0
    assert all(a.seconds_left >= 0 for a in seen)


def test_best_weights_are_restored(dataset):
    model = new_model(dataset)
    result = fit(model, dataset, TrainSettings(epochs=40, batch_size=64, learning_rate=3e-2, patience=4), device="cpu")
    best = max(row["valid_recall@20"] for row in result.history if "valid_recall@20" in row)
    assert result.best_epoch < result.history[-1]["epoch"], "the rate is set so high that it gets worse at the end"
    assert evaluate(model, dataset, "valid").means()["recall@20"] == best


def test_patience_counts_evaluations_not_epochs(dataset):
    class Frozen(type(new_model(dataset))):
        def optimizer(self, learning_rate, weight_decay):
            return super().optimizer(0.0, 0.0)

    model = new_model(dataset)
    model.__class__ = Frozen
    result = fit(model, dataset, TrainSettings(epochs=100, batch_size=300, patience=2), device="cpu")
    assert result.stopped == "patience" and result.best_epoch == 0
    assert len(result.history) == 7  # evaluations at 0 (best), 3 and 6 (no better)


def test_equal_seeds_give_equal_bits_and_others_do_not(dataset):
    def trained(seed):
        model = new_model(dataset, seed=1)
        fit(model, dataset, SHORT, seed=seed, device="cpu")
        return weights(model)

    first = trained(1)
    torch.rand(3)  # the global generator plays no part
    assert same(first, trained(1))
    assert not same(first, trained(2))


@pytest.mark.parametrize("strategy", ["base", "godm", "cpdm", "mddm"])
@pytest.mark.parametrize("kill_at_batch", [1, 4, 8, 17])
def test_resume_is_exact_wherever_it_stops(dataset, tmp_path, strategy, kill_at_batch):
    whole = new_model(dataset, strategy)
    expected = fit(whole, dataset, SHORT, device="cpu")
    path, calls = tmp_path / "resume.safetensors", iter(range(10_000))
    stopped = new_model(dataset, strategy)
    with pytest.raises(TrainingCancelled):
        fit(stopped, dataset, SHORT, device="cpu", checkpoint=Checkpoint(path, seconds=0),
            cancel=lambda: next(calls) == kill_at_batch)  # fmt: skip
    resumed = new_model(dataset, strategy, seed=99)  # other initial weights: the checkpoint must bring its own
    if kill_at_batch < 3:  # three batches an epoch: nothing was saved yet
        resumed = new_model(dataset, strategy)
        assert not path.exists()
    result = fit(resumed, dataset, SHORT, device="cpu", checkpoint=Checkpoint(path))
    assert same(weights(resumed), weights(whole))
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in expected.history]


KILLED = """
import sys
from pathlib import Path
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.runs.store import run
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.fit import TrainSettings
spec = paper_settings("toy", strategy="mddm", train=TrainSettings(epochs=40, batch_size=64))
dataset = with_language(toy_dataset(n_users=300, n_items=120), "tfidf")
print("ready", flush=True)
result = run(spec, dataset, runs=Path(sys.argv[1]), device="cpu", checkpoint_seconds=0)
print("done", result.folder, flush=True)
"""


def run_once(runs: Path, kill_after: float | None) -> str:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(runs)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    return out


@pytest.mark.slow
def test_sigkill_at_any_moment_then_resume_gives_the_same_bits(tmp_path):
    folder = Path(run_once(tmp_path / "whole", None).split()[1])
    expected, _ = load_tensors(folder / "weights.safetensors")
    killed, interrupted = tmp_path / "killed", 0
    for seconds in (0.05, 0.21, 0.34, 0.49, 0.62):
        out = run_once(killed, seconds)
        interrupted += "done" not in out
        left = list(killed.glob("*/*.tmp")) + list(killed.glob("*/.*.tmp"))
        assert len(left) <= 1  # at most the file the kill fell into; no reader looks at it
    assert interrupted >= 3, "the run was too fast to be killed: lengthen it"
    finished = Path(run_once(killed, None).split()[1])
    found, _ = load_tensors(finished / "weights.safetensors")
    assert same(found, expected)
    # the metrics file carries seconds too, so its numbers are compared, not its bytes
    import json

    metrics = [json.loads((f / "metrics.json").read_text())["metrics"] for f in (folder, finished)]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_broken_checkpoint_is_named(dataset, tmp_path, content):
    path = tmp_path / "resume.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors|another model"):
        fit(new_model(dataset), dataset, SHORT, device="cpu", checkpoint=Checkpoint(path))


def test_a_checkpoint_of_another_model_is_refused(dataset, tmp_path):
    path = tmp_path / "resume.safetensors"
    fit(new_model(dataset, "base"), dataset, SHORT, device="cpu", checkpoint=Checkpoint(path, seconds=0))
    with pytest.raises(CheckpointError, match="another model"):
        fit(new_model(dataset, "mddm"), dataset, SHORT, device="cpu", checkpoint=Checkpoint(path))


def test_divergence_names_epoch_batch_and_term(dataset):
    class Breaks(type(new_model(dataset))):
        def loss(self, batch):
            terms = dict(super().loss(batch).terms)
            if batch.step == 4:
                terms["matching"] = terms["matching"] * float("nan")
            return LossTerms(terms)

    model = new_model(dataset)
    model.__class__ = Breaks
    with pytest.raises(TrainingDiverged, match=r"epoch 1, batch 1: matching is not finite"):
        fit(model, dataset, SHORT, device="cpu")


def test_settings_are_checked():
    with pytest.raises(ValueError, match="patience"):
        TrainSettings(patience=0)
    with pytest.raises(ValueError, match="float16"):
        TrainSettings(precision="float16")


def test_device_auto_is_something_this_machine_has():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps") and resolve_device("cpu").type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_trains_to_the_same_quality_as_the_cpu(dataset):
    settings = TrainSettings(epochs=30, batch_size=128, learning_rate=3e-3)
    quality = []
    for device in ("cpu", "cuda"):
        model = new_model(dataset)
        fit(model, dataset, settings, device=device)
        quality.append(evaluate(model, dataset, "valid").means()["recall@20"])
    assert quality[1] == pytest.approx(quality[0], rel=0.1)


def test_bf16_is_refused_where_it_would_crawl(dataset, monkeypatch):
    """A small model may: it costs nothing. A large one says how many times slower it would be, before anything."""
    monkeypatch.setattr(devices, "bf16_ratio", lambda _: 44.0)
    settings = TrainSettings(epochs=1, batch_size=128, precision="bf16")
    fit(new_model(dataset), dataset, settings, device="cpu")
    monkeypatch.setattr(devices, "LONG", 1.0)
    with pytest.raises(ValueError, match=r"takes 44 times as long in bf16 as in float32.*Train in 'float32' here"):
        fit(new_model(dataset), dataset, settings, device="cpu")
    fit(new_model(dataset), dataset, replace(settings, precision="float32"), device="cpu")
    monkeypatch.setattr(devices, "bf16_ratio", lambda _: 0.5)
    fit(new_model(dataset), dataset, settings, device="cpu")


def test_bf16s_time_is_measured_once():
    devices.bf16_ratio.cache_clear()
    ratio = devices.bf16_ratio(torch.device("cpu"))
    assert 0.05 < ratio < 5000
    assert devices.bf16_ratio(torch.device("cpu")) == ratio and devices.bf16_ratio.cache_info().hits == 1


def test_bf16_trains(dataset):
    model = new_model(dataset)
    settings = TrainSettings(epochs=12, batch_size=128, learning_rate=3e-3, precision="bf16")
    history = fit(model, dataset, settings, device="cpu").history
    assert history[-1]["reconstruction"] < 0.98 * history[0]["reconstruction"]
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
