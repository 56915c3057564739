"""DICOM-SEG, read back by highdicom, pydicom and, where it is installed, judged by dciodvfy."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from mckd.clinic.intake import read_study
from mckd.clinic.segmentation import Algorithm, SegmentationError, dicom_seg
from mckd.clinic.series import Series
from mckd.tumour.labels import label_image, region_bits
from tests.clinic import written
from tests.clinic.moved import series_of
from tests.clinic.written import PLANS, Written, on_grid, save, write_series

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")

ALGORITHM = Algorithm(model="0123456789abcdef" * 4, sequences=("flair", "t1c"))
ABOUT = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
ABOUT |= {"StudyDate": "20240305", "SeriesNumber": 3, "AcquisitionTime": "101500"}
HEAD = (40, 48, 36)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = [-80, -96, -60]
LEFT_MM = np.array([-40.0, 20.0, 10.0])  # RAS+: the patient's left, in front


def lesion() -> np.ndarray:
    """(3, X, Y, Z) bool: three nested balls on the patient's left, of 10, 16 and 24 mm."""
    index = np.moveaxis(np.indices(HEAD), 0, -1)
    away = np.linalg.norm(index @ AFFINE[:3, :3].T + AFFINE[:3, 3] - LEFT_MM, axis=-1)
    return np.stack([away < radius for radius in (10, 16, 24)])


def classic(folder: Path, slot: str) -> Written:
    head = np.full(HEAD, 300.0, np.float32)
    return write_series(folder, head, AFFINE, PLANS[slot], ABOUT, coarser=2.0)


def enhanced(folder: Path, slot: str, orientation_in_each: bool = False) -> Written:
    return written.enhanced(classic(folder, slot), folder / "enhanced.dcm", orientation_in_each)


def two_echoes(folder: Path, slot: str) -> Written:
    """An enhanced image that holds each slice twice; the series is the second half."""
    written = enhanced(folder, slot)
    whole = dcmread(written.files[0])
    count = whole.NumberOfFrames
    whole.NumberOfFrames = 2 * count
    whole.PerFrameFunctionalGroupsSequence = 2 * list(whole.PerFrameFunctionalGroupsSequence)
    whole.PixelData *= 2
    save(whole, written.files[0])
    return written


def flipped(written: Written) -> Series:
    """The series as a reader may hold it that turns each axis and swaps rows and columns."""
    shape, turn = np.array(written.shape), np.diag([-1.0, -1.0, -1.0, 1.0])
    turn[:3, 3] = shape - 1
    affine = (written.affine @ turn)[:, [1, 0, 2, 3]]
    return series_of("t2", (written.shape[1], written.shape[0], written.shape[2]), affine)


SOURCES = {
    "classic": classic,
    "enhanced": enhanced,
    "orientation in each frame": lambda folder, slot: enhanced(folder, slot, True),
}


@pytest.fixture(params=SOURCES)
def source(request, tmp_path: Path) -> tuple[Written, Series]:
    """A tilted coronal series of 1.6 x 1.6 x 8 mm, as it was written and as it is read."""
    written = SOURCES[request.param](tmp_path, "t2")
    [series] = read_study(written.files).series
    return written, series


def regions_on(written: Written) -> np.ndarray:
    return np.stack([on_grid(region.astype(np.uint8), AFFINE, written) for region in lesion()]) > 0


def test_read_back_the_voxels_lie_where_they_lay(source) -> None:
    written, series = source
    regions = regions_on(written)
    found = hd.seg.segread(io.BytesIO(dicom_seg(series, regions, "t2", ALGORITHM)))
    assert found.number_of_segments == 3
    for number, region in enumerate(regions, 1):
        volume = found.get_volume(segment_numbers=[number], combine_segments=False)
        index = np.argwhere(volume.array[..., 0])
        lps = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        wanted = np.argwhere(region) @ series.grid.affine[:3, :3].T + series.grid.affine[:3, 3]
        wanted[:, :2] *= -1
        assert sorted(map(tuple, lps.round(2))) == sorted(map(tuple, wanted.round(2)))
        assert lps.mean(axis=0) == pytest.approx([40, -20, 10], abs=4)  # LPS: left is positive
        ml = len(index) * abs(np.linalg.det(volume.affine[:3, :3])) / 1000
        packed = label_image(region_bits(regions), series.grid)
        labels = nibabel.Nifti1Image.from_bytes(gzip.decompress(packed))
        inner = {1: (4,), 2: (1, 4), 3: (1, 2, 4)}[number]
        count = np.isin(np.asarray(labels.dataobj), inner).sum()
        nifti_ml = count * abs(np.linalg.det(labels.affine[:3, :3])) / 1000
        assert ml == pytest.approx(nifti_ml, rel=0.01)


