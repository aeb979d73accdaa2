"""Wherever a model trains: a GPU's way and a CPU's give the same numbers, and no line mixes the two.

The first part goes both ways on this processor. The second trains on a device that only pretends to be a GPU and
refuses what one would. The third, marked `gpu`, needs a real one.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from dmrec_core.baselines import fused_contrast, vectors
from dmrec_core.baselines.fused_contrast import fused_info_nce, products_at
from dmrec_core.baselines.graph import BipartiteGraph
from dmrec_core.baselines.item_to_item import EASE, L3AE, ItemKNN
from dmrec_core.baselines.low_rank import GFCF, IALS
from dmrec_core.data import toy_dataset
from dmrec_core.interactions import InteractionRows, computed_as_on_a_gpu, suits_a_gpu, user_batch
from dmrec_core.language import with_language
from dmrec_core.likelihood import fused_multinomial_nll
from dmrec_core.runs.models import BACKBONES, BASELINES
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import run, untrained
from dmrec_core.training.device import matrix_precision, resolve_device
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import TrainingCancelled, TrainSettings, fit
from tests import pretend_gpu

SHORT = TrainSettings(epochs=2, batch_size=2048, evaluate_every=1)
SPECS = [
    *(paper_settings("toy", name, strategy, train=SHORT) for name in BACKBONES for strategy in ("base", "mddm")),
    *(paper_settings("toy", name, train=SHORT) for name in BASELINES),
]
EVERY_MODEL = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.label)
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "bf16"])


@cache
def data():
    return with_language(toy_dataset(n_users=120, n_items=80), "tfidf")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Where the models that others start from are kept."""
    return tmp_path_factory.mktemp("runs")


