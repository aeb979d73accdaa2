"""Own data with hostile titles in a real browser: twins, panels, notebooks' tables, figures. No script runs."""

from __future__ import annotations

import base64
from pathlib import Path

import jupytext
import numpy as np
import pandas as pd
import plotly.io
import pytest
from nbconvert.filters.markdown import markdown2html

from dmrec_core import notebook as core_notebook
from dmrec_core import panels
from dmrec_core.figures.live import texts
from dmrec_core.figures.twins import pages, write_own_clicks
from dmrec_core.records import markup, provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings
from tests.hostile_texts import TITLES, run_cell, write_own

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
QUICK = TrainSettings(epochs=1, batch_size=128, learning_rate=3e-3)
LAMS = (0.0, 0.5, 1.0)
# As JupyterLab and Voila show Markdown and HTML of a trusted notebook: `innerHTML`, which runs handlers but no scripts;
# an exported notebook is HTML as a file, which runs both. Each piece is put into the page both ways.
PAGE = """<!doctype html><meta charset="utf-8"><title>x</title><body>{written}<div id="set"></div>
<script>document.getElementById("set").innerHTML =
  new TextDecoder().decode(Uint8Array.from(atob("{pieces}"), c => c.charCodeAt(0)));</script>"""
# Every element that stands under a link, a handler or a source; what a reader could press without knowing.
TRAPS = """() => Array.from(document.querySelectorAll("*")).filter(e =>
  e.getAttributeNames().some(name => name.startsWith("on") && e.tagName !== "FORM")
  || /^\\s*javascript:/i.test(e.getAttribute("href") ?? e.getAttribute("xlink:href") ?? "")
  || ["IFRAME", "OBJECT", "EMBED"].includes(e.tagName)
  || (e.tagName === "IMG" && !e.src.startsWith("data:"))).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder, its data, and a short line of runs on it."""
    root = tmp_path_factory.mktemp("hostile")
    folder = write_own(root / f"shop {TITLES[0].replace('/', '')}")
    spec = paper_settings(str(folder), strategy="mddm", embedder="tfidf", train=QUICK)
    data = load(spec)
    specs = [*grid(paper_settings(str(folder), train=QUICK)), *grid(spec, lam=LAMS)]
    return folder, data, [run(one, data, runs=root / "runs", device="cpu") for one in specs]


@pytest.fixture
def shown(watch, tmp_path):
    """`shown(html)`: the page; afterwards nothing ran in it and nothing waits to."""
    seen = []

    def show(path_or_html):
        path = path_or_html
        if not isinstance(path, Path):
            path = tmp_path / f"page{len(seen)}.html"
            path.write_text(path_or_html, encoding="utf-8")
        watched = watch()
        seen.append(watched)
        watched.page.goto(path.as_uri())
        watched.page.wait_for_timeout(200)  # a broken image fails later than the page loads
        return watched.page

    yield show
    for watched in seen:
        page = watched.page
        for handle in page.locator("summary, option, button").all()[:20]:
            handle.dispatch_event("click")
        assert page.evaluate("() => window.ran") is None, "a text of the data ran as a script"
        assert page.evaluate(TRAPS) == []
        watched.clean()
        page.context.close()


def both_ways(pieces):
    html = "\n".join(pieces)
    return PAGE.format(written=html, pieces=base64.b64encode(html.encode()).decode())


def words(page):
    return " ".join(page.locator("body").inner_text().split())


def plain(text):
    return " ".join(markup.visible_text(text).split())


def test_the_browser_would_run_what_is_not_escaped(watch, tmp_path):
    """The control: the same titles as they are do run, both in a file and as a notebook's output."""
    for number, html in enumerate((TITLES[1], both_ways([TITLES[0]]))):
        (tmp_path / f"{number}.html").write_text(html, encoding="utf-8")
        page = watch().page
        page.goto((tmp_path / f"{number}.html").as_uri())
        page.wait_for_function("() => window.ran === 1")
        page.context.close()


