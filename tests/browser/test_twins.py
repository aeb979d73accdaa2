"""The kernel-free twins opened from a folder: by keyboard, by link, on a phone; their JavaScript against the core."""

from __future__ import annotations

import math
import re
from itertools import product

import pandas as pd
import pytest
import torch
from playwright.sync_api import expect

from dmrec_core.figures.twins import pages as twin
from dmrec_core.figures.twins import write_own_clicks
from dmrec_core.gaussian import (
    DiagonalGaussian,
    geometric_composite,
    kl,
    log_mixture_density,
    moment_matched_composite,
    wasserstein2_squared,
)
from dmrec_core.matching import STRATEGIES, composite_divergence
from dmrec_core.records.writer import provenance
from dmrec_core.runs.inputs import load
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import run
from dmrec_core.runs.sweeps import grid
from dmrec_core.training.fit import TrainSettings

pytestmark = pytest.mark.browser
QUICK = TrainSettings(epochs=4, batch_size=128, learning_rate=3e-3)
LAMS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def one_step() -> pd.DataFrame:
    """A step that is longer the more lambda there is; of q only, as published, and of both in the paper's equations."""
    rows = []
    for lam, variant, pull in product((0.0, 0.2, 0.4, 0.5, 0.6, 1.0), ("published", "paper"), ("prior", "matching")):
        for space, x in (("collaborative", -1.0), ("language", 1.5), ("fused", 0.5)):
            by = lam * (space != "language" or variant == "paper")
            row = {"lam": lam, "variant": variant, "pull": pull, "space": space, "mean_1": x, "mean_2": 0.5 * x}
            row |= {"mean_1_after": x - by, "mean_2_after": 0.5 * x}
            rows.append(row | {f"std_{k}{when}": 0.7 for k in (1, 2) for when in ("", "_after")})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def pages(browser, tmp_path_factory):
    data = load(paper_settings("toy", strategy="mddm"))
    specs = grid(paper_settings("toy", train=QUICK), seed=(2024, 2025))
    specs += grid(paper_settings("toy", strategy="mddm", train=QUICK), lam=LAMS, seed=(2024, 2025))
    specs += grid(paper_settings("toy", strategy="godm", train=QUICK), lam=LAMS)
    folder, runs = tmp_path_factory.mktemp("twins"), tmp_path_factory.mktemp("runs")
    results = [run(spec, data, runs=runs, device="cpu") for spec in specs]
    line = [r for r in results if r.spec.strategy in ("base", "mddm") and r.spec.seed == 2024]
    narrow = grid(paper_settings("toy", strategy="mddm", hidden=16, latent=8, train=QUICK), lam=LAMS[::5])
    small = [run(spec, data, runs=runs, device="cpu") for spec in narrow]
    return {
        "lambda": twin.write_lambda_sensitivity(
            folder / "09_lambda_sensitivity.html", results, provenance(data, results)
        ),
        "matching": twin.write_distribution_matching(folder / "04_distribution_matching.html"),
        "explore": twin.write_explore(folder / "13_explore.html", line, data, provenance(data, line)),
        "step": twin.write_one_step(folder / "00b.html", one_step(), 0.5, {"dataset": None}),
        "clicks": write_own_clicks(folder / "13_explore.clicks.html", small, data, provenance(data, small)),
    }


@pytest.fixture
def opened(pages, watch):
    """`opened(name, "#lam=0.6")`: the twin from file://, and afterwards that nothing went wrong in it."""
    seen = []

    def open_twin(name, address="", **options):
        watched = watch(**options)
        seen.append(watched)
        watched.page.goto(pages[name].as_uri() + address)
        return watched.page

    yield open_twin
    for watched in seen:
        watched.clean()
        watched.page.context.close()


def drawn(page):
    html = page.evaluate("() => Array.from(document.querySelectorAll('#views svg')).map(svg => svg.innerHTML).join()")
    return re.sub(r"clip\d+", "clip", html)  # numbered as drawn


@pytest.mark.parametrize("name", ["lambda", "matching", "explore", "step"])
def test_keyboard_moves_the_slider_the_picture_and_the_address(opened, name, screenshots):
    page = opened(name)
    page.screenshot(path=screenshots / f"twin-{name}.png", full_page=True)
    before, said = drawn(page), page.locator("#status").inner_text()
    page.locator("#lam").focus()
    page.keyboard.press("ArrowRight")
    assert drawn(page) != before
    expect(page.locator("#status")).not_to_have_text(said)
    value = page.locator("#lam").get_attribute("aria-valuetext")
    assert value.startswith("λ = ") and value.removeprefix("λ = ") in page.locator("#status").inner_text()
    shown = float(value.removeprefix("λ = "))
    assert f"lam={shown:g}" in page.url
    page.keyboard.press("Home")
    assert page.locator("#lam").get_attribute("aria-valuetext") == "λ = 0.00"
    page.keyboard.press("End")
    assert page.locator("#lam").get_attribute("aria-valuetext") == "λ = 1.00"


