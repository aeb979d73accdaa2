"""What a run measured, without its weights: some tens of kB that travel where the run itself, of 20 MB, does not.

A file holds the run's spec, means, record and history, and for every user which of the best 20 places were hits: every
metric of every user follows from these. Put back, it is a finished run that knows its numbers and has no model.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from copy import copy
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

from dmrec_core.data import RecDataset
from dmrec_core.data.arrays import damage_named, read_npz
from dmrec_core.records.files import write_whole
from dmrec_core.runs.folder import HISTORY, MEASURED, NOT_KEPT, PER_USER, SPEC, SPLITS, seal, whole_folder
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult
from dmrec_core.training.checkpoint import save_tensors
from dmrec_core.training.evaluate import CUTOFFS, RankingMetrics, ranking_metrics

DOCUMENT = "document"  # the array that holds spec, record and history, as JSON
CLOSE = 1e-9  # of two sums of discounts between two cut-offs, which differ by 1e-5 at least


def hits_of(ranked: RankingMetrics, relevant: np.ndarray) -> np.ndarray:
    r"""Which of each user's best places were hits, from NDCG alone.

    $\mathrm{NDCG@}N$ times its ideal is $\sum_{r \le N,\,\text{hit}} 1/\log_2(r+1)$, and between two cut-offs no two
    sets of places have the same sum.

    Args:
        ranked: of n users, measured at every one of `CUTOFFS`.
        relevant: $|T_u|$, `(n,)`, at least 1.

    Returns:
        `(n, 20)`, True where the item at that place was held out.

    Raises:
        ValueError: these are no metrics of a ranking.
    """
    hits = np.zeros((len(relevant), max(CUTOFFS)), dtype=bool)
    discount = 1 / np.log2(np.arange(2, max(CUTOFFS) + 2))
    ideal, before = discount.cumsum(), np.zeros(len(relevant))
    for start, end in zip((0, *CUTOFFS), CUTOFFS, strict=False):
        sets = (np.arange(2 ** (end - start))[:, None] >> np.arange(end - start)) % 2 == 1
        sums = sets @ discount[start:end]
        order = np.argsort(sums)
        reached = ranked.per_user[f"ndcg@{end}"] * ideal[np.minimum(relevant, end) - 1]
        place = np.searchsorted(sums[order], reached - before - CLOSE).clip(max=len(sums) - 1)
        hits[:, start:end], before = sets[order[place]], reached
    again = ranking_metrics(torch.from_numpy(hits), torch.from_numpy(relevant))
    wrong = [name for name, values in again.items() if not np.allclose(values, ranked.per_user[name], atol=CLOSE)]
    if wrong:
        raise ValueError(f"{wrong[0]} is not that of a ranking")
    return hits


def save_measurements(result: RunResult, dataset: RecDataset, folder: Path) -> Path:
    """Write what a run measured to `<name of its folder>.npz`.

    Args:
        result: a finished run.
        dataset: its interactions.
        folder: where the file goes.

    Returns:
        Its path.
    """
    places = 1 << np.arange(max(CUTOFFS), dtype=np.uint32)
    arrays = {}
    for split, ranked in result.per_user.items():
        counts = np.diff(getattr(dataset, split).indptr)
        arrays[f"{split}.relevant"] = counts.astype(np.uint16)
        arrays[f"{split}.hits"] = hits_of(ranked, counts[ranked.users]).astype(np.uint32) @ places
    history = result.history.to_csv(index=False, float_format="%.6g")
    trained = result.spec.as_trained
    named = result.folder.name.endswith(f"-{trained.key(str(result.record['fingerprint']))}")
    document = {
        "spec": (trained if named else result.spec).to_json(),
        "record": dict(result.record),
        "history": history,
    }
    arrays[DOCUMENT] = np.frombuffer(json.dumps(document).encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    path = Path(folder) / f"{result.folder.name}.npz"
    write_whole(path, stream.getvalue())
    return path


class Measurements:
    """A file that `save_measurements` wrote.

    Args:
        path: of the file.

    Raises:
        DataError: it is damaged, or its name is not its run's: of other data, or of an older numbers version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with damage_named(self.path, "these are no measurements of a run", "get it again, or delete it"):
            arrays, _ = read_npz(self.path)
            document = json.loads(arrays[DOCUMENT].tobytes())
            self.spec = RunSpec.from_json(document["spec"])
            self.record: dict = document["record"]
            self.history: str = document["history"]
            found = {split: _hits(arrays, split) for split in SPLITS}
            key = self.spec.key(self.record["fingerprint"])
            if not self.path.stem.endswith((f"-{key}", f"-{self.spec.own_key(self.record['fingerprint'])}")):
                raise ValueError(f"by its spec and the code's numbers version it would be {key}")

        self._ranked = cache(
            lambda: {split: _ranked(*places) for split, places in found.items()}
        )  # once, also for `read_as`

    @property
    def per_user(self) -> dict[str, RankingMetrics]:
        """Split -> every metric of every ranked user."""
        return self._ranked()

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Split -> metric -> mean over users."""
        return {split: ranked.means() for split, ranked in self.per_user.items()}

    def read_as(self, spec: RunSpec) -> Measurements:
        """The same measurements under another name of the run, see `RunSpec.as_trained`."""
        other = copy(self)
        other.spec = spec
        return other

    def put_back(self, runs: Path) -> bool:
        """Make it a finished run in `runs`, whole or not at all; False where there is one of this name, begun or done.

        Raises:
            Unwritable: it cannot be written.
        """
        folder = Path(runs) / self.path.stem
        if folder.exists():
            return False
        with whole_folder(folder) as arriving:
            write_whole(arriving / SPEC, json.dumps(self.spec.to_json(), indent=1).encode())
            write_whole(arriving / HISTORY, self.history.encode())
            tensors = {}
            for split, ranked in self.per_user.items():
                values = {"users": ranked.users, **ranked.per_user}
                tensors |= {f"{split}.{name}": torch.from_numpy(value) for name, value in values.items()}
            save_tensors(arriving / PER_USER, tensors)
            seal(arriving, self.metrics, {**self.record, "weights": NOT_KEPT}, MEASURED)
        return True


def _hits(arrays: dict[str, np.ndarray], split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is ranked, how many items each has, `(n,)`, and which of the best places were hits, `(n, 20)`."""
    relevant, places = arrays[f"{split}.relevant"].astype(np.int64), arrays[f"{split}.hits"]
    users = np.flatnonzero(relevant)
    if places.shape != users.shape:
        raise ValueError(f"{split}: {len(places)} rankings of {len(users)} users")
    return users, relevant[users], places[:, None] >> np.arange(max(CUTOFFS), dtype=np.uint32) & 1 == 1


def _ranked(users: np.ndarray, relevant: np.ndarray, hits: np.ndarray) -> RankingMetrics:
    values = ranking_metrics(torch.from_numpy(hits), torch.from_numpy(relevant))
    return RankingMetrics(users, {name: value.numpy() for name, value in values.items()})


def measurements_in(folder: Path) -> Iterator[Measurements]:
    """All that are kept in a folder, in the order of their names; none where there is no folder."""
    for path in sorted(Path(folder).glob("*.npz")):
        with damage_named(path, "these measurements of a run cannot be read", "get them again, or delete the file"):
            found = path.stat()
        yield _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, *_: int) -> Measurements:
    """A file as it was at that time and size: pages ask for the same ones again and again."""
    return Measurements(path)
