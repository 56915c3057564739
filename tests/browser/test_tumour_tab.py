"""The Brain tumours tab in a real browser: look, scrub, switch, measure, take home.

The app is the real one, with a small asymmetric head as its bundled case and a network of random
weights: what it finds means nothing, but everything that is shown must agree with it.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from playwright.sync_api import expect

from tests import small_heads
from tests.browser.conftest import Studio, arrivals, reach
from tests.patience import until

ANSWER = "#tumour-findings .findings[data-scored=true]"


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
    answered(opened)
    return opened


def answered(page: Any) -> None:
    reach(page, "#tumour-viewer .viewer[data-loaded]", ANSWER)


def viewer(page: Any) -> Any:
    return page.locator("#tumour-viewer .viewer")


def data(page: Any, name: str) -> str:
    return str(viewer(page).get_attribute(f"data-{name}"))


def at(page: Any) -> list[int]:
    """The voxel of the crosshair, once it is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
    return [int(v) for v in data(page, "at").split(",")]


def canvas(page: Any, plane: str) -> Any:
    return page.locator(f"#tumour-viewer [data-plane={plane}] > canvas")


def press(page: Any, *keys: str) -> None:
    viewer(page).focus()
    for key in keys:
        page.keyboard.press(key)


def switch(page: Any, name: str) -> None:
    page.click(f"#tumour-sequences input[data-sequence={name}]")


def row(page: Any, region: str) -> list[str]:
    cells = page.locator(f"#tumour-findings tr[data-region={region}] td").all_inner_texts()
    return [cell.split("\n")[0] for cell in cells]


# Of the pixels brighter than a level: their middle and their extent, as shares of the canvas, and
# how many they are.
BRIGHT_SPOT = """(canvas, level) => {
  const { width, height } = canvas, pen = canvas.getContext('2d');
  const { data } = pen.getImageData(0, 0, width, height), xs = [], ys = [];
  for (let p = 0; p < width * height; p++) {
    if (data[4 * p] > level) { xs.push(p % width); ys.push(Math.floor(p / width)); }
  }
  const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
  const extent = (v) => { const s = [...v].sort((a, b) => a - b); return s.at(-1) - s[0]; };
  return [mean(xs) / width, mean(ys) / height, extent(xs) / extent(ys), xs.length];
}"""


# ---- looking


def test_a_bundled_case_opens_marked_as_synthetic_and_with_its_result(page: Any) -> None:
    expect(page.locator("#tumour-viewer .mark.synthetic")).to_be_visible()
    expect(page.locator("#tumour-findings .case")).to_have_text("Small Head")
    expect(page.locator("#tumour-findings .from")).to_contain_text("From FLAIR, T1, T1c and T2")
    expect(page.locator("#tumour-findings .model")).to_have_text("Model: trained on noise.")
    expect(page.locator("#tumour-findings")).to_contain_text("not a medical device")
    weights = page.locator("#tumour-sequences .weight").all_inner_texts()
    assert sum(map(float, weights)) == pytest.approx(1, abs=0.02)
    for region in ("et", "tc", "wt"):
        volume, reference, dice, distance = row(page, region)
        assert float(reference) > 0
        assert 0 <= float(dice) <= 1 or dice == "0"
        assert volume
        assert distance


