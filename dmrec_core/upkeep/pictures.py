"""Pictures for pages that nothing moves: a plotly figure drawn by a browser, and PNGs of few bytes."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from PIL import Image

WIDTH = 760  # pixels of a figure that says no width of its own
HEIGHT = 430


class NoBrowser(RuntimeError):
    """No chromium on this machine, which draws plotly's figures."""


def find_chromium() -> str | None:
    """The browser of this machine: the one that DMREC_CHROMIUM names, or a usual name on the path."""
    named = os.environ.get("DMREC_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@contextmanager
def drawing() -> Iterator[Callable[[Mapping], bytes]]:
    """A function from plotly's JSON to a PNG; its browser starts with the first figure and ends with the block.

    Raises:
        NoBrowser: on the first figure, where there is none.
    """
    running: list = []

    def draw(figure: Mapping) -> bytes:
        if not running:
            running.extend(_started())
        page = running[0]
        layout = dict(figure["layout"])
        layout.setdefault("width", WIDTH)
        layout.setdefault("height", HEIGHT)
        page.set_viewport_size({"width": int(layout["width"]), "height": int(layout["height"])})
        told = json.dumps([figure["data"], layout])
        page.evaluate("told => Plotly.newPlot('figure', ...JSON.parse(told), {staticPlot: true})", told)
        return smaller(page.locator("#figure").screenshot())

    try:
        yield draw
    finally:
        for end in running[1:]:
            end()


def _started() -> tuple:
    """A page with plotly.js, and what ends it."""
    path = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        raise NoBrowser(
            "plotly's figures are drawn by a chromium, and there is none here: apt install chromium, or name one in "
            "DMREC_CHROMIUM; and pip install playwright"
        )
    from plotly.offline import get_plotlyjs

    playwright = sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
    page = browser.new_page()
    page.set_content("<body style='margin:0'><div id='figure'></div></body>")
    page.add_script_tag(content=get_plotlyjs())
    return page, browser.close, playwright.stop


def smaller(png: bytes, colours: int = 40) -> bytes:
    """The picture with a palette: a third of the bytes, and no difference that one sees in a chart.

    Example:
        >>> buffer = io.BytesIO()
        >>> Image.new("RGB", (20, 10), "teal").save(buffer, "PNG")
        >>> Image.open(io.BytesIO(smaller(buffer.getvalue()))).size
        (20, 10)
    """
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    buffer = io.BytesIO()
    few = flat.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)  # keeps colours that are rare
    few.save(buffer, "PNG", optimize=True)
    return min(png, buffer.getvalue(), key=len)
