"""Kernel-free twins: self-contained, small, the runs' numbers; what they do in a browser is tested in tests/browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from dmrec_core.data import Profiles
from dmrec_core.figures.twins import pages as twin
from dmrec_core.figures.twins import write_own_clicks
from dmrec_core.records.writer import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings

KEPT = Path(__file__).resolve().parents[1] / "figures"
QUICK = TrainSettings(epochs=2, batch_size=128, learning_rate=3e-3)


@pytest.fixture(scope="module")
def data():
    return load(paper_settings("toy", strategy="mddm"))


@pytest.fixture(scope="module")
def results(data, tmp_path_factory):
    specs = grid(paper_settings("toy", train=QUICK), seed=(2024, 2025))
    specs += grid(paper_settings("toy", strategy="mddm", train=QUICK), lam=(0.0, 0.3, 1.0), seed=(2024, 2025))
    specs += grid(paper_settings("toy", strategy="godm", train=QUICK), lam=(0.0, 1.0))
    runs = tmp_path_factory.mktemp("runs")
    return [run(spec, data, runs=runs, device="cpu") for spec in specs]


@pytest.fixture(scope="module")
def one_line(results):
    return [r for r in results if r.spec.strategy in ("base", "mddm") and r.spec.seed == 2024]


@pytest.fixture(scope="module")
def small(data, tmp_path_factory):
    narrow = paper_settings("toy", strategy="mddm", hidden=16, latent=8, train=QUICK)
    runs = tmp_path_factory.mktemp("small")
    return [run(spec, data, runs=runs, device="cpu") for spec in grid(narrow, lam=(0.0, 1.0))]


@pytest.fixture(scope="module")
def pages(data, results, one_line, small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    return {
        "lambda": twin.write_lambda_sensitivity(folder / "09.html", results, provenance(data, results)),
        "matching": twin.write_distribution_matching(folder / "04.html"),
        "explore": twin.write_explore(folder / "13.html", one_line, data, provenance(data, one_line)),
        "clicks": write_own_clicks(folder / "13.clicks.html", small, data, provenance(data, small)),
    }


def data_of(path):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"))[1]
    )


@pytest.mark.parametrize("name", ["lambda", "matching", "explore", "clicks"])
def test_a_page_is_one_small_file_that_asks_for_nothing(pages, name):
    text = pages[name].read_text("utf-8")
    assert len(text.encode()) < 300_000
    outside = re.findall(r"""(?:src|href|url|action)\s*[=(]\s*["']?\s*(?:https?:)?//[^"'\s]+""", text)
    assert outside == [] and not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)
    assert "default-src 'none'" in text  # and the browser would refuse
    assert '<meta name="viewport"' in text and 'lang="en"' in text and 'aria-live="polite"' in text
    assert "{{" not in text


@pytest.mark.parametrize("name", ["lambda", "explore", "clicks"])
def test_the_footer_says_where_the_numbers_are_from(pages, name):
    text = pages[name].read_text("utf-8")
    assert "Data set: toy; semantic vectors: tfidf-svd-" in text and "2024" in text


def test_lambda_page_holds_the_runs_numbers(pages, results):
    held = data_of(pages["lambda"])
    assert held["lams"] == [0.0, 0.3, 1.0]
    assert [s["key"] for s in held["strategies"]] == ["godm", "mddm"]
    mine = [r for r in results if r.spec.strategy == "mddm" and r.spec.lam == 0.3]
    for m, metric in enumerate(("recall@20", "ndcg@20")):
        mean = np.mean([r.metrics["test"][metric] for r in mine])
        assert held["cells"][m][1][1]["mean"] == pytest.approx(mean, abs=1e-5)
    assert held["cells"][0][0][1] is None  # GODM was not run at 0.3
    assert held["cells"][0][0][0]["low"] is None  # and with one seed only: no interval
    assert held["base"][0]["low"] < held["base"][0]["mean"] < held["base"][0]["high"]


def test_lambda_page_says_its_numbers_without_javascript(pages):
    text = pages["lambda"].read_text("utf-8")
    table = re.search(r"<table>.*?</table>", text, re.S)[0]
    assert table.count("<tr") == 1 + 1 + 2 * 3 and "not run" in table and "(one seed)" in table and "±" in table


def test_explore_page_holds_each_users_best_items(pages, data, one_line):
    held = data_of(pages["explore"])
    assert len(held["users"]) == 12 and len(held["runs"]) == len(held["lams"]) == 3
    for run_ in held["runs"]:
        assert np.shape(run_["top"]) == (12, 10) and np.shape(run_["terms"]) == (12, 3)
        assert np.shape(run_["covariance"]["fused"]) == (12, 3)
        for user, top in zip(held["users"], run_["top"], strict=True):
            assert not set(top) & set(data.train[user["id"]].indices), "a training item is recommended"
            assert all(held["titles"][str(item)] == data.titles[item] for item in top)
    hits = [
        sum(i in u["test"] for i in top) / len(u["test"])
        for u, top in zip(held["users"], held["runs"][1]["top"], strict=True)
    ]
    result = next(r for r in one_line if r.spec.lam == 0.3).per_user["test"]
    place = np.searchsorted(result.users, [user["id"] for user in held["users"]])
    np.testing.assert_allclose(hits, result.per_user["recall@10"][place])
    for person, ranks, top in zip(held["users"], held["runs"][1]["ranks"], held["runs"][1]["top"], strict=True):
        assert [item in top for item in person["test"]] == [rank <= 10 for rank in ranks]
        assert all(held["titles"][str(item)] == data.titles[item] for item in person["test"])


def test_the_same_inputs_write_the_same_bytes(pages, data, one_line, small, tmp_path):
    again = write_own_clicks(tmp_path / "13.html", small, data, provenance(data, small))
    assert again.read_bytes().replace(b"13.html", b"13.clicks.html") == pages["clicks"].read_bytes()
    again = twin.write_explore(tmp_path / "13.html", one_line, data, provenance(data, one_line))
    assert again.read_bytes() == pages["explore"].read_bytes()


def test_texts_cannot_end_the_script_or_write_html(data, one_line, small, tmp_path):
    evil = "</script><script>alert(1)</script>"
    texts = Profiles(item=(evil,) * data.n_items, user=(evil,) * data.n_users, source="a test")
    hostile = replace(data, titles=(evil,) * data.n_items, profiles=texts)
    facts = {"dataset": "<b>toy</b>", "embedder": "<i>", "seeds": [1], "commit": "x"}
    for path in (
        twin.write_explore(tmp_path / "13.html", one_line, hostile, facts),
        write_own_clicks(tmp_path / "clicks.html", small, hostile, facts),
    ):
        text = path.read_text("utf-8")
        assert "alert(1)</script>" not in text and "<b>toy" not in text and "<i>" not in text
        assert text.count("</script>") == 2


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        twin.write_twin(tmp_path / "x.html", "explore", "t", "l", {"value": float("nan")}, {})
    with pytest.raises(ValueError, match="show fewer"):
        twin.write_twin(tmp_path / "x.html", "explore", "t", "l", {"text": "x" * twin.LARGEST}, {})
    with pytest.raises(ValueError, match="page must be one of"):
        twin.write_twin(tmp_path / "x.html", "exploration", "t", "l", {}, {})
    assert list(tmp_path.iterdir()) == []


def test_runs_that_do_not_fit_are_refused(results, data, tmp_path):
    with pytest.raises(ValueError, match="differ in lambda only"):
        twin.write_explore(tmp_path / "x.html", results, data, {})
    with pytest.raises(ValueError, match="no run of"):
        twin.write_lambda_sensitivity(tmp_path / "x.html", [r for r in results if r.spec.strategy == "base"], {})


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("*.html")))
def test_a_kept_page_looks_and_works_as_one_made_today(name):
    """Its style sheet and scripts are the package's; `make figures ARGS='--only NN --keep all'` makes it again."""
    text, assets = (KEPT / name).read_text("utf-8"), resources.files("dmrec_core.figures.twins")
    current = {
        path.name: path.read_text("utf-8").rstrip("\n") in text
        for path in assets.iterdir()
        if path.is_file() and path.suffix != ".py"
    }
    assert current["style.css"] and current["chart.js"]
    assert sum(all(map(current.get, scripts)) for scripts in twin.PAGES.values()) == 1
