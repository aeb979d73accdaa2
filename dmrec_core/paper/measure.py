"""What one model costs: seconds, memory and parameters, measured in the process that runs it."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from dmrec_core.data import RecDataset, SemanticVectors
from dmrec_core.data.sized import sized_dataset
from dmrec_core.matching import DEFAULT_STRATEGY
from dmrec_core.paper.plan import has_text
from dmrec_core.paper.textbook import TextbookDMRec
from dmrec_core.recommender import Recommender
from dmrec_core.records.memory import begin_peak, free_memory, peak
from dmrec_core.runs.build import build_model
from dmrec_core.runs.inputs import load
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import pretraining_run
from dmrec_core.training.device import derived_seed, device_name, resolve_device
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import Progress, fit
from dmrec_core.training.solve import solve

WIDTH = 1536  # of the paper's vectors (ada-002)
EVALUATIONS = 3


@dataclass(frozen=True)
class Cost:
    """What one model costs on one device.

    Args:
        spec: what was run.
        record: `parameters`; `textbook_processor_seconds`, those of an epoch of the plain version, where there is one;
            `epoch_seconds`, one number per epoch after a first one, and `epoch_processor_seconds`,
            the same summed over threads and without waiting for other processes; `evaluation_seconds`,
            `evaluation_processor_seconds`; `peak_mib`, None where the system does not tell; `load`, the load average
            of the last minute before and after, None alike; `embedder`, device, threads, processor and versions.
    """

    spec: RunSpec
    record: Mapping[str, object]

    @property
    def seconds_an_epoch(self) -> float:
        """The median over epochs."""
        return statistics.median(self.record["epoch_seconds"])

    @property
    def processor_seconds_an_epoch(self) -> float:
        """The median over epochs."""
        return statistics.median(self.record["epoch_processor_seconds"])

    @property
    def seconds_an_evaluation(self) -> float:
        """The median over evaluations."""
        return statistics.median(self.record["evaluation_seconds"])

    @property
    def processor_seconds_an_evaluation(self) -> float:
        """The median over evaluations."""
        return statistics.median(self.record["evaluation_processor_seconds"])


def measure(
    spec: RunSpec,
    epochs: int = 3,
    device: str = "auto",
    threads: int | None = None,
    dataset: RecDataset | None = None,
) -> Cost:
    """Train a model for a few epochs, or solve it as often, and evaluate it, in this process.

    Memory is counted from after the data are loaded, so it should be a fresh process. What a run would start from (the
    LightGCN of L-DiffRec and LLMRec) is left untrained: it changes what is learned, not what it costs.

    Args:
        spec: which model; its number of epochs and its evaluations are replaced.
        epochs: to be timed, after one that is not.
        device: "auto", "cpu", "cuda", "mps".
        threads: at most, from here on in this process; as many as torch takes if None.
        dataset: the data in place of the spec's own; random vectors are added where they are needed.

    Raises:
        ValueError: `epochs` is not positive.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if epochs < 1:
        raise ValueError(f"at least one epoch must be timed; got {epochs}")
    dataset, on = data_for(spec, dataset), resolve_device(device)
    before = load_average()
    if spec.solved:
        return _measure_solved(spec, dataset, epochs, before)
    first = pretraining_run(spec)
    pretrained = None if first is None else build_model(first, dataset)
    start = begin_peak(on)
    model = build_model(spec, dataset, pretrained)
    del pretrained
    settings = replace(spec.train, epochs=epochs + 1, evaluate_every=epochs + 2)  # only the first epoch evaluates
    epochs_ended, evaluations, evaluations_processor = [], [], []
    used = 0

    def after_each(now: Progress) -> None:  # inside `fit`, on as many threads as its own evaluations
        nonlocal used
        epochs_ended.append(time.process_time())
        used = torch.get_num_threads()
        for _ in range(EVALUATIONS if now.epoch == settings.epochs else 0):
            began, began_processor = time.perf_counter(), time.process_time()
            evaluate(model, dataset, "test", device=on)
            evaluations.append(time.perf_counter() - began)
            evaluations_processor.append(time.process_time() - began_processor)

    history = fit(model, dataset, settings, seed=spec.seed, device=str(on), progress=after_each).history
    times = {
        "epoch_seconds": np.diff([row["seconds"] for row in history]).tolist(),
        "epoch_processor_seconds": np.diff(epochs_ended).tolist(),
        "evaluation_seconds": evaluations,
        "evaluation_processor_seconds": evaluations_processor,
        "peak_mib": peak(on, start),
    }
    times["textbook_processor_seconds"] = _textbook_seconds(spec, dataset, epochs, on)
    return Cost(spec, times | _facts(model, spec, dataset, on, used, before))


