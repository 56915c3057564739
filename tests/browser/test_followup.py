"""The follow-up in a real browser: visits are kept, compared, dated, removed and taken home.

The app is the real one, with a small head and a network of random weights: what it finds means
nothing, but what is shown of it must add up.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests import small_heads
from tests.browser.conftest import Studio, arrivals, reach

PLACE = "#tumour-followup .followup"
MINUS = str.maketrans("−±", "-0")


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    """Open the page as a new visitor; fails on console errors and foreign requests."""
    with arrivals(browser, clinic) as start:
        yield start


def compared(page: Any, visits: int) -> None:
    reach(page, f"{PLACE}[data-visits='{visits}'][data-state=compared]")


def numbers(page: Any, region: str) -> list[float]:
    """Both volumes, their difference, growth, and change of protocol."""
    cells = page.locator(f"{PLACE} .step").first.locator(f"tr[data-region={region}] td")
    shown = [cell.split("\n")[0] for cell in cells.all_inner_texts()[:5]]
    return [float(words.translate(MINUS)) for words in shown]


def test_bundled_visits_are_compared_at_one_click(visit: Callable[..., Any]) -> None:
    page = visit()
    page.locator(f"{PLACE} .example").click()
    compared(page, 2)
    expect(page.locator(f"{PLACE} .step h4")).to_have_text("Visit 1 to 2, 88 days")
    expect(page.locator(f"{PLACE} .sentence")).to_contain_text("FLAIR, the sequences that both")
    for region in ("et", "tc", "wt"):
        before, after, difference, growth, protocol = numbers(page, region)
        assert after - before == pytest.approx(difference, abs=1.1)  # from 100 mL on rounded to 1
        assert growth + protocol == pytest.approx(difference, abs=1.1)
        assert growth == 0  # the head is the same
    reach(page, f"{PLACE}[data-charted='2'] .plot .main-svg")
    page.locator(f"{PLACE} .meaning summary").click()
    expect(page.locator(f"{PLACE} .meaning")).to_contain_text("as independent errors add up")


def test_visits_are_kept_dated_removed_and_brought_back(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    expect(page.locator(f"{PLACE} .tools .keep")).to_be_disabled()
    page.click("#tumour-intake [data-case=small_head]")
    for off in ("t1c", "t1"):
        used = "#tumour-findings .findings[data-status=answer]"
        reach(page, used)
        page.click(f"#tumour-sequences input[data-sequence={off}]")
        left = {"t1c": "FLAIR,T1,T2", "t1": "FLAIR,T2"}[off]
        reach(page, f"{used}[data-used='{left}']")
        page.locator("#tumour-findings .keep").click()
        count = {"t1c": 1, "t1": 2}[off]
        reach(page, f"{PLACE}[data-visits='{count}']:not([data-state=working])")
    compared(page, 2)
    days = page.locator(f"{PLACE} .visits input")
    for place, day in enumerate(("2024-04-28", "2024-01-31")):
        days.nth(place).fill(day)
        expect(days.nth(place)).to_be_enabled()
    expect(page.locator(f"{PLACE} .step h4")).to_have_text("Visit 1 to 2, 88 days")
    expect(page.locator(f"{PLACE} .used")).to_have_text(["FLAIR + T2", "FLAIR + T1 + T2"])
    with page.expect_download() as download:
        page.locator(f"{PLACE} .home [data-kind=csv]").click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    with (tmp_path / "followup_mckd.csv").open(newline="") as file:
        assert {row["compared_by"] for row in csv.DictReader(file)} == {"flair+t2"}
    ticks = page.locator(f"{PLACE} .plot .xtick text")
    expect(ticks.first).to_have_text("2024-01-31")
    days.nth(1).fill("2024-01-31")
    expect(page.locator(f"{PLACE} .step h4")).to_have_text("Visit 1 to 2, the same day")
    expect(ticks.first).to_have_text("Visit 1")  # of one day they would lie on each other
    page.get_by_role("button", name="Remove visit 2").click()
    reach(page, f"{PLACE}[data-visits='1'][data-state=one]")
    expect(page.locator(f"{PLACE} .undo")).to_be_focused()
    page.locator(f"{PLACE} .undo").click()
    compared(page, 2)
    expect(page.locator(f"{PLACE} .tools .keep")).to_be_focused()  # nothing is left to undo
    page.reload()
    page.wait_for_selector(f"{PLACE}[data-state=empty]")  # they go with the page


def test_two_heads_are_compared_once_somebody_says_that_they_are_of_one_patient(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    """The bundled head from FLAIR, and another one of the same outline that is uploaded."""
    page, used = visit(), "#tumour-findings .findings[data-status=answer][data-used=FLAIR]"
    page.click("#tumour-intake [data-case=small_head]")
    reach(page, "#tumour-findings .findings[data-status=answer]")
    for off in ("t1", "t1c", "t2"):
        page.click(f"#tumour-sequences input[data-sequence={off}]")
    reach(page, used)
    page.locator("#tumour-findings .keep").click()
    reach(page, f"{PLACE}[data-visits='1'][data-state=one]")

    noise = np.random.default_rng(7).integers(0, 40, small_heads.SHAPE)
    head = np.where(small_heads.brain(), 300 + noise, 0).astype(np.int16)
    file = small_heads.save(tmp_path / "other_flair.nii.gz", head)
    page.click("#tumour-intake .own")
    page.set_input_files("#tumour-intake input[type=file]", str(file))
    page.click("#tumour-intake .go")
    expect(page.locator("#tumour-sequences input[data-sequence=t1]")).to_be_disabled()
    reach(page, used)
    page.locator("#tumour-findings .keep").click()
    compared(page, 2)
    step = page.locator(f"{PLACE} .step")
    expect(step.locator(".doubt")).to_contain_text("These visits may be of two people")
    expect(step.locator("table")).to_have_count(0)
    expect(page.locator(f"{PLACE} .chart")).to_be_hidden()
    step.get_by_role("button", name="They are of one patient").click()
    expect(step.locator("tr[data-region=wt]")).to_be_visible()
    expect(step.locator(".sentence")).to_contain_text("said to be of one patient, although the")
    expect(page.locator(f"{PLACE} .chart")).to_be_visible()
    expect(page.locator(f"{PLACE} .tools .keep")).to_be_focused()  # what was pressed is gone
