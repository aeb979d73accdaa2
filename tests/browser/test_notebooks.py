"""Every notebook opens in JupyterLab and runs to its end: no error, no page error, no request beyond localhost."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS, "no notebook found: the tests below would all be empty"


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_jupyterlab(source, notebook, screenshots, shut_down):
    watched = notebook(source.stem, source)
    page = watched.page
    panels = page.locator(".dmrec-panel")
    for number in range(panels.count()):
        panel = panels.nth(number)
        panel.scroll_into_view_if_needed()
        panel.locator(".js-plotly-plot .main-svg, img").first.wait_for()  # drawn, not only declared
        panel.screenshot(path=screenshots / f"{source.stem}-panel-{number + 1}.png")
    page.screenshot(path=screenshots / f"{source.stem}.png")
    watched.clean()
    shut_down(watched)
