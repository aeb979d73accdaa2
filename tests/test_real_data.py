"""The one table that says whether DMRec-M helps on real data: from kept runs, and what it says when there are none."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from dmrec_core.paper import interventions as asked
from dmrec_core.paper import real_data
from dmrec_core.paper.interventions import AS_PUBLISHED, changed, interventions
from dmrec_core.records.writer import Damaged
from dmrec_core.runs.presets import paper_settings
from tests.made_results import result

SPECS = changed("google-xrec", 0.5, embedder="minilm")
BASE = np.array([0.5, 0.4, 0.6, 0.5])


def made(spec, values, seed):
    found = vars(result(values)) | {"spec": spec.with_(seed=seed)}
    return SimpleNamespace(**found | {"record": found["record"] | {"best_epoch": 9}})


def runs(less, lam=0.5, seeds=(2024, 2025, 2026)):
    jitter = {seed: 0.001 * (seed - 2025) for seed in seeds}
    dmrec = SPECS[AS_PUBLISHED].with_(lam=lam)
    return [made(dmrec, BASE - less + jitter[seed] + 0.001 * np.array([1, -1, 1, -1]), seed) for seed in seeds]


BASES = [made(SPECS["the base"], BASE, seed) for seed in (2024, 2025, 2026)]
GFCF = made(paper_settings("google-xrec", "gf-cf"), BASE + 0.2, 2024)
EASE = made(paper_settings("google-xrec", "ease"), BASE + 0.3, 2024)  # better on test alone
EASE.metrics["valid"] = EASE.metrics["test"] | {"recall@20": 0.4}


@pytest.fixture
def kept(monkeypatch):
    """Put runs in the place of google-xrec's kept ones."""

    def put(*found):
        monkeypatch.setattr(
            asked, "measured", lambda dataset, _: interventions(found, SPECS) if dataset == "google-xrec" else []
        )
        monkeypatch.setattr(real_data, "kept_runs", lambda dataset, _: [*found])

    return put


def test_a_model_that_ranks_worse_than_its_base_is_said_to(kept):
    kept(*BASES, *runs(0.1), GFCF, EASE)
    row, said = (text.strip() for text in real_data.does_it_help().splitlines()[2::2])
    assert "| google-xrec | 3 | 0.5000 | λ = 0.5: -0.1000 ± 0.0025, **worse** | - | GF-CF: 0.7000 | -0.3000" in row
    assert said == (
        "On real data, each at the λ of the fourth column, DMRec-M ranks beside its base better on 0, worse on 1, not "
        "decided on 0; beside the linear model better on 0, worse on 1, not decided on 0."
    )


def test_where_validation_may_choose_it_says_what_it_chose(kept):
    kept(*BASES, *runs(0.1), *runs(-0.1, lam=1.0))
    table = real_data.does_it_help()
    assert "λ = 1, no matching, 3 seeds: +0.1000 ± 0.0025, **better**" in table and "beside the linear" not in table


def test_without_runs_it_says_so(kept):
    kept()
    assert real_data.does_it_help() == "No run on real data is kept here."


def test_what_notebooks_kept_of_real_data_is_found_and_toys_is_not(tmp_path):
    facts = {"embedder": "all-MiniLM-L6-v2", "seeds": [2024, 2025], "precision": "bf16"}
    document = {"name": "06_sparsity_groups", "numbers": {"groups": []}, "provenance": facts}
    for folder in (tmp_path, tmp_path / "yelp-xrec"):
        folder.mkdir(exist_ok=True)
        (folder / "06_sparsity_groups.json").write_text(json.dumps(document))
    assert real_data.kept_on("06_sparsity_groups", tmp_path) == [
        ("yelp-xrec, all-MiniLM-L6-v2, bf16, seeds 2024-2025", {"groups": []}, facts)
    ]
    assert real_data.kept_on("07_dimension_activity", tmp_path) == []
    (tmp_path / "yelp-xrec" / "06_sparsity_groups.json").write_text("{}")
    with pytest.raises(Damaged, match=r"yelp-xrec.06_sparsity_groups\.json"):
        real_data.kept_on("06_sparsity_groups", tmp_path)


def test_a_kept_table_of_any_data_set_is_read_with_what_it_came_from_and_a_missing_one_is_none(tmp_path):
    facts = {"embedder": None, "seeds": [2024]}
    document = {"name": "table_oddities", "numbers": [{"key": "a"}], "provenance": facts}
    (tmp_path / "table_oddities.json").write_text(json.dumps(document))
    assert real_data.kept_of("table_oddities", "toy", tmp_path) == ("toy, no vectors, seed 2024", [{"key": "a"}], facts)
    assert real_data.kept_of("table_oddities", "amazon", tmp_path) is None