def test_letters_and_pixels_agree_on_where_the_tumour_is(page: Any) -> None:
    """It lies right, in front and on top; radiologists see the patient's right on the left."""
    sides = {
        plane: [
            page.locator(f"#tumour-viewer [data-plane={plane}] .edge.{side}").inner_text()
            for side in ("left", "right", "top", "bottom")
        ]
        for plane in ("axial", "coronal", "sagittal")
    }
    assert sides == {
        "axial": ["R", "L", "A", "P"],
        "coronal": ["R", "L", "S", "I"],
        "sagittal": ["A", "P", "S", "I"],
    }
    press(page, " ", "g", "x")  # only the image
    for plane, used in (("axial", (0, 1)), ("coronal", (0, 2)), ("sagittal", (1, 2))):
        at(page)
        x, y, shape, count = canvas(page, plane).evaluate(BRIGHT_SPOT, 200)
        assert count > 100
        assert shape == pytest.approx(1, abs=0.17)  # a ball in voxels that are no cubes
        assert x < 0.48
        assert y < 0.48
        box = canvas(page, plane).bounding_box()
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        found = at(page)
        for axis in used:
            assert found[axis] == pytest.approx(small_heads.CENTRE[axis], abs=1.01)
    mm = small_heads.affine() @ [*at(page), 1]
    said = page.locator("#tumour-viewer .readout .mm dd").inner_text()
    letters = [pair[int(v >= 0)] for pair, v in zip(("LR", "PA", "IS"), mm, strict=False)]
    assert re.findall(r"([LRPAIS]) ([\d.]+)", said) == [
        (letter, f"{abs(v):.1f}") for letter, v in zip(letters, mm, strict=False)
    ]
    expect(page.locator("#tumour-viewer .readout .region")).to_contain_text("reference: ")
    value = page.locator("#tumour-viewer .readout .value dd").inner_text()
    assert float(re.sub("[^0-9.]", "", value)) == pytest.approx(900, rel=0.02)


def test_scrubbing_asks_the_server_nothing(page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = canvas(page, "axial").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = at(page)
    times = []
    for _ in range(10):
        page.mouse.wheel(0, 100)
        at(page)
        times.append(float(data(page, "ms")))
    assert at(page) == [before[0], before[1], before[2] - 10]
    press(page, "PageUp", "3", "o", "v", "+", "-", "r")
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 40, box["y"] + 40, steps=4)
    page.mouse.up(button="right")
    assert asked == []
    print("three planes drawn in ms:", sorted(times))


def test_keys(page: Any) -> None:
    middle = canvas(page, "axial").bounding_box()
    page.mouse.move(middle["x"] + 20, middle["y"] + 20)
    press(page, "x")
    x, y, z = at(page)
    press(page, "PageUp")
    assert at(page) == [x, y, z + 1]
    press(page, "ArrowLeft", "ArrowUp")
    assert at(page) == [x + 1, y + 1, z + 1]
    press(page, "4")
    expect(page.locator("#tumour-viewer [data-sequence=t2]")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.locator("#tumour-viewer .readout .value dt")).to_have_text("T2")
    press(page, "o")
    expect(page.locator("#tumour-viewer [data-act=outline]")).to_have_attribute(
        "aria-pressed", "true"
    )
    press(page, "e")
    expect(page.locator("#tumour-viewer [data-region=et]")).to_have_attribute(
        "aria-pressed", "false"
    )
    press(page, "?")
    expect(page.locator("#tumour-viewer .sheet")).to_contain_text("move the crosshair")
    press(page, "Escape")
    expect(page.locator("#tumour-viewer .sheet")).to_be_hidden()
    press(page, "v")
    assert data(page, "layout") == "coronal"


def test_window_by_dragging_and_reset(page: Any) -> None:
    width = page.locator("#tumour-viewer .readout .window .width")
    first = width.input_value()
    box = canvas(page, "axial").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 160, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(width).not_to_have_value(first)
    page.click("#tumour-viewer [data-act=reset]")
    expect(width).to_have_value(first)


def test_the_3d_view_is_made_when_it_is_opened(page: Any) -> None:
    assert data(page, "triangles") == "None"
    page.click("#tumour-viewer [data-view=solid]")
    page.wait_for_selector("#tumour-viewer .viewer[data-triangles]")
    assert int(float(data(page, "triangles"))) > 500
    ends = page.locator("#tumour-viewer .solid text.annotation-text").all()
    boxes = {str(end.text_content()): end.bounding_box() for end in ends}
    assert sorted(boxes) == sorted("LRPAIS")
    assert boxes["R"]["x"] < boxes["L"]["x"]  # one looks at the face
    assert boxes["S"]["y"] < boxes["I"]["y"]
    where = np.argwhere(small_heads.labels() > 0) * small_heads.SPACING
    reference = surface(page, "reference_wt")
    for axis, found in enumerate(reference["ends"]):  # in mm, on the axes of the scene
        assert found == pytest.approx([where[:, axis].min(), where[:, axis].max()], abs=4)
    aspect = "() => document.querySelector('.solid .plot').layout.scene.aspectmode"
    assert page.evaluate(aspect) == "data"


