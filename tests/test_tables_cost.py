"""The cost table: what is measured, in which process, what the files say, and what is refused."""

import gc
import json

import numpy as np
import pytest
import torch

from dmrec_core.__main__ import main
from dmrec_core.commands.outcome import INTERRUPTED, WRONG_CALL
from dmrec_core.data import toy_dataset
from dmrec_core.data.dataset import RecDataset
from dmrec_core.paper import cost, measure
from dmrec_core.paper.budget import budgets, thousand_runs
from dmrec_core.paper.cost import CostTable, MeasurementFailed, as_markdown, as_numbers, specs_of
from dmrec_core.paper.measure import Cost, data_for
from dmrec_core.records.memory import begin_peak, peak
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import BASELINES, CARDS
from dmrec_core.runs.presets import paper_settings

SECONDS = {"mult-vae": 2.0, "kar": 5.0}


def made_up(spec, device="cpu", embedder="none"):
    seconds = SECONDS.get(spec.model, 1.0)
    return Cost(
        spec,
        {
            "parameters": 1234567,
            "epoch_seconds": [seconds, seconds * 3, seconds * 0.9],
            "epoch_processor_seconds": [2 * seconds**2] * 3,
            "evaluation_seconds": [0.25, 0.5, 0.75],
            "evaluation_processor_seconds": [0.2, 0.3, 0.4],
            "peak_mib": 300.0 * seconds,
            "load": [1.0, 2.0],
            "embedder": embedder,
            "device": device,
            "threads": 2,
            "processor": "a processor",
            "torch": torch.__version__,
        },
    )


def test_every_backbone_with_and_without_dmrec_and_every_baseline_is_measured():
    specs = specs_of("amazon", CARDS)
    assert len(specs) == 3 * 2 + len(BASELINES) and specs[0].label == "mult-vae base seed 2024"
    assert {spec.strategy for spec in specs} == {"base", "mddm"}
    assert specs[1].lam == 0.6 and specs_of("amazon", ["kar"])[0].model == "kar"


def test_what_is_solved_has_no_epochs_to_measure(capsys):
    assert main(["cost", "toy", "--models", "ease", "popularity"]) == 2
    assert "solved, not trained" in capsys.readouterr().err


def test_a_measurement_of_one_model():
    spec = paper_settings("toy", "mult-vae", "mddm")
    found = measure.measure(spec, epochs=2, device="cpu")
    record = found.record
    assert len(record["epoch_seconds"]) == 2 and len(record["evaluation_seconds"]) == measure.EVALUATIONS
    assert min(*record["epoch_seconds"], *record["evaluation_seconds"]) > 0
    assert found.seconds_an_epoch == pytest.approx(sum(record["epoch_seconds"]) / 2)
    assert len(record["textbook_processor_seconds"]) == 2
    assert measure.measure(paper_settings("toy"), 1, "cpu").record["textbook_processor_seconds"] is None
    dataset = load(spec)
    hidden, latent, width = spec.hidden, spec.latent, dataset.language.item.shape[1]
    encoder = dataset.n_items * hidden + hidden + hidden * 2 * latent + 2 * latent
    meta = width * hidden + hidden + hidden * 2 * latent + 2 * latent
    decoder = latent * hidden + hidden + hidden * dataset.n_items + dataset.n_items
    assert record["parameters"] == encoder + meta + decoder
    assert record["embedder"] == dataset.language.embedder and record["device"] == "cpu"
    with pytest.raises(ValueError, match="at least one epoch"):
        measure.measure(spec, epochs=0)


