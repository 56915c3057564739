"""Ways into the app in a real browser: files, folders and archives, dropped or chosen anywhere."""

from __future__ import annotations

import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from mckd.studio.tasks.tumour.sources import LEFT
from tests import small_heads
from tests.browser.conftest import EXAMPLES, Studio, arrivals, drag, reach

ANSWER = "#tumour-findings .findings[data-status=answer]"
SCORED = "#tumour-findings .findings[data-scored=true]"
HEADS = ["study/P1", "study/P2", "DICOM examination"]
WORDS = {"FLAIR": "flair", "T1": "t1", "T1c": "t1ce", "T2": "t2"}


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    """Open the page as a new visitor; the test fails on console errors and foreign requests."""
    with arrivals(browser, clinic) as start:
        yield start


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients with a folder for each sequence, a note, and two files of a scanner."""
    folder = tmp_path_factory.mktemp("disk") / "study"
    for patient in ("P1", "P2"):
        for name, word in WORDS.items():
            small_heads.save(folder / patient / name / "image.nii.gz", small_heads.volume(word))
    (folder / "notes.txt").write_text("x")
    for number in range(2):
        (folder / f"IM{number}").write_bytes(bytes(128) + b"DICM")
    return folder


def packed(study: Path, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(study.rglob("*")):
            archive.write(file, file.relative_to(study.parent))
    return path


def intake(page: Any, part: str) -> Any:
    return page.locator(f"#tumour-intake {part}")


def answered(page: Any) -> None:
    reach(page, "#tumour-viewer .viewer[data-loaded]", ANSWER)


def open_head(page: Any, number: int) -> None:
    """Choose a case of the list, open it, and see its four sequences used."""
    intake(page, ".heads .case").nth(number).click()
    expect(intake(page, ".files li")).to_have_count(4)
    intake(page, ".go").click()
    answered(page)
    expect(page.locator("#tumour-findings .from")).to_contain_text("FLAIR, T1, T1c and T2")


# ---- folders and archives


def test_a_folder_of_two_patients_is_dropped_and_one_of_them_opened(
    visit: Callable[..., Any], study: Path
) -> None:
    page = visit()
    let_go = drag(page, study)
    expect(page.locator("#drop .drop")).to_be_visible()
    let_go()
    expect(page.locator("#drop .drop")).to_be_hidden()
    expect(intake(page, ".heads .case span")).to_have_text(HEADS)
    expect(intake(page, ".go")).to_be_hidden()
    expect(intake(page, ".heads small").nth(2)).to_have_text("2 DICOM files, 1 kB")
    expect(intake(page, ".others")).to_contain_text("study/notes.txt: neither NIfTI")
    intake(page, ".heads .case").nth(1).click()
    expect(intake(page, ".files .name").nth(0)).to_have_text("study/P2/FLAIR/image.nii.gz")
    values = intake(page, ".files select").evaluate_all("(all) => all.map(({ value }) => value)")
    assert values == ["flair", "t1", "t1c", "t2"]
    open_head(page, 1)


def test_arrow_keys_go_on_in_the_list_that_they_began_in(
    visit: Callable[..., Any], study: Path
) -> None:
    """Each choice draws the list anew; the focus stays where it was, or comes as near."""
    page = visit()
    drag(page, study / "P1" / "T1")()
    chosen = intake(page, ".files select")
    expect(chosen).to_have_value("t1")
    chosen.focus()
    for value in ("t1c", "t2"):
        page.keyboard.press("ArrowDown")
        expect(chosen).to_have_value(value)
        expect(chosen).to_be_focused()
    drag(page, study)()
    intake(page, ".heads .case").nth(1).press("Enter")
    expect(intake(page, ".heads .case").nth(1)).to_be_focused()
    intake(page, ".files button").nth(3).press("Enter")  # the last file goes
    expect(intake(page, ".files button").nth(2)).to_be_focused()
    intake(page, ".clear").press("Enter")
    expect(intake(page, ".pick input").first).to_be_focused()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_is_unpacked_in_the_browser(
    visit: Callable[..., Any], study: Path, clinic: Studio, tmp_path: Path, method: int
) -> None:
    page = visit()
    before = {path for path in clinic.private.rglob("*") if path.is_file()}
    drag(page, packed(study, tmp_path / "all.zip", method))()
    expect(intake(page, ".heads .case span")).to_have_text(HEADS)
    open_head(page, 0)
    here = {path for path in clinic.private.rglob("*") if path.is_file()} - before
    sent = [path.read_bytes() for path in here if "given" in path.parts]
    wanted = [(study / "P1" / name / "image.nii.gz").read_bytes() for name in WORDS]
    assert sorted(sent) == sorted(wanted)  # the very bytes of four files, and no more


def test_a_file_that_was_mended_is_dropped_once_more_under_its_name(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page, file = visit(), tmp_path / "head_flair.nii.gz"
    small_heads.save(file, small_heads.volume("flair"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    drag(page, file)()
    expect(intake(page, ".files li")).to_have_count(1)
    intake(page, ".go").click()
    expect(page.locator("#tumour-viewer .veil")).to_contain_text("head_flair.nii.gz")
    file.write_bytes(whole)
    intake(page, ".own").click()
    drag(page, file)()
    expect(intake(page, ".files .state")).to_have_text(re.compile(f"{-(-len(whole) // 1000)} kB"))
    intake(page, ".go").click()
    page.wait_for_selector(ANSWER)


def test_a_folder_is_chosen_by_a_button(visit: Callable[..., Any], study: Path) -> None:
    page = visit()
    intake(page, ".own").click()
    with page.expect_file_chooser() as chooser:
        intake(page, ".folder").click()
    chooser.value.set_files(study)
    expect(intake(page, ".heads .case span")).to_have_text(HEADS)
    open_head(page, 0)


def claim(path: Path, size: int, name: bytes = b"head_t1.nii") -> Path:
    """An archive with 200 MB of zeros in a file that is said to have `size` bytes."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(squeeze.compress(bytes(2**20)) for _ in range(200)) + squeeze.flush()
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(data), size, len(name), 0)
    head = b"PK\x03\x04" + facts + name
    listed = b"PK\x01\x02" + struct.pack("<H", 20) + facts + bytes(14) + name
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(listed), len(head + data), 0)
    path.write_bytes(head + data + listed + end)
    return path


