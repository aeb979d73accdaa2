"""From pairs of users and items to a data set's splits: the stable core, new ids, a seeded split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from dmrec_core.data.dataset import SPLITS
from dmrec_core.data.split import split_per_user

FEWEST = 5  # interactions a user or an item needs
SEED = 2024


def keep_core(pairs: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """Drop users and items with fewer than `fewest` rows until none is left."""
    while True:
        often = [pairs.groupby(column)[column].transform("size") >= fewest for column in ("user", "item")]
        if (often[0] & often[1]).all():
            return pairs
        pairs = pairs[often[0] & often[1]]


def split_pairs(pairs: pd.DataFrame) -> dict[str, np.ndarray]:
    """New ids in ascending order of the old ones, and `split_per_user` with `default_rng(2024)`.

    Args:
        pairs: columns `user` and `item`, each pair once.

    Returns:
        `train`, `valid`, `test`, each (2, n) int32 users and items; `user_ids` (U,) and `item_ids` (I,), the old ids.

    Example:
        >>> arrays = split_pairs(pd.DataFrame({"user": [7, 7, 7], "item": [1, 5, 9]}))
        >>> [arrays[split].shape[1] for split in SPLITS], arrays["item_ids"].tolist()
        ([1, 1, 1], [1, 5, 9])
    """
    user_ids, users = np.unique(pairs["user"], return_inverse=True)
    item_ids, items = np.unique(pairs["item"], return_inverse=True)
    whole = sparse.csr_matrix((np.ones(len(users)), (users, items)), shape=(len(user_ids), len(item_ids)))
    splits = zip(SPLITS, split_per_user(whole, np.random.default_rng(SEED)), strict=True)
    arrays = {split: np.stack(part.nonzero()).astype(np.int32) for split, part in splits}
    return arrays | {"user_ids": user_ids, "item_ids": item_ids}


def split_fields(arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
    """What `split_pairs` gave, as `RecDataset` takes it."""
    shape = (len(arrays["user_ids"]), len(arrays["item_ids"]))
    splits = {s: sparse.csr_matrix((np.ones(arrays[s].shape[1]), arrays[s]), shape=shape) for s in SPLITS}
    ids = {name: arrays[name].tolist() for name in ("user_ids", "item_ids")}
    return {"n_users": shape[0], "n_items": shape[1], **splits, **ids}


def count_pairs(pairs: pd.DataFrame, when: str) -> dict[str, int]:
    """How many users, items and interactions there were `when`, for a data set's `source`."""
    return {
        f"users_{when}": int(pairs["user"].nunique()),
        f"items_{when}": int(pairs["item"].nunique()),
        f"interactions_{when}": len(pairs),
    }