@pytest.mark.parametrize("name", ["lambda", "matching", "explore", "clicks", "step"])
def test_a_link_opens_where_it_says_and_can_be_changed_in_place(opened, name):
    page = opened(name, "#lam=0.6")
    expect(page.locator("#status")).to_contain_text("λ = 0.60")
    page.evaluate("() => { location.hash = '#lam=0.2'; }")
    expect(page.locator("#status")).to_contain_text("λ = 0.20")
    page.goto(page.url.split("#")[0] + "#lam=nonsense&strategy=none&user=-5&other=1")
    page.reload()
    expect(page.locator("#status")).to_contain_text("λ = ")  # a wrong link shows the start


def test_the_link_made_by_one_reader_shows_another_the_same(opened):
    page = opened("explore")
    page.locator("#user").select_option(index=9)
    page.locator("#lam").focus()
    page.keyboard.press("ArrowLeft")
    other = opened("explore", "#" + page.url.split("#")[1])
    assert drawn(other) == drawn(page)
    assert other.locator("#top").inner_text() == page.locator("#top").inner_text()


def test_the_lambda_twin_shows_the_number_of_its_table(opened):
    page = opened("lambda", "#lam=0.4&strategy=mddm&metric=ndcg%4020")
    said = page.locator("#status").inner_text()
    assert "MDDM" in said and "NDCG@20" in said and "base model" in said
    page.locator("#numbers summary").click()
    row = page.locator("#numbers tr.here")
    expect(row).to_have_count(1)
    assert row.locator("td").last.inner_text() in said
    page.get_by_role("button", name="no matching").click()
    expect(page.locator("#status")).to_contain_text("λ = 1.00")
    page.get_by_label("GODM").check()
    page.get_by_role("button", name="no matching").click()
    expect(page.locator("#status")).to_contain_text("GODM (DMRec-G) at λ = 0.00")


def test_the_step_twin_says_who_moves_in_which_variant(opened):
    page = opened("step", "#lam=0.4&pull=matching")
    said = page.locator("#status").inner_text()
    assert "as published: the code: q by 0.40, p by 0.00" in said and "equations: q by 0.40, p by 0.40" in said
    moved = page.locator("#views figure path[data-name='language step']")
    expect(moved).to_have_count(2)
    still, long = (moved.nth(k).evaluate("path => path.getTotalLength()") for k in (0, 1))
    assert still < 0.5 < 10 < long
    page.get_by_role("button", name="no prior").click()
    expect(page.locator("#status")).to_contain_text("λ = 0.00, matching: one step moves the means")


def test_the_explore_twin_changes_everything_about_the_user(opened):
    page = opened("explore", "#lam=0.4")
    texts = "#top", "#ranks", ".profile >> nth=-1"
    before = drawn(page), *(page.locator(text).inner_text() for text in texts)
    page.locator("#user").select_option(index=11)
    after = drawn(page), *(page.locator(text).inner_text() for text in texts)
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert before[2].startswith("Where the test items rank: ") and "(base model: " in before[2]
    expect(page.locator("#top tbody tr")).to_have_count(10)


