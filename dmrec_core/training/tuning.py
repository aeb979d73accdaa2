"""The linear references by name, the grids they are tuned over, and the tuning."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd
import torch

from dmrec_core.baselines import EASE, GFCF, IALS, L3AE, ItemKNN
from dmrec_core.baselines.closed_form import ClosedForm, require
from dmrec_core.data import RecDataset
from dmrec_core.recommender import Recommender
from dmrec_core.records.memory import begin_peak, peak
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.floors import Popularity

KINDS = {"item-knn": ItemKNN, "ease": EASE, "gf-cf": GFCF, "ials": IALS, "l3ae": L3AE}
LINEAR = ("popularity", *KINDS)

# The one place for what is tried; among equals the first is chosen.
GRIDS: Mapping[str, Mapping[str, Sequence]] = {
    "popularity": {},
    "item-knn": {"shrinkage": (0, 10, 50, 100, 200, 500, 1000), "neighbours": (None, 200, 100, 50, 20)},
    "ease": {"l2": (20, 50, 100, 200, 500, 1000, 2000)},
    "gf-cf": {"k": (16, 32, 64, 96, 128, 256), "alpha": (0.1, 0.3, 1.0, 3.0)},
    "ials": {"latent": (32, 64), "unobserved": (0.003, 0.01, 0.03, 0.1), "reg": (0.003, 0.01, 0.03, 0.1)},
    "l3ae": {"l2": (20, 50, 200, 1000), "l2_text": (10, 100, 1000), "distillation": (10, 100, 1000)},
}
TEXT_WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)  # of item-kNN, EASE, GF-CF and iALS with text
CHOSEN_BY = "recall@20"


def reference(name: str, dataset: RecDataset, **settings: object) -> Recommender:
    """A linear reference, unsolved: `solve` it, unless it is popularity, which has nothing to solve.

    Args:
        name: one of `LINEAR`.
        dataset: its training interactions, and its item vectors where text is read.
        settings: the model's own.

    Raises:
        ValueError: no such name, or text is read and the data have no vectors.
        MemoryError: an item-item matrix that does not fit.

    Example:
        >>> from dmrec_core.data import toy_dataset
        >>> type(reference("ease", toy_dataset(n_users=50, n_items=40), l2=100).solve()).__name__
        'EASE'
    """
    if name == "popularity":
        return Popularity(dataset, **settings)
    require(name in KINDS, f"the linear references are {', '.join(LINEAR)}", name)
    vectors = None if dataset.language is None else torch.from_numpy(dataset.language.item)
    return KINDS[name](dataset.train, item_vectors=vectors, **settings)


def tune(
    name: str, dataset: RecDataset, text: bool = False, grid: Mapping[str, Sequence] | None = None
) -> pd.DataFrame:
    """Solve a reference at every setting of its grid, and choose one by validation Recall@20.

    Args:
        name: one of `LINEAR`.
        dataset: solved on its training interactions alone.
        text: try each setting with every one of `TEXT_WEIGHTS`, 0 among them.
        grid: setting -> values, if not `GRIDS[name]`.

    Returns:
        One row a setting: the settings; `seconds` to build and solve; `peak_mib`, the highest memory above what was
        held before, from building to the last metric, None where the system does not tell; Recall@20 and NDCG@20
        of both splits; and `chosen`, true in one row, the first with the best validation Recall@20.

    Raises:
        ValueError, MemoryError: as `reference`; and text for a reference that takes none, or reads it anyhow.

    Example:
        >>> from dmrec_core.data import toy_dataset
        >>> table = tune("ease", toy_dataset(n_users=80, n_items=40), grid={"l2": (10, 100)})
        >>> table["l2"].tolist(), int(table["chosen"].sum())
        ([10, 100], 1)
    """
    require(name in LINEAR, f"the linear references are {', '.join(LINEAR)}", name)
    require(not (text and name in ("popularity", "l3ae")), "text is added to item-kNN, EASE, GF-CF and iALS", name)
    axes = dict(GRIDS[name] if grid is None else grid) | ({"text_weight": TEXT_WEIGHTS} if text else {})
    if grid is None and "k" in axes:
        axes["k"] = [k for k in axes["k"] if k < min(dataset.train.shape)]  # a small data set has no more vectors
    rows = [_measured(name, dataset, dict(zip(axes, values, strict=True))) for values in product(*axes.values())]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    # as objects, so that None among numbers stays None
    table = pd.DataFrame({n: pd.Series(v, dtype=object if n in axes else None) for n, v in columns.items()})
    best = table[f"valid {CHOSEN_BY}"].idxmax()
    return table.assign(chosen=table.index == best)


def _measured(name: str, dataset: RecDataset, settings: dict[str, object]) -> dict[str, object]:
    _give_back_memory()
    cpu = torch.device("cpu")
    start, began = begin_peak(cpu), time.perf_counter()
    model = reference(name, dataset, **settings)
    if isinstance(model, ClosedForm):
        model.solve()
    seconds = time.perf_counter() - began
    metrics = {split: evaluate(model, dataset, split).means() for split in ("valid", "test")}
    shown = {f"{split} {m}": metrics[split][m] for split in metrics for m in ("recall@20", "ndcg@20")}
    return {**settings, "seconds": seconds, "peak_mib": peak(cpu, start), **shown}


def _give_back_memory() -> None:
    """Let go of the model before, also what the C library would keep: the next peak is then the next model's own."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