def surface(page: Any, name: str) -> dict[str, Any]:
    """What the 3-D view draws under that name: its ends along each axis, how opaque, whether."""
    script = """(name) => {
      const plot = document.querySelector('#tumour-viewer .solid .plot');
      const trace = plot.data.find((each) => each.name === name);
      const ends = ['x', 'y', 'z'].map((axis) => {
        const known = [...trace[axis]].filter((v) => v !== null);
        return [Math.min(...known), Math.max(...known)];
      });
      return { ends, opacity: trace.opacity, visible: trace.visible };
    }"""
    found: dict[str, Any] = page.evaluate(script, name)
    return found


def test_each_surface_has_its_opacity_and_follows_the_switches(page: Any) -> None:
    page.click("#tumour-viewer [data-view=solid]")
    page.wait_for_selector("#tumour-viewer .viewer[data-triangles]")
    layer = page.locator("#tumour-viewer .layers [data-layer=brain] input")
    layer.fill("70")
    until_drawn(page, lambda: surface(page, "brain")["opacity"] == 0.7)
    layer.fill("0")
    until_drawn(page, lambda: surface(page, "brain")["visible"] is False)
    before = surface(page, "wt")["ends"]
    switch(page, "flair")
    page.wait_for_selector(f'{ANSWER}[data-used="T1,T1c,T2"]')
    until_drawn(page, lambda: surface(page, "wt")["ends"] != before)
    press(page, "w")
    until_drawn(page, lambda: surface(page, "wt")["visible"] is False)
    assert surface(page, "et")["visible"]


def until_drawn(page: Any, true: Callable[[], Any]) -> None:
    until(true, pause=lambda seconds: page.wait_for_timeout(1000 * seconds))


# ---- switching


def test_the_result_follows_the_switches(page: Any) -> None:
    volumes = [row(page, region)[0] for region in ("et", "tc", "wt")]
    fetched: list[Any] = []
    page.on("response", lambda reply: fetched.append(reply))
    switch(page, "flair")
    expect(page.locator("#tumour-viewer .mark.unused")).to_have_text("FLAIR: not used by the model")
    expect(page.locator("#tumour-viewer .mark.unused")).to_be_visible()
    expect(page.locator("#tumour-viewer [data-sequence=flair]")).to_have_class(re.compile("unused"))
    page.wait_for_selector(f'{ANSWER}[data-used="T1,T1c,T2"]')
    expect(page.locator("#tumour-findings .from")).to_contain_text("without FLAIR")
    assert [row(page, region)[0] for region in ("et", "tc", "wt")] != volumes
    files = [reply for reply in fetched if "/file=" in reply.url]
    assert [Path(reply.url).name for reply in files] == ["labels.gz"]
    print("bytes for one switch:", len(files[0].body()))
    switch(page, "flair")
    page.wait_for_selector(f'{ANSWER}[data-used="FLAIR,T1,T1c,T2"]')
    assert [row(page, region)[0] for region in ("et", "tc", "wt")] == volumes
    expect(page.locator("#tumour-viewer .mark.unused")).to_be_hidden()


def test_many_quick_switches_end_with_the_last_one(page: Any) -> None:
    for _ in range(9):
        switch(page, "t1c")
    switch(page, "t2")
    page.wait_for_selector(f'{ANSWER}[data-used="FLAIR,T1"]')
    page.wait_for_timeout(700)
    assert page.locator("#tumour-findings .findings").get_attribute("data-used") == "FLAIR,T1"
    expect(page.locator("#tumour-viewer [data-sequence=t1c]")).to_have_class(re.compile("unused"))


