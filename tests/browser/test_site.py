"""The site from a folder, without a server: every page opens, stays in its folder, and fits a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import expect

from dmrec_core.upkeep.site import build_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
LIVE = [  # page, its live figure
    ("00_start_here", "09_lambda_sensitivity"),
    ("00b_dmrec_in_80_lines", "00b_dmrec_in_80_lines"),
    ("04_distribution_matching", "04_distribution_matching"),
    ("09_lambda_sensitivity", "09_lambda_sensitivity"),
    ("13_explore", "13_explore"),
    ("13_explore", "13_explore.google-xrec"),
    ("13_explore", "13_explore.clicks"),
]
ACCESS = (Path(__file__).parent / "access.js").read_text(encoding="utf-8")
SAID = ("pale", "nameless", "unfocusable", "skipped", "undescribed")  # its lists of faults


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return build_site(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="module")
def pages(site) -> list[Path]:
    """Every page but the live figures, which have tests of their own."""
    return sorted(path for path in site.rglob("*.html") if path.parent.name != "live")


class Links(HTMLParser):
    """What a page points to, and the anchors that can be pointed to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.to: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        self.to += [given[name] for name in ("href", "src") if given.get(name)]


def test_every_link_inside_leads_somewhere(site):
    read = {path: Links(path) for path in site.rglob("*.html")}
    dead = []
    for page, links in read.items():
        for link in links.to:
            if re.match(r"[a-z]+:", link):
                continue
            file, anchor = urldefrag(re.sub(r"\?[^#]*", "", link))
            target = (page.parent / unquote(file)).resolve() if file else page
            if not target.is_file() or not target.is_relative_to(site):
                dead.append(f"{page.name}: {link}")
            elif target in read and unquote(anchor) not in read[target].anchors and target.parent.name != "live":
                dead.append(f"{page.name}: {link}")
    assert len(read) > 20 and not dead, dead


def test_every_notebook_has_a_page_in_order_and_can_be_fetched(site, checkout):
    names = sorted(path.stem for path in (checkout / "notebooks").glob("*.ipynb"))
    index = Links(site / "index.html").to
    assert list(dict.fromkeys(link for link in index if re.match(r"notebooks/\d\d\w+\.html$", link))) == [
        f"notebooks/{name}.html" for name in names
    ]
    for name, following in zip(names, [*names[1:], None], strict=True):
        links = Links(site / "notebooks" / f"{name}.html").to
        assert f"../files/{name}.ipynb" in links
        assert following is None or f"{following}.html" in links


def opened(watch, page: Path, site: Path, **options):
    """A page after its load, from disk; afterwards nothing was asked for beyond its folder and nothing went wrong."""
    watched = watch(**options)
    asked, said = [], []
    watched.page.context.on("request", lambda request: asked.append(unquote(request.url)))
    watched.page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    watched.page.goto(page.as_uri(), wait_until="load")
    watched.clean()
    outside = [url for url in asked if not url.startswith((site.as_uri(), "data:", "blob:", "about:"))]
    assert not said and not outside, (page.name, said, outside)
    return watched.page


