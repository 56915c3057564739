"""What the bundled model says of how sure it is: ranges, advice, probability, uncertainty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from mckd.tumour import REGIONS, TumourSegmenter, read_case
from mckd.tumour.about import ABOUT
from mckd.tumour.advice import EXPECTED
from tests.browser.conftest import Studio, arrivals, reach
from tests.patience import until

USED = ("flair", "t1", "t2")
ANSWER = '#tumour-findings .findings[data-used="FLAIR,T1,T2"][data-scored=true]'


@pytest.fixture(scope="module")
def likely() -> np.ndarray:
    """(3, X, Y, Z): calibrated probabilities of Phantom A without T1c, by the Python interface."""
    segmenter = TumourSegmenter.load(ABOUT.checkpoint())
    case = read_case(ABOUT.assets() / "phantom_a")
    segmenter.set_case(case)
    found = segmenter.predict(USED)
    return case.brain.uncrop(found.calibrated, case.grid.canonical.shape)


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """A visitor with Phantom A open and T1c switched off."""
    with arrivals(browser, studio) as start:
        opened = start()
        opened.click("#tumour-intake [data-case=phantom_a]")
        reach(opened, "#tumour-findings .findings[data-scored=true]")
        opened.click("#tumour-sequences input[data-sequence=t1c]")
        reach(opened, ANSWER)
        yield opened


def part(page: Any, selector: str) -> Any:
    return page.locator(f"#tumour-viewer {selector}")


def press(page: Any, *keys: str) -> None:
    part(page, ".viewer").focus()
    for key in keys:
        page.keyboard.press(key)


def choose(page: Any, look: str) -> None:
    part(page, ".bar .look").select_option(look)
    page.wait_for_selector(f"#tumour-viewer .viewer[data-shades^={look}]")


def soon(page: Any, true: Callable[[], Any]) -> None:
    until(true, pause=lambda seconds: page.wait_for_timeout(1000 * seconds))


def test_ranges_and_advice_stand_beside_the_answer(page: Any) -> None:
    for region in REGIONS:
        volume = page.locator(f"#tumour-findings tr[data-region={region}] td").first.inner_text()
        value, low, high = map(float, re.findall(r"\d+(?:\.\d+)?", volume)[:3])
        assert low - 0.5 <= value <= high + 0.5  # whole millilitres
    expect(page.locator("#tumour-findings .legend")).to_contain_text(
        "holds the true volume in 90 %"
    )
    advice = page.locator("#tumour-sequences .advice")
    expect(advice).to_contain_text(re.compile("T1c would most likely|No other sequence"))
    expect(advice).to_contain_text(EXPECTED)


def test_probabilities_lie_over_the_planes_where_the_model_has_them(
    page: Any, likely: np.ndarray
) -> None:
    fetched: list[str] = []
    page.on("request", lambda r: fetched.append(r.url) if "probabilities" in r.url else None)
    page.wait_for_timeout(100)
    assert fetched == []
    choose(page, "probability")
    expect(part(page, ".mark.shades")).to_contain_text("Probability of WT")
    expect(part(page, ".mark.shades")).to_contain_text("of voxels with .7, seven in ten are in it")
    seen = set()
    for _ in range(6):
        press(page, "PageUp", "ArrowUp", "ArrowLeft")
        for key, k in (("e", 0), ("c", 1), ("w", 2)):
            press(page, key)
            seen.add(says(page, likely, k))
    assert len(seen) > 3
    assert len(fetched) == 1


def says(page: Any, likely: np.ndarray, k: int) -> int:
    """The read-out's probability of a region, in per cent: that of the Python interface."""
    name, readout = REGIONS[k].upper(), part(page, ".readout .region dd")
    soon(page, lambda: readout.inner_text().startswith(f"{name} "))
    x, y, z = map(int, part(page, ".viewer").get_attribute("data-at").split(","))
    told = re.match(rf"{name} (?:below )?(\d+) %", readout.inner_text())
    assert told is not None
    assert int(told[1]) == pytest.approx(100 * likely[k, x, y, z], abs=1.1)
    return int(told[1])


COLOURED = """(canvas) => {
  const { width, height } = canvas, pen = canvas.getContext('2d');
  const { data } = pen.getImageData(0, 0, width, height);
  let count = 0;
  for (let p = 0; p < width * height; p++) {
    const [r, g, b] = [data[4 * p], data[4 * p + 1], data[4 * p + 2]];
    if (Math.max(r, g, b) - Math.min(r, g, b) > 60) count++;
  }
  return count;
}"""


def test_the_keyboard_goes_through_regions_probability_and_uncertainty(page: Any) -> None:
    picture = part(page, "[data-plane=axial] > canvas")
    press(page, "x", "g")  # no crosshair, no reference
    for look in ("probability", "uncertainty"):
        press(page, "u")
        page.wait_for_selector(f"#tumour-viewer .viewer[data-shades^={look}]")
        soon(page, lambda: picture.evaluate(COLOURED) > 500)
    expect(part(page, ".mark.shades")).to_contain_text("Uncertainty of WT")
    expect(part(page, ".mark.shades")).to_contain_text("entropy")
    press(page, " ")  # all of it off
    soon(page, lambda: picture.evaluate(COLOURED) == 0)
    expect(part(page, ".mark.shades")).to_be_hidden()
    press(page, " ", "u")
    expect(part(page, ".bar .look")).to_have_value("regions")


def test_probabilities_follow_the_switches(page: Any) -> None:
    choose(page, "probability")
    before = part(page, ".viewer").get_attribute("data-shades")
    page.click("#tumour-sequences input[data-sequence=t1]")
    reach(page, '#tumour-findings .findings[data-used="FLAIR,T2"]')
    soon(page, lambda: part(page, ".viewer").get_attribute("data-shades") not in ("", before))