def loss_and_gradients(spec: RunSpec, runs: Path, precision: str = "float32") -> dict[str, torch.Tensor]:
    """Of an untrained model's first mini-batch."""
    model = untrained(spec, data(), runs=runs, device="cpu")
    order, noise = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    batch = next(iter(model.batches(data().train, 96, 0, order, torch.device("cpu"))))
    with matrix_precision(precision, torch.device("cpu")):
        loss = model.loss(replace(batch, generator=noise)).total
    loss.backward()
    return {"loss": loss.detach()} | {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


# --- both ways on a CPU ----------------------------------------------------------------------------------------------


@EVERY_MODEL
@PRECISIONS
def test_both_ways_give_the_same_loss_and_gradients(spec, precision, runs, monkeypatch):
    monkeypatch.setattr("dmrec_core.likelihood.ROWS_AT_ONCE", 16)
    monkeypatch.setattr(fused_contrast, "TILE", (16, 32))
    monkeypatch.setattr(vectors, "ROWS", 32)
    ways = []
    for gpu in (False, True):
        with computed_as_on_a_gpu(gpu):
            ways.append(loss_and_gradients(spec, runs, precision))
    assert ways[0].keys() == ways[1].keys() and len(ways[0]) > 1
    for name, expected in ways[0].items():
        error = (ways[1][name] - expected).norm() / expected.norm().clamp(min=1e-12)
        assert error < (2e-5 if precision == "float32" else 0.05), name


def test_the_way_is_the_devices_unless_one_is_asked_for(monkeypatch):
    on_cpu, elsewhere = torch.zeros(3, 4), torch.zeros(3, 4, device="meta")
    assert not suits_a_gpu(on_cpu) and suits_a_gpu(elsewhere)
    with pytest.raises(ZeroDivisionError), computed_as_on_a_gpu():
        assert suits_a_gpu(on_cpu)
        with computed_as_on_a_gpu(False):
            assert not suits_a_gpu(elsewhere)
        assert suits_a_gpu(on_cpu) and 1 / 0
    assert not suits_a_gpu(on_cpu)


def test_each_choice_takes_the_way_asked_for(monkeypatch):
    monkeypatch.setattr(fused_contrast, "TILE", (2, 2))
    monkeypatch.setattr(vectors, "ROWS", 2)
    rows = InteractionRows(torch.tensor([0, 2]), torch.tensor([0, 1, 2]), None, 4)
    dense, pieces = [], []
    monkeypatch.setattr(InteractionRows, "dense", lambda self, dtype: dense.append(1) or torch.zeros(3, 4, dtype=dtype))

    def taken() -> tuple[int, ...]:
        dense.clear(), pieces.clear()
        rows.sum_of(torch.eye(4))
        vectors.by_rows(lambda part: pieces.append(1) or part, torch.eye(4))
        counted = [sum(1 for _ in f) for f in (fused_contrast._bands(torch.eye(40), 2),
                   fused_contrast._tiles(torch.eye(4), torch.eye(4), torch.float32))]  # fmt: skip
        return len(dense), len(pieces), *counted

    assert taken() == (0, 2, 3, 4)
    with computed_as_on_a_gpu():
        assert taken() == (1, 1, 1, 1)


# --- a pretended GPU -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def there() -> Iterator[Callable]:
    """`there(function, *arguments)` runs a function of this module in a process that has the device "gpu"."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_install) as process:
        yield lambda function, *arguments: process.submit(function, *arguments).result()


def _install() -> None:
    global kept
    torch.set_num_threads(1)
    kept = pretend_gpu.install()


def trained(spec: RunSpec, runs: Path, device: str, checkpoint: Path | None = None) -> tuple[list[dict], dict]:
    """The history and test metrics of a run; with a checkpoint, of one that was stopped and resumed."""
    with pretend_gpu.Placement():
        result = None
        while result is None:
            model, calls = untrained(spec, data(), runs=runs, device="cpu"), iter(range(10**9))
            stop = (lambda calls=calls: next(calls) >= 4) if checkpoint and not checkpoint.exists() else None
            kept_in = {"checkpoint": checkpoint, "checkpoint_seconds": 0.0}
            try:
                result = fit(model, data(), spec.train, device=device, cancel=stop, **(kept_in if checkpoint else {}))
            except TrainingCancelled:
                assert checkpoint.exists()
        history = [{name: value for name, value in row.items() if name != "seconds"} for row in result.history]
        return history, evaluate(model, data(), "test").means()


def refused() -> dict[str, str]:
    """What the pretended device says to what a GPU refuses."""
    said = {}
    for name, wrong in {
        "mixed": lambda: torch.zeros(3, device="gpu") + torch.zeros(3),
        "indexed": lambda: torch.zeros(3, device="gpu")[torch.tensor([0])],
        "drawn": lambda: torch.rand(3, device="gpu", generator=torch.Generator()),
        "drawn here": lambda: torch.rand(3, generator=torch.Generator("gpu")),
        "wide": lambda: torch.zeros(3, device="gpu").double(),
        "branch": lambda: InteractionRows.from_csr(data().train, np.arange(2), "gpu").sum_of(torch.eye(80)),
        "allowed": lambda: torch.zeros(3, device="gpu") + torch.tensor(1.0),
    }.items():
        with pretend_gpu.Placement():
            try:
                wrong()
            except pretend_gpu.MixedDevices as error:
                said[name] = str(error)
    return said


@EVERY_MODEL
@PRECISIONS
def test_every_model_trains_on_the_device_alone_and_to_the_same_numbers(spec, precision, runs, there):
    spec = spec.with_(train=replace(spec.train, precision=precision))
    history, metrics = there(trained, spec, runs, "gpu")
    expected, expected_metrics = there(trained, spec, runs, "cpu")
    exact = precision == "float32"
    for row, expected_row in zip(history, expected, strict=True):
        assert row == pytest.approx(expected_row, rel=1e-4 if exact else 0.1, abs=1e-4 if exact else 0.02)
    assert metrics == pytest.approx(expected_metrics, abs=1e-3 if exact else 0.02)


def test_a_run_that_was_stopped_there_resumes_there(runs, there, tmp_path):
    spec = SPECS[1].with_(train=replace(SHORT, epochs=3, batch_size=40))
    assert there(trained, spec, runs, "gpu", tmp_path / "resume.safetensors") == there(trained, spec, runs, "gpu")


def recorded(spec: RunSpec, runs: Path) -> tuple[str, dict]:
    """Where a run kept in a folder says it was computed, and its metrics once read back."""
    with pretend_gpu.Placement():
        done = run(spec, data(), runs=runs, device="gpu")
        return done.record["device"], evaluate(done.model(data()), data(), "test").means() | {
            "kept": done.metrics["test"]
        }


@pytest.mark.parametrize("name", ["l-diffrec", "llmrec"])
def test_a_run_and_the_one_that_it_starts_from_are_kept_from_there(name, there, tmp_path):
    device, metrics = there(recorded, next(spec for spec in SPECS if spec.model == name), tmp_path)
    assert device == "gpu" and metrics == metrics["kept"] | {"kept": metrics["kept"]}


SOLVED = {
    "item-knn": lambda train, items: ItemKNN(train),
    "ease": lambda train, items: EASE(train, precision="float64"),
    "ease and text": lambda train, items: EASE(train, item_vectors=items, text_weight=0.5),
    "l3ae": lambda train, items: L3AE(train, items),
    "gf-cf": lambda train, items: GFCF(train, k=8),
    "ials": lambda train, items: IALS(train, latent=8, sweeps=2),
}


def solved(name: str, device: str) -> dict[str, float]:
    """The test metrics of a reference that was solved and scores on the device."""
    with pretend_gpu.Placement():
        items = torch.from_numpy(data().language.item)
        return evaluate(SOLVED[name](data().train, items).solve().to(device), data(), "test").means()


@pytest.mark.parametrize("name", SOLVED)
def test_a_reference_in_closed_form_scores_there(name, there):
    assert there(solved, name, "gpu") == pytest.approx(there(solved, name, "cpu"), abs=1e-3)


def test_what_mixes_devices_is_refused(there):
    said = there(refused)
    assert said.keys() == {"mixed", "indexed", "drawn", "drawn here", "wide", "branch"}
    assert "aten.add.Tensor of tensors on the GPU and on the processor: OnGpu torch.float32 (3,)" in said["mixed"]


# --- a real GPU ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpu() -> torch.device:
    """The GPU that "auto" chooses."""
    device = resolve_device("auto")
    if device.type == "cpu":
        pytest.skip("torch finds no GPU on this machine")
    return device


@pytest.mark.gpu
@EVERY_MODEL
@PRECISIONS
def test_every_model_trains_on_a_gpu(spec, precision, runs, gpu, tmp_path):
    spec = spec.with_(train=replace(spec.train, precision=precision))
    there, here = (run(spec, data(), runs=tmp_path / name, device=name) for name in (str(gpu), "cpu"))
    assert there.record["device"] != "cpu"
    # the draws differ from device to device, so the numbers may by as much as another seed's would
    assert there.metrics["test"]["recall@20"] == pytest.approx(here.metrics["test"]["recall@20"], abs=0.1)


@pytest.mark.gpu
@EVERY_MODEL
def test_a_gpu_ranks_as_a_cpu_does(spec, runs, gpu):
    model = untrained(spec, data(), runs=runs, device="cpu")
    here = evaluate(model, data(), "test").means()
    assert evaluate(model.to(gpu), data(), "test").means() == pytest.approx(here, abs=0.01)  # near-ties may change


def _kernels() -> dict[str, tuple[Callable, tuple[torch.Tensor, ...]]]:
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    train = data().train
    rows = lambda x: user_batch(train, np.arange(100), x.device).rows  # noqa: E731
    columns = torch.randint(80, (100, 6), generator=g)
    return {
        "sum of rows": (lambda table: rows(table).sum_of(table), (normal(80, 8),)),
        "likelihood": (
            lambda hidden, weight, bias: fused_multinomial_nll(hidden, weight, bias, rows(hidden)),
            (normal(100, 8), normal(80, 8), normal(80)),
        ),
        "contrast": (lambda a, t, c: fused_info_nce(a, t, c, 0.2), (normal(100, 8), normal(100, 8), normal(300, 8))),
        "wide contrast": (lambda a, t, c: fused_info_nce(a, t, c, 0.2), tuple(normal(n, 200) for n in (50, 50, 90))),
        "products": (lambda a, t: products_at(a, t, columns.to(a.device)).square(), (normal(100, 8), normal(80, 8))),
        "graph": (lambda items: BipartiteGraph(train).to(items.device).to_users(items), (normal(80, 8),)),
    }


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["sum of rows", "likelihood", "contrast", "wide contrast", "products", "graph"])
def test_a_gpu_computes_what_a_cpu_does(name, gpu):
    kernel, inputs = _kernels()[name]
    found = []
    for device in (torch.device("cpu"), gpu):
        at = [x.to(device).requires_grad_() for x in inputs]
        out = kernel(*at)
        out.square().mean().backward()
        found.append([out.detach().cpu(), *(x.grad.cpu() for x in at)])
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)
