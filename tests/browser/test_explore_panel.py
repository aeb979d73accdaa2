"""`explore` in JupyterLab: figures move in place, answers stay hidden until something moves, errors are shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = [
    """
import matplotlib.pyplot as plt
import plotly.graph_objects as go
from dmrec_core import panels

def curve(mean, kind):
    if mean > 4.9:
        raise ValueError("too far out")
    return go.Figure(go.Scatter(x=[0, 1, 2], y=[0, mean, 2], name=kind), layout={"title": {"text": f"mean {mean:.1f}"}})

def picture(n):
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot(range(n))
    return figure
""",
    # as doubles, 65 steps of 0.1 from -5 are not 1.5: the slider rounds, and nobody has moved it
    "panels.explore(curve, mean=(-5.0, 5.0, 0.1, 1.5), kind=['thin', 'thick'], presets={'left': {'mean': -3.0}},\n"
    "               predict=('Up or down?', 'Up.'))",
    "panels.explore(picture, n=(2, 9, 1, 3))",
    "panels.explore(lambda words: picture(len(words.split())), words='one two three',\n"
    "               tell=lambda words: f'<p class=told>{words.upper()}</p>')",
]
FIRST, SECOND, THIRD = (f".dmrec-explore >> nth={place}" for place in range(3))
PLOT = ".dmrec-explore .js-plotly-plot"


@pytest.fixture(scope="module")
def watched(notebook, shut_down):
    watched = notebook("explore_panel", CELLS)
    watched.page.locator(f"{PLOT} .scatterlayer path").first.wait_for()
    yield watched
    shut_down(watched)


@pytest.fixture
def page(watched):
    yield watched.page
    watched.clean()


def test_the_answer_is_hidden_until_a_control_is_used(page):
    page.wait_for_timeout(1500)  # time enough for the slider to round its start
    expect(page.locator(FIRST).locator(".dmrec-answer")).to_have_count(0)
    page.locator(FIRST).locator(".dmrec-mean .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(FIRST).locator(".dmrec-answer")).to_have_text("Up.")


def test_a_plotly_figure_moves_in_place(page):
    before = page.locator(f"{PLOT} .scatterlayer path").first.get_attribute("d")
    page.evaluate(f"() => {{ window.kept = document.querySelector('{PLOT}'); }}")
    page.get_by_role("button", name="left").click()
    expect(page.locator(f"{PLOT} .gtitle")).to_have_text("mean -3.0")
    assert page.locator(f"{PLOT} .scatterlayer path").first.get_attribute("d") != before
    assert page.evaluate(f"() => window.kept === document.querySelector('{PLOT}')"), "a new plot replaced the old one"
    page.locator(FIRST).locator("button", has_text="thick").click()
    page.wait_for_function(f"() => document.querySelector('{PLOT}').data[0].name === 'thick'")


def test_the_figure_is_as_wide_as_its_panel(page):
    panel = page.locator(FIRST).bounding_box()["width"]
    page.wait_for_function(f"() => document.querySelector('{PLOT}')._fullLayout.width > {0.9 * panel}")


def test_an_error_is_shown_and_the_next_value_recovers(page):
    for value, state in (("5.0", "error"), ("1.0", "idle")):
        page.locator(FIRST).locator(".dmrec-mean .widget-readout").click()
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
        page.keyboard.press("Enter")
        expect(page.locator(FIRST).locator(f"[role=status][data-state={state}]")).to_have_count(1)
        if state == "error":
            expect(page.locator(FIRST).locator("[role=status]").last).to_contain_text("ValueError: too far out")


def test_a_matplotlib_figure_moves_too(page):
    image = page.locator(SECOND).locator("img")
    before = image.get_attribute("src")
    page.locator(SECOND).locator(".dmrec-n .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    expect(image).not_to_have_attribute("src", before)


def test_what_is_written_counts_when_the_area_is_left(page):
    panel = page.locator(THIRD)
    told, image = panel.locator(".told"), panel.locator("img")
    expect(told).to_have_text("ONE TWO THREE")
    before = image.get_attribute("src")
    panel.locator("textarea").fill("a quite different and longer text")
    expect(told).to_have_text("ONE TWO THREE")
    page.keyboard.press("Tab")
    expect(told).to_have_text("A QUITE DIFFERENT AND LONGER TEXT")
    expect(image).not_to_have_attribute("src", before)
