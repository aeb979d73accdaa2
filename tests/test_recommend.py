"""From a folder of csv files to a list for every user."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from dmrec_core.__main__ import main
from dmrec_core.data import load_own, toy_dataset
from dmrec_core.runs import recommend
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.recommend import recommendations
from dmrec_core.runs.store import folder_of, run
from dmrec_core.runs.sweeps import sweep
from dmrec_core.training.fit import TrainSettings
from dmrec_core.training.floors import Popularity
from tests.hostile_texts import write_own


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DMREC_RUNS", str(tmp_path / "runs"))
    made = toy_dataset(n_users=60, n_items=40)
    users, items = (made.train + made.valid + made.test).nonzero()
    (tmp_path / "shop").mkdir()
    liked = pd.DataFrame({"user": [f"u{u}" for u in users], "item": [f"i{i}" for i in items]})
    liked.to_csv(tmp_path / "shop" / "interactions.csv", index=False)
    texts = pd.DataFrame({"item": [f"i{i}" for i in range(40)], "title": made.titles, "text": made.profiles.item})
    texts.to_csv(tmp_path / "shop" / "items.csv", index=False)
    return tmp_path / "shop"


def test_everybody_gets_new_items_best_first(folder):
    data = load_own(folder)
    table = recommendations(Popularity(data.train).solve(), data, n=5, batch_size=7)
    assert list(table) == ["user", "rank", "item", "title", "score"]
    assert set(table["user"]) == set(data.user_ids) and table["rank"].max() == 5
    had = pd.read_csv(folder / "interactions.csv")
    assert table.merge(had, on=["user", "item"]).empty, "not what they have, in any split"
    assert (table.groupby("user")["score"].diff().dropna() <= 0).all()
    everything = recommendations(Popularity(data.train).solve(), data, n=1000)
    assert len(everything) + len(had) == data.n_users * data.n_items, "no more than there is"
    assert np.isfinite(everything["score"]).all()


def test_from_csv_to_a_list_in_one_command(folder, capsys, monkeypatch):
    assert main(["recommend", str(folder), "--embedder", "tfidf", "-n", "3"]) == 0
    said = capsys.readouterr()
    assert "mult-vae base" in said.out and "λ=0.5" in said.out and "vectors: tfidf-svd" in said.out
    assert "runs" in said.err, "progress"
    assert "cells begin" not in said.out
    table = pd.read_csv(folder / "recommendations.csv")
    assert table.groupby("user").size().eq(3).all()
    (folder / "recommendations.csv").unlink()
    with monkeypatch.context() as narrow, pytest.raises(UnicodeEncodeError):
        narrow.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict"))
        main(["recommend", str(folder), "--embedder", "tfidf", "-n", "3"])
    assert pd.read_csv(folder / "recommendations.csv").equals(table), "written before anything is printed"
    monkeypatch.chdir(folder.parent)
    spec = paper_settings("shop", strategy="mddm", embedder="tfidf")
    assert folder_of(spec) == folder_of(paper_settings(str(folder), strategy="mddm", embedder="tfidf")), "one folder"
    assert folder_of(spec).exists() and folder_of(spec).name.startswith("shop-mult-vae-mddm-")


def test_a_linear_reference_recommends_alone(folder, capsys):
    assert main(["recommend", str(folder), "--backbone", "ease", "-n", "3", "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "vectors: none; solved, no seed" in said
    assert said.count("test recall@20") == 1 and "one seed" not in said
    spec = paper_settings(str(folder), "ease")
    best = run(spec).model(load(spec))
    expected = recommendations(best, load(spec), 3)
    assert pd.read_csv(folder / "recommendations.csv")["item"].astype(str).tolist() == [*map(str, expected["item"])]


def test_a_title_that_is_a_formula_is_written_as_text_and_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DMREC_RUNS", str(tmp_path / "runs"))
    short = TrainSettings(epochs=1, batch_size=128)
    monkeypatch.setattr(
        recommend, "sweep", lambda specs, **how: sweep([spec.with_(train=short) for spec in specs], **how)
    )
    folder = write_own(tmp_path / "shop")
    assert main(["recommend", str(folder), "--embedder", "tfidf", "-n", "5"]) == 0
    said = capsys.readouterr().out
    written = pd.read_csv(folder / "recommendations.csv", keep_default_na=False)
    cells = written["user"].tolist() + written["title"].tolist()
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    formulas = sum(cell.startswith("'") and cell[1:].lstrip()[:1] in set("=+-@＝") for cell in cells)
    assert formulas > 0 and f"{formulas:,} cells begin with '" in said
    own = set(load_own(folder).titles)
    assert {title.removeprefix("'") if title not in own else title for title in written["title"]} <= own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no data set and no folder called 'nowhere'"),
        (["toy", "--lam", "3"], "lambda must lie in [0, 1] for MDDM"),
        (["toy", "--out", "no/such/folder.csv"], "there is no folder no/such to write folder.csv into"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder, arguments, message, capsys):
    assert main(["recommend", *arguments]) == 2
    assert message in capsys.readouterr().err
