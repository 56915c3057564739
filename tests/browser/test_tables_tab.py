"""The Tables tab in a real browser: a sample, its switches, a ZIP of one's own."""

import re
import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import Watch, blank

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

ASSETS = Path(__file__).parents[2] / "assets" / "tables"


@pytest.fixture
def page(studio, browser):
    page = blank(browser)
    watch = Watch()
    watch.over(page)
    page.goto(studio.url)
    page.get_by_role("tab", name="Tables").click()
    yield page
    page.context.close()
    assert watch.complaints == []
    assert watch.foreign == []


def test_switches_and_a_zip_of_ones_own(page, tmp_path):
    verdict, subsets = page.locator("#tables-verdict"), page.locator("#tables-subsets")
    expect(verdict).to_contain_text("from 6 of 6 modalities")
    expect(verdict).to_contain_text("not seen in training")
    expect(subsets.locator("tbody tr")).to_have_count(63)
    expect(page.locator("#tables-shares")).to_contain_text("IWV")

    page.locator("#tables-switches").get_by_label("pixels").focus()
    page.keyboard.press("Space")
    expect(verdict).to_contain_text("from 5 of 6 modalities")
    now = subsets.locator("tr[aria-current=true]")
    expect(now).to_have_attribute("title", re.compile("^(?!.*pixels)"))

    mine = shutil.make_archive(str(tmp_path / "mine"), "zip", ASSETS)
    page.set_input_files("#tables-archive input", mine)
    expect(page.locator("#tables-archive .tell")).to_have_text("mine.zip: 1,600 samples.")
    expect(subsets).to_contain_text("On your 1,600 samples with labels, of which 1,360")

    (tmp_path / "bad.zip").write_bytes(b"nothing")
    page.set_input_files("#tables-archive input", tmp_path / "bad.zip")
    expect(page.locator("#tables-archive .bad")).to_contain_text("bad.zip is no ZIP archive")

    page.get_by_role("button", name="Back to the bundled samples").click()
    expect(subsets).to_contain_text("On the 240 test samples of the model's run")

    page.set_viewport_size({"width": 390, "height": 844})  # a phone
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