@pytest.mark.parametrize("name", ["lambda", "matching", "explore", "clicks", "step"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off_and_text_can_be_read(opened, name, scheme, screenshots):
    page = opened(name, "#lam=0.6", color_scheme=scheme, **PHONE)
    page.screenshot(path=screenshots / f"twin-{name}-phone-{scheme}.png", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, "the page scrolls sideways"
    sizes = page.evaluate("""() => Array.from(document.querySelectorAll("#views svg text")).map(text => {
      const svg = text.ownerSVGElement, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      return scale * parseFloat(getComputedStyle(text).fontSize); })""")
    assert sizes and min(sizes) > 10.5
    assert page.locator("#lam").bounding_box()["height"] >= 24  # a finger finds it


def test_the_page_names_its_controls_and_its_pictures(opened):
    for name in ("lambda", "matching", "explore", "clicks"):
        page = opened(name)
        for handle in page.locator("input, select, button").all():
            assert handle.evaluate("e => (e.labels && e.labels.length) || e.textContent.trim() || e.ariaLabel"), name
        for picture in page.locator("#views svg.chart").all():
            assert picture.get_attribute("aria-label")


CASES = [(-1.5, 0.7, 2.0, 0.6), (0.0, 1.0, 0.0, 1.0), (3.2, 0.3, -2.7, 2.4), (0.4, 2.5, 0.5, 0.2)]


@pytest.fixture(scope="module")
def maths(pages, watch):
    watched = watch()
    watched.page.goto(pages["matching"].as_uri())
    yield lambda expression, *values: watched.page.evaluate(
        f"([q, p, a, b]) => {expression}", [*values, *[None] * (4 - len(values))]
    )
    watched.clean()
    watched.page.context.close()


def gaussians(case):
    mu_q, sigma_q, mu_p, sigma_p = case
    pair = [
        DiagonalGaussian(
            torch.tensor([[mu]], dtype=torch.float64), torch.tensor([[2 * math.log(s)]], dtype=torch.float64)
        )
        for mu, s in ((mu_q, sigma_q), (mu_p, sigma_p))
    ]
    return *pair, {"mu": mu_q, "sigma": sigma_q}, {"mu": mu_p, "sigma": sigma_p}


@pytest.mark.parametrize("case", CASES)
def test_the_javascript_is_the_core(maths, case):
    q, p, js_q, js_p = gaussians(case)
    close = dict(rel=1e-9, abs=1e-12)
    assert maths("maths.kl(q, p)", js_q, js_p) == pytest.approx(kl(q, p).item(), **close)
    assert maths("maths.w2squared(p, q)", js_q, js_p) == pytest.approx(wasserstein2_squared(p, q).item(), **close)
    for alpha in (0.1, 0.5, 0.9):
        for name, core in (("moments", moment_matched_composite), ("geometric", geometric_composite)):
            composite = core(q, p, alpha)
            found = maths(f"maths.{name}(q, p, a)", js_q, js_p, alpha)
            assert found["mu"] == pytest.approx(composite.mean.item(), **close)
            assert found["sigma"] == pytest.approx(composite.std.item(), **close)
            divergence = maths(f"maths.composite(q, p, maths.{name}(q, p, a))", js_q, js_p, alpha)
            assert divergence == pytest.approx(composite_divergence(q, p, composite).item(), **close)
        for z in (-2.0, 0.3, 1.9):
            density = log_mixture_density(torch.tensor([[z]], dtype=torch.float64), q, p, alpha).exp().item()
            assert maths("maths.mixture(b, q, p, a)", js_q, js_p, alpha, z) == pytest.approx(density, **close)
    for name in ("godm", "cpdm", "mddm"):
        for lam in (0.0, 0.35, 1.0):
            core = STRATEGIES[name].terms(q, p, q, lam, "paper").total.item()
            assert maths(f"maths.loss('{name}', q, p, a, 0.5)", js_q, js_p, lam) == pytest.approx(core, **close)


def test_the_true_mixture_by_integration_agrees_with_sampling(maths):
    q, p, js_q, js_p = gaussians(CASES[0])
    generator = torch.Generator().manual_seed(0)
    total, error = 0.0, 0.0
    for own in (q, p):
        z = own.mean + own.std * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
        own_log = -0.5 * (((z - own.mean) / own.std) ** 2 + own.logvar + math.log(2 * math.pi)).sum(-1)
        ratio = own_log - log_mixture_density(z.unsqueeze(1), q, p, 0.5).squeeze(1)
        total, error = total + ratio.mean().item(), error + (ratio.std() / math.sqrt(len(ratio))).item()
    assert abs(maths("maths.mixtureDivergence(q, p, a)", js_q, js_p, 0.5) - total) < 4 * error


@pytest.mark.parametrize("name", ["godm", "cpdm", "mddm"])
@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_where_a_loss_brings_q_is_its_minimum(maths, name, lam):
    _, p, _, js_p = gaussians(CASES[0])
    rest = maths(f"maths.rest('{name}', p, a, 0.5)", None, js_p, lam)
    q = [torch.tensor([[value]], dtype=torch.float64) for value in (rest["mu"], 2 * math.log(rest["sigma"]))]
    mean, logvar = (value.requires_grad_() for value in q)
    at = DiagonalGaussian(mean, logvar)
    gradient = torch.autograd.grad(STRATEGIES[name].terms(at, p, at, lam, "paper").total.sum(), (mean, logvar))
    assert max(float(g.abs().max()) for g in gradient) < 5e-3
    if name == "mddm" and lam == 0.0:
        assert (rest["mu"], rest["sigma"]) == (pytest.approx(2.0, abs=1e-3), pytest.approx(0.6, abs=1e-3))
    if lam == (1.0 if name == "mddm" else 0.0):
        assert (rest["mu"], rest["sigma"]) == (pytest.approx(0.0, abs=1e-3), pytest.approx(1.0, abs=1e-3))