def test_it_refers_to_the_images_frame_by_frame(source) -> None:
    written, series = source
    made = dcmread(io.BytesIO(dicom_seg(series, regions_on(written), "t2", ALGORITHM)))
    images = [dcmread(path, stop_before_pixels=True) for path in written.files]
    assert made.StudyInstanceUID == images[0].StudyInstanceUID
    assert made.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    assert made.SeriesInstanceUID != images[0].SeriesInstanceUID
    referred = made.ReferencedSeriesSequence[0]
    assert referred.SeriesInstanceUID == images[0].SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence} == {
        image.SOPInstanceUID for image in images
    }
    places = {image.SOPInstanceUID: image.get("ImagePositionPatient") for image in images}
    for frame in made.PerFrameFunctionalGroupsSequence:
        [of] = frame.DerivationImageSequence[0].SourceImageSequence
        there = frame.PlanePositionSequence[0].ImagePositionPatient
        place = places[of.ReferencedSOPInstanceUID]
        if len(images) == 1:
            groups = images[0].PerFrameFunctionalGroupsSequence
            place = groups[of.ReferencedFrameNumber - 1].PlanePositionSequence[0]
            place = place.ImagePositionPatient
        assert there == place


def test_it_refers_to_the_frames_of_the_series_only(tmp_path: Path) -> None:
    written = two_echoes(tmp_path, "t2")
    count = written.shape[2]
    series = series_of("t2", written.shape, written.affine, files=written.files)
    series = replace(series, frames=tuple(range(count, 2 * count)))
    made = dcmread(io.BytesIO(dicom_seg(series, regions_on(written), "t2", ALGORITHM)))
    for frame in made.PerFrameFunctionalGroupsSequence:
        [of] = frame.DerivationImageSequence[0].SourceImageSequence
        assert of.ReferencedFrameNumber > count


def test_a_grid_that_is_not_that_of_the_images_is_refused(tmp_path: Path) -> None:
    """Upside down, or a slice too high: nothing that could show left for right is written."""
    written = classic(tmp_path, "t2")
    elsewhere = written.affine.copy()
    elsewhere[:3, 3] += 6 * written.affine[:3, 2] / 8  # of 8 mm
    regions = np.zeros((3, *written.shape), bool)
    for affine in (elsewhere, written.affine @ np.diag([1, 1, -1, 1])):
        series = series_of("t2", written.shape, affine, files=written.files)
        with pytest.raises(SegmentationError, match="a t2"):
            dicom_seg(series, regions, "t2", ALGORITHM)


def test_terms_algorithm_and_purpose(source) -> None:
    written, series = source
    made = dcmread(io.BytesIO(dicom_seg(series, regions_on(written), "t2", ALGORITHM)))
    terms = [
        (s.SegmentLabel, t.CodingSchemeDesignator, t.CodeValue, t.CodeMeaning)
        for s in made.SegmentSequence
        for t in s.SegmentedPropertyTypeCodeSequence
    ]
    assert terms == [
        ("Enhancing tumour", "NCIt", "C113842", "Enhancing Lesion"),
        ("Tumour core", "SCT", "108369006", "Neoplasm"),
        ("Whole tumour", "SCT", "52988006", "Lesion"),
    ]
    for segment in made.SegmentSequence:
        category = segment.SegmentedPropertyCategoryCodeSequence[0]
        assert (category.CodingSchemeDesignator, category.CodeValue) == ("SCT", "49755003")
        assert segment.AnatomicRegionSequence[0].CodeValue == "12738006"
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("MCKD", ALGORITHM.version)
        assert "flair+t1c" in algorithm.AlgorithmParameters
        assert "Research use only" in segment.SegmentDescription
    assert made.ContentDescription.startswith("Research use only")
    assert made.SegmentationType == "BINARY"


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("empty", [False, True])
def test_dciodvfy_finds_no_error(source, tmp_path: Path, empty: bool) -> None:
    written, series = source
    regions = regions_on(written) & (not empty)
    path = tmp_path / "seg.dcm"
    path.write_bytes(dicom_seg(series, regions, "t2", ALGORITHM))
    said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
    errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
    assert "Segmentation" in said.stderr
    assert not errors


