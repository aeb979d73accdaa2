"""The settings of the linear references: which are tried, and which validation chose on the data sets of the kit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The one place for what is tried; among equals the first is chosen.
GRIDS: Mapping[str, Mapping[str, Sequence]] = {
    "popularity": {},
    "item-knn": {"shrinkage": (0, 10, 100, 1000)},
    "ease": {"l2": (50, 200, 500, 1000)},
    "gf-cf": {"k": (16, 32, 64, 96, 128), "filter_weight": (0.3, 1.0)},
    "ials": {"latent": (32,), "unobserved": (0.003, 0.01, 0.03)},
    "l3ae": {"l2": (50, 200, 1000), "distillation": (10, 100)},
}
TEXT_WEIGHTS = (0.0, 0.003, 0.01, 0.03)  # of item-kNN, EASE, GF-CF and iALS with text, at what is chosen

# What validation chose of them, by `python -m dmrec_core tables --tables linear`; a test holds it against
# figures/<data set>/linear.json. Other data take each model's own defaults.
CHOSEN: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "toy": {
        "item-knn": {"shrinkage": 100},
        "ease": {"l2": 200},
        "gf-cf": {"filter_weight": 1, "k": 16},
        "ials": {"latent": 32, "unobserved": 0.003},
        "l3ae": {"distillation": 100, "l2": 1000},
        "item-knn text": {"shrinkage": 100, "text_weight": 0.03},
        "ease text": {"l2": 200, "text_weight": 0.01},
        "gf-cf text": {"filter_weight": 1, "k": 16, "text_weight": 0.003},
        "ials text": {"latent": 32, "text_weight": 0.01, "unobserved": 0.003},
    },
    "amazon": {
        "item-knn": {"shrinkage": 10},
        "ease": {"l2": 50},
        "gf-cf": {"filter_weight": 0.3, "k": 64},
    },
    "yelp": {
        "ease": {"l2": 500},
        "item-knn": {"shrinkage": 1000},
        "gf-cf": {"filter_weight": 1, "k": 96},
    },
    "yelp-xrec": {
        "item-knn": {"shrinkage": 100},
        "ease": {"l2": 1000},
        "gf-cf": {"filter_weight": 1, "k": 64},
        "ials": {"latent": 32, "unobserved": 0.03},
    },
    "google-xrec": {
        "item-knn": {"shrinkage": 100},
        "ease": {"l2": 200},
        "gf-cf": {"filter_weight": 1, "k": 32},
        "ials": {"latent": 32, "unobserved": 0.01},
        "l3ae": {"distillation": 10, "l2": 200},
        "item-knn text": {"shrinkage": 100, "text_weight": 0.01},
        "ease text": {"l2": 200, "text_weight": 0.003},
        "gf-cf text": {"filter_weight": 1, "k": 32, "text_weight": 0.003},
        "ials text": {"latent": 32, "text_weight": 0.03, "unobserved": 0.01},
    },
    "steam-part": {
        "item-knn": {"shrinkage": 1000},
        "ease": {"l2": 1000},
        "gf-cf": {"filter_weight": 1, "k": 32},
        "ials": {"latent": 32, "unobserved": 0.03},
        "l3ae": {"distillation": 100, "l2": 1000},
        "item-knn text": {"shrinkage": 1000, "text_weight": 0.01},
        "ease text": {"l2": 1000, "text_weight": 0.003},
        "gf-cf text": {"filter_weight": 1, "k": 32, "text_weight": 0.01},
        "ials text": {"latent": 32, "text_weight": 0.03, "unobserved": 0.03},
    },
}
