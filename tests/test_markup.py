"""Hostile titles are shown letter for letter in every place that shows a title."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from nbconvert.filters.markdown import markdown2html

from dmrec_core import notebook
from dmrec_core.analysis.dimensions import Dimensions
from dmrec_core.analysis.snapshots import crowd, take_snapshot, typical_users
from dmrec_core.figures.live import prompts, texts, trained
from dmrec_core.figures.live.users import top_table, user_card
from dmrec_core.figures.twins import pages
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.item_space import item_space
from dmrec_core.language.templates import TEMPLATES
from dmrec_core.records import markup, record
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.recommend import for_spreadsheets
from dmrec_core.runs.store import run
from dmrec_core.training.fit import TrainSettings
from tests.hostile_texts import TITLES, Page, hostile_dataset

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


def plain(text):
    """What a page shows of a text: white space collapsed, nothing unseen."""
    return " ".join(markup.visible_text(text).split())


@pytest.fixture(scope="module")
def data():
    return hostile_dataset()


@pytest.fixture(scope="module")
def snapshots(data, tmp_path_factory):
    quick = TrainSettings(epochs=1, batch_size=128, learning_rate=3e-3)
    toy = load(paper_settings("toy", strategy="mddm"))
    users = crowd(toy, typical_users(toy), 30)
    runs = tmp_path_factory.mktemp("runs")
    specs = paper_settings("toy", strategy="mddm", train=quick), paper_settings("toy", train=quick)
    shown = [take_snapshot(run(spec, toy, runs=runs, device="cpu"), toy, users) for spec in specs]
    titles = tuple(TITLES[i % len(TITLES)] for i in range(toy.n_items))
    profiles = replace(toy.profiles, user=tuple(TITLES[u % len(TITLES)] for u in range(toy.n_users)))
    return replace(toy, titles=titles, profiles=profiles), *shown


# ---- one text in one place


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("render", [markdown2html, MarkdownIt("gfm-like", {"linkify": False, "html": True}).render])
def test_markdown_shows_the_text(title, render):
    text = markup.markdown_text(title)
    for source in (text, f"**{text}**: {text}.", f"| a | b |\n|---|---|\n| {text} | {text} |", f"# {text}"):
        page = Page(render(source))
        assert page.kinds <= {"p", "span", "strong", "table", "thead", "tbody", "tr", "th", "td", "h1", "a"}
        links = [attributes for tag, attributes in page.elements if tag == "a"]
        assert all(attributes.get("class") == "anchor-link" for attributes in links), links  # of the heading, ours
        assert page.words.count(plain(title)) >= 1 + (source.count(text) > 1)
    assert "$" not in text and "\\" not in text  # mathematics begins with neither


@pytest.mark.parametrize("title", TITLES)
def test_html_and_svg_show_the_text(title):
    page = Page(f"<p title='{markup.html_text(title)}'>{markup.html_text(title)}</p>")
    assert page.elements == [("p", {"title": markup.visible_text(title)})] and page.words == plain(title)


@pytest.mark.parametrize("title", TITLES)
def test_plotly_shows_the_text(title):
    text = markup.plotly_text(title)
    assert unescape(text) == plain(title)
    assert not re.search(r"[<>$\n]|%\{|&(?!lt;|gt;|amp;|#3[67];)", text)


@pytest.mark.parametrize("title", TITLES)
def test_matplotlib_shows_the_text(title):
    figure = Figure()
    shown = figure.text(0, 0, markup.matplotlib_text(title))
    drawn, mathematics = shown._preprocess_math(shown.get_text())
    assert (drawn, mathematics) == (plain(title), False)


def test_json_in_a_page_is_the_text_and_cannot_end_its_element():
    written = markup.json_in_html({"titles": TITLES, "half": "\ud800"})
    assert "<" not in written and json.loads(written) == {"titles": list(TITLES), "half": "\ufffd"}
    assert written.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        markup.json_in_html({"value": float("nan")})


def test_what_cannot_be_seen_goes_and_letters_stay():
    assert markup.visible_text("a\x00b\x1b[31mc\x7f\u202e\u2069d\ufeff") == "ab[31mcd"
    assert markup.visible_text("one\r\ntwo\u2028three\tfour") == "one\ntwo\nthree\tfour"
    assert markup.visible_text("half \udc80") == "half \ufffd"
    for letters in ("שלום", "العربية\u200f!", "日本語", "👩\u200d🔬", "naïve"):
        assert markup.visible_text(letters) == letters
    assert markup.html_text(5) == "5" and markup.markdown_text(None) == "None"


# ---- csv


@pytest.mark.parametrize(
    "cell", ["=1+1", "+2", "-3", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\ufeff=1", "＝1", "－1"]
)
def test_a_formula_becomes_a_text(cell):
    assert markup.spreadsheet_text(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "tea = good", "a-b", "'=1", "5", "\u05e9", "x@y.z", '"quoted"'])
def test_other_cells_stay(cell):
    assert markup.spreadsheet_text(cell) == cell


def test_a_table_for_spreadsheets_changes_texts_only_and_counts_them():
    table = pd.DataFrame({"user": ["=u", "v"], "item": [-1, 2], "title": ["@a", "+b"], "score": [-0.5, 1.0]})
    safe, formulas = for_spreadsheets(table)
    assert formulas == 3 and list(safe) == list(table)
    assert safe.to_dict("list") == table.to_dict("list") | {"user": ["'=u", "v"], "title": ["'@a", "'+b"]}


# ---- every place


def test_tables_of_a_notebook(capsys):
    checked = notebook.Checked()
    for title in TITLES:
        checked.assert_true(title, True, title)
    shown = notebook.table([(notebook.bold(title), title) for title in TITLES], TITLES[-2:])
    page = Page(markdown2html(shown.data))
    assert page.kinds == {"table", "thead", "tbody", "tr", "th", "td", "span", "strong", "br"}
    assert sum(tag == "td" for tag, _ in page.elements) == 2 * len(TITLES)
    assert all(page.words.count(plain(title)) >= 2 for title in TITLES)


def test_the_ledger_is_such_a_table(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", shown.append)
    checked = notebook.Checked()
    checked.assert_true(TITLES[0], True, "a|b")
    checked.show()
    page = Page(markdown2html(shown[0].data))
    assert "img" not in page.kinds and page.words.endswith(f"{TITLES[0]} a|b")


def test_html_of_the_panels(snapshots):
    data, run_, base = snapshots
    for user in typical_users(data):
        page = Page(top_table(data, run_, user, base) + user_card(data, user))
        assert page.kinds <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "b", "div", "br"}
        attributes = {name for _, given in page.elements for name in given}
        assert attributes <= {"class", "scope"}
        best = data.titles[run_.top[run_.row(user)][0]]
        assert plain(best) in page.words
        for tag, given in page.elements:  # a notebook's page typesets mathematics elsewhere only
            assert tag not in ("table", "p", "div") or not given or "mathjax_ignore" in given["class"]


def labels(figure: go.Figure):
    """Every text of a figure, but for the template's."""
    document = figure.to_plotly_json()
    document["layout"].pop("template")

    def walk(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from () if key in ("hovertemplate", "texttemplate") else walk(inner)
        elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype == object):
            for inner in value:
                yield from walk(inner)

    return list(walk(document))


