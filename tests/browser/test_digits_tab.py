"""The Digits tab in a real browser: draw, speak, switch, and everything that can go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import (
    EXAMPLES,
    ROOT,
    Studio,
    blank,
    reach,
)
from tests.patience import PATIENCE_S
from tests.sounds import written

ANSWER = "#verdict .verdict[data-status=answer]"


def ready(page: Any) -> None:
    """The tab is open, the pad is there and the model has been loaded."""
    page.get_by_role("tab", name="Digits").click()
    page.wait_for_selector("#pad canvas")
    reach(page, "#verdict .importance:not([hidden])")


def draw(page: Any, *points: tuple[float, float], steps: int = 8) -> None:
    """One stroke with the mouse; points are fractions of the pad."""
    page.locator("#pad canvas").scroll_into_view_if_needed()
    box = page.locator("#pad canvas").bounding_box()
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=steps)
    page.mouse.up()


def draw_seven(page: Any) -> None:
    draw(page, (0.28, 0.26), (0.72, 0.25), (0.46, 0.82))


def headline(page: Any) -> Any:
    return page.locator("#verdict .headline")


def expect_used(page: Any, *names: str) -> None:
    """Wait until exactly these rows of the table are filled."""
    for name in ("picture", "voice", "both"):
        row = page.locator(f"#verdict tr.{name}.off")
        expect(row).to_have_count(0 if name in names else 1)


# ---- the drawing pad


def test_draw_a_seven(page: Any) -> None:
    ready(page)
    draw_seven(page)
    expect(headline(page)).to_have_text(re.compile(r"^(Sure: 7|Probably 7)"))
    expect(page.locator("#verdict .digit")).to_have_text("7")
    expect_used(page, "picture")
    expect(page.locator("#verdict .summary")).to_contain_text("the voice is missing")
    saw = page.locator("#verdict .seen canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 == 0)"
    )
    assert max(saw) == 255
    assert 0.03 < np.mean(saw) / 255 < 0.3


def test_a_letter_is_no_digit(page: Any) -> None:
    ready(page)
    draw(page, (0.75, 0.15), (0.25, 0.15), (0.25, 0.85), (0.75, 0.85))
    draw(page, (0.25, 0.5), (0.7, 0.5))
    expect(headline(page)).to_contain_text("No digit? The nearest is")
    expect(page.locator("#verdict .digit")).to_have_text("?")
    expect(page.locator("#verdict .notes")).to_contain_text("unlike the digits that the model")


def test_the_end_of_a_stroke_is_asked_about_once(page: Any) -> None:
    """What was drawn before it is asked no more, and nothing is polled."""
    ready(page)
    page.evaluate(
        """() => {
          window.lifted = 0;
          document.addEventListener('pointerup', (event) => {   // caught before the pad's own
            if (event.target.matches('#pad canvas')) window.lifted = performance.now(); }, true);
          window.asked = () => performance.getEntriesByType('resource').filter((entry) =>
            entry.name.includes('/run/predict') && entry.startTime >= window.lifted).length;
        }"""
    )
    for attempt in range(3):
        if attempt:
            page.click("#pad .clear")
            expect(headline(page)).to_have_text("Draw or say a digit")
        draw_seven(page)
        page.wait_for_function("window.asked() > 0")  # it is in this list once it is answered
        expect(headline(page)).to_have_text(re.compile(r"^(Sure: 7|Probably 7)"))
        page.wait_for_timeout(1000)
        assert page.evaluate("window.asked()") == 1


def test_the_answer_follows_the_pen(page: Any) -> None:
    ready(page)
    box = page.locator("#pad canvas").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 70)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 70, steps=10)
    page.mouse.move(box["x"] + 130, box["y"] + 220, steps=10)
    page.wait_for_selector(ANSWER)  # the button is still down
    page.mouse.up()


def test_undo_and_clear(page: Any) -> None:
    ready(page)
    undo, clear = page.locator("#pad .undo"), page.locator("#pad .clear")
    expect(undo).to_be_disabled()
    draw_seven(page)
    page.wait_for_selector(ANSWER)
    clear.click()
    expect(headline(page)).to_have_text("Draw or say a digit")
    expect(clear).to_be_disabled()
    undo.click()  # takes the clearing back
    page.wait_for_selector(ANSWER)
    page.focus("#pad canvas")
    page.keyboard.press("Control+z")
    expect(headline(page)).to_have_text("Draw or say a digit")
    draw_seven(page)
    page.wait_for_selector(ANSWER)
    page.keyboard.press("Delete")
    expect(headline(page)).to_have_text("Draw or say a digit")


def test_draw_with_the_keyboard(page: Any) -> None:
    ready(page)
    page.focus("#pad canvas")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_selector(ANSWER)
    expect(page.locator("#verdict .digit")).to_have_text("1")


def test_one_dot_is_not_yet_a_digit(page: Any) -> None:
    ready(page)
    draw(page, (0.5, 0.5))
    expect(page.locator("#verdict .notes")).to_contain_text("Only a dot")


def test_load_a_picture_file(page: Any, tmp_path: Path) -> None:
    ready(page)
    seven = np.zeros((28, 28), np.uint8)
    seven[5:8, 7:21] = 255
    for row in range(8, 24):
        seven[row, 19 - (row - 8) // 2 : 22 - (row - 8) // 2] = 255
    Image.fromarray(seven).save(tmp_path / "seven.png")
    page.set_input_files("#pad input[type=file]", tmp_path / "seven.png")
    expect(page.locator("#verdict .digit")).to_have_text("7")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    page.set_input_files("#pad input[type=file]", tmp_path / "bad.png")
    expect(page.locator("#pad .say")).to_contain_text("cannot be read as a picture")
    expect(page.locator("#verdict .digit")).to_have_text("7")  # the good one stays


# ---- the voice


def test_speak_through_the_microphone(page: Any) -> None:
    ready(page)
    page.click("#voice .record")
    page.wait_for_selector("#voice .voice.live")
    page.wait_for_selector("#voice .voice.full")  # it stops by itself
    expect(page.locator("#verdict .digit")).to_have_text("3")
    expect_used(page, "voice")
    expect(page.locator("#voice .tell")).to_contain_text("was used")
    for picture in (".mel", ".mfcc"):
        assert page.locator(f"#verdict {picture} canvas").evaluate("c => c.width * c.height") > 500
    page.click("#voice .clear")
    expect(headline(page)).to_have_text("Draw or say a digit")


def test_a_second_press_stops_the_recording(page: Any) -> None:
    ready(page)
    page.focus("#voice .record")
    page.keyboard.press("Space")
    expect(page.locator("#voice .tell")).to_contain_text("Listening")
    page.wait_for_timeout(900)
    page.keyboard.press("Space")
    page.wait_for_selector("#voice .voice:not(.live)")


def test_load_a_sound_file(page: Any, tmp_path: Path) -> None:
    ready(page)
    page.set_input_files("#voice input[type=file]", EXAMPLES / "spoken.wav")
    expect(page.locator("#verdict .digit")).to_have_text("3")
    (tmp_path / "list.mp3").write_text("#EXTM3U\nhttp://169.254.169.254/\n")
    page.set_input_files("#voice input[type=file]", tmp_path / "list.mp3")
    expect(page.locator("#voice .say")).to_contain_text("cannot be read as sound")
    expect(page.locator("#verdict .digit")).to_have_text("3")


def test_a_sound_as_any_program_writes_it(page: Any, tmp_path: Path) -> None:
    """Heard as the recording it was made from, whether this browser can read it or the app must."""
    ready(page)
    samples, rate = soundfile.read(EXAMPLES / "spoken.wav", dtype="float32")
    for odd, path in written(tmp_path, samples, rate).items():
        page.set_input_files("#voice input[type=file]", path)
        expect(page.locator("#voice .tell"), odd).to_contain_text("was used")
        expect(page.locator("#verdict .digit"), odd).to_have_text("3")
        expect(page.locator("#voice .tell"), odd).to_contain_text(f"{len(samples) / rate:.2f} s")
        page.click("#voice .clear")
        expect(page.locator("#verdict .headline"), odd).to_have_text("Draw or say a digit")
    (tmp_path / "odd.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(99))
    page.set_input_files("#voice input[type=file]", tmp_path / "odd.wav")
    expect(page.locator("#voice .say")).to_contain_text("odd.wav holds no sound")


def silence(path: Path, seconds: float) -> Path:
    soundfile.write(path, np.zeros(int(16_000 * seconds), np.int16), 16_000)
    return path


def test_silence_and_very_long_sounds(page: Any, tmp_path: Path) -> None:
    ready(page)
    page.set_input_files("#voice input[type=file]", silence(tmp_path / "silence.wav", 1))
    expect(page.locator("#verdict .notes")).to_contain_text("silent")
    page.set_input_files("#voice input[type=file]", silence(tmp_path / "long.wav", 300))
    expect(page.locator("#voice .tell")).to_contain_text("Only the first 10 seconds")


@pytest.mark.parametrize(
    ("microphone", "words"),
    [("denied", "The microphone is blocked"), ("none", "No microphone was found")],
)
def test_without_a_microphone(
    launch: Callable[..., Any], studio: Studio, microphone: str, words: str
) -> None:
    browser = launch(microphone=microphone)
    page = blank(browser)
    page.goto(studio.url)
    ready(page)
    page.click("#voice .record")
    expect(page.locator("#voice .say")).to_contain_text(words)
    draw_seven(page)  # drawing alone still works
    page.wait_for_selector(ANSWER)
    browser.close()


def test_an_insecure_address_explains_itself(launch: Callable[..., Any], studio: Studio) -> None:
    browser = launch("--host-resolver-rules=MAP studio.test 127.0.0.1")
    page = blank(browser)
    page.goto(f"http://studio.test:{studio.port}/")
    page.get_by_role("tab", name="Digits").click()
    page.click("#voice .record")
    expect(page.locator("#voice .say")).to_contain_text("only over https")
    browser.close()


# ---- switches and examples


def test_switches_decide_what_is_used(page: Any) -> None:
    ready(page)
    page.click("button[data-name=disagree]")
    votes = "The picture says 3, the voice says 5"
    expect(page.locator("#verdict .summary")).to_contain_text(votes)
    expect_used(page, "picture", "voice", "both")
    page.get_by_label("Voice present").uncheck()
    expect(page.locator("#verdict .digit")).to_have_text("3")
    expect_used(page, "picture")
    page.get_by_label("Voice present").check()
    page.get_by_label("Picture present").uncheck()
    expect_used(page, "voice")
    expect(page.locator("#verdict .digit")).to_have_text("5")
    page.get_by_label("Voice present").uncheck()
    expect(page.locator("#verdict .notes")).to_contain_text("Both inputs are switched off")
    page.click("button[data-name=both]")  # an example switches both on again
    expect(page.locator("#verdict .summary")).to_have_text("Picture and voice agree on 2.")


@pytest.mark.parametrize(
    ("name", "digit", "inputs"),
    [
        ("drawn", "7", ["picture"]),
        ("spoken", "3", ["voice"]),
        ("both", "2", ["picture", "voice", "both"]),
        ("messy", "9", ["picture", "voice", "both"]),
    ],
)
def test_examples(page: Any, name: str, digit: str, inputs: list[str]) -> None:
    ready(page)
    page.click(f"button[data-name={name}]")
    expect(page.locator("#verdict .digit")).to_have_text(digit)
    expect_used(page, *inputs)


def test_many_quick_switches_end_with_the_last_one(page: Any) -> None:
    ready(page)
    page.click("button[data-name=disagree]")
    page.wait_for_selector(ANSWER)
    for _ in range(15):
        page.click("#voice-on label")
    expect(page.locator("#voice-on input")).not_to_be_checked()
    expect(page.locator("#verdict tr.voice.off")).to_have_count(1)
    page.wait_for_timeout(500)
    expect_used(page, "picture")


# ---- two visitors, a reload, the way out


def test_two_visitors_see_only_their_own(browser: Any, page: Any, studio: Studio) -> None:
    ready(page)
    other = blank(browser)
    other.goto(studio.url)
    ready(other)
    draw_seven(page)
    page.wait_for_selector(ANSWER)
    other.get_by_label("Voice present").uncheck()
    other.get_by_label("Voice present").check()
    other.wait_for_timeout(500)
    expect(headline(other)).to_have_text("Draw or say a digit")
    expect(page.locator("#verdict .digit")).to_have_text("7")
    other.context.close()


def test_a_reload_starts_afresh(page: Any) -> None:
    ready(page)
    draw_seven(page)
    page.wait_for_selector(ANSWER)
    page.reload()
    ready(page)
    expect(headline(page)).to_have_text("Draw or say a digit")
    draw_seven(page)
    page.wait_for_selector(ANSWER)


def test_the_result_can_be_taken_along(page: Any) -> None:
    ready(page)
    page.click("button[data-name=both]")
    expect(page.locator("#verdict .summary")).to_have_text("Picture and voice agree on 2.")
    with page.expect_download() as download:
        page.click("#verdict .download")
    result = json.loads(Path(download.value.path()).read_text())
    assert result["digit"] == 2
    assert len(result["rows"]["both"]) == 10
    assert sum(result["rows"]["both"]) == pytest.approx(1, abs=1e-3)


def test_the_table_reads_well_without_eyes(page: Any) -> None:
    ready(page)
    page.click("button[data-name=both]")
    expect(page.locator("#verdict .summary")).to_have_text("Picture and voice agree on 2.")
    cell = page.locator("#verdict tr.both td").nth(2)
    assert re.fullmatch(r"\d+\.\d percent", cell.get_attribute("aria-label"))
    assert page.get_by_role("columnheader").count() == 10
    assert page.get_by_role("rowheader").all_inner_texts() == ["Picture", "Voice", "Together"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser: Any, studio: Studio, scheme: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = blank(browser, color_scheme=scheme, **phone)
    page.goto(studio.url)
    ready(page)
    page.tap("button[data-name=both]")
    page.wait_for_selector(ANSWER)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#verdict .bar")).to_have_class(re.compile("shown"))
    page.context.close()


# ---- without a model


def test_the_page_opens_without_a_checkpoint(browser: Any, clinic: Studio) -> None:
    """As in the clinic, whose one model is that of tumours."""
    page = blank(browser)
    page.goto(clinic.url)
    page.get_by_role("tab", name="Digits").click()
    page.wait_for_selector("#pad canvas")
    expect(headline(page)).to_have_text("No model")
    expect(page.locator("#verdict .notes")).to_contain_text("digits.safetensors")
    page.context.close()


def test_a_busy_port_is_one_plain_line(studio: Studio, tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "app.py", "--port", str(studio.port), "--runs", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    said = f"Port {studio.port} is taken. Try: python app.py --port {studio.port + 1}"
    assert done.stdout.strip() == said
    assert done.stderr == ""
