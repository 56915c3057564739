"""What the viewer offers beside scrolling: windows, full screen, measures, pictures, a reload.

The head has voxels of 2.5 x 2.2 x 2.8 mm, so whatever takes a voxel for a millimetre shows.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import small_heads
from tests.browser.conftest import Studio, arrivals, drag, reach

ANSWER = "#tumour-findings .findings[data-scored=true]"
DX, DY, DZ = small_heads.SPACING


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    """Open the page as a new visitor; the test fails on console errors and foreign requests."""
    with arrivals(browser, clinic) as start:
        yield start


@pytest.fixture
def page(visit: Callable[..., Any]) -> Any:
    """A visitor with the bundled case open and answered."""
    opened = visit()
    opened.click("#tumour-intake [data-case=small_head]")
    reach(opened, "#tumour-viewer .viewer[data-loaded]", ANSWER)
    return opened


def part(page: Any, selector: str) -> Any:
    return page.locator(f"#tumour-viewer {selector}")


def act(page: Any, name: str) -> None:
    part(page, f"[data-act={name}]").click()


def press(page: Any, *keys: str) -> None:
    part(page, ".viewer").focus()
    for key in keys:
        page.keyboard.press(key)


def drawn(page: Any) -> None:
    """Wait until what was asked for is on screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")


def canvas(page: Any, plane: str = "axial") -> Any:
    return part(page, f"[data-plane={plane}] > canvas")


def pixels(locator: Any) -> np.ndarray:
    """(rows, columns, 3) of a canvas or an element, as on screen."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(int)


# ---- window


def window(page: Any) -> tuple[float, float]:
    drawn(page)
    width, level = (part(page, f".window .{name}").input_value() for name in ("width", "level"))
    return float(width), float(level)


# The grey where the two lines of the crosshair, the only green ones, would meet.
UNDER_CROSS = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const columns = Array(width).fill(0), rows = Array(height).fill(0);
  for (let i = 0; i < width * height; i++) {
    if (data[4 * i + 1] - data[4 * i] < 40) continue;
    columns[i % width]++;
    rows[Math.floor(i / width)]++;
  }
  const [x, y] = [columns, rows].map((counts) => counts.indexOf(Math.max(...counts)));
  return data[4 * (y * width + x)];
}"""


def grey_at_crosshair(page: Any) -> int:
    """Of the picture alone; the crosshair leaves its middle free."""
    drawn(page)
    return int(canvas(page).evaluate(UNDER_CROSS))


def test_width_and_level_are_numbers_that_can_be_typed(page: Any) -> None:
    press(page, " ", "g")  # only the image
    value = float(re.sub("[^0-9.]", "", part(page, ".readout .value dd").inner_text()))
    for width, level in ((400, value), (400, value - 100), (800, value + 200)):
        part(page, ".window .width").fill(str(width))
        part(page, ".window .level").fill(str(level))
        part(page, ".window .level").press("Enter")
        assert window(page) == (width, pytest.approx(level, abs=0.1))
        share = np.clip((value - (level - width / 2)) / width, 0, 1)
        assert grey_at_crosshair(page) == pytest.approx(255 * share, abs=4)
    expect(part(page, ".window select")).to_have_value("")  # no preset's


def test_presets_show_shares_of_the_brain(page: Any) -> None:
    image = small_heads.volume("t1ce")
    brain = image[image != 0]
    press(page, "3")
    step = 800 / 255
    for preset, shares in (("brain", (2, 95)), ("tumour", (40, 99.9)), ("full", (0, 100))):
        part(page, ".window select").select_option(preset)
        dark, white = np.percentile(brain, shares)
        width, level = window(page)
        assert level - width / 2 == pytest.approx(dark, abs=1.1 * step)
        assert level + width / 2 == pytest.approx(white, abs=1.1 * step)
    part(page, ".window select").select_option("auto")
    first = window(page)
    press(page, "l")
    expect(part(page, ".window select")).to_have_value("brain")
    press(page, "r")
    assert window(page) == first
    expect(part(page, ".window select")).to_have_value("auto")


def test_the_window_by_keys(page: Any) -> None:
    width, level = window(page)
    press(page, "Shift+ArrowRight")
    wider, same = window(page)
    assert wider > width
    assert same == pytest.approx(level, rel=1e-3)
    press(page, "Shift+ArrowUp")  # brighter: as a drag upwards
    assert window(page)[1] < level


