"""The one writer of figures: whole files, finite numbers, nothing that differs when made again."""

from __future__ import annotations

import dataclasses
import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from dmrec_core.records import origin as provenance_module
from dmrec_core.records.checkout import NotACheckout, checkout, find_checkout
from dmrec_core.records.origin import config_hash, current_commit
from dmrec_core.records.writer import plain_numbers, provenance, record
from dmrec_core.training.device import device_name


@dataclasses.dataclass(frozen=True)
class Spec:
    lam: float
    seed: int = 2024

    @property
    def numbers_version(self) -> dict:
        return {"kar": 3, "lightgcn": 1}


@dataclasses.dataclass
class Result:
    spec: Spec
    record: dict = dataclasses.field(default_factory=dict)


def draw() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2, 3])
    return figure


def test_numbers_of_every_kind_become_plain(tmp_path):
    frame = pd.DataFrame({"recall": [0.1, 0.2]}, index=pd.Index(["base", "DMRec-M"], name="model"))
    numbers = {"array": np.eye(2, dtype="float32"), "table": frame, "tensor": torch.tensor([1, 2]),
               "nested": [{"n": np.int64(3), "third": 1 / 3}], "none": None, 0.5: True}  # fmt: skip
    path = record("01_x", draw(), numbers, {"dataset": "toy"}, folder=tmp_path)
    assert path == tmp_path / "01_x.json"
    kept = json.loads(path.read_text())
    assert kept["provenance"] == {"dataset": "toy"}
    assert kept["numbers"] == {
        "array": [[1.0, 0.0], [0.0, 1.0]],
        "table": [{"model": "base", "recall": 0.1}, {"model": "DMRec-M", "recall": 0.2}],
        "tensor": [1, 2],
        "nested": [{"n": 3, "third": 0.333333}],
        "none": None,
        "0.5": True,
    }
    assert list(kept["numbers"]) == sorted(kept["numbers"])
    assert {file.name for file in tmp_path.iterdir()} == {"01_x.png", "01_x.svg", "01_x.json"}


@pytest.mark.parametrize(
    ("numbers", "error", "said"),
    [
        ({"curve": [0.1, float("nan")]}, ValueError, r"numbers\.curve\[1\] is nan"),
        ({"a": {"b": np.float32("inf")}}, ValueError, r"numbers\.a\.b is inf"),
        ({"frame": pd.DataFrame({"x": [None, 1.0]})}, ValueError, r"numbers\.frame\[0\]\.x is nan"),
        ({"when": object()}, TypeError, r"numbers\.when is a object"),
        ({1: 0, "1": 0}, ValueError, "two keys that are both '1'"),
    ],
)
def test_what_a_figure_cannot_keep_is_refused_and_nothing_is_written(tmp_path, numbers, error, said):
    with pytest.raises(error, match=said):
        record("01_x", draw(), numbers, {}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("precision", "said"), [("float32", False), ("bf16", True)])
def test_a_picture_says_what_its_runs_were_made_in_where_it_is_not_float32(tmp_path, precision, said):
    figure = draw()
    record("01_x", figure, {}, {"dataset": "toy", "precision": precision}, folder=tmp_path)
    assert figure.texts[0].get_text().startswith("data: toy") and ("bf16" in figure.texts[0].get_text()) == said


def test_a_picture_that_cannot_be_drawn_leaves_the_old_files(tmp_path):
    record("01_x", draw(), {"n": 1}, {}, folder=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = draw()
    broken.axes[0].set_title("$\\no such symbol$")
    with pytest.raises(ValueError, match="no such symbol"):
        record("01_x", broken, {"n": 2}, {}, folder=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["", "a/b", "../a"])
def test_a_name_with_a_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="without folders"):
        record(name, draw(), {}, {}, folder=tmp_path)


def test_a_relative_folder_is_meant_from_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "checkout/notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout/notebooks")  # where JupyterLab runs a notebook
    monkeypatch.setattr("dmrec_core.records.checkout.find_checkout", lambda: tmp_path / "checkout")
    assert record("01_x", draw(), {}, {}, folder="figures") == tmp_path / "checkout/figures/01_x.json"
    monkeypatch.setattr("dmrec_core.records.checkout.find_checkout", lambda: None)  # an installed copy
    assert record("01_x", draw(), {}, {}, folder="figures").parent == tmp_path / "checkout/notebooks/figures"


