"""A notebook as a page without code: Voila serves the first notebook, and its lambda panel works."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PANEL = ".dmrec-lambda-panel"
VOILAS_OWN = re.compile(r"fontawesome|mermaid")  # its page asks for an icon font and for mermaid; the panel does not


def test_the_lambda_panel_works_by_voila(voila, watch, screenshots):
    watched = watch()
    page = watched.page
    page.goto(voila, timeout=300_000)  # Voila runs the whole notebook before the page is there
    status = page.locator(f"{PANEL} [role=status][data-state=done]")
    expect(status).to_contain_text("λ = 0.50", timeout=120_000)
    field = page.locator(f"{PANEL} .dmrec-lambda .widget-readout")
    field.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("0.3")
    page.keyboard.press("Enter")
    expect(status).to_contain_text(re.compile(r"λ = 0\.30: Recall@20 0\.\d+, measured"), timeout=120_000)
    expect(page.locator(f"{PANEL} .dmrec-top tbody tr")).to_have_count(10)
    page.locator(PANEL).screenshot(path=screenshots / "voila-panel.png")
    assert [url for url in watched.outside if not VOILAS_OWN.search(url)] == []
    assert [error for error in watched.errors if not VOILAS_OWN.search(error)] == []
    page.context.close()
