"""The lambda panel in JupyterLab: by keyboard, mouse, typing and preset; cancelled, failing, and with a busy kernel."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# A small real grid. Retraining is real too, except at 0.35, which takes until it is cancelled, and 0.95, which fails.
CELLS = [
    """
import time
from dmrec_core import panels
from dmrec_core.runs.store import run
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainingCancelled, TrainSettings

quick = TrainSettings(epochs=12, batch_size=128, learning_rate=3e-3, patience=3)
specs = [paper_settings("toy", train=quick)]
for strategy in ("godm", "cpdm", "mddm"):
    specs += grid(paper_settings("toy", strategy=strategy, train=quick), lam=(0.0, 0.5, 1.0))
results = [run(spec) for spec in specs]


def train(spec, dataset, *, cancel=None, **rest):
    if spec.lam == 0.95:
        raise RuntimeError("this run fails on purpose")
    while spec.lam == 0.35 and cancel is not None:
        if cancel():
            raise TrainingCancelled("told to stop")
        time.sleep(0.02)
    return run(spec, dataset, cancel=cancel, **rest)
""",
    "panel = panels.lambda_panel(grid_results=results, trainer=panels.Trainer(train=train))",
    "answer = 6 * 7\nprint('the kernel answers', answer)",
]
PANEL = ".dmrec-lambda-panel"
PLOT = f"{PANEL} .js-plotly-plot"
MARKER = f"""() => {{ const data = document.querySelector("{PLOT}").data;
  const here = data.find(trace => (trace.name || "").startsWith("you are here"));
  return {{x: Array.from(here.x), y: Array.from(here.y), name: here.name}}; }}"""
HAS_MARKER = f"""() => {{ const plot = document.querySelector("{PLOT}");
  return plot && plot.data && plot.data.some(trace => (trace.name || "").startsWith("you are here"))
    && plot.querySelector(".scatterlayer .trace path"); }}"""
RECORD = f"""() => {{ window.seen = []; const look = () => {{
  const status = document.querySelector("{PANEL} [role=status][data-state]"), here = ({MARKER})();
  const now = [status.dataset.state, here.x[0].toFixed(2), here.name].join(" ");
  if (window.seen.at(-1) !== now) window.seen.push(now);
  window.recording = requestAnimationFrame(look); }}; look(); }}"""
RECORDED = "() => { cancelAnimationFrame(window.recording); return window.seen; }"
DRAWN = f"""() => Array.from(document.querySelectorAll("{PLOT} .scatterlayer .trace path"))
  .map(path => path.getAttribute("d") + path.getAttribute("transform")).join("|")"""


@pytest.fixture(scope="module")
def watched(notebook, screenshots, shut_down):
    watched = notebook("lambda_panel", CELLS)
    watched.page.wait_for_function(HAS_MARKER)
    yield watched
    watched.page.screenshot(path=screenshots / "lambda-panel-last.png")
    shut_down(watched)


@pytest.fixture
def page(watched):
    yield watched.page
    watched.clean()


def status(page, state: str):
    return page.locator(f"{PANEL} [role=status][data-state={state}]")


def typed(page, value: str) -> None:
    field = page.locator(f"{PANEL} .dmrec-lambda .widget-readout")
    field.click()
    page.keyboard.press("Control+A")
    page.keyboard.type(value)
    page.keyboard.press("Enter")


def test_default_view_is_measured_and_makes_its_point(page, screenshots):
    expect(status(page, "done")).to_contain_text("λ = 0.50")
    expect(status(page, "done")).to_contain_text("measured")
    assert page.evaluate(MARKER)["x"] == [0.5, 0.5]
    expect(page.locator(f"{PANEL} .dmrec-top tbody tr")).to_have_count(10)
    expect(page.locator(f"{PANEL} .dmrec-question")).to_be_visible()
    expect(page.locator(f"{PANEL} .dmrec-answer")).to_have_count(0)  # predict first
    page.locator(PANEL).screenshot(path=screenshots / "lambda-panel-default.png")


def test_keyboard_interpolates_at_once_and_then_measures_the_last_value_only(page):
    before, drawn = page.evaluate(MARKER), page.evaluate(DRAWN)
    submitted = int(status(page, "done").get_attribute("data-submitted"))
    finished = int(status(page, "done").get_attribute("data-finished"))
    page.locator(f"{PANEL} .dmrec-lambda .noUi-handle").focus()
    page.evaluate(RECORD)
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(status(page, "done")).to_contain_text("λ = 0.75", timeout=60_000)
    page.wait_for_function(f'() => ({MARKER})().name.includes("measured")')
    after, seen = page.evaluate(MARKER), page.evaluate(RECORDED)
    assert any(row.endswith("you are here: interpolated") and not row.startswith("done 0.75") for row in seen), seen
    assert after["x"] == [0.75, 0.75] and after["y"] != before["y"] and "measured" in after["name"]
    assert page.evaluate(DRAWN) != drawn, "the data moved but the picture did not"
    done = status(page, "done")
    assert int(done.get_attribute("data-finished")) == finished + 1
    assert int(done.get_attribute("data-submitted")) > submitted + 1
    assert int(done.get_attribute("data-superseded")) >= 1
    expect(page.locator(f"{PANEL} .dmrec-answer")).to_be_visible()


def test_mouse_drag(page):
    handle = page.locator(f"{PANEL} .dmrec-lambda .noUi-handle")
    bar, box = page.locator(f"{PANEL} .dmrec-lambda .noUi-base").bounding_box(), handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 16):
        page.mouse.move(x + (bar["x"] + 0.2 * bar["width"] - x) * step / 15, y)
        page.wait_for_timeout(20)
    page.mouse.up()
    value = page.locator(f"{PANEL} .dmrec-lambda .widget-readout").inner_text()
    assert 0.1 <= float(value) <= 0.3
    expect(status(page, "done")).to_contain_text(f"λ = {value}", timeout=60_000)
    assert page.evaluate(MARKER)["x"] == [float(value)] * 2


def test_typing_and_a_lambda_tried_before_is_instant(page):
    typed(page, "0.65")
    expect(status(page, "done")).to_contain_text("λ = 0.65", timeout=60_000)
    typed(page, "0.75")  # measured by the keyboard test
    expect(status(page, "done")).to_contain_text("λ = 0.75", timeout=5_000)


def test_presets_and_pickers(page):
    page.get_by_role("button", name="no matching").click()
    expect(status(page, "done")).to_contain_text("λ = 1.00")  # MDDM: all of the budget to the prior
    drawn = page.evaluate(DRAWN)
    page.locator(f"{PANEL} .dmrec-strategy button", has_text="GODM").click()
    page.get_by_role("button", name="no matching").click()
    expect(status(page, "done")).to_contain_text("λ = 0.00")
    assert page.evaluate(DRAWN) != drawn
    page.get_by_role("button", name="the paper's λ").click()
    expect(status(page, "done")).to_contain_text("λ = 0.40", timeout=60_000)
    label = page.locator(f"{PANEL} .dmrec-warm label", has_text="start from the nearest")
    assert label.evaluate("it => 0 < it.scrollWidth && it.scrollWidth <= it.clientWidth"), "it is cut"
    page.get_by_role("button", name="no prior").click()  # goes back to MDDM
    expect(status(page, "done")).to_contain_text("λ = 0.00", timeout=60_000)
    expect(page.locator(f"{PANEL} .dmrec-strategy button.mod-active")).to_contain_text("MDDM")
    caption = page.locator(f"{PANEL} .dmrec-top caption")
    before = caption.inner_text()
    page.locator(f"{PANEL} .dmrec-user-picker select").select_option(index=0)
    expect(caption).not_to_have_text(before)


def test_kernel_answers_while_training_and_cancel_stops_it(page, screenshots):
    typed(page, "0.35")
    expect(status(page, "busy")).to_contain_text("λ = 0.35")
    page.evaluate("""() => { const notebook = window.jupyterapp.shell.currentWidget.content;
      notebook.activeCellIndex = 2; notebook.widgets[2].model.sharedModel.setSource("print('still', 7 * 7)");
      window.jupyterapp.commands.execute("notebook:run-cell"); }""")
    page.locator(".jp-OutputArea-output", has_text="still 49").wait_for()
    expect(status(page, "busy")).to_contain_text("λ = 0.35")
    page.locator(PANEL).screenshot(path=screenshots / "lambda-panel-training.png")
    page.locator(f"{PANEL} .dmrec-cancel").click()
    expect(status(page, "cancelled")).to_contain_text("λ = 0.35")
    assert "interpolated" in page.evaluate(MARKER)["name"]
    page.locator(PANEL).screenshot(path=screenshots / "lambda-panel-interpolated.png")


def test_moving_on_cancels_the_running_run(page):
    page.locator(f"{PANEL} .dmrec-cancel", has_text="train").click()  # again what was cancelled
    expect(status(page, "busy")).to_contain_text("λ = 0.35")
    typed(page, "0.85")
    expect(status(page, "done")).to_contain_text("λ = 0.85", timeout=60_000)


def test_an_error_in_training_is_shown(page, screenshots):
    typed(page, "0.95")
    expect(status(page, "error")).to_contain_text("RuntimeError: this run fails on purpose")
    page.locator(PANEL).screenshot(path=screenshots / "lambda-panel-error.png")
    typed(page, "0.5")  # and the panel goes on
    expect(status(page, "done")).to_contain_text("λ = 0.50")