def test_timings_have_a_file_of_their_own(tmp_path):
    first = record("01_x", draw(), {"n": 1}, {}, folder=tmp_path, timings={"epoch": 0.1}).read_bytes()
    second = record("01_x", draw(), {"n": 1}, {}, folder=tmp_path, timings={"epoch": 0.2}).read_bytes()
    assert first == second
    assert json.loads((tmp_path / "01_x.timing.json").read_text())["timings"] == {"epoch": 0.2}


def test_a_tuned_figure_takes_no_others_place(tmp_path):
    plain = record("10_x", draw(), {"n": 1}, {"tuned": []}, folder=tmp_path)
    tuned = record("10_x", figure := draw(), {"n": 2}, {"tuned": [0.2, 0.5]}, folder=tmp_path)
    assert figure.texts[-1].get_text() == "settings chosen by validation"
    assert (plain.name, tuned.name) == ("10_x.json", "10_x_tuned.json")
    assert json.loads(plain.read_text())["numbers"] == {"n": 1}
    assert {path.suffix for path in tmp_path.glob("10_x_tuned.*")} == {".json", ".png", ".svg"}


def test_provenance_reads_specs_results_and_the_data_set():
    class Data:
        name, fingerprint = "toy", "abc"
        language = type("Language", (), {"embedder": "tfidf-svd-64"})

    facts = provenance(Data(), [Spec(0.5, 2025), Result(Spec(0.2, 2024))], variant="published")
    assert facts["dataset"] == "toy" and facts["fingerprint"] == "abc" and facts["embedder"] == "tfidf-svd-64"
    assert facts["seeds"] == [2024, 2025] and facts["runs"] == 2 and facts["variant"] == "published"
    assert facts["config_hash"] == config_hash([Spec(0.2, 2024), Spec(0.5, 2025)]) != config_hash([Spec(0.2, 2024)])
    assert facts["device"] == "cpu" and facts["torch"] == torch.__version__
    assert facts["numbers_version"] == {"kar": 3, "lightgcn": 1} and provenance("toy")["numbers_version"] == {}
    assert plain_numbers(facts) == facts
    assert "time" not in " ".join(facts)


def test_a_run_says_itself_where_it_was_computed():
    gpu = Result(Spec(0.5), {"device": "NVIDIA H200", "torch": "2.13.0", "embedder": "tfidf-svd-64"})
    base = Result(Spec(0.2), {"device": "cpu", "torch": "2.13.0", "embedder": "none"})
    facts = provenance("toy", [gpu, base], device="cpu")
    assert (facts["device"], facts["torch"], facts["embedder"]) == ("NVIDIA H200, cpu", "2.13.0", "tfidf-svd-64")


def test_provenance_refuses_what_is_not_a_spec_or_hides_a_fact():
    with pytest.raises(TypeError, match="results holds a dict"):
        provenance("toy", [{"lam": 0.5}])
    with pytest.raises(ValueError, match="already has commit"):
        provenance("toy", commit="mine")


def test_commit_is_this_checkouts_or_unknown(tmp_path, monkeypatch, checkout):
    if (checkout / ".git").exists():
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
        assert head.stdout.startswith(current_commit().removesuffix("+changes"))
    monkeypatch.setattr(provenance_module, "find_checkout", lambda: tmp_path)
    assert current_commit() == "unknown"  # no repository
    (tmp_path / ".git").mkdir()
    assert current_commit() == "unknown"  # a broken one
    monkeypatch.setenv("PATH", str(tmp_path))
    assert current_commit() == "unknown"  # no git


def test_device_is_named():
    assert device_name(torch.device("cpu")) == "cpu"


def test_an_installed_copy_says_that_the_notebooks_are_in_the_clone(tmp_path, monkeypatch):
    monkeypatch.setattr("dmrec_core.records.checkout.PACKAGE_PARENT", tmp_path)
    assert find_checkout() is None
    with pytest.raises(NotACheckout, match="git clone"):
        checkout()
