"""Small own data with hostile titles through every notebook: none stops, and none runs a script once it is exported.

With 9 items and 40 users nearly nothing can be found out: what is found is printed, and only identities are asserted.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from traitlets.config import Config

from tests.browser.test_hostile_text import TRAPS
from tests.hostile_texts import RAN, TITLES, write_small

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.browser]  # one step of CI for both: what they look at takes minutes to make
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[0-9][0-9]*_*.py"))
# A broken image's handler runs once it has failed, which may be after the page has loaded.
FAILED = """() => { const soon = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
  const ends = image => image.complete
    || new Promise(done => ["load", "error"].forEach(end => image.addEventListener(end, done)));
  return Promise.race([Promise.all([...document.images].map(ends)), soon(1)]).then(() => soon(0.1)); }"""
EXPORT = Config(HTMLExporter={"mathjax_url": "", "require_js_url": "", "jquery_url": "", "mermaid_js_url": ""})


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """The reader's command on such data, once for both tests; how it ended, and the executed notebooks."""
    root = tmp_path_factory.mktemp("small")
    folder = write_small(root / f"shop {TITLES[0].replace('/', '')}")
    command = [sys.executable, "-m", "dmrec_core", "figures", "--dataset", str(folder), "--device", "cpu"]
    command += ["-p", "embedder", "tfidf", "-p", "seeds", "2", "--out", str(root / "figures")]
    done = subprocess.run([*command, "--build", str(root / "build")], capture_output=True, text=True)
    (build,) = (root / "build").iterdir()
    return done, build


def test_no_notebook_stops(ran):
    done, build = ran
    assert done.returncode == 0, re.sub(r"\n.*? left$", "", done.stdout) + done.stderr
    assert {path.stem for path in build.glob("*.ipynb")} == {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exported_notebook_runs_no_script_of_a_title(ran, watch, tmp_path, source):
    path = ran[1] / f"{source.stem}.ipynb"
    html, _ = HTMLExporter(config=EXPORT).from_filename(str(path))
    page_path = tmp_path / "page.html"
    page_path.write_text(html, encoding="utf-8")
    watched = watch()
    page = watched.page
    page.goto(page_path.as_uri())
    page.evaluate(FAILED)
    assert f"shop {TITLES[0]}" in page.locator("body").inner_text(), "the notebook shows none of them"
    assert page.evaluate("() => window.ran") is None, f"{RAN} was run"
    assert page.evaluate(TRAPS) == []
    page.context.close()