def test_a_large_array_shows_in_the_peak_even_after_it_is_gone():
    gc.collect()  # what earlier tests left must not be given back meanwhile
    start = begin_peak(torch.device("cpu"))
    if start is None:
        pytest.skip("this system does not tell a process its memory")
    small = peak(torch.device("cpu"), start)
    np.ones(256 * 2**20 // 8).sum()
    assert peak(torch.device("cpu"), start) > small + 240


def test_data_without_texts_gets_random_vectors_that_say_so(monkeypatch):
    toy = toy_dataset()
    bare = RecDataset("bare", toy.n_users, toy.n_items, toy.train, toy.valid, toy.test)
    monkeypatch.setattr(measure, "load", lambda spec: bare)
    found = data_for(paper_settings("toy", "kar"))
    assert found.language.embedder == "random, 1536 wide" and found.language.user.shape == (toy.n_users, 1536)
    np.testing.assert_allclose(np.linalg.norm(found.language.item, axis=1), 1, rtol=1e-5)
    assert data_for(paper_settings("toy", "lightgcn")).language is None


def test_numbers_are_medians_in_units_of_mult_vae():
    specs = specs_of("toy", ["mult-vae", "kar"])
    table = CostTable([made_up(spec) for spec in specs])
    rows = [as_numbers(c, table) for c in table.costs]
    assert [row["seconds_an_epoch"] for row in rows] == [2.0, 2.0, 5.0]
    assert [row["times_yardstick"] for row in rows] == [1.0, 1.0, 25 / 4], "processor time on a CPU"
    on_gpu = CostTable([made_up(spec, "a GPU") for spec in specs])
    assert on_gpu.times_yardstick(on_gpu.costs[2]) == 2.5, "elapsed time on a GPU"
    assert rows[2]["memory_times_yardstick"] == 2.5 and rows[2]["seconds_an_evaluation"] == 0.5
    alone = CostTable([made_up(specs[2])])
    assert as_numbers(alone.costs[0], alone)["times_yardstick"] is None
    unknown = CostTable([Cost(specs[0], {**made_up(specs[0]).record, "peak_mib": None, "load": [None, None]})])
    facts = {"dataset": "toy", "threads": [2], "embedder": "random, 1536 wide", "processor": "a processor",
             "precision": "float32", "torch": "2", "commit": "abc", "cores": 4}  # fmt: skip
    page = as_markdown([table, unknown], facts)
    assert (
        "| KAR |  | 1,234,567 | 5 (50) | 6.25 | 0.5 (0.3) | 1,500 | 2.5 | 1.0 → 2.0 |" in page
        and "got random ones" in page
    )
    assert "| Mult-VAE | base | 1,234,567 | 2 (8) | 1 | 0.5 (0.3) | — | — | — → — |" in page
    assert "as a textbook" not in page
    plain = Cost(specs[1], {**made_up(specs[1]).record, "textbook_processor_seconds": [16.0, 20.0, 12.0]})
    beside = CostTable([plain])
    assert as_numbers(plain, beside)["times_textbook"] == 0.5
    assert "An epoch of Mult-VAE + DMRec-M takes 0.5 × the processor's time" in as_markdown([beside], facts)


def test_the_command_measures_in_a_process_of_its_own(tmp_path, capsys):
    few = ["--models", "llmrec", "--timed-epochs", "1", "--devices", "cpu", "--threads", "1"]
    assert main(["cost", *few, "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "cost.json").read_text())
    (row,) = document["numbers"]
    assert row["model"] == "llmrec" and row["times_yardstick"] is None and row["seconds_an_epoch"] > 0
    facts = document["provenance"]
    assert (
        facts["device"] == "cpu"
        and facts["threads"] == [1]
        and facts["dataset"] == "toy"
        and facts["embedder"] == row["embedder"]
    )
    page = (tmp_path / "cost.md").read_text()
    assert "| LLMRec |" in page and page in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cost.json", "cost.md"]


def test_mult_vae_is_measured_again_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "measured", lambda spec, epochs, device, threads: made_up(spec, device))
    assert main(["cost", "--models", "mult-vae", "kar", "--devices", "cpu", "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "cost.json").read_text())
    assert document["yardstick_again"]["cpu"]["seconds_an_epoch"] == 2.0 and len(document["numbers"]) == 3
    assert (
        "Mult-VAE took 2 s an epoch, 8 s of the CPU, as the first model and 2 s" in (tmp_path / "cost.md").read_text()
    )


def test_both_devices_stand_in_one_file_and_an_interruption_keeps_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = []

    def measured(spec, epochs, device, threads):
        asked.append((spec.model, device))
        if asked[-1] == ("kar", "cuda"):
            raise KeyboardInterrupt
        return made_up(spec, "a GPU" if device == "cuda" else device)

    monkeypatch.setattr(cost, "measured", measured)
    assert main(["cost", "--models", "lightgcn", "kar", "--out", str(tmp_path)]) == INTERRUPTED
    assert asked == [("lightgcn", "cpu"), ("kar", "cpu"), ("lightgcn", "cuda"), ("kar", "cuda")]
    page = (tmp_path / "cost.md").read_text()
    assert "## cpu" in page and "## a GPU" in page and page.count("| KAR |") == 1


def test_a_model_that_fails_and_a_wrong_request_are_named(tmp_path, capsys):
    with pytest.raises(MeasurementFailed, match=r"lightgcn seed 2024 could not be measured on nowhere"):
        cost.measured(paper_settings("toy", "lightgcn"), 1, "nowhere")
    for arguments, said in (
        (["--dataset", "tay"], "'tay'"),
        (["--timed-epochs", "0"], "at least 1"),
        (["--threads", "0"], "at least 1"),
    ):
        assert main(["cost", *arguments, "--out", str(tmp_path)]) == WRONG_CALL
        assert said in capsys.readouterr().err


def test_a_budget_is_the_formula_over_what_is_kept():
    """Early stopping ends 60 epochs after the best one, 9 here; every third is validated, two splits come last."""
    measured = {"device": "cpu", "processor_seconds_an_epoch": 2.0, "processor_seconds_an_evaluation": 0.5}
    models = {"mult-vae": 10**6, "kar": 10}
    numbers = [{"model": model, "strategy": "base", "parameters": size, **measured} for model, size in models.items()]
    facts = {"dataset": "amazon", "processor": "some", "precision": "float32"}
    table = {"numbers": [{"model": "mult-vae", "strategy": "base", "best_epochs": [8, 10]}], "provenance": {}}
    (found,) = budgets({"numbers": numbers, "provenance": facts}, [table])
    assert (found.epochs, found.own_epochs, found.seconds) == (9 + 60 + 1, True, 70 * 2.0 + (24 + 2) * 0.5)
    text = thousand_runs({"numbers": numbers, "provenance": facts}, [table])
    assert (
        f"| {1000 * 153 / 86400:.1f} days |" in text and "| 16 MB |" in text and "No best epoch is kept for KAR" in text
    )
