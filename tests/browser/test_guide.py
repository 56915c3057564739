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

from tests import small_heads
from tests.browser.conftest import (
    Studio,
    arrivals,
    blank,
    lay_out_clinic,
    reach,
    start_studio,
    stop_studio,
)
from tests.patience import until


@pytest.fixture
def page(browser: Any, clinic: Studio) -> Iterator[Any]:
    """A new visitor."""
    with arrivals(browser, clinic) as start:
        yield start()


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Any]:
    with arrivals(browser, clinic) as start:
        yield start


NEXT = "#guide .next"
# What the tour waits for, each time it says something else.
LISTEN = """() => {
  const wait = document.querySelector('#guide .wait');
  const hear = () => window.heard.push(wait.hidden ? '' : wait.innerText);
  window.heard = [];
  new MutationObserver(hear).observe(wait, { subtree: true, childList: true, attributes: true });
}"""


def begin(page: Any) -> None:
    """Start the tour and open its case."""
    page.click("#guide .start")
    page.click("#guide .act")
    expect(page.locator("#guide .look")).to_contain_text("is open and segmented")


def go_on(page: Any) -> None:
    """Do what the step asks for, and go to the next one."""
    if page.locator(NEXT).is_disabled():
        page.click("#guide .act")
    page.click(NEXT)  # waits until it is enabled


def title(page: Any) -> str:
    return str(page.inner_text("#guide h2"))


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


def test_the_tour_ends_with_what_the_result_depends_on(page: Any) -> None:
    begin(page)
    for _ in range(5):
        go_on(page)
    expect(page.locator("#guide h2")).to_have_text("What the result depends on")
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
    page.locator("#guide .start").press("Enter")
    expect(page.locator("#guide .where")).to_have_text("Step 2 of 7")


def test_each_step_waits_for_its_state_and_says_for_what(page: Any) -> None:
    wait, onward = page.locator("#guide .wait"), page.locator(NEXT)
    page.click("#guide .start")
    expect(wait).to_have_text("Open a case to go on.")
    expect(onward).to_be_disabled()
    expect(onward).to_have_attribute("title", "Open a case to go on.")
    page.evaluate(LISTEN)
    page.click("#guide .act")
    expect(onward).to_be_enabled()
    heard = page.evaluate("window.heard")
    assert any(re.match("Reading|The model|Segmenting", said) for said in heard)
    assert not [said for said in heard if "have to be on" in said]  # they were, all the time
    page.click(NEXT)
    page.click(NEXT)
    assert title(page) == "Take T1c away"
    expect(wait).to_have_text("Switch T1c off to go on.")
    expect(onward).to_be_disabled()
    page.evaluate("window.heard.length = 0")
    page.click("#tumour-sequences input[data-sequence=t1c]")  # the visitor's own hand will do
    expect(onward).to_be_enabled()
    assert any(said.startswith("The model is segmenting") for said in page.evaluate("window.heard"))
    page.click(NEXT)
    expect(wait).to_have_text("Switch FLAIR off to go on.")
    page.click("#guide .back")
    expect(onward).to_be_enabled()  # what was seen stays seen


def test_a_tour_that_is_resumed_without_its_case_opens_one_first(
    visit: Any, clinic: Studio
) -> None:
    left = {"name": "mckd-tour", "value": json.dumps({"open": True, "step": 6})}
    origin = {"origin": clinic.url.rstrip("/"), "localStorage": [left]}
    page = visit(storage_state={"cookies": [], "origins": [origin]})
    assert title(page) == "Take it home"
    expect(page.locator(NEXT)).to_be_disabled()
    expect(page.locator("#guide .wait")).to_have_text("Open a case to go on.")
    page.click("#guide .act")
    expect(page.locator(NEXT)).to_be_enabled()


def fits(page: Any) -> bool:
    card = page.locator("#guide .panel").bounding_box()
    viewer = page.locator("#tumour-viewer .viewer").bounding_box()
    inside = card["y"] + card["height"] <= 900 and viewer["y"] >= 0
    return bool(inside and viewer["y"] + viewer["height"] <= card["y"])