def test_nothing_else_of_a_header_goes_into_it(tmp_path: Path) -> None:
    """What scanners write against the standard, what is private, and what nobody needs to know."""
    written = classic(tmp_path, "t2")
    for path in written.files:
        image = dcmread(path)
        image.PregnancyStatus, image.ProcedureCodeSequence = 0, []
        image.PatientComments, image.PatientAge = "lives alone", "99"
        image.private_block(0x0011, "SCANNER", create=True).add_new(1, "LO", "secret")
        image.save_as(path)
    series = read_study(written.files).series[0]
    data = dicom_seg(series, regions_on(written), "t2", ALGORITHM)
    made = dcmread(io.BytesIO(data))
    assert "PregnancyStatus" not in made
    assert "ProcedureCodeSequence" not in made
    assert b"lives alone" not in data
    assert b"secret" not in data
    assert made.PatientName == "Nobody^Known"


def test_a_reader_may_turn_the_axes_of_a_series(tmp_path: Path) -> None:
    written = classic(tmp_path, "t2")
    regions = regions_on(written)
    straight = series_of("t2", written.shape, written.affine, files=written.files)
    turned = flipped(written)
    turned = series_of("t2", turned.grid.shape, turned.grid.affine, files=written.files)
    ours = regions[:, ::-1, ::-1, ::-1].transpose(0, 2, 1, 3)
    one = dcmread(io.BytesIO(dicom_seg(straight, regions, "t2", ALGORITHM)))
    two = dcmread(io.BytesIO(dicom_seg(turned, ours, "t2", ALGORITHM)))
    assert np.array_equal(one.pixel_array, two.pixel_array)
    assert [f.PlanePositionSequence[0].ImagePositionPatient for f in frames_of(one)] == [
        f.PlanePositionSequence[0].ImagePositionPatient for f in frames_of(two)
    ]


def frames_of(made: Dataset) -> list[Dataset]:
    return list(made.PerFrameFunctionalGroupsSequence)


def test_nifti_has_nothing_to_refer_to() -> None:
    series = series_of("t1", (4, 4, 4), np.eye(4))
    with pytest.raises(SegmentationError, match=r"a t1 is no DICOM series"):
        dicom_seg(series, np.zeros((3, 4, 4, 4), bool), "t1", ALGORITHM)


@pytest.mark.parametrize("uid", ["", "1.2.3"])
def test_images_without_uids_of_their_own_cannot_be_referred_to(tmp_path: Path, uid: str) -> None:
    written = classic(tmp_path, "t2")
    for path in written.files:
        dataset = dcmread(path)
        dataset.SOPInstanceUID = uid
        dataset.save_as(path)
    series = series_of("t2", written.shape, written.affine, files=written.files)
    with pytest.raises(SegmentationError, match="lack what a DICOM-SEG has to refer to"):
        dicom_seg(series, regions_on(written), "t2", ALGORITHM)


def test_a_file_that_is_gone_and_headers_that_say_too_little(tmp_path: Path) -> None:
    written = classic(tmp_path, "t2")
    series = series_of("t2", written.shape, written.affine, files=written.files)
    regions = regions_on(written)
    poor = dcmread(written.files[0])
    del poor.StudyInstanceUID
    save(poor, written.files[0])
    with pytest.raises(SegmentationError, match="lack what a DICOM-SEG has to refer to"):
        dicom_seg(series, regions, "t2", ALGORITHM)
    written.files[0].unlink()
    with pytest.raises(SegmentationError, match="can no longer be read"):
        dicom_seg(series, regions, "t2", ALGORITHM)
