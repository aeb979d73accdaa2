"""What a latent dimension is about: where users lie along it, and which items it pushes up and down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dmrec_core.analysis.statistics import dimension_activity, posterior_means
from dmrec_core.data import RecDataset
from dmrec_core.runs.store import RunResult


@dataclass(frozen=True)
class Dimensions:
    """A trained model's latent dimensions, the most active first.

    Args:
        dimension: the model's own index of each, `(d,)`.
        means: posterior means, `(U, d)`.
        activity: $a_k$, `(d,)`, descending.
        pushes: by how much each item's logit rises from two standard deviations below a dimension's mean to two above,
            all other dimensions at their means, `(d, I)`.
    """

    dimension: np.ndarray
    means: np.ndarray
    activity: np.ndarray
    pushes: np.ndarray

    def pushed(self, rank: int, n: int = 3) -> tuple[list[int], list[int]]:
        """The n items that the dimension of that rank (0 is the most active) pushes up most, and down most."""
        order = np.argsort(-self.pushes[rank], kind="stable")
        return order[:n].tolist(), order[::-1][:n].tolist()


def dimensions_of(result: RunResult, dataset: RecDataset, which: str = "fused") -> Dimensions:
    """Look into a finished run.

    Args:
        result: a base model's or DMRec's.
        dataset: the one it was trained on.
        which: the mean to look at, as in `analysis.posterior_means`. Whichever it is, the pushes start from the mean
            that is decoded: moving one of its summands by a step moves it by that step.
    """
    model = result.model(dataset)
    means = posterior_means(model, dataset, which)
    activity = dimension_activity(means)
    order = np.argsort(-activity, kind="stable")
    centre = torch.from_numpy(posterior_means(model, dataset).mean(0))  # (d,)
    step = torch.diag(torch.from_numpy(2 * np.sqrt(activity)).to(centre.dtype))  # (d, d)
    with torch.inference_mode():
        pushes = model.backbone.decode(centre + step) - model.backbone.decode(centre - step)  # (d, I)
    return Dimensions(order, means[:, order], activity[order], pushes.numpy()[order])