# ---- measuring


def tell(page: Any) -> list[str]:
    drawn(page)
    return part(page, ".measured .go").all_inner_texts()


def walk(page: Any, left: int, up: int) -> None:
    press(page, *["ArrowLeft"] * left, *["ArrowRight"] * -left)
    press(page, *["ArrowUp"] * up, *["ArrowDown"] * -up)


def test_a_ruler_measures_mm_on_voxels_that_are_no_cubes(page: Any) -> None:
    press(page, "m", "Enter")
    walk(page, 6, 5)
    press(page, "Enter")
    assert tell(page)[-1].endswith(f": {math.hypot(6 * DX, 5 * DY):.1f} mm")
    canvas(page, "sagittal").hover()
    press(page, "Enter")
    walk(page, 3, 4)
    press(page, "Enter")
    assert tell(page)[-1].startswith("Sagittal")
    assert tell(page)[-1].endswith(f": {math.hypot(3 * DY, 4 * DZ):.1f} mm")
    press(page, "Escape")
    assert part(page, "[data-act=ruler]").get_attribute("aria-pressed") == "false"
    part(page, ".measured .remove").first.press("Enter")
    expect(part(page, ".measured .remove")).to_be_focused()  # that of the next one
    part(page, ".measured .remove").press("Enter")
    expect(part(page, ".viewer")).to_be_focused()


def test_a_drag_is_as_long_as_the_scale_says(page: Any) -> None:
    bar = part(page, "[data-plane=axial] .scale")
    length, unit = re.findall(r"(\d+) (cm|mm)", bar.inner_text())[0]
    mm = float(length) * (10 if unit == "cm" else 1)
    across = bar.locator("i").bounding_box()["width"]
    box = canvas(page).bounding_box()
    act(page, "ruler")
    x, y = box["x"] + 90, box["y"] + 120
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y + 80, steps=5)
    page.mouse.up()
    wanted = math.hypot(150, 80) * mm / across
    assert float(re.findall(r"([\d.]+) mm", tell(page)[-1])[0]) == pytest.approx(wanted, rel=0.01)


def test_two_diameters_stand_at_a_right_angle_and_are_undone(page: Any) -> None:
    press(page, "b", "Enter")
    walk(page, 6, 5)
    press(page, "Enter")
    walk(page, -1, -6)
    press(page, "Enter")
    walk(page, -3, 7)
    press(page, "Enter")
    first, second = np.array([6 * DX, 5 * DY]), np.array([-3 * DX, 7 * DY])
    along = first / np.linalg.norm(first)
    across = abs(second @ [-along[1], along[0]])  # only what stands at a right angle counts
    long, short = sorted((np.linalg.norm(first), across), reverse=True)
    assert tell(page)[-1].endswith(f": {long:.1f} × {short:.1f} mm = {long * short:.0f} mm²")
    press(page, "Backspace")
    assert tell(page)[-1].endswith(f": {np.linalg.norm(first):.1f} mm")
    press(page, "Delete")
    expect(part(page, ".measured")).to_be_hidden()


def test_two_diameters_are_of_an_axial_slice(page: Any) -> None:
    act(page, "pair")
    canvas(page, "coronal").click()
    expect(part(page, ".hint-tool")).to_have_text("Two diameters are measured in an axial slice")
    assert tell(page) == []


def test_a_ruler_measures_mm_on_an_oblique_grid(visit: Callable[..., Any], tmp_path: Path) -> None:
    """The same head turned by 20 and 15 degrees: a length does not depend on how a head lies."""
    page = visit()
    a, b = math.radians(20), math.radians(15)
    about_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    affine = small_heads.affine()
    affine[:3] = about_x @ about_z @ affine[:3]
    path = tmp_path / "pat_flair.nii.gz"
    nibabel.save(nibabel.Nifti1Image(small_heads.volume("flair"), affine), path)
    drag(page, path)()
    part_of_intake = page.locator("#tumour-intake .go")
    part_of_intake.click()
    reach(page, "#tumour-viewer .viewer[data-loaded]")
    press(page, "m", "Enter")
    walk(page, 6, 5)
    press(page, "Enter")
    assert tell(page)[-1].endswith(f": {math.hypot(6 * DX, 5 * DY):.1f} mm")


