"""What a kept figure's numbers came from: enough to make them again, nothing that differs when they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from typing import Any

import torch

from dmrec_core import __version__
from dmrec_core.records.checkout import find_checkout


def provenance(
    dataset: Any = None,
    results: Iterable[Any] = (),
    *,
    seeds: Iterable[int] | None = None,
    device: str = "cpu",
    **extra: Any,
) -> dict[str, Any]:
    """The facts `record` keeps beside the numbers.

    Args:
        dataset: a `RecDataset` (its name, fingerprint and embedder are taken), a name, or None for pure mathematics.
        results: the `RunSpec`s behind the figure, or results that carry one as `.spec`.
        seeds: taken from the specs where not given; what is solved, not trained, has none.
        device: where it was computed, for a figure without runs; runs say it themselves.
        extra: anything else worth keeping, e.g. `variant="published"`.

    Returns:
        dataset, fingerprint, embedder, seeds, runs, config_hash (one hash over all specs, order ignored),
        numbers_version (of each model that was run), commit, kit, torch, python, device. No time, no path, no user
        name: made again, it is the same.

    Example:
        >>> facts = provenance("toy", seeds=[2024, 2025])
        >>> facts["dataset"], facts["seeds"], facts["embedder"]
        ('toy', [2024, 2025], None)
    """
    results = list(results)
    specs = [getattr(result, "spec", result) for result in results]
    records = [result.record for result in results if hasattr(result, "record")]  # what the runs say of themselves
    for spec in specs:
        if not dataclasses.is_dataclass(spec) or isinstance(spec, type):
            raise TypeError(
                f"results holds a {type(spec).__name__}: expected RunSpecs, or results that carry one as .spec"
            )
    if seeds is None:
        seeds = [spec.seed for spec in specs if hasattr(spec, "seed") and not getattr(spec, "solved", False)]
    language = getattr(dataset, "language", None)
    facts = {
        "dataset": dataset if isinstance(dataset, str) else getattr(dataset, "name", None),
        "fingerprint": getattr(dataset, "fingerprint", None),
        "embedder": getattr(language, "embedder", None) or _said(records, "embedder"),
        "seeds": sorted({int(seed) for seed in seeds}),
        "runs": len(specs),
        "config_hash": config_hash(specs) if specs else None,
        "numbers_version": {model: n for spec in specs for model, n in getattr(spec, "numbers_version", {}).items()},
        "commit": current_commit(),
        "kit": __version__,
        "torch": _said(records, "torch") or str(torch.__version__),
        "python": platform.python_version(),
        "device": _said(records, "device") or device,
    }
    taken = sorted(facts.keys() & extra.keys())
    if taken:
        raise ValueError(f"provenance already has {', '.join(taken)}: give the extra fact another name")
    return facts | extra


def config_hash(specs: Iterable[Any]) -> str:
    """Twelve hex digits over all fields of all `specs`, whatever their order.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Spec:
        ...     lam: float
        >>> config_hash([Spec(0.5), Spec(1.0)]) == config_hash([Spec(1.0), Spec(0.5)])
        True
    """
    lines = sorted(json.dumps(_plain(spec), sort_keys=True, default=str) for spec in specs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def current_commit() -> str:
    """The checkout's commit, with `+changes` where tracked code or notebooks differ from it; "unknown" outside git."""
    root = find_checkout()
    if root is None or not (root / ".git").exists():  # never the commit of another repository around this one
        return "unknown"
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if commit is None or commit.returncode != 0:
        return "unknown"
    changes = _git(root, "diff", "--quiet", "HEAD", "--", "dmrec_core", "notebooks")
    return commit.stdout.strip() + ("+changes" if changes is not None and changes.returncode == 1 else "")


def _git(root: Any, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine, or a checkout on a stalled disk
        return None


def _said(records: Iterable[Any], fact: str) -> str | None:
    """What the runs' records say of `fact`; all of it where they differ, e.g. "NVIDIA H200, cpu"."""
    said = {str(record[fact]) for record in records if record.get(fact) not in (None, "none")}
    return ", ".join(sorted(said)) or None


def _plain(spec: Any) -> dict[str, Any]:
    return spec.to_json() if hasattr(spec, "to_json") else dataclasses.asdict(spec)
