"""Data sets: made, downloaded, or the user's own, all as one `RecDataset`."""

from dmrec_core.data.dataset import DataError, Profiles, RecDataset, SemanticVectors
from dmrec_core.data.toy import ToyTruth, toy_dataset, toy_ground_truth

__all__ = [
    "DataError",
    "Profiles",
    "RecDataset",
    "SemanticVectors",
    "ToyTruth",
    "load_dataset",
    "toy_dataset",
    "toy_ground_truth",
]


def load_dataset(name: str, **options: object) -> RecDataset:
    """The data set called `name`, with `options` passed to its loader."""
    if name == "toy":
        return toy_dataset(**options)
    raise ValueError(f"unknown data set {name!r}")