def test_one_sequence_stays_on_and_the_labels_can_be_taken_home(page: Any, tmp_path: Path) -> None:
    for name in ("flair", "t1", "t1c", "t2"):
        switch(page, name)
    expect(page.locator("#tumour-sequences .tell")).to_have_text("One sequence has to stay on.")
    expect(page.locator("#tumour-sequences input[data-sequence=t2]")).to_be_checked()
    page.wait_for_selector(f'{ANSWER}[data-used="T2"]')
    shown = float(row(page, "wt")[0])
    with page.expect_download() as waiting:
        page.click("#tumour-findings .take")
    assert waiting.value.suggested_filename == "case_mckd_t2.nii.gz"
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(Path(waiting.value.path()).read_bytes()))
    given = nibabel.load(small_heads.save(tmp_path / "x.nii", small_heads.volume("t2")))
    assert image.affine == pytest.approx(given.affine, abs=1e-3)
    voxel_ml = float(np.prod(small_heads.SPACING)) / 1000
    assert np.count_nonzero(image.dataobj) * voxel_ml == pytest.approx(shown, rel=0.01)


# ---- own files, several visitors, a phone


def test_own_files_are_guessed_corrected_and_opened(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    head = small_heads.volume("flair")
    one = small_heads.save(tmp_path / "pat_FLAIR.nii.gz", head, sides=False, axes="RAS")
    other = np.where(head > 0, head + 1, 0)
    two = small_heads.save(tmp_path / "scan7.nii.gz", other, sides=False, axes="RAS")
    odd = tmp_path / "notes.txt"
    odd.write_text("x")
    page.click("#tumour-intake .own")
    page.set_input_files("#tumour-intake input[type=file]", [one, two, odd])
    expect(page.locator("#tumour-intake .others")).to_contain_text("notes.txt: neither NIfTI")
    picks = page.locator("#tumour-intake select")
    expect(picks.nth(0)).to_have_value("flair")
    expect(picks.nth(1)).to_have_value("")
    expect(page.locator("#tumour-intake .say")).to_contain_text("Which sequence is scan7.nii.gz?")
    expect(page.locator("#tumour-intake .go")).to_be_disabled()
    picks.nth(1).select_option("FLAIR")
    expect(page.locator("#tumour-intake .say")).to_contain_text("marked as the same")
    expect(page.locator("#tumour-intake .go")).to_be_disabled()
    picks.nth(1).select_option("T2")
    page.click("#tumour-intake .go")
    reach(page, "#tumour-findings .findings[data-status=answer]")
    expect(page.locator("#tumour-viewer .mark.sides")).to_be_visible()
    expect(page.locator("#tumour-viewer .mark.synthetic")).to_be_hidden()
    assert page.locator("#tumour-viewer [data-plane=axial] .edge.left").inner_text() == "?"
    expect(page.locator("#tumour-findings .notes")).to_contain_text("left and right unknown")
    expect(page.locator("#tumour-sequences li").nth(1)).to_contain_text("not in this case")
    expect(page.locator("#tumour-findings td.ref").first).to_be_hidden()


def test_images_unlike_the_training_are_segmented_only_if_asked(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    head = small_heads.volume("t1")
    around = np.random.default_rng(0).integers(40, 120, head.shape)  # no air is one value
    skull_on = small_heads.save(
        tmp_path / "pat_t1.nii.gz", np.where(head == 0, around, head).astype(np.int16)
    )
    page.click("#tumour-intake .own")
    page.set_input_files("#tumour-intake input[type=file]", skull_on)
    page.click("#tumour-intake .go")
    result = page.locator("#tumour-findings .findings")
    reach(page, "#tumour-findings .findings[data-status=asks]")
    expect(result.locator(".notes")).to_contain_text("nearly every voxel has a value")
    expect(result.locator(".from")).to_have_text("Not segmented.")
    expect(result.locator(".take")).to_be_disabled()
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-subsets")).to_contain_text("unlike those that the model")
    page.get_by_role("tab", name="Brain tumours").click()
    result.get_by_role("button", name="Segment all the same").click()
    reach(page, "#tumour-findings .findings[data-status=answer]")
    expect(result.locator(".notes")).to_contain_text("nearly every voxel has a value")
    expect(result.locator(".ask")).to_be_hidden()
    page.get_by_role("tab", name="Compare").click()
    reach(page, "#compare-subsets [data-rows='1']")


def test_a_damaged_file_is_one_plain_sentence(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    bad = tmp_path / "x_t1.nii.gz"
    bad.write_bytes(b"no image at all")
    page.click("#tumour-intake .own")
    page.set_input_files("#tumour-intake input[type=file]", bad)
    page.click("#tumour-intake .go")
    veil = page.locator("#tumour-viewer .veil")
    expect(veil).to_contain_text("x_t1.nii.gz is not a NIfTI file")
    assert "/" not in veil.inner_text()
    page.click("#tumour-intake [data-case=small_head]")
    expect(veil).not_to_contain_text("x_t1.nii.gz")
    answered(page)


def test_two_visitors_see_only_their_own(page: Any, visit: Callable[..., Any]) -> None:
    other = visit()
    expect(other.locator("#tumour-viewer .veil")).to_contain_text("No case is open")
    other.click("#tumour-intake [data-case=small_head]")
    answered(other)
    switch(other, "t1")
    other.wait_for_selector(f'{ANSWER}[data-used="FLAIR,T1c,T2"]')
    expect(page.locator("#tumour-findings .from")).to_contain_text("FLAIR, T1, T1c and T2")


def test_a_phone_scrolls_slices_with_one_finger(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.tap("#tumour-intake [data-case=small_head]")
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#tumour-viewer .stage").scroll_into_view_if_needed()
    box = canvas(page, "axial").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = at(page)
    touch = page.context.new_cdp_session(page)
    points = [y, y - 20, y - 40, y - 60]
    for kind, where in zip(("Start", "Move", "Move", "Move"), points, strict=True):
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": f"touch{kind}", "touchPoints": [{"x": x, "y": where}]},
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    after = at(page)
    assert after[2] == min(before[2] + 10, small_heads.SHAPE[2] - 1)
    assert after[:2] == before[:2]
    page.touchscreen.tap(x + 30, y + 30)
    assert at(page)[:2] != before[:2]


def test_scope_doubt_and_the_scale_of_the_weights_are_said(page: Any) -> None:
    """The checkpoint does not say what it saw, and has no figures; its weights are known."""
    expect(page.locator(".mk-banner")).to_contain_text("adult glioma before surgery")
    expect(page.locator("#tumour-findings .seen")).to_have_text("perhaps seen in training")
    expect(page.locator("#tumour-findings .notes li").first).to_contain_text("does not say which")
    expect(page.locator("#tumour-findings tr.caution")).to_have_count(0)
    switch(page, "t1c")
    expect(page.locator("#tumour-findings tr.caution")).to_have_text("Unreliable without T1c")
    expect(page.locator("#tumour-findings tr.caution")).to_have_attribute("data-of", "et")
    raw = np.exp([0.5, -0.5, 0.3, 0.1])
    for sequence, weight in zip(("flair", "t1", "t1c", "t2"), raw / raw.sum(), strict=True):
        row = page.locator(f"#tumour-sequences li:has(input[data-sequence={sequence}])")
        wide = row.locator(".meter i").evaluate("i => i.style.width")
        assert float(wide.rstrip("%")) == pytest.approx(100 * weight, abs=0.1)
    expect(page.locator("#tumour-sequences p.learned")).to_contain_text("The four sum to 1")