def test_the_card_leaves_the_viewer_on_the_screen(page: Any) -> None:
    begin(page)
    for _ in range(3):
        until(
            lambda: fits(page), pause=lambda s: page.wait_for_timeout(1000 * s)
        )  # it shrinks then
        go_on(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")  # nothing stays under it
    foot = page.locator("#privacy").bounding_box()
    assert foot["y"] + foot["height"] <= page.locator("#guide .panel").bounding_box()["y"]


def test_the_whole_tour_by_keyboard(page: Any) -> None:
    page.locator("#guide .start").press("Enter")
    for _ in range(7):
        for _ in range(4):
            inside = "document.activeElement.closest('#guide') !== null"
            assert page.evaluate(inside)
            page.keyboard.press("Tab")
            on = page.evaluate("document.activeElement.className")
            if on.startswith("act") or on.startswith("next"):
                break
        if on.startswith("act") and page.locator(NEXT).is_disabled():
            page.keyboard.press("Enter")
            expect(page.locator(NEXT)).to_be_enabled()
        page.locator(NEXT).press("Enter")
    expect(page.locator("#guide .start")).to_be_focused()


@pytest.mark.parametrize("words", [("t2",), ("flair", "t1ce"), ("flair", "t1", "t2")], ids=len)
def test_the_tour_fits_the_visitor_s_own_case(
    visit: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Without a reference, with fewer sequences: no step waits for what the case does not have."""
    page = visit()
    page.click("#guide .start")
    page.click("#tumour-intake .own")
    files = [small_heads.save(tmp_path / f"x_{w}.nii.gz", small_heads.volume(w)) for w in words]
    page.set_input_files("#tumour-intake input[type=file]", files)
    page.click("#tumour-intake .go")
    seen = []
    while page.locator("#guide .panel").is_visible():
        expect(page.locator("#guide .look")).not_to_contain_text("undefined")
        seen.append(title(page))
        if len(seen) > 1 and page.locator(NEXT).is_disabled():
            page.click("#guide .act")
        page.click(NEXT)
    taken = {"t2": [], "flair": ["Take FLAIR away"], "t1ce": ["Take T1c away"], "t1": []}
    several = len(words) > 1
    assert [each for each in seen if each.startswith("Take T") or each.startswith("Take F")] == [
        step for word in ("t1ce", "flair") if word in words and several for step in taken[word]
    ]
    assert ("One sequence alone" in seen) == several
    assert seen[-1] == "Take it home"


def test_without_a_model_the_tour_says_so_and_ends(
    browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = lay_out_clinic(tmp_path_factory.mktemp("clinic"))
    (root / "checkpoints" / "tumour.safetensors").unlink()
    running = start_studio(tmp_path_factory.mktemp("clinic-runs"), root=root)
    try:
        with arrivals(browser, running) as start:
            page = start()
            page.click("#guide .start")
            page.click("#guide .act")
            expect(page.locator("#guide h2")).to_have_text("Only to look at")
            expect(page.locator("#guide .look")).to_contain_text("There is no model here")
            page.click(NEXT)
            expect(page.locator("#guide .panel")).to_be_hidden()
    finally:
        stop_studio(running)


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


def test_a_file_that_does_not_arrive_is_not_called_downloaded(browser: Any, clinic: Studio) -> None:
    page = blank(browser)
    page.goto(clinic.url)
    page.click("#tumour-intake .case")
    page.get_by_role("tab", name="Compare").click()
    reach(page, "#compare-subsets [data-state=complete]")
    page.route(re.compile(r"/file=.*\.csv$"), lambda route: route.abort(), times=1)
    state = page.locator("#compare-exports .state")
    page.click("#compare-exports button[data-kind=csv]")
    expect(state).to_have_text("The file did not arrive. Please ask for it again.")
    assert take(page, "csv")[0] == "case_mckd.csv"
    expect(state).to_have_text("case_mckd.csv is in your downloads.")
    page.context.close()


def test_exports_wait_for_their_table_and_say_so(page: Any) -> None:
    page.get_by_role("tab", name="Compare").click()
    state, buttons = (
        page.locator("#compare-exports .state"),
        page.locator("#compare-exports li button"),
    )
    expect(state).to_have_text(re.compile("^Open a case first"))
    for button in buttons.all():
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", re.compile("^Open a case first"))
    page.evaluate(
        """() => {
          const root = document.querySelector('#compare-exports .exports');
          window.said = new Set();
          new MutationObserver(() => {
            const open = [...root.querySelectorAll('li button')].some((each) => !each.disabled);
            const state = document.querySelector('#compare-subsets .subsets').dataset.state;
            window.said.add(root.querySelector('.state').textContent);
            if (open && state !== 'complete') window.said.add(`open while ${state}`);
          }).observe(root, { subtree: true, childList: true, attributes: true });
        }"""
    )
    page.click("#compare-subsets [data-case=small_head]")
    reach(page, "#compare-subsets [data-state=complete]")
    expect(buttons.first).to_be_enabled()
    expect(state).to_be_empty()
    said = page.evaluate("[...window.said]")
    assert "The case has to be read and compared first." in said
    assert not [each for each in said if each.startswith("open while")]
    page.evaluate(
        """document.dispatchEvent(new CustomEvent('mckd:table', { detail:
          { turn: 99, state: 'running', done: 7, total: 15, left_s: 4.2 } }))"""
    )
    why = "The table has to be complete first: 7 of 15 subsets, about 4 s left."
    expect(state).to_have_text(why)
    expect(buttons.first).to_be_disabled()
    expect(buttons.first).to_have_attribute("title", why)