# ---- pictures


def saved(page: Any, key: str = "p") -> tuple[str, np.ndarray]:
    with page.expect_download() as download:
        press(page, key)
    picture = Image.open(download.value.path())
    assert not picture.info.keys() & {"Title", "Author", "Description", "Comment"}
    name = download.value.suggested_filename
    return name, np.asarray(picture.convert("RGB")).astype(int)


def is_yellow(picture: np.ndarray) -> np.ndarray:
    """Where the letters of the sides are."""
    return np.abs(picture - np.array([255, 217, 138])).sum(-1) < 150


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Of two masks, from 0 to 1."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def test_a_saved_picture_says_left_and_right_and_what_it_is(page: Any) -> None:
    press(page, "x", "g")
    drawn(page)
    stage = part(page, ".stage")
    shown, box = pixels(stage), stage.bounding_box()
    name, picture = saved(page)
    assert re.fullmatch(r"mckd-flair-\d+-\d+-\d+\.png", name)
    height = shown.shape[0]
    assert picture.shape[1] == shown.shape[1]

    glyphs = {}
    for letter in part(page, ".plane .edge").all():
        at = letter.bounding_box()
        x, y = round(at["x"] - box["x"]), round(at["y"] - box["y"])
        wide, high = round(at["width"]), round(at["height"])
        glyphs[x, y, wide, high] = letter.inner_text(), is_yellow(shown)[y : y + high, x : x + wide]
    kept = is_yellow(picture)
    for (x, y, wide, high), (letter, _) in glyphs.items():
        alike = {
            other: max(
                overlap(glyph, kept[y + dy : y + dy + high, x + dx : x + dx + wide])
                for dy in (-2, -1, 0, 1, 2)
                for dx in (-2, -1, 0, 1, 2)
            )
            for (_, _, other_wide, other_high), (other, glyph) in glyphs.items()
            if (other_wide, other_high) == (wide, high)
        }
        assert max(alike, key=alike.__getitem__) == letter, alike

    middle = picture[: height // 2]  # the tumour, on the patient's right, is on the left
    bright = np.argwhere(middle[:, : round(canvas(page).bounding_box()["width"])].min(-1) > 235)
    assert np.median(bright[:, 1]) < canvas(page).bounding_box()["width"] / 2
    assert (np.abs(picture[:60] - np.array([242, 193, 78])).sum(-1) < 12).sum() > 500  # synthetic
    strip = picture[height:]
    assert (strip.min(-1) > 180).sum() > 300  # research software, window, regions


def test_probabilities_that_are_not_calibrated_say_so_and_their_colours_are_in_the_picture(
    page: Any,
) -> None:
    press(page, "u")
    reach(page, "#tumour-viewer .viewer[data-shades^=probability]")
    expect(part(page, ".mark.shades")).to_contain_text("not calibrated")
    height = pixels(part(page, ".stage")).shape[0]
    _, picture = saved(page)
    for colour in ((59, 82, 139), (33, 145, 140), (94, 201, 98)):  # of viridis, from low to high
        assert (np.abs(picture[height:] - np.array(colour)).sum(-1) < 20).sum() > 20


def test_a_picture_of_the_surfaces_is_not_empty(page: Any) -> None:
    press(page, "d")
    reach(page, "#tumour-viewer .viewer[data-triangles]")
    name, picture = saved(page)
    assert name == "mckd-3d.png"
    assert (picture[100:400].max(-1) > 90).sum() > 2000


# ---- the reference beside the model


def test_the_reference_is_told_apart_by_its_dashes_and_a_legend(page: Any) -> None:
    expect(part(page, ".mark.legend")).to_contain_text("model reference")
    press(page, "2")  # T1, in which no tissue is white
    drawn(page)
    white = [(pixels(canvas(page)).min(-1) > 250).sum()]
    press(page, "g")
    expect(part(page, ".mark.legend")).to_be_hidden()
    drawn(page)
    white.append((pixels(canvas(page)).min(-1) > 250).sum())
    assert white[0] > white[1] + 30


def test_the_reference_is_a_net_among_the_surfaces(page: Any) -> None:
    press(page, "d")
    reach(page, "#tumour-viewer .viewer[data-net]")
    assert float(part(page, ".viewer").get_attribute("data-net")) > 300
    press(page, "g")
    expect(part(page, ".viewer")).to_have_attribute("data-net", "0")


def test_the_surfaces_are_turned_and_brought_closer_by_keys(page: Any) -> None:
    at = part(page, ".viewer").get_attribute("data-at")
    press(page, "d")
    reach(page, "#tumour-viewer .viewer[data-turn]")

    def turned() -> list[float]:
        drawn(page)
        return [float(v) for v in part(page, ".viewer").get_attribute("data-turn").split(",")]

    yaw, pitch, zoom = turned()
    press(page, "ArrowRight", "ArrowDown", "+")
    assert turned() > [yaw, pitch, zoom]
    assert turned()[1] > pitch
    assert turned()[2] > zoom
    press(page, "r")
    assert turned() == [yaw, pitch, zoom]
    assert part(page, ".viewer").get_attribute("data-at") == at  # the crosshair stays


# ---- room


def test_full_screen_and_back(page: Any) -> None:
    before = part(page, ".stage").bounding_box()
    press(page, "f")
    page.wait_for_function("document.fullscreenElement !== null")
    page.wait_for_function(
        "(wide) => document.querySelector('#tumour-viewer .stage').clientWidth > wide",
        arg=before["width"] + 200,
    )
    press(page, "f")
    page.wait_for_function("document.fullscreenElement === null")
    expect(part(page, ".viewer.full")).to_have_count(0)


def test_a_wide_screen_is_used(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 1920, "height": 1080})
    tabs = page.locator("#tabs").bounding_box()
    assert tabs["width"] > 0.94 * 1920
    assert part(page, ".stage").bounding_box()["width"] > 0.7 * 1920