def test_labels_of_plotly_figures(data):
    rng = np.random.default_rng(0)
    pushes = np.stack([np.arange(data.n_items), -np.arange(data.n_items)])
    view = Dimensions(np.arange(2), rng.normal(size=(data.n_users, 2)), np.array([2.0, 1.0]), pushes)
    space = item_space(data, TEMPLATES["items"], ExtractiveProfiler(), "tfidf")
    drawn = [trained.draw_dimensions({"a": view}, data, "a")]
    for item, title in enumerate(TITLES):
        names = [name for name in TITLES if name != title][:10]
        drawn.append(texts.draw_nearest(title, names, np.linspace(1, 0, len(names)), 0.1))
        drawn.append(prompts.draw_neighbours(TITLES, item, space, space))
        page = Page(prompts.tell_edit(item, space, replace(space, writer=title)))
        assert page.kinds <= {"style", "table", "tr", "th", "td", "em", "del", "ins"}
    seen = [label for figure in drawn for label in labels(figure)]
    assert len(seen) > 1000
    for label in seen:
        assert not re.search(r"<(?!br>)|\$|%\{", label), label
    assert any(markup.plotly_text(TITLES[0]) in label for label in seen)


def test_a_twin_of_a_data_set_with_such_a_name(tmp_path):
    for title in TITLES:
        facts = {"dataset": title, "embedder": title, "seeds": [1], "commit": title}
        path = pages.write_twin(tmp_path / "x.html", "explore", title, title, {"titles": TITLES}, facts)
        text = path.read_text("utf-8")
        page = Page(text)
        assert text.count("<script") == 2 and text.count("</script>") == 2
        assert not page.kinds & {"img", "svg", "iframe", "a"} and page.words.count(plain(title)) >= 5


def test_a_kept_figure_of_a_data_set_with_such_a_name(tmp_path):
    for number, title in enumerate(TITLES):
        facts = {"dataset": title, "embedder": f"$\\frac{{ {title}", "seeds": [1]}
        path = record(f"figure{number}", Figure(figsize=(1, 1)), {}, facts, tmp_path)
        assert json.loads(path.read_text("utf-8"))["provenance"]["dataset"] == title
        page = Page(path.with_suffix(".svg").read_text("utf-8"))
        assert not page.kinds & {"script", "img", "a", "iframe"} and "onload" not in dict(page.elements)


# ---- the notebooks


def calls(path):
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_styled_table_escapes_its_cells(path):
    """pandas escapes a plain table's cells, and a styled one's only where it is told to."""
    for call in calls(path):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "format" and "style" in ast.unparse(call.func):
            told = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert told.get("escape") == "'html'", f"{path.name}:{call.lineno}: .style.format without escape='html'"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_writes_html_itself(path):
    assert not [call for call in calls(path) if ast.unparse(call.func) in ("HTML", "SVG", "display.HTML", "Latex")]


def test_plain_and_styled_tables_leave_dollars_alone():
    notebook.begin(device="cpu")
    table = pd.DataFrame({"title": TITLES})
    for html in (table._repr_html_(), table.style.format(escape="html").to_html()):
        page = Page(html)
        assert "mathjax_ignore" in dict(page.elements)["table"]["class"]
        assert page.kinds <= {"div", "style", "table", "thead", "tbody", "tr", "th", "td", "p"}
