"""The settings of the linear references: which are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The one place for what is tried; among equals the first is chosen. None: not given, so all neighbours are kept.
GRIDS: Mapping[str, Mapping[str, Sequence]] = {
    "popularity": {},
    "item-knn": {"shrinkage": (0, 10, 100), "neighbours": (None, 200)},
    "ease": {"l2": (20, 50, 200, 500, 1000, 2000)},
    "gf-cf": {"k": (16, 32, 64, 96, 128), "filter_weight": (0.3, 1.0)},
    "ials": {"latent": (32,), "unobserved": (0.03, 0.1), "reg": (0.01, 0.03)},
    "l3ae": {"l2": (50, 200, 1000), "l2_text": (10, 100), "distillation": (10, 100)},
}
TEXT_WEIGHTS = (0.0, 0.003, 0.01, 0.03, 0.1)  # of item-kNN, EASE, GF-CF and iALS with text, at what is chosen
