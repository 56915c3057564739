"""How a case was prepared, in the report, in figures.json and on each series' own slices."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json

import nibabel
import numpy as np
import pypdfium2
import pytest
from PIL import Image

from mckd.clinic.series import Prepared, Step, Study
from mckd.report.archive import figures, native, report, sealed
from mckd.report.drawing import FOOT, WIDTH
from mckd.report.preparation import check_slices, preparation
from mckd.tumour.labels import label_file
from tests import small_heads
from tests.clinic.moved import series_of

SLICES = np.diag([2.5, 2.2, 5.6, 1.0])  # every second slice of the small head, both in one
SLICES[:3, 3] = np.add(small_heads.ORIGIN, (0, 0, 1.4))
STEPS = (
    Step("registration", "t2", "turned by 3.1 degrees onto T1", "T2 may not lie on the others."),
    Step("resampling", "t1", "from voxels of 2.5 x 2.2 x 2.8 mm to 1 mm"),
    Step("brain", "", "1383 mL, found by the bundled network in T1"),
)


@pytest.fixture(scope="module")
def prepared(case) -> Prepared:
    """T1 and T2 of the small head, the T2 in thick slices; T1 brightens rightwards, T2 upwards."""
    shape = case.grid.canonical.shape
    series = (
        dataclasses.replace(series_of("t1", shape, small_heads.affine(), 2.8), name="7 Doe^Jane"),
        series_of("t2", (shape[0], shape[1], shape[2] // 2), SLICES, 5.6),
    )
    ramp = np.broadcast_to(np.linspace(0, 1, shape[2], dtype=np.float32), shape)
    across = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    head = {"t1": np.broadcast_to(across, shape), "t2": ramp}
    brain = small_heads.brain()
    pair = dataclasses.replace(case, volumes={s: case.volumes[s] for s in ("t1", "t2")})
    study = Study(series, {"t1": "st1", "t2": "st2"}, {})
    return Prepared(study, pair, head, brain, dict.fromkeys(head, np.eye(4)), STEPS)


@pytest.fixture(scope="module")
def subject(make, prepared):
    return dataclasses.replace(make(prepared.case, most=2), prepared=prepared)


def words_of(pdf: bytes) -> str:
    opened = pypdfium2.PdfDocument(pdf)
    words = " ".join(page.get_textpage().get_text_bounded() for page in opened)
    opened.close()
    return " ".join(words.split())


def test_the_report_names_the_preparation_and_the_native_spacing(subject) -> None:
    files = report(subject)
    words = words_of(files["report.pdf"])
    assert "How the images were prepared" in words
    assert "T1 2.5 x 2.2 x 2.8 2.8 40 axial from voxels of" in words
    assert "T2 2.5 x 2.2 x 5.6 5.6 20 axial turned by 3.1 degrees onto T1" in words
    assert "Brain: 1383 mL, found by the bundled network in T1." in words
    assert "T2 may not lie on the others." in words
    assert "Doe" not in words
    assert "preparation.png" in files
    assert "preparation.png: outline" in sealed(subject, files)["README.txt"].decode()


def test_images_that_went_through_as_they_are(prepared) -> None:
    untouched = dataclasses.replace(prepared, steps=(), untouched=True)
    story = preparation(untouched, {})  # no picture is asked for
    assert story[-1].text == "The images were prepared already and are used as they are."


def test_the_brain_s_outline_and_both_images_in_turn(subject, prepared) -> None:
    """T1 brightens to the right, T2 upwards: on a sagittal slice T1 is one grey, T2 a ramp."""
    png = check_slices(subject, prepared)
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    rows = picture[: -int(FOOT / WIDTH * picture.shape[1])]
    outline, board = np.array_split(rows, 2)

    def green(part: np.ndarray) -> int:
        return int((part[..., 1] - part[..., [0, 2]].max(axis=-1) > 60).sum())

    assert green(outline) > 500
    assert green(board) == 0
    sagittal = board[:, -board.shape[1] // 3 :, 0]
    column = sagittal[board.shape[0] // 6 : -board.shape[0] // 6, sagittal.shape[1] // 2]
    greys, counts = np.unique(column, return_counts=True)
    assert 0.3 < counts.max() / len(column) < 0.7  # the one grey of T1
    assert len(greys) > 12  # the ramp of T2 between
    assert (np.abs(np.diff(column)) > 25).sum() >= 2  # from one to the other


def test_figures_say_how_each_sequence_was_taken(subject) -> None:
    told = json.loads(figures(subject)["figures.json"])["preparation"]
    assert told["native"]["t2"] == {
        "shape": [48, 60, 20],
        "spacing_mm": [2.5, 2.2, 5.6],
        "slice_thickness_mm": 5.6,
        "plane": "axial",
    }
    assert told["steps"][0]["trouble"] == "T2 may not lie on the others."
    assert told["prepared_already"] is False


def test_labels_on_the_slices_of_each_series(subject) -> None:
    """The T1 lies as the case does: the same labels. Both series hold the same volumes."""
    files = native(subject, dicom=True)
    assert set(files) == {"native/t1.nii.gz", "native/t2.nii.gz"}  # none of them is DICOM
    images = {
        name: nibabel.Nifti1Image.from_bytes(gzip.decompress(data)) for name, data in files.items()
    }
    of_case = gzip.decompress(label_file(subject.maps[subject.case.present], subject.case))
    labels = np.asarray(nibabel.Nifti1Image.from_bytes(of_case).dataobj)
    thin, thick = images["native/t1.nii.gz"], images["native/t2.nii.gz"]
    assert (np.asarray(thin.dataobj) > 0).sum() == (labels > 0).sum()
    assert thick.shape == (48, 60, 20)
    assert (np.asarray(thick.dataobj) > 0).sum() * 2 == pytest.approx((labels > 0).sum(), abs=2)
