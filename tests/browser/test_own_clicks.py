"""The twin that takes the reader's own clicks, in a browser: by keyboard, by link, with nothing and with everything."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from dmrec_core.figures.twins import write_own_clicks
from dmrec_core.records.writer import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings
from tests.frozen_page import CLICKS, answer, assert_same, core_of, data_of

pytestmark = pytest.mark.browser
QUICK = TrainSettings(epochs=12, batch_size=128, learning_rate=3e-3)
LAMS = (0.0, 0.5, 1.0)
ASK = "([run, ...asked]) => frozen.answer(unpacked(DATA.runs[run].weights), ...asked, DATA.variant)"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    narrow = paper_settings("toy", strategy="mddm", hidden=16, latent=8, train=QUICK)
    data, runs = load(narrow), tmp_path_factory.mktemp("runs")
    results = [run(spec, data, runs=runs, device="cpu") for spec in grid(narrow, lam=LAMS)]
    return write_own_clicks(tmp_path_factory.mktemp("twin") / "x.html", results, data, provenance(data, results))


@pytest.fixture
def opened(path, watch):
    """`opened("#lam=0.5")`: the page from file://, and afterwards that nothing went wrong in it."""
    seen = []

    def open_page(address="", **options):
        seen.append(watch(**options))
        seen[-1].page.goto(path.as_uri() + address)
        return seen[-1].page

    yield open_page
    for watched in seen:
        watched.clean()
        watched.page.context.close()


def shown(page):
    """Everything that depends on the state, as a reader sees it."""
    pictures = page.evaluate(
        "() => Array.from(document.querySelectorAll('#views svg')).map(svg => svg.innerHTML).join()"
    )
    return (
        re.sub(r"clip\d+", "clip", pictures),
        page.locator("#views").inner_text(),
        page.locator("#status").inner_text(),
    )


def titles(page):
    return page.locator("#top tbody td:nth-child(2)").all_inner_texts()


def test_the_pages_arithmetic_is_the_cores(path, opened):
    held, page = data_of(path), opened()
    for number in range(len(LAMS)):
        model = core_of(held, number)
        for clicked in CLICKS:
            for own in (None, 0):
                assert_same(page.evaluate(ASK, [number, clicked, own]), answer(model, clicked, own))


@pytest.mark.parametrize(("lam", "shares"), [(0.5, {1: 1.0}), (0.4, {0: 0.2, 1: 0.8})])
def test_the_ten_are_the_cores_and_between_two_lambdas_a_mixture(path, opened, lam, shares):
    held = data_of(path)
    clicked = [5, 17, 2]
    page = opened(f"#items={'.'.join(str(held['items'][row]) for row in clicked)}&text=none&lam={lam}")
    scores = [answer(core_of(held, number), clicked, None)["scores"] for number in shares]
    mixed = [sum(w * side[k] for w, side in zip(shares.values(), scores, strict=True)) for k in range(len(scores[0]))]
    best = sorted((row for row in range(len(mixed)) if row not in clicked), key=lambda row: -mixed[row])[:10]
    assert titles(page) == [held["titles"][row] for row in best]
    written = page.locator("#top tbody td:nth-child(3)").all_inner_texts()
    assert [float(text.replace("−", "-")) for text in written] == pytest.approx([mixed[row] for row in best], abs=6e-3)
    expect(page.locator("#approximation")).to_have_count(len(shares) - 1)
    assert ("approximation" in page.locator("#views").inner_text()) == (len(shares) > 1)


def test_items_are_found_clicked_and_taken_back_by_keyboard(path, opened):
    held, page = data_of(path), opened("#items=&text=none&lam=0.5")
    before, title = shown(page), held["titles"][40]
    page.locator("#find").focus()
    page.keyboard.type(title.upper())
    expect(page.locator("#hits label").first).to_have_text(title)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#picked button")).to_have_text([f"{title} ✕"])
    assert f"items={held['items'][40]}&" in page.url and "find=" in page.url
    after = shown(page)
    assert all(old != new for old, new in zip(before, after, strict=True)) and title not in titles(page)
    page.locator("#picked button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#picked button")).to_have_count(0)
    assert shown(page) == before and not page.locator("#hits input").first.is_checked()
    assert page.evaluate("() => document.activeElement.id") == "find", "the keyboard lost its place"