def test_on_a_phone_the_image_comes_first(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.tap("#tumour-intake [data-case=small_head]")
    reach(page, "#tumour-viewer .viewer[data-loaded]", ANSWER)
    page.evaluate("window.scrollTo(0, 0)")
    stage = part(page, ".stage").bounding_box()
    assert stage["y"] + stage["height"] < 844  # all of it in sight
    for below in ("#tumour-viewer .bar", "#tumour-viewer .readout", "#tumour-sequences"):
        assert page.locator(below).bounding_box()["y"] >= stage["y"] + stage["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# ---- a reload


def test_a_reload_keeps_what_one_looked_at(page: Any) -> None:
    page.click("#tumour-sequences input[data-sequence=t1]")
    reach(page, '#tumour-findings .findings[data-used="FLAIR,T1c,T2"]')
    press(page, "3", "o", "PageUp", "PageUp", "ArrowLeft", "v", "u", "u", "c")
    reach(page, "#tumour-viewer .viewer[data-shades^='uncertainty tc']")
    part(page, ".window select").select_option("brain")
    press(page, "m", "Enter", "ArrowUp", "ArrowUp", "Enter", "Escape")

    def state() -> list[Any]:
        drawn(page)
        return [
            part(page, ".viewer").get_attribute("data-at"),
            part(page, ".viewer").get_attribute("data-layout"),
            part(page, ".shown [aria-pressed=true]").inner_text(),
            part(page, "[data-act=outline]").get_attribute("aria-pressed"),
            part(page, ".bar .look").input_value(),
            window(page),
            tell(page),
        ]

    before = state()
    page.wait_for_function(
        "(at) => JSON.parse(sessionStorage.getItem('mckd-view'))?.view.at.join() === at",
        arg=before[0],
    )
    page.reload()
    reach(
        page,
        "#tumour-viewer .viewer[data-loaded]",
        '#tumour-findings .findings[data-used="FLAIR,T1c,T2"]',
    )
    reach(page, "#tumour-viewer .viewer[data-shades^='uncertainty tc']")
    assert state() == before
    page.click("#tumour-intake [data-case=small_head]")  # chosen anew, it begins anew
    reach(page, '#tumour-findings .findings[data-used="FLAIR,T1,T1c,T2"]')
    expect(part(page, ".measured")).to_be_hidden()


def test_all_keys_are_listed(page: Any) -> None:
    press(page, "?")
    sheet = part(page, ".sheet")
    for words in (
        "ruler",
        "two diameters",
        "full screen",
        "save the picture",
        "window preset",
        "uncertainty",
    ):
        expect(sheet).to_contain_text(words)
    press(page, "Escape")
    expect(sheet).to_be_hidden()
