"""An examination as the scanner gave it, in a real browser: dropped, looked through, taken home."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from playwright.sync_api import expect

from tests import small_heads
from tests.browser.conftest import Studio, arrivals, drag, reach
from tests.clinic.written import PLANS, write_study

ANSWER = "#tumour-findings .findings[data-status=answer]"
WORDS = {"flair": "flair", "t1": "t1", "t1c": "t1ce", "t2": "t2"}


@pytest.fixture
def visit(browser: Any, clinic: Studio) -> Iterator[Callable[..., Any]]:
    """Open the page as a new visitor; the test fails on console errors and foreign requests."""
    with arrivals(browser, clinic) as start:
        yield start


@pytest.fixture(scope="session")
def examination(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small head in four series on one grid, a folder for each, its skull taken off already."""
    folder = tmp_path_factory.mktemp("disk") / "EXAM"
    plans = {
        slot: replace(plan, plane="axial", pixel_mm=1.5, step_mm=1.5, tilt_deg=(0, 0, 0))
        for slot, plan in PLANS.items()
    }
    heads = {slot: small_heads.volume(word) for slot, word in WORDS.items()}
    write_study(folder, heads, small_heads.affine(), plans)
    (folder / "DICOMDIR").write_bytes(b"an index")
    return folder


def panel(page: Any, part: str) -> Any:
    return page.locator(f"#tumour-study {part}")


def taken(page: Any, kind: str) -> dict[str, bytes]:
    """The files of the archive that a button gives."""
    with page.expect_download() as waiting:
        panel(page, f"[data-kind={kind}]").click()
    with zipfile.ZipFile(Path(waiting.value.path())) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist()}


def opened(page: Any, examination: Path) -> None:
    drag(page, examination)()
    files = [*examination.rglob("IM*")]
    expect(page.locator("#tumour-intake .scans .name")).to_contain_text(f"{len(files)} DICOM files")
    expect(page.locator("#tumour-intake .others")).to_contain_text("the index of a disc")
    page.click("#tumour-intake .go")
    reach(page, "#tumour-viewer .viewer[data-loaded]", ANSWER)


def test_a_folder_of_a_scanner_is_segmented_and_taken_home_on_its_series(
    visit: Callable[..., Any], examination: Path
) -> None:
    page = visit()
    opened(page, examination)
    expect(panel(page, ".told")).to_contain_text("4 series; 3 used. Prepared already")
    expect(page.locator("#tumour-findings .from")).to_contain_text("From FLAIR, T1 and T1c")
    asked = panel(page, "tbody tr.asks")
    expect(asked).to_have_count(1)  # a T2 whose fluid is not bright: nobody guesses in silence
    expect(asked.locator(".why")).to_contain_text("T2")
    asked.locator("select").select_option("t2")
    panel(page, ".again").click()
    expect(page.locator("#tumour-findings .from")).to_contain_text("From FLAIR, T1, T1c and T2")

    shown = float(
        page.locator("#tumour-findings tr[data-region=wt] td").first.inner_text().split()[0]
    )
    labels, objects = taken(page, "nifti"), taken(page, "dicom")
    assert set(labels) == {f"{slot}.nii.gz" for slot in WORDS}
    assert set(objects) == {f"{slot}.dcm" for slot in WORDS}
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(labels["t1c.nii.gz"]))
    found = np.count_nonzero(image.dataobj) * 1.5**3 / 1000
    assert found == pytest.approx(shown, rel=0.01, abs=0.06)
    made = pydicom.dcmread(io.BytesIO(objects["t1c.dcm"]))
    source = pydicom.dcmread(next(examination.rglob("005/IM0001")))
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    whole = [
        number
        for number, frame in enumerate(made.PerFrameFunctionalGroupsSequence)
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 3
    ]
    assert made.pixel_array[whole].sum() == np.count_nonzero(image.dataobj)


def test_another_case_takes_the_examination_off_the_page(
    visit: Callable[..., Any], examination: Path
) -> None:
    page = visit()
    opened(page, examination)
    expect(panel(page, ".study")).to_be_visible()
    page.click("#tumour-intake [data-case=small_head]")
    expect(page.locator("#tumour-findings .case")).to_have_text("Small Head")
    expect(panel(page, ".study")).to_be_hidden()


def test_series_are_named_and_examinations_changed_by_keys(
    visit: Callable[..., Any], examination: Path, tmp_path: Path
) -> None:
    """A choice keeps the focus; another examination is read by a button, not while keys pass it."""
    for path in (examination / "005").rglob("IM*"):
        for year in (2023, 2024):
            one = pydicom.dcmread(path)
            one.StudyInstanceUID = f"1.2.3.{year}"
            one.AcquisitionDate = one.StudyDate = f"{year}0102"
            one.save_as(tmp_path / f"{year}_{path.name}")
    page = visit()
    drag(page, tmp_path)()
    page.click("#tumour-intake .go")
    reach(page, "#tumour-viewer .viewer[data-loaded]", ANSWER)
    expect(panel(page, ".told")).to_contain_text("2 examinations in these files")
    days = ["1 of 2, 2024-01-02 (newest)", "2 of 2, 2023-01-02"]
    expect(panel(page, ".which option")).to_have_text(days)
    if panel(page, ".series").is_hidden():
        panel(page, ".fold").first.click()
    used = panel(page, "tbody select")
    expect(used).to_have_value("t1c")
    used.focus()
    for slot in ("t2", ""):
        page.keyboard.press("ArrowDown")
        expect(used).to_have_value(slot)
        expect(used).to_be_focused()
    panel(page, ".which select").focus()
    page.keyboard.press("ArrowDown")
    expect(panel(page, ".which select")).to_have_value("1")
    expect(panel(page, ".stop")).to_be_hidden()
    expect(used).to_have_value("")  # what was chosen still stands: nothing was read
    panel(page, ".read").press("Enter")
    expect(used).to_have_value("t1c")
    reach(page, ANSWER)
    expect(panel(page, ".which select")).to_have_value("1")
    expect(panel(page, ".fold").first).to_be_focused()


def test_images_with_a_skull_are_offered_to_be_prepared(
    visit: Callable[..., Any], tmp_path: Path
) -> None:
    page, head = visit(), small_heads.volume("flair")
    scalp = np.random.default_rng(0).integers(100, 300, head.shape)
    filled = np.where(head > 0, head, scalp).astype(np.int16)  # nothing around it is air
    drag(page, small_heads.save(tmp_path / "head_flair.nii.gz", filled))()
    page.click("#tumour-intake .go")
    expect(page.locator("#tumour-findings .ask")).to_be_visible()
    expect(panel(page, ".asks")).to_contain_text("They can be prepared")
    expect(panel(page, ".again")).to_have_text("Prepare these")
    expect(panel(page, "td.name")).to_contain_text("head_flair.nii.gz")