def _measure_solved(spec: RunSpec, dataset: RecDataset, times: int, before: float | None) -> Cost:
    found, evaluations, evaluations_processor = [], [], []
    for _ in range(times):
        model, result = solve(lambda: build_model(spec, dataset))
        found.append(result)
        began, began_processor = time.perf_counter(), time.process_time()
        evaluate(model, dataset, "test", device="cpu")
        evaluations.append(time.perf_counter() - began)
        evaluations_processor.append(time.process_time() - began_processor)
    record = {
        "epoch_seconds": [result.seconds for result in found],
        "epoch_processor_seconds": [result.processor_seconds for result in found],
        "evaluation_seconds": evaluations,
        "evaluation_processor_seconds": evaluations_processor,
        "peak_mib": found[0].peak_mib,  # what the first one leaves makes the others' look smaller
    }
    return Cost(spec, record | _facts(model, spec, dataset, torch.device("cpu"), torch.get_num_threads(), before))


def _textbook_seconds(spec: RunSpec, dataset: RecDataset, epochs: int, on: torch.device) -> list[float] | None:
    """The processor's, of as many epochs of the same model written plainly, after a first one; None for others."""
    plain = (spec.model, spec.strategy, spec.variant) == ("mult-vae", DEFAULT_STRATEGY, "published")
    dense = 4 * dataset.n_users * dataset.n_items
    if not plain or on.type != "cpu" or dense > free_memory() // 4:
        return None
    vectors = (torch.from_numpy(side) for side in (dataset.language.user, dataset.language.item))
    model = TextbookDMRec(dataset.train, *vectors, spec.lam, spec.hidden, spec.latent)
    optimizer = torch.optim.Adam(model.parameters(), lr=spec.train.learning_rate)
    ends = []
    for _ in range(epochs + 1):
        model.epoch(optimizer, spec.train.batch_size)
        ends.append(time.process_time())
    return np.diff(ends).tolist()


def _facts(
    model: Recommender, spec: RunSpec, dataset: RecDataset, on: torch.device, threads: int, before: float | None
) -> dict[str, object]:
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "load": [before, load_average()],
        "embedder": dataset.language.embedder if spec.uses_language else "none",
        "device": device_name(on),
        "threads": threads,
        "processor": _processor(),
        "torch": str(torch.__version__),
    }


def data_for(spec: RunSpec, dataset: RecDataset | None = None) -> RecDataset:
    """The spec's data, or this; where vectors are needed and no text is there for them, with random ones of `WIDTH`."""
    plain = dataset or load(spec.with_(model="mult-vae", strategy="base", settings=()))
    if not spec.uses_language:
        return plain
    return (
        load(spec)
        if dataset is None and has_text(plain)
        else plain.with_language(_random_vectors(plain.n_users, plain.n_items))
    )


def _random_vectors(n_users: int, n_items: int, width: int = WIDTH) -> SemanticVectors:
    """Vectors of length 1 in random directions, which say so in their name.

    Example:
        >>> _random_vectors(2, 3, 4).embedder, _random_vectors(2, 3, 4).item.shape
        ('random, 4 wide', (3, 4))
    """
    rng = np.random.default_rng(derived_seed("random vectors", width))
    sides = [rng.standard_normal((n, width), dtype=np.float32) for n in (n_users, n_items)]
    user, item = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    return SemanticVectors(user=user, item=item, embedder=f"random, {width} wide")


def load_average() -> float | None:
    """Processes that ran or waited over the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", information.read_text()) if information.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def main() -> None:
    """Read a request from standard input, write the record to standard output: JSON both."""
    request = json.load(sys.stdin)
    size = request.pop("size")
    cost = measure(RunSpec.from_json(request.pop("spec")), **request, dataset=sized_dataset(*size) if size else None)
    print(json.dumps(cost.record))


if __name__ == "__main__":
    main()
