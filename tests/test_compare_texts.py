"""The texts of a data set against each other: which arms there are, and a table that compares them in pairs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dmrec_core.__main__ import main
from dmrec_core.data import toy_dataset
from dmrec_core.language import with_language
from dmrec_core.paper import texts as compare_texts
from dmrec_core.paper.texts import as_markdown, text_arms, texts_table
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings

QUICK = TrainSettings(epochs=2, batch_size=256)
SPEC = paper_settings("toy", strategy="mddm", train=QUICK)


def test_arms_are_what_the_data_can_give_and_equal_vectors_are_one_arm():
    data = load(SPEC)
    assert list(text_arms(SPEC, data)) == [
        "given: tfidf-svd-128",
        "extractive: tfidf-svd-128, extractive profiles",
        "titles: tfidf-svd-128, titles only",
    ], "TF-IDF is what toy has already"
    untitled = replace(data, titles=None)
    assert [arm.profiles for arm in text_arms(SPEC, untitled).values()] == ["given", "extractive"]
    assert [arm.profiles for arm in text_arms(SPEC, replace(untitled, profiles=None)).values()] == ["given"]


def test_the_table_is_paired_and_the_first_arm_has_no_difference(tmp_path):
    data = with_language(toy_dataset(n_users=100, n_items=60), "tfidf")
    seeds = (1, 2)
    given = [run(spec, data, runs=tmp_path) for spec in grid(SPEC, seed=seeds)]
    base = [run(spec, data, runs=tmp_path) for spec in grid(paper_settings("toy", train=QUICK), seed=seeds)]
    table = texts_table({"given": given}, base, ["recall@20"])
    first, last = table.to_dict("records")
    assert first["difference"] is None or np.isnan(first["difference"])
    means = [np.mean([r.metrics["test"]["recall@20"] for r in runs]) for runs in (given, base)]
    assert last["difference"] == pytest.approx(means[1] - means[0]) and last["texts"] == "none (base model)"
    lines = as_markdown(table).splitlines()
    assert len(lines) == 4 and f"{means[1] - means[0]:+.4f} ± " in lines[-1]
    single = as_markdown(texts_table({"given": given[:1]}, base[:1], ["recall@20"]))
    assert "±" not in single and "not decided by these seeds" in single and "nan" not in single


def test_the_command_writes_the_table_and_its_provenance(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DMREC_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(compare_texts, "paper_settings", lambda *a, **k: paper_settings(*a, **{**k, "train": QUICK}))
    assert main(["texts", "--seeds", "1", "2", "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "texts.json").read_text())
    assert {row["texts"] for row in document["numbers"]["texts"]} == {
        "given", "extractive", "titles", "none (base model)",
    }  # fmt: skip
    assert document["provenance"]["seeds"] == [1, 2] and document["provenance"]["dataset"] == "toy"
    assert (tmp_path / "texts.md").read_text() in capsys.readouterr().out
    assert main(["texts", "--seeds", "1", "2", "--beside", "titles", "--out", str(tmp_path)]) == 0
    fewer = json.loads((tmp_path / "texts.json").read_text())["numbers"]["texts"]
    assert {row["texts"] for row in fewer} == {"given", "titles", "none (base model)"}
    capsys.readouterr()
    assert main(["texts", "--dataset", "nowhere"]) == 2 and "nowhere" in capsys.readouterr().err
