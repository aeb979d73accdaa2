"""Settings have a type and a range: what a spec accepts, what it refuses, and what it says."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from dmrec_core.records.ranges import RANGES, checked, known, short
from dmrec_core.runs import CARDS, RunSpec, grid, paper_settings
from dmrec_core.training import TrainSettings
from dmrec_core.training.device import resolve_device


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), 7.0, np.float32(7), torch.tensor(7), np.array(7)])
def test_a_number_of_any_kind_is_that_number(seed):
    spec = RunSpec(seed=seed)
    assert spec == RunSpec(seed=7) and type(spec.seed) is int
    assert json.dumps(spec.to_json()) and spec.key("data") == RunSpec(seed=7).key("data")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("patience", value) for value in (math.nan, 0, -1, 1.5, math.inf, "20", None, True, [20])),
        *(("epochs", value) for value in (1.5, 0, np.float64("nan"), 2**70)),
        *(("learning_rate", value) for value in (0, -1e-3, math.nan, math.inf, "fast")),
        *(("weight_decay", value) for value in (-1, math.nan)),
        *(("batch_size", value) for value in (0, 2.5)),
        *(("precision", value) for value in ("fp16", None, 32)),
        *(
            ("monitor", value)
            for value in ("recall@0", "recall@", "recall", "hits@20", "recall@-1", "recall@1.5", "", "recall@²")
        ),
    ],
)
def test_training_settings_are_refused_by_name(field, value):
    name = "metric" if field == "monitor" else field
    with pytest.raises(ValueError, match=f"{name} (must be|is one of)"):
        TrainSettings(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("seed", value) for value in (1.5, -1, math.nan, "2024", None, True)),
        *(("latent", value) for value in (0, -3, 2.5)),
        ("hidden", 0),
        *(("dropout", value) for value in (2, 1, -0.1, math.nan)),
        *(("kl_weight", value) for value in (-1, math.nan, math.inf)),
        *(
            ("vectors", value)
            for value in ("shuffled:", "noisy:", "noisy:2", "noisy:-1", "noisy:x", "noisy", "Real", None)
        ),
        ("profiles", "mine"),
        ("train", {"epochs": 3}),
    ],
)
def test_a_spec_refuses_by_name(field, value):
    strategy = {"strategy": "base"} if field == "kl_weight" else {"strategy": "mddm", "lam": 0.5}
    with pytest.raises(ValueError, match=field):
        RunSpec(**strategy | {field: value})


@pytest.mark.parametrize("lam", [-0.1, math.nan, math.inf, 1.01, "0.5", None, True])
def test_lambda_is_a_number_of_its_strategys_range(lam):
    with pytest.raises(ValueError, match="lam"):
        RunSpec(strategy="mddm", lam=lam)


def test_models_settings_and_loaders_options_go_through_the_table():
    for name, value in (("reg_weight", -1), ("temperature", 0), ("layers", 1.5), ("clusters", 0), ("mask_ratio", 2)):
        with pytest.raises(ValueError, match=name):
            RunSpec(model="lightgcn", settings={name: value})
    with pytest.raises(ValueError, match="noise"):
        RunSpec(options={"noise": 1.5})
    same = [RunSpec(model="lightgcn", settings={"layers": n}) for n in (2, np.int64(2), 2.0)]
    assert len({spec.key("data") for spec in same}) == 1
    assert len(grid(RunSpec(), seed=np.arange(3))) == 3


def test_every_preset_passes_and_keeps_its_values():
    for dataset in ("toy", "amazon", "yelp", "steam"):
        for model, card in CARDS.items():
            for strategy in ("base", "mddm") if card.is_backbone else ("base",):
                spec = paper_settings(dataset, model, strategy)
                assert RunSpec.from_json(spec.to_json()) == spec
                unknown = {name for name, _ in spec.settings} - set(RANGES)
                assert not unknown, f"no range for {unknown}"


def test_names_are_told_from_near_ones():
    with pytest.raises(ValueError, match=r"Did you mean 'mddm'"):
        RunSpec(strategy="mdmm", lam=0.5)
    with pytest.raises(ValueError, match=r"Did you mean 'l-diffrec'"):
        RunSpec(model="ldiffrec")
    assert known("x", "a", ["a"]) == "a" and checked("not in the table", object) is object


def test_devices_are_named():
    for device in ("gpu", "cuda:x", "", 3.5):
        with pytest.raises((ValueError, TypeError), match="device"):
            resolve_device(device)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA here"):
            resolve_device("cuda")


def test_a_message_is_short_whatever_was_given():
    assert len(short("x" * 10_000)) == 80
    with pytest.raises(ValueError) as told:
        checked("seed", list(range(10_000)))
    assert len(str(told.value)) < 200
    assert checked("dropout", Fraction(1, 4)) == 0.25