def barriers(page) -> dict[str, object]:
    """What of a page cannot be read, named, reached or followed, in its light and in its dark colours."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        looked = page.evaluate(ACCESS)
        assert looked["texts"] > 2 and looked["language"] == "en"
        found |= {f"{fault}, {scheme}": looked[fault] for fault in SAID if looked[fault]}
        if looked["titles"] != 1:
            found["titles"] = looked["titles"]
    return found


def test_every_page_opens_and_everybody_can_use_it(site, watch):
    for path in sorted(site.rglob("*.html")):
        page = opened(watch, path, site)
        assert page.title().strip()
        assert not (found := barriers(page)), (path.name, found)
        broken = page.evaluate("() => [...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
        assert not broken, (path.name, broken)
        assert "\\tag" not in page.locator("body").inner_text(), path.name
        page.context.close()


def test_what_bars_a_reader_is_found(watch):
    page = watch().page
    page.set_content("""<html lang="en"><body style="background: #fff; color: #000"><h1>One</h1><p>Two</p><p>Three</p>
        <button>go</button><label>λ <input type="range"></label><img alt="a dot" src="data:,">""")
    assert barriers(page) == {}
    page.set_content("""<html lang="en"><body style="background: #fff"><h1>One</h1><h3>Three</h3><h1>Two</h1>
        <p style="color: #777">pale</p><div style="opacity: .5">faint</div>
        <svg><text y="9" fill="#999">light</text></svg>
        <input placeholder="name"><button></button><button tabindex="-1">no way</button>
        <img src="data:,"><a href="#"></a>""")
    found = barriers(page)
    assert set(found) == {f"{fault}, {scheme}" for fault in SAID for scheme in ("light", "dark")} | {"titles"}
    assert len(found["pale, light"]) >= 3 and len(found["nameless, light"]) == 3
    assert found["skipped, light"] == ["h1 then h3"] and found["titles"] == 2
    page.context.close()


REACHED = """() => { const at = document.activeElement; return at === document.body ? "" : at.dataset.at; }"""
MARKED = """() => [...document.querySelectorAll("a[href], button, input, select, summary")]
  .filter(node => node.checkVisibility() && (node.type !== "radio" || node.checked))
  .map((node, i) => node.dataset.at = `${i} ${node.id || node.name || node.textContent}`)"""


@pytest.mark.parametrize("live", sorted({live for _, live in LIVE}))
def test_a_live_figure_needs_no_mouse(site, watch, live):
    page = opened(watch, site / "live" / f"{live}.html", site)
    controls, reached = page.evaluate(MARKED), []
    for _ in controls:
        page.keyboard.press("Tab")
        reached.append(page.evaluate(REACHED))
    assert reached == controls, "Tab goes through all of them, in the order in which they stand"
    sliders, groups = page.locator("input[type=range]"), page.evaluate(
        "() => [...new Set([...document.querySelectorAll('input[type=radio]')].map(radio => radio.name))]"
    )  # fmt: skip
    assert sliders.count()
    for slider in sliders.all():
        said, view = slider.get_attribute("aria-valuetext"), page.url
        slider.focus()
        page.keyboard.press("ArrowLeft" if slider.evaluate("e => e.value === e.max") else "ArrowRight")
        assert slider.get_attribute("aria-valuetext") != said and page.url != view
    for group in groups:
        chosen, view = page.locator(f"input[name='{group}']:checked"), page.url
        before = chosen.get_attribute("value")
        chosen.focus()
        page.keyboard.press("ArrowDown")
        assert chosen.get_attribute("value") != before and page.url != view
    page.context.close()


def test_no_page_scrolls_sideways_on_a_phone(site, pages, watch, screenshots):
    for path in pages:
        page = opened(watch, path, site, **PHONE)
        if path.parent.name == "notebooks":
            page.screenshot(path=screenshots / f"site-{path.stem}-phone.png")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path.name
        page.context.close()


@pytest.mark.parametrize(("name", "live"), LIVE)
def test_a_live_figure_moves_in_its_page(site, watch, name, live):
    page = opened(watch, site / "notebooks" / f"{name}.html", site)
    frame = f'iframe.live[src="../live/{live}.html"]'
    assert page.locator(frame).get_attribute("title")
    page.locator(frame).scroll_into_view_if_needed()
    inside = page.frame_locator(frame)
    said = inside.locator("#status").inner_text()
    inside.locator("#lam").press("ArrowRight")
    expect(inside.locator("#status")).not_to_have_text(said)
    page.context.close()


def test_equations_are_drawn_and_numbered(site, watch):
    page = opened(watch, site / "notebooks" / "04_distribution_matching.html", site)
    assert {"(9)", "(13)", "(15)"} <= set(page.locator(".eqno").all_inner_texts())
    assert page.locator("div.math math").first.bounding_box()["height"] > 15
    assert "$" not in page.locator("article p").first.inner_text()
    page.context.close()


def test_search_has_a_box_on_a_phone(site, watch):
    page = opened(watch, site / "search.html", site)
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_label("Words to look for").fill("wasserstein")
    page.keyboard.press("Enter")
    expect(page.locator("#search-results li a").filter(has_text="04")).not_to_have_count(0)


def test_search_finds_a_page_without_a_server(site, watch):
    page = opened(watch, site / "search.html", site)
    page.goto((site / "search.html").as_uri() + "?q=wasserstein")
    expect(page.locator("#search-results li a").filter(has_text="04")).not_to_have_count(0)
    page.context.close()
