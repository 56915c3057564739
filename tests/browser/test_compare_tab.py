"""The Compare tab in a real browser: the table fills, sorts and shows, and the views agree with it.

The app is the real one, with a small head and a network of random weights: what it finds means
nothing, but the table, the views, the differences, the votes and the contributions must agree.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
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

FULL = "flair+t1+t1c+t2"
REGIONS = ("et", "tc", "wt")
VOXEL_ML = float(np.prod(small_heads.SPACING)) / 1000
SHOWN_ML = 1.1  # two volumes from 100 mL on are shown without decimals


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The app with a model and two bundled cases, one of them without T1 and reference."""
    root = lay_out_clinic(tmp_path_factory.mktemp("clinic"))
    three = ("flair", "t1ce", "t2")
    small_heads.save_case(root / "assets" / "tumour" / "three", words=three, reference=False)
    running = start_studio(tmp_path_factory.mktemp("clinic-runs"), root=root)
    yield running
    stop_studio(running)


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    """Open the Compare tab as a new visitor; fails on console errors and foreign requests."""

    def arrive(page: Any) -> None:
        page.get_by_role("tab", name="Compare").click()
        page.wait_for_selector("#compare-subsets .empty h3")

    with arrivals(browser, clinic, arrive) as start:
        yield start


@pytest.fixture(scope="module")
def resident(browser: Any, clinic: Studio) -> Iterator[None]:
    """Somebody who has the case open all the time: others find it compared."""
    page = blank(browser)
    page.goto(clinic.url)
    page.get_by_role("tab", name="Compare").click()
    compare(page, "small_head")
    yield
    page.context.close()


@pytest.fixture
def page(visit: Callable[..., Any], resident: None) -> Any:
    """A visitor whose bundled case is compared."""
    opened = visit()
    compare(opened, "small_head")
    return opened


def compare(page: Any, case: str) -> None:
    page.click(f"#compare-subsets [data-case={case}]")
    reach(page, "#compare-subsets .subsets[data-state=complete]")
    reach(page, "#compare-panes .panes[data-loaded]")


def row(page: Any, key: str) -> list[str]:
    return page.locator(f'#compare-subsets tr[data-key="{key}"] td').all_inner_texts()


def volumes(page: Any, key: str) -> list[float]:
    """mL of ET, TC and WT as the table has them, where there is a reference."""
    return [float(text) for text in row(page, key)[::4]]


def order(page: Any) -> list[str]:
    return str(page.locator("#compare-subsets .subsets").get_attribute("data-order")).split()


def drawn(page: Any, widget: str) -> list[dict[str, Any]]:
    """What a chart shows: {"name", "type", "x", "y", "customdata"} of each of its series."""
    plot = page.locator(f"#compare-{widget} .plot")
    until_there(page, lambda: plot.evaluate("(p) => Boolean(p.data)"))
    pick = "({ name, type, x, y, customdata }) => ({ name, type, x, y, customdata })"
    found: list[dict[str, Any]] = plot.evaluate(f"(p) => p.data.map({pick})")
    return found


def until_there(page: Any, true: Callable[[], Any]) -> None:
    until(true, pause=lambda seconds: page.wait_for_timeout(1000 * seconds))


def chart_of(page: Any, measure: str, title: str) -> None:
    """Choose what the chart of the subsets shows, and wait for it."""
    page.locator("#compare-subsets .chart select").select_option(measure)
    plot = page.locator("#compare-subsets .plot")
    until_there(page, lambda: plot.evaluate("(p) => p.layout?.xaxis.title.text") == title)


def pane(page: Any, letter: str) -> Any:
    return page.locator(f"#compare-panes [data-pane={letter}]")


def shows(page: Any, letter: str, source: str, look: str = "regions") -> None:
    """Wait until a pane shows that."""
    expect(pane(page, letter)).to_have_attribute("data-filled", f"{look} {source}")


def key_ml(page: Any, letter: str) -> list[float]:
    """The volumes under a pane."""
    return [float(t.split()[0]) for t in pane(page, letter).locator(".key b").all_inner_texts()]


