"""The guided tour and the exports, in a real browser, on a small head and random weights."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Studio, arrivals, reach


@pytest.fixture
def page(browser: Any, clinic: Studio) -> Iterator[Any]:
    """A new visitor."""
    with arrivals(browser, clinic) as start:
        yield start()


def begin(page: Any) -> None:
    """Start the tour and open its case."""
    page.click("#guide .start")
    page.click("#guide .act")
    expect(page.locator("#guide .look")).to_contain_text("is open and segmented")


def numbers(page: Any) -> list[float]:
    return [float(n) for n in re.findall(r"([\d.]+) mL", page.inner_text("#guide .look"))]


def volume(page: Any, region: str) -> float:
    cell = page.locator(f"#tumour-findings tr[data-region={region}] td").first
    return float(re.match(r"[\d.]+", cell.inner_text()).group())  # type: ignore[union-attr]


def test_the_tour_tells_the_numbers_of_the_case_and_flips_the_switches(page: Any) -> None:
    begin(page)
    reach(page, "#tumour-findings .findings[data-scored=true]")
    page.click("#guide .next")
    full = {region: volume(page, region) for region in ("wt", "tc", "et")}
    assert numbers(page) == [*full.values()]

    page.click("#guide .next")
    page.click("#guide .act")
    expect(page.locator("#guide .act")).to_be_hidden()
    expect(page.locator("#tumour-findings .from")).to_contain_text("without T1c")
    assert not page.is_checked("#tumour-sequences input[data-sequence=t1c]")
    expect(page.locator("#guide .look")).to_contain_text("Dice")
    said = page.inner_text("#guide .look")
    if full["et"] >= 0.1 and "hardly" not in said:
        assert numbers(page)[:2] == [full["et"], volume(page, "et")]


def test_the_tour_ends_with_what_contributes_most(page: Any) -> None:
    begin(page)
    for _ in range(5):
        page.click("#guide .next")
    expect(page.locator("#guide h2")).to_have_text("What contributes most")
    page.click("#guide .act")
    expect(page.locator("#compare-contributions .sentence")).not_to_be_empty()
    sentence = page.inner_text("#compare-contributions .sentence")
    expect(page.locator("#guide .look")).to_have_text(sentence)
    page.click("#guide .next")
    page.click("#guide .next")
    expect(page.locator("#guide .start")).to_contain_text("Guided tour")


def test_the_tour_can_be_left_and_resumed(page: Any) -> None:
    begin(page)
    page.click("#guide .next")
    page.keyboard.press("Escape")
    expect(page.locator("#guide .panel")).to_be_hidden()
    page.reload()
    page.wait_for_selector("#tumour-intake .case")
    expect(page.locator("#guide .start")).to_contain_text("Resume the tour")
    page.keyboard.press("Tab")
    page.locator("#guide .start").press("Enter")
    expect(page.locator("#guide .where")).to_have_text("Step 2 of 7")


def take(page: Any, kind: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.click(f"#compare-exports button[data-kind={kind}]")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_exports_are_whole_and_say_the_same(page: Any) -> None:
    page.click("#tumour-intake .case")
    reach(page, "#tumour-findings .findings[data-status=answer]")
    shown = volume(page, "wt")
    page.get_by_role("tab", name="Compare").click()

    name, report = take(page, "report")
    assert name == "case_mckd.pdf"
    assert report.startswith(b"%PDF-")
    name, figures = take(page, "json")
    assert name == "case_mckd.json"
    told = json.loads(figures)
    assert told["case"] == "case"
    assert len(told["subsets"]) == 15
    volume_ml = told["subsets"][-1]["regions"]["wt"]["volume_ml"]
    assert volume_ml == pytest.approx(shown, abs=0.06 if shown < 100 else 0.51)  # shown whole
    page.fill("#compare-exports .alias input[type=text]", "Fall 7, links")
    name, data = take(page, "archive")
    assert name == "Fall_7_links_mckd.zip"
    files = zipfile.ZipFile(io.BytesIO(data))
    sums = files.read("Fall_7_links/SHA256SUMS").decode().splitlines()
    assert len(sums) == len(files.namelist()) - 1
    for line in sums:
        digest, path = line.split(maxsplit=1)
        assert hashlib.sha256(files.read(f"Fall_7_links/{path}")).hexdigest() == digest
    assert sum(path.startswith("Fall_7_links/masks/") for path in files.namelist()) == 15


def test_the_files_name_is_taken_only_if_somebody_says_so_and_for_this_case(page: Any) -> None:
    page.click("#tumour-intake .case")
    reach(page, "#tumour-findings .findings[data-status=answer]")
    page.check("#tumour-findings .alias input[type=checkbox]")
    with page.expect_download() as download:
        page.click("#tumour-findings .take")
    assert download.value.suggested_filename.startswith("small_head_mckd_")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-exports .alias input[type=checkbox]")).to_be_checked()
    name, figures = take(page, "csv")
    assert name == "small_head_mckd.csv"
    assert figures.splitlines()[1].startswith(b"small_head,")
    page.get_by_role("tab", name="Brain tumours").click()
    page.click("#tumour-intake .case")
    reach(page, "#tumour-findings .findings[data-status=answer]")
    for place in ("#tumour-findings", "#compare-exports"):
        expect(page.locator(f"{place} .alias input[type=checkbox]")).not_to_be_checked()


def test_without_a_case_there_is_nothing_to_export(page: Any) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.click("#compare-exports button[data-kind=csv]")
    expect(page.locator("#compare-exports .state")).to_contain_text("no case to export yet")