def test_twins_of_such_data(made, shown, tmp_path):
    folder, data, results = made
    facts = provenance(data, results)
    assert facts["dataset"].startswith("shop <img"), "the folder's name is one of them"
    for path in (
        pages.write_explore(tmp_path / "13.html", results, data, facts),
        pages.write_lambda_sensitivity(tmp_path / "09.html", results, facts),
    ):
        page = shown(path)
        assert plain(facts["dataset"]) in words(page)
    narrow = paper_settings(str(folder), strategy="mddm", embedder="tfidf", hidden=16, latent=8, train=QUICK)
    small = [run(one, data, runs=tmp_path / "runs", device="cpu") for one in grid(narrow, lam=LAMS)]
    page = shown(write_own_clicks(tmp_path / "clicks.html", small, data, facts))
    for place in range(page.locator("#text option").count()):
        page.locator("#text").select_option(index=place)
    page.get_by_role("button", name="click everything").click()
    assert sum(plain(title) in words(page) for title in TITLES) > len(TITLES) / 2
    page.get_by_role("button", name="click nothing").click()  # what is pressed below takes itself away otherwise
    page = shown(tmp_path / "13.html")
    for place in range(page.locator("#user option").count()):
        page.locator("#user").select_option(index=place)
    assert page.locator("#top tbody tr").count() == 10


def test_the_panels_html_of_such_data(made, shown, monkeypatch):
    _, data, results = made
    monkeypatch.setenv("DMREC_HEADLESS", "1")
    panel = panels.user_panel(results, data, users=range(12))
    told = []
    for user in range(12):
        panel.set(user=user)
        told.append(panel.told)
    page = shown(both_ways(told))
    seen = words(page)
    assert sum(plain(title) in seen for title in TITLES) > len(TITLES) / 2


def test_the_notebooks_tables_of_such_data(made, shown, monkeypatch):
    """Notebooks 00 and 01 as far as they show texts, and a table of titles as pandas shows it, plain and styled."""
    folder, _, _ = made
    monkeypatch.setenv("DMREC_HEADLESS", "1")
    table = pd.DataFrame({"title": TITLES})
    pieces = [table.to_html(), table.style.format(escape="html").to_html()]
    for name, last in (
        ("00_start_here", "**The text about them:**"),
        ("01_data_and_profiles", '("step", "what it is")'),
    ):
        names = {"__name__": "__main__"}
        for cell in jupytext.read(NOTEBOOKS / f"{name}.py").cells:
            if cell.cell_type != "code":
                continue
            value = run_cell(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= {"dataset": str(folder), "embedder": "tfidf", "device": "cpu"}
            if type(value).__name__ == "Markdown":
                pieces.append(markdown2html(value.data))
            if last in cell.source:
                break
        else:
            pytest.fail(f"{name} has no cell with {last}")
    pieces.append(markdown2html(core_notebook.table([(core_notebook.bold(title), title) for title in TITLES]).data))
    assert len(pieces) == 8
    seen = words(shown(both_ways(pieces)))
    for title in TITLES:
        assert seen.count(plain(title)) >= 4, title


def test_figures_of_such_data(made, shown):
    names = [text[:48] for text in TITLES[1:]]
    figure = texts.draw_nearest(TITLES[0], names, np.linspace(1, 0.1, len(names)), 0.2)
    figure.update_layout(height=1200)
    page = shown(plotly.io.to_html(figure, include_plotlyjs=True))
    page.locator(".js-plotly-plot .ytick text").first.wait_for()
    ticks = page.evaluate("() => Array.from(document.querySelectorAll('.ytick text')).map(e => e.textContent)")
    drawn = {" ".join(tick.split()) for tick in ticks}
    assert drawn == {plain(f"{place}. {name}") for place, name in enumerate(names, start=1)}
    assert page.locator(".gtitle").text_content() == plain(f"nearest by text to: {TITLES[0]}")
    page.locator(".bars path").first.hover(force=True)


def test_jupyterlab_shows_the_same_texts(notebook, shut_down):
    """Its own Markdown and mathematics, and tables as pandas writes them."""
    cells = [
        f"TITLES = {TITLES!r}\n"  # written out: the kernel's folder is not the checkout, it finds no `tests`
        "import pandas as pd\n"
        "from dmrec_core import notebook\n"
        "notebook.begin(device='cpu')",
        "notebook.table([(notebook.bold(title), title) for title in TITLES])",
        "pd.set_option('display.max_colwidth', None)\npd.DataFrame({'title': TITLES})",
        "pd.DataFrame({'title': TITLES}).style.format(escape='html')",
    ]
    watched = notebook("hostile_text", cells)
    page = watched.page
    page.locator(".jp-OutputArea-output table").nth(2).wait_for()
    page.wait_for_timeout(1000)  # what is typeset is typeset later
    seen = " ".join(page.locator(".jp-OutputArea-output table").first.inner_text().split())
    for title in TITLES:
        assert seen.count(plain(title)) >= 2, title
    assert page.evaluate("() => window.ran") is None
    assert page.locator(".jp-OutputArea-output :is(mjx-container, img, iframe, a, svg)").count() == 0
    watched.clean()
    shut_down(watched)