def at(page: Any) -> list[int]:
    """The voxel of the crosshair, once it is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
    said = page.locator("#compare-panes .panes").get_attribute("data-at")
    return [int(v) for v in str(said).split(",")]


def pixels(page: Any, letter: str) -> Any:
    """What is drawn in a pane, (H, W, 4)."""
    at(page)
    canvas = pane(page, letter).locator(".plane > canvas")
    size = canvas.evaluate("(c) => [c.height, c.width]")
    data = canvas.evaluate(
        """(c) => {
  const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
  let text = '';
  for (let i = 0; i < data.length; i += 8192) {
    text += String.fromCharCode(...data.subarray(i, i + 8192));
  }
  return btoa(text);
}"""
    )
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(*size, 4)


# ---- the table


def test_an_empty_tab_offers_the_bundled_cases(visit: Callable[..., Any]) -> None:
    page = visit()
    expect(page.locator("#compare-subsets .empty")).to_contain_text("tab Brain tumours")
    expect(page.locator("#compare-panes")).to_be_hidden()
    expect(page.locator("#compare-contributions")).to_be_hidden()
    assert page.locator("#compare-subsets .cases button").count() == 2


def test_the_table_fills_in_the_order_of_the_paper(page: Any) -> None:
    expect(page.locator("#compare-subsets .say")).to_contain_text("All 15 subsets")
    expect(page.locator("#compare-subsets .case")).to_have_class(re.compile("synthetic"))
    assert order(page)[:5] == ["flair", "t1", "t1c", "t2", "flair+t1"]
    assert order(page)[-2:] == ["t1+t1c+t2", FULL]
    dots = page.locator('#compare-subsets tr[data-key="t1+t2"] .dots i')
    assert [("on" in str(d.get_attribute("class"))) for d in dots.all()] == [False, True] * 2
    for key in order(page):
        cells = row(page, key)
        assert len(cells) == 12
        assert "·" not in cells
    full = row(page, FULL)
    assert full[1::4] == ["0", "0", "0"]
    for key in ("flair", "t1+t1c"):
        for k, volume in enumerate(volumes(page, key)):
            change = float(row(page, key)[4 * k + 1].replace("−", "-"))
            assert volume - volumes(page, FULL)[k] == pytest.approx(change, abs=SHOWN_ML)


def test_the_table_sorts_by_keyboard(page: Any) -> None:
    head = page.locator('#compare-subsets th[data-by="wt.volume_ml"]')
    expect(head).to_have_attribute("aria-sort", "none")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator('#compare-subsets th[data-by="order"]')).to_have_attribute(
        "aria-sort", "none"
    )
    found = [volumes(page, key)[2] for key in order(page)]
    assert found == sorted(found, reverse=True)
    page.keyboard.press("Space")  # the header kept the focus
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert [volumes(page, key)[2] for key in order(page)] == sorted(found)


def test_a_row_shows_its_subset_by_click_and_by_keys(page: Any) -> None:
    shows(page, "A", FULL)
    shows(page, "B", "flair+t1+t2")
    page.click('#compare-subsets tr[data-key="t1"] td >> nth=2')
    shows(page, "B", "t1")
    assert key_ml(page, "B") == pytest.approx(volumes(page, "t1"), abs=0.06)
    page.locator('#compare-subsets tr[data-key="t1"] button').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shows(page, "B", "t1c")
    expect(page.locator('#compare-subsets tr[data-key="t1c"] .in')).to_have_text("B")
    expect(page.locator(f'#compare-subsets tr[data-key="{FULL}"] .in')).to_have_text("A")


def test_a_row_can_be_dragged_to_a_view(page: Any) -> None:
    page.set_viewport_size({"width": 1440, "height": 1600})  # both are in sight
    page.locator('#compare-subsets tr[data-key="flair+t2"]').drag_to(
        pane(page, "A").locator(".plane"), source_position={"x": 60, "y": 15}
    )
    shows(page, "A", "flair+t2")
    shows(page, "B", "flair+t1+t2")


def test_without_a_reference_the_table_has_agreement(visit: Callable[..., Any]) -> None:
    page = visit()
    compare(page, "three")
    expect(page.locator("#compare-subsets .legend")).to_contain_text("no reference")
    assert len(order(page)) == 7
    assert len(row(page, "flair+t1c+t2")) == 9
    assert row(page, "flair+t1c+t2")[2::3] == ["1.000"] * 3
    expect(pane(page, "B").locator("[data-sequence=t1]")).to_be_hidden()
    expect(pane(page, "A").locator(".ref")).to_be_hidden()
    page.locator("#compare-contributions summary").click()
    expect(page.locator("#compare-contributions td.volume").first).to_be_visible()
    expect(page.locator("#compare-contributions td.dice").first).to_be_hidden()
    assert [bars["type"] for bars in drawn(page, "contributions")] == ["waterfall", "bar"]
    assert page.locator("#compare-subsets .chart select").input_value() == "agreement"


# ---- the chart of the subsets


def test_the_chart_shows_the_table_in_its_order(page: Any) -> None:
    chart_of(page, "volume_ml", "Volume, mL")
    for k, marks in enumerate(drawn(page, "subsets")):
        assert marks["name"].lower() == REGIONS[k]
        assert marks["customdata"] == order(page)
        shown = [volumes(page, key)[k] for key in order(page)]
        assert marks["x"] == pytest.approx(shown, abs=SHOWN_ML)
    page.click('#compare-subsets th[data-by="wt.volume_ml"] button')
    until_there(page, lambda: drawn(page, "subsets")[2]["customdata"] == order(page))
    largest = drawn(page, "subsets")[2]["x"]
    assert largest == sorted(largest, reverse=True)


def test_in_the_chart_a_missed_region_has_a_dice_of_zero_and_no_distance(page: Any) -> None:
    words = {key: row(page, key)[2] for key in order(page)}  # Dice of ET
    zeros = dict.fromkeys(("missed", "invented"), "0")
    wanted = {k: float(zeros.get(word, word)) for k, word in words.items() if word != "n/a"}
    chart_of(page, "dice", "Dice")
    et = drawn(page, "subsets")[0]
    shown = dict(zip(et["customdata"], et["x"], strict=True))
    assert shown == pytest.approx(wanted, abs=0.0006)
    chart_of(page, "hd95_mm", "HD95, mm")
    far = {key for key in order(page) if re.fullmatch(r"[\d.]+", row(page, key)[3])}
    assert {*drawn(page, "subsets")[0]["customdata"]} == far


def test_a_mark_of_the_chart_is_shown_in_a_pane(page: Any) -> None:
    drawn(page, "subsets")
    mark = page.locator("#compare-subsets .chart .scatterlayer .trace").last.locator("path").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shows(page, "B", order(page)[0])


# ---- the views


def test_the_views_are_linked_and_ask_the_server_nothing(page: Any) -> None:
    shows(page, "B", "flair+t1+t2")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = pane(page, "B").locator(".plane > canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.45)
    before = at(page)
    page.mouse.wheel(0, 100)
    assert at(page) == [before[0], before[1], before[2] - 1]
    said = page.locator("#compare-panes .plane:visible .where").all_inner_texts()
    assert said == [f"{before[2]} / {small_heads.SHAPE[2]}"] * 3
    page.keyboard.press("x")
    page.keyboard.press(" ")
    assert np.array_equal(pixels(page, "A"), pixels(page, "B"))  # the same image, nothing over it
    for key in ("+", "+", "3", "PageUp"):
        page.keyboard.press(key)
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 60, box["y"] + 80, steps=4)
    page.mouse.up(button="right")
    assert np.array_equal(pixels(page, "A"), pixels(page, "C"))
    page.keyboard.press(" ")
    assert not np.array_equal(pixels(page, "A"), pixels(page, "C"))
    assert asked == []


def test_images_are_fetched_once_for_all_views_and_both_tabs(visit: Callable[..., Any]) -> None:
    page, fetched = visit(), []
    page.on("request", lambda request: fetched.append(Path(request.url).name))
    compare(page, "small_head")
    page.click("#compare-panes [data-count='4']")
    shows(page, "D", "reference")
    images = [name for name in fetched if name.endswith(".gz") and name != "labels.gz"]
    assert sorted(images) == sorted(
        ["flair.gz", "t1.gz", "t1c.gz", "t2.gz", "reference.gz", "votes.gz"]
    )
    assert fetched.count("labels.gz") == 2  # only what is shown: everything, and without T1c
    page.get_by_role("tab", name="Brain tumours").click()
    expect(page.locator("#tumour-findings .case")).to_have_text("Small Head")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-subsets .say")).to_contain_text("All 15 subsets")


def test_dots_choose_a_subset_and_one_stays(page: Any) -> None:
    dots = pane(page, "B").locator(".dots")
    dots.locator("[data-sequence=t1]").click()
    shows(page, "B", "flair+t2")
    dots.locator("[data-sequence=flair]").click()
    shows(page, "B", "t2")
    dots.locator("[data-sequence=t2]").click()
    expect(dots.locator("[data-sequence=t2]")).to_have_attribute("aria-pressed", "true")
    dots.locator(".ref").click()
    shows(page, "B", "reference")
    true = float((small_heads.labels() > 0).sum()) * VOXEL_ML
    assert key_ml(page, "B")[2] == pytest.approx(true, abs=0.06)


@pytest.mark.parametrize("region", REGIONS)
def test_a_difference_adds_up(page: Any, region: str) -> None:
    page.click(f"#compare-panes .compared [data-region={region}]")
    page.click('#compare-subsets tr[data-key="flair"]')
    pane(page, "B").locator(".look").select_option("difference")
    shows(page, "B", "flair", "difference")
    expect(pane(page, "B").locator(".key")).to_contain_text(f"{region.upper()} only in A")
    only_a, only_b, both = key_ml(page, "B")
    k = REGIONS.index(region)
    assert only_a + both == pytest.approx(volumes(page, FULL)[k], abs=SHOWN_ML)
    assert only_b + both == pytest.approx(volumes(page, "flair")[k], abs=SHOWN_ML)
    page.locator("#compare-panes .panes").focus()
    page.keyboard.press("d")
    shows(page, "B", "flair")


def test_probabilities_of_a_subset_are_asked_for_when_a_view_shows_them(page: Any) -> None:
    page.click('#compare-subsets tr[data-key="flair"]')
    shows(page, "B", "flair")
    fetched: list[str] = []
    page.on("request", lambda r: fetched.append(r.url) if "probabilities" in r.url else None)
    here, legend = pane(page, "B").locator(".here"), pane(page, "B").locator(".key")
    for look, words in (
        ("probability", "1: Probability of"),
        ("uncertainty", "1 bit: Uncertainty"),
    ):
        page.locator("#compare-panes .panes").focus()
        page.keyboard.press("u")
        shows(page, "B", "flair", look)
        expect(legend).to_contain_text(words)
        expect(legend).to_contain_text("not calibrated")
        expect(here).to_have_text(re.compile(r"^WT (below 1 %|\d+ %, uncertainty [01]\.\d\d bit)$"))
    page.keyboard.press("e")
    expect(here).to_have_text(re.compile("^ET "))
    assert len(fetched) == 1
    pane(page, "B").locator(".ref").click()
    expect(pane(page, "B").locator(".wait")).to_contain_text("Only of the bundled model")


def test_votes_count_the_subsets_at_the_crosshair(page: Any) -> None:
    legend = pane(page, "C").locator(".key")
    expect(legend).to_contain_text("15 subsets say WT")
    assert legend.locator(".ramp i").count() == 15
    page.locator("#compare-panes .panes").focus()
    page.keyboard.press("e")
    expect(legend).to_contain_text("15 subsets say ET")
    expect(page.locator("#compare-contributions .contributions")).to_have_attribute(
        "data-region", "et"
    )
    here = pane(page, "C").locator(".here")
    expect(here).to_have_text(re.compile(r"^ET for \d+ of 15$"))
    said = int(here.inner_text().split()[2])
    calls = 0
    for key in order(page):
        page.click(f'#compare-subsets tr[data-key="{key}"] td >> nth=0')
        shows(page, "B", key)
        at(page)
        calls += "ET" in pane(page, "B").locator(".here").inner_text()
    assert calls == said


def test_another_plane_and_number_of_views(page: Any) -> None:
    page.click("#compare-panes .cuts [data-plane=sagittal]")
    expect(pane(page, "A").locator(".plane")).to_have_attribute("data-plane", "sagittal")
    edges = [pane(page, "A").locator(f".edge.{s}").inner_text() for s in ("left", "top")]
    assert edges == ["A", "S"]
    page.click("#compare-panes [data-count='2']")
    expect(pane(page, "C")).to_be_hidden()
    page.locator("#compare-panes .panes").focus()
    page.keyboard.press("?")
    expect(page.locator("#compare-panes .sheet")).to_contain_text("difference from A")
    page.keyboard.press("Escape")
    expect(page.locator("#compare-panes .sheet")).to_be_hidden()


# ---- other systems


def mark(page: Any, letter: str) -> Any:
    """Whose result a pane shows."""
    return pane(page, letter).locator(".whose")


def test_another_system_is_chosen_by_keyboard_and_kept(page: Any) -> None:
    expect(mark(page, "B")).to_have_text("MCKD, trained on noise perhaps seen in training")
    choice = pane(page, "B").locator(".system")
    choice.focus()
    page.keyboard.press("u")  # U-HeMIS, as in any list
    shows(page, "B", "hemis flair+t1+t2")
    expect(mark(page, "B")).to_have_text("U-HeMIS, trained on a coin perhaps seen in training")
    expect(page.locator("#compare-systems")).to_contain_text("not which is better")
    assert page.locator('#compare-subsets tr[data-key="flair+t1+t2"] .in').inner_text() == ""
    words = pane(page, "B").locator(".key small").all_inner_texts()
    assert len(words) == 3
    assert all(re.fullmatch(r"Dice [01]\.\d{3}|missed|invented|correctly empty", w) for w in words)
    pane(page, "B").locator("[data-sequence=flair]").click()
    shows(page, "B", "hemis t1+t2")

    page.reload()
    page.get_by_role("tab", name="Compare").click()
    reach(page, "#compare-subsets .subsets[data-state=complete]")
    shows(page, "B", "hemis t1+t2")
    expect(choice).to_have_value("hemis")
    page.click('#compare-subsets tr[data-key="t1"] td >> nth=0')  # a row is the bundled model's
    shows(page, "B", "t1")
    expect(choice).to_have_value("")


def test_the_systems_stand_side_by_side_and_one_that_is_missing_says_so(page: Any) -> None:
    page.click('#compare-subsets tr[data-key="t1"] td >> nth=0')
    page.get_by_role("button", name="Systems").click()
    shows(page, "A", "baseline t1")
    shows(page, "C", "mckd t1")
    shows(page, "D", "reference")
    expect(mark(page, "C")).to_contain_text("Compact MCKD, trained on two coins")
    expect(mark(page, "D")).to_have_text("Reference")
    expect(pane(page, "B").locator(".wait")).to_contain_text("no checkpoint shaspec.safetensors")
    pane(page, "C").locator(".look").select_option("difference")
    shows(page, "C", "mckd t1", "difference")
    only_a, only_c, both = key_ml(page, "C")
    whole_a = key_ml(page, "A")[2]
    assert only_a + both == pytest.approx(whole_a, abs=SHOWN_ML)
    pane(page, "C").locator(".look").select_option("regions")
    shows(page, "C", "mckd t1")
    assert only_c + both == pytest.approx(key_ml(page, "C")[2], abs=SHOWN_ML)


# ---- contributions


@pytest.mark.parametrize("region", REGIONS)
def test_contributions_add_up_to_the_full_result(page: Any, region: str) -> None:
    card = page.locator("#compare-contributions")
    card.locator(f".pick [data-region={region}]").click()
    card.locator("summary").click()

    def numbers(name: str) -> list[float]:
        cells = card.locator(f"tbody td.{name}").all_inner_texts()
        return [float(text.split()[0].replace("−", "-")) for text in cells]

    k = REGIONS.index(region)
    assert sum(numbers("volume")) == pytest.approx(volumes(page, FULL)[k], abs=2 * SHOWN_ML)
    assert float(card.locator("tfoot .volume").inner_text()) == volumes(page, FULL)[k]
    dice = row(page, FULL)[4 * k + 2]
    total = 0.0 if dice == "missed" else float(dice)
    assert sum(numbers("dice")) == pytest.approx(total, abs=0.003)
    assert sum(numbers("iwv")) == pytest.approx(1, abs=0.02)

    def bars() -> list[list[float]]:
        return [each["x"][:4] for each in drawn(page, "contributions")]

    shown = [pytest.approx(numbers(name), abs=SHOWN_ML) for name in ("volume", "dice", "iwv")]
    until_there(page, lambda: bars() == shown)
    expect(card.locator(".sentence")).to_contain_text("mL")
    expect(card.locator(".meaning").first).to_contain_text("every order")


# ---- one case after the other, narrow windows


def test_another_case_takes_over(page: Any) -> None:
    page.get_by_role("tab", name="Brain tumours").click()
    page.click("#tumour-intake [data-case=three]")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-subsets .case")).to_have_text("Three")
    reach(page, "#compare-subsets .subsets[data-rows='7']")
    shows(page, "A", "flair+t1c+t2")


@pytest.mark.parametrize(
    "size", [(390, 844), (640, 450)], ids=["phone", "1280 by 900 at 200 per cent"]
)
def test_narrow_windows_scroll_only_down(visit: Callable[..., Any], size: tuple[int, int]) -> None:
    page = visit(viewport={"width": size[0], "height": size[1]})
    compare(page, "small_head")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for letter in "AB":
        pane(page, letter).locator(".look").select_option("uncertainty")
        expect(pane(page, letter).locator(".key")).to_contain_text("Uncertainty of")
        box = pane(page, letter).locator(".look").bounding_box()  # the legend widens no pane
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
    page.click("#compare-panes [data-count='4']")
    pane(page, "D").locator(".look").select_option("difference")
    shows(page, "D", "reference", "difference")