def test_an_archive_that_swells_is_stopped_at_what_it_claims(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    drag(page, claim(tmp_path / "bomb.zip", 4_000_000))()
    intake(page, ".go").click()
    expect(intake(page, ".say")).to_have_text("head_t1.nii is damaged in the archive.")
    drag(page, claim(tmp_path / "honest.zip", 200 * 2**20))()
    expect(intake(page, ".others")).to_contain_text(": larger than 64 MB")
    expect(intake(page, ".files li")).to_have_count(1)  # what was there before
    assert not [url for url in sent if "upload" in url]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: b"no archive at all", "broken.zip: damaged, or no ZIP archive"),
        (lambda data: data[:-40], "broken.zip: damaged, or no ZIP archive"),
        (lambda data: data[: len(data) // 2], "broken.zip: damaged, or no ZIP archive"),
        (
            lambda data: data[:-12] + b"\xff\xff" + data[-10:],
            "broken.zip: a ZIP archive of the large kind (ZIP64); unpack it",
        ),
    ],
)
def test_a_damaged_archive_is_one_sentence(
    visit: Callable[..., Any],
    study: Path,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    page = visit()
    broken = packed(study, tmp_path / "broken.zip")
    broken.write_bytes(damage(broken.read_bytes()))
    drag(page, broken)()
    expect(intake(page, ".others")).to_contain_text(sentence)
    expect(intake(page, ".go")).to_be_disabled()


# ---- a drop never leaves the page


@pytest.mark.parametrize("tab", ["Brain tumours", "Compare", "Digits", "Tables", "Training"])
def test_a_drop_on_any_tab_opens_the_list_and_never_the_file(
    visit: Callable[..., Any], study: Path, tmp_path: Path, tab: str
) -> None:
    page = visit()
    page.evaluate("window.still = 'here'")
    page.get_by_role("tab", name=tab).click()
    head = tmp_path / "pat_T1.nii.gz"
    shutil.copy(study / "P1" / "T1" / "image.nii.gz", head)
    drag(page, head, EXAMPLES / "spoken.wav", x=900, y=600)()
    if tab == "Digits":  # a sound belongs there
        expect(page.locator("#voice .tell")).to_contain_text(" s")
        drag(page, head, x=900, y=600)()
    expect(page.get_by_role("tab", name="Brain tumours")).to_have_attribute("aria-selected", "true")
    expect(intake(page, ".files .name")).to_have_text("pat_T1.nii.gz")
    assert page.evaluate("window.still") == "here"


def test_a_picture_and_a_sound_dropped_on_the_digits_tab_go_where_they_belong(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit()
    page.get_by_role("tab", name="Digits").click()
    expect(page.locator("#pad .clear")).to_be_disabled()
    seven = Image.new("L", (60, 60), 255)
    ImageDraw.Draw(seven).line([(15, 12), (45, 12), (25, 50)], fill=0, width=6)
    seven.save(tmp_path / "seven.png")
    drag(page, EXAMPLES / "spoken.wav", tmp_path / "seven.png", x=900, y=600)()
    expect(page.locator("#pad .clear")).to_be_enabled()
    expect(page.locator("#voice .clear")).to_be_enabled()
    expect(page.get_by_role("tab", name="Digits")).to_have_attribute("aria-selected", "true")


def test_a_drag_that_leaves_the_window_leaves_no_trace(
    visit: Callable[..., Any], study: Path
) -> None:
    page = visit()
    drag(page, study)
    expect(page.locator("#drop .drop")).to_be_visible()
    page.evaluate("document.body.dispatchEvent(new DragEvent('dragleave', { bubbles: true }))")
    expect(page.locator("#drop .drop")).to_be_hidden()
    expect(intake(page, ".drawer")).to_be_hidden()


# ---- on the way to the server


def test_a_slow_upload_tells_the_time_left_and_can_be_cancelled(
    visit: Callable[..., Any], study: Path
) -> None:
    page = visit()
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")

    def speed(bytes_per_s: int) -> None:
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
        wire.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": bytes_per_s})

    drag(page, study / "P1")()
    speed(8_000)
    intake(page, ".go").click()
    expect(intake(page, ".sending .told")).to_contain_text("s left")
    drag(page, study / "P2")()
    expect(intake(page, ".say")).to_contain_text("Drop these again once that is done")
    expect(intake(page, ".files li .name").first).to_contain_text("P1/")
    intake(page, ".cancel").click()
    expect(intake(page, ".say")).to_have_text("Cancelled. Nothing was opened.")
    expect(intake(page, ".sending")).to_be_hidden()
    speed(-1)
    intake(page, ".go").click()
    answered(page)


# ---- a reload


def test_a_reload_keeps_a_bundled_case_and_another_tab_knows_nothing_of_it(
    visit: Callable[..., Any],
) -> None:
    page = visit()
    intake(page, "[data-case=small_head]").click()
    reach(page, SCORED)  # else the reload breaks a stream off, of which Gradio complains
    page.reload()
    reach(page, SCORED)
    expect(page.locator("#tumour-findings .case")).to_contain_text("Small Head")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#tumour-intake .case")
    expect(other.locator("#tumour-viewer .veil")).to_contain_text("No case is open")


def test_a_reload_keeps_own_files_which_stay_their_browser_s_alone(
    visit: Callable[..., Any], study: Path
) -> None:
    page = visit()
    drag(page, study / "P1")()
    expect(intake(page, ".files li")).to_have_count(4)
    intake(page, ".go").click()
    answered(page)
    volumes = page.locator("#tumour-findings tbody td").all_inner_texts()
    for _ in range(2):
        page.reload()
        answered(page)
        assert page.locator("#tumour-findings tbody td").all_inner_texts() == volumes
    thief = visit()
    kept = page.evaluate("sessionStorage.getItem('mckd-case')")
    thief.evaluate("(kept) => sessionStorage.setItem('mckd-case', kept)", kept)
    thief.reload()
    expect(thief.locator("#tumour-viewer .veil")).to_contain_text(LEFT)
    assert thief.evaluate("sessionStorage.getItem('mckd-case')") is None