def test_what_moved_up_is_marked(opened):
    page = opened("#lam=0")
    rows = page.locator("#top tbody tr").all()
    places = [[int(row.locator("td").nth(column).inner_text().split()[0]) for column in (0, 3)] for row in rows]
    marks = [row.locator("td").nth(3).inner_text().split(" ", 1)[1] for row in rows]
    for (now, was), mark, row in zip(places, marks, rows, strict=True):
        assert mark == ("=" if was == now else f"▲ up {was - now}" if was > now else f"▼ down {now - was}")
        assert (row.get_attribute("class") == "hit") == (was > now)
    risen = [was for now, was in places if was > now]
    below = sum(was > 10 for was in risen)
    assert risen and f"{len(risen)} of the 10 moved up, {below} of them" in page.locator("#status").inner_text()
    page.get_by_label("0.00").check()
    expect(page.locator("#status")).to_contain_text("nothing moved")
    assert set(page.locator("#top tbody td:nth-child(4)").all_inner_texts()) == {f"{k} =" for k in range(1, 11)}


def test_lambda_moves_by_keyboard_and_says_where_nothing_was_trained(opened):
    page = opened()
    start = shown(page)
    page.locator("#lam").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#status")).to_contain_text("λ = 0.55")
    expect(page.locator("#approximation")).to_contain_text("90 % of the scores at λ = 0.50 and 10 % of those at 1.00")
    page.keyboard.press("End")
    expect(page.locator("#status")).to_contain_text("λ = 1.00")
    expect(page.locator("#approximation")).to_have_count(0)
    assert all(old != new for old, new in zip(start, shown(page), strict=True))


def test_a_link_holds_everything(path, opened):
    held, page = data_of(path), opened()
    page.locator("#find").fill(held["titles"][3][:4])
    page.locator("#hits input").first.check()
    page.locator("#text").select_option(index=2)
    page.locator("#lam").press("Home")
    other = opened("#" + page.url.split("#")[1])
    assert shown(other) == shown(page)
    for part in ("#picked", "#hits"):
        assert other.locator(part).inner_text() == page.locator(part).inner_text()
    assert other.locator("#find").input_value() == held["titles"][3][:4]
    wrong = opened("#items=x.-5.999999.&text=nobody&lam=nonsense&against=7&find=%3Cimg%20src%3Dx%3E")
    expect(wrong.locator("#status")).to_contain_text("No clicks yet")
    assert wrong.locator("#hits input").count() == 0 and wrong.locator("img").count() == 0


def test_nothing_and_everything_are_answered_with_a_sentence(path, opened):
    held, page = data_of(path), opened("#text=none")
    page.get_by_role("button", name="click everything").click()
    expect(page.locator("#status")).to_contain_text("You clicked everything, so nothing is left to recommend")
    expect(page.locator("#top tbody tr")).to_have_count(0)
    assert "items=all" in page.url
    for _ in range(4):
        page.locator("#picked button").first.click()
    expect(page.locator("#status")).to_contain_text("Only 4 items left to recommend")
    expect(page.locator("#top tbody tr")).to_have_count(4)
    assert opened("#" + page.url.split("#")[1]).locator("#picked").inner_text() == page.locator("#picked").inner_text()
    page.get_by_role("button", name="click nothing").click()
    expect(page.locator("#status")).to_contain_text("The ten are the same for everyone of whom nothing is known")
    expect(page.locator("#top tbody tr")).to_have_count(10)
    nobody = titles(page)
    page.locator("#text").select_option(str(held["people"][0]["id"]))
    expect(page.locator("#status")).to_contain_text("The ten come from the text about you alone")
    assert titles(page) != nobody
    page.get_by_role("button", name="clicks and text").click()
    expect(page.locator("#picked button")).to_have_count(len(held["people"][0]["items"]))


def test_words_are_explained_and_the_page_stays_small(path, opened):
    page = opened()
    explained = page.locator("dt").all_inner_texts()
    assert explained == ["DMRec-M", "q", "p", "fused posterior", "prior N(0, I)", "λ", "place"]
    assert path.stat().st_size < 600_000
