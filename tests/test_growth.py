"""Generated data of a size, and the table of how time and memory grow with it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dmrec_core.__main__ import main
from dmrec_core.data.sized import sized_dataset
from dmrec_core.paper import growth, measure
from dmrec_core.paper.measure import Cost
from dmrec_core.runs.presets import paper_settings


def test_generated_data_have_the_size_asked_for_and_a_long_tail():
    data = sized_dataset(500, 200, 6_000, seed=3)
    assert (data.n_users, data.n_items, data.train.nnz) == (500, 200, 6_000)
    assert data.train.getnnz(axis=1).min() >= 1 and 400 < data.test.nnz <= 500
    by_item = np.sort(data.train.getnnz(axis=0))[::-1]
    assert by_item[:20].sum() > 0.25 * by_item.sum(), "a tenth of the items has more than a quarter of the clicks"
    assert sized_dataset(500, 200, 6_000, seed=3).fingerprint == data.fingerprint
    assert sized_dataset(500, 200, 6_000, seed=4).fingerprint != data.fingerprint


@pytest.mark.parametrize("size", [(10, 10, 9), (10, 10, 34), (0, 10, 0)])
def test_a_size_that_cannot_be_is_named(size):
    with pytest.raises(ValueError, match=f"{size[2]} interactions of {size[0]} users"):
        sized_dataset(*size)


def made_up(spec, epochs, device, threads, size):
    users, items, interactions = size
    record = {"epoch_processor_seconds": [users * items**2 / 1e9] * epochs, "processor": "a processor",
              "evaluation_processor_seconds": [0.0, interactions**0.5, 1e9], "peak_mib": None}  # fmt: skip
    return Cost(spec, record)


def test_the_command_finds_the_powers_that_the_costs_have(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(growth, "measured", made_up)
    assert main(["cost", "--growth", "--models", "mult-vae", "ease", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "[1/30] Mult-VAE: 4,000 users, 1,000 items, 40,000 interactions" in said and "[30/30] EASE: " in said
    rows = json.loads((tmp_path / "growth.json").read_text())["numbers"]
    assert [(row["model"], row["strategy"]) for row in rows[::3]] == [
        ("mult-vae", "base"), ("mult-vae", "mddm"), ("ease", "base")]  # fmt: skip
    seconds, evaluation, peak = rows[:3]
    assert [seconds[axis] for axis in growth.START] == pytest.approx([1, 2, 0], abs=1e-9)
    assert [evaluation[axis] for axis in growth.START] == pytest.approx([0, 0, 0.5], abs=1e-9), "of the medians"
    assert seconds["at the start"] == pytest.approx(4.0) and peak["at the start"] is None and peak["users"] is None
    page = (tmp_path / "growth.md").read_text()
    assert "| Mult-VAE + DMRec-M | seconds | 4 | 1.00 | 2.00 | 0.00 |" in page
    assert "| EASE | peak, MiB | — | — |" in page


def test_a_solution_is_measured_like_an_epoch():
    data = sized_dataset(60, 30, 300)
    found = measure.measure(paper_settings("amazon", "ease", "base"), 2, "cpu", dataset=data)
    assert len(found.record["epoch_seconds"]) == len(found.record["evaluation_seconds"]) == 2
    assert min(found.record["epoch_seconds"]) > 0 and found.record["embedder"] == "none"
    text = measure.data_for(paper_settings("amazon", "mult-vae", "mddm"), data)
    assert text.language.item.shape == (30, measure.WIDTH) and text.train.nnz == 300
