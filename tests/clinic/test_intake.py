"""From folders, archives and files to a study, and each series where it lies in the patient."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from mckd.clinic import intake
from mckd.clinic.intake import read_study
from mckd.clinic.series import Series, StudyError
from mckd.tumour.naming import SEQUENCES
from tests import small_heads
from tests.clinic.written import PLANS, Written, heads, write_series, write_study

AFFINE = small_heads.affine()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Written]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, write_study(folder, heads(), AFFINE, coarser=2.5)


def test_each_series_lies_where_it_was_written(written: tuple[Path, dict[str, Written]]) -> None:
    folder, truth = written
    study = read_study(folder)
    assert set(study.chosen) == set(SEQUENCES)
    assert study.aside == {}
    assert study.day == date(2024, 3, 5)
    for slot, key in study.chosen.items():
        series, there = study[key], truth[slot]
        assert series.grid.shape == there.shape
        assert np.abs(series.grid.affine - there.affine).max() < 1e-4
        assert np.array_equal(series.voxels, there.stored.astype(np.float32))
        assert series.files == there.files
        assert series.dicom


def test_whom_the_headers_name_can_be_compared(tmp_path: Path) -> None:
    """Two examinations of Nobody^Known, 0000, and one of somebody else."""
    heads = {"flair": small_heads.volume("flair")}
    folders = [tmp_path / name for name in ("first", "second", "other")]
    for folder in folders:
        written = write_study(folder, heads, small_heads.affine(), coarser=3.0)
    for file in written["flair"].files:
        dataset = dcmread(file)
        dataset.PatientID = "0001"
        dataset.save_as(file)
    first, second, other = (read_study(folder).person for folder in folders)
    assert first == second
    assert not first.differs(second)
    assert first.differs(other)


def test_the_tumour_is_on_the_side_where_it_was(written: tuple[Path, dict[str, Written]]) -> None:
    """In every series its middle lies at the place in mm that the head has it at."""
    study = read_study(written[0])
    there = AFFINE @ [*small_heads.CENTRE, 1]
    assert there[0] > 20  # on the patient's right
    for slot in ("flair", "t1c"):
        series = study[study.chosen[slot]]
        bright = np.argwhere(series.voxels > 600).mean(axis=0)
        assert series.grid.affine @ [*bright, 1] == pytest.approx(there, abs=1.0)


def converted(folder: Path, out: Path) -> list[nibabel.Nifti1Image]:
    """What dcm2niix makes of a folder; another implementation of DICOM's geometry."""
    program = shutil.which("dcm2niix") or pytest.importorskip("dcm2niix").bin
    out.mkdir()
    done = [program, "-b", "n", "-z", "n", "-f", "%s_%e_%r", "-o", str(out), str(folder)]
    subprocess.run(done, check=True, capture_output=True)
    return [nibabel.load(path) for path in sorted(out.glob("*.nii"))]


def same_as_dcm2niix(series: Series, images: list[nibabel.Nifti1Image]) -> bool:
    """Whether one of them has the same values in the same places of the patient."""
    values = series.grid.to_canonical(series.voxels)
    affine = series.grid.canonical.affine
    return any(
        image.shape == values.shape
        and np.abs(image.affine - affine).max() < 1e-3
        and np.abs(np.asarray(image.dataobj, np.float32) - values).max() <= 1e-6 * values.max()
        for image in map(nibabel.as_closest_canonical, images)
    )


def test_dcm2niix_reads_the_same(written: tuple[Path, dict[str, Written]], tmp_path: Path) -> None:
    """Oblique, in three planes, thin and thick."""
    images = converted(written[0], tmp_path / "out")
    study = read_study(written[0])
    assert len(study.series) == 4
    assert all(same_as_dcm2niix(series, images) for series in study.series)


@pytest.mark.parametrize(
    ("archive", "studies"), [("philips_t1_classic_enhanced", 2), ("siemens_t1", 1)]
)
def test_dcm2niix_reads_the_same_of_real_series(
    dicom: Path, tmp_path: Path, archive: str, studies: int
) -> None:
    """Siemens, and Philips as classic and as enhanced files."""
    with zipfile.ZipFile(dicom / f"{archive}.zip") as packed:
        packed.extractall(tmp_path / "in")
    images = converted(tmp_path / "in", tmp_path / "out")
    for number in range(studies):
        for series in read_study(tmp_path / "in", study=number).series:
            assert same_as_dcm2niix(series, images)


REAL = {
    "enhanced_multiframe": [{}, {}],
    "not_a_head": [{}],
    "philips_study": [{"1301 ADNI_Sag3D MPRAGE": "t1"}],
    "philips_t1_classic_enhanced": [
        {"201 T1W_TSE_Sno_CSno_CSAIno": "t1", "501 T1W_TSE_Sno_CSno_CSAI2": "t1"},
        {"401 T1W_FFE_Sno_CS2": "t1", "501 T1W_FFE_Sno_CS4": "t1"},
    ],
    "siemens_t1": [{"5 SAG MPRAGE 220 FOV": "t1"}],
}


@pytest.mark.parametrize("archive", REAL)
def test_real_series_have_their_roles(dicom: Path, archive: str) -> None:
    """All else in these archives (localizers, ASL, field maps, fMRI, six slices of a heart) is set
    aside with a reason."""
    for number, expected in enumerate(REAL[archive]):
        study = read_study(dicom / f"{archive}.zip", study=number)
        told = {s.name: s.role.slot for s in study.series if s.role.slot and s.role.sure}
        assert told == expected
        assert len(study.days) == len(REAL[archive])
        assert all(study.aside.values())


def test_one_file_each_of_48_series_is_refused_with_reasons(dicom: Path) -> None:
    study = read_study(dicom / "vendors_headers.zip")
    assert study.chosen == {}
    assert len(study.days) == 47
    assert "colour" in study.aside["0001.dcm"]


def test_a_raw_clinical_study_needs_no_question(clinical: Path) -> None:
    study = read_study(clinical / "glioma_raw")
    assert {slot: study[key].name for slot, key in study.chosen.items()} == {
        "flair": "AX_FLAIR.nii.gz",
        "t1": "AX_T1.nii.gz",
        "t1c": "AX_T1_POST_GAD.nii.gz",
        "t2": "AX_T2.nii.gz",
    }


def test_the_newest_study_first(tmp_path: Path) -> None:
    some = {"flair": heads()["flair"]}
    for day in ("20230101", "20250601", "20240305"):
        write_study(tmp_path / day, some, AFFINE, date=day, coarser=4.0)
    newest = read_study(tmp_path)
    assert newest.days == (date(2025, 6, 1), date(2024, 3, 5), date(2023, 1, 1))
    dates = [read_study(tmp_path, study=k).series[0].files[0].parts[-3] for k in range(3)]
    assert dates == ["20250601", "20240305", "20230101"]
    with pytest.raises(StudyError, match="no study number 3"):
        read_study(tmp_path, study=3)


def test_nifti_beside_dicom(tmp_path: Path) -> None:
    write_study(tmp_path, {"flair": heads()["flair"]}, AFFINE, coarser=3.0)
    small_heads.save(tmp_path / "case_t2.nii.gz", heads()["t2"])
    small_heads.save(tmp_path / "case_adc.nii.gz", heads()["t1"])
    study = read_study(tmp_path)
    assert set(study.chosen) == {"flair", "t2"}
    t2 = study[study.chosen["t2"]]
    assert not t2.dicom
    assert np.array_equal(t2.grid.to_canonical(t2.voxels), heads()["t2"].astype(np.float32))


def visit(folder: Path, slot: str, **header: object) -> None:
    """A series of a head alone, with what its header says beside how it was taken."""
    about = {"StudyInstanceUID": "1.2.3", "StudyDate": "20240305", "SeriesNumber": 2, **header}
    write_series(folder, heads()[slot], AFFINE, PLANS[slot], about, coarser=4.0)


def of_each(folder: Path) -> list[set[str]]:
    """The sequences of each study."""
    first = read_study(folder)
    rest = (read_study(folder, study=1 + number) for number in range(len(first.days) - 1))
    return [set(study.chosen) for study in (first, *rest)]


@pytest.mark.parametrize("uid", ["1.2.3", ""])
def test_two_persons_are_never_one_study(tmp_path: Path, uid: str) -> None:
    """Under one UID, as careless anonymisation writes it, or under none."""
    visit(tmp_path / "a", "flair", StudyInstanceUID=uid, PatientID="A")
    visit(tmp_path / "b", "t1c", StudyInstanceUID=uid, PatientID="B")
    assert of_each(tmp_path) == [{"flair"}, {"t1c"}]
    visit(tmp_path / "c", "t2", StudyInstanceUID=uid, PatientID="A")
    assert of_each(tmp_path) == [{"flair", "t2"}, {"t1c"}]


def test_without_uid_and_person_the_folder_tells_studies_apart(tmp_path: Path) -> None:
    nobody = {"StudyInstanceUID": "", "PatientID": "", "PatientName": ""}
    visit(tmp_path / "P1", "flair", **nobody)
    visit(tmp_path / "P2", "t1c", **nobody)
    packed = Path(shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path))
    assert of_each(packed) == [{"flair"}, {"t1c"}]
    assert of_each(tmp_path) == [{"flair"}, {"t1c"}]


def test_whom_one_series_names_is_who_was_examined(tmp_path: Path) -> None:
    """The first one names nobody."""
    visit(tmp_path / "a", "flair", PatientID="", PatientName="")
    visit(tmp_path / "b", "t1c", PatientID="B")
    assert of_each(tmp_path) == [{"flair", "t1c"}]
    assert read_study(tmp_path).person.number


def test_nifti_beside_two_studies_is_of_neither(tmp_path: Path) -> None:
    visit(tmp_path / "a", "flair", StudyInstanceUID="1.2.3")
    visit(tmp_path / "b", "t1c", StudyInstanceUID="1.2.4")
    small_heads.save(tmp_path / "case_t2.nii.gz", heads()["t2"])
    assert of_each(tmp_path) == [{"flair"}, {"t1c"}, {"t2"}]


def test_more_people_than_can_be_compared_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_PERSONS", 1)
    visit(tmp_path / "a", "flair", PatientID="A")
    visit(tmp_path / "b", "t1c", PatientID="B")
    with pytest.raises(StudyError, match="More than 1 people are named here"):
        read_study(tmp_path)


def test_a_nifti_file_of_too_few_slices_is_set_aside(tmp_path: Path) -> None:
    """A scout beside a head, and a slab of 20 mm."""
    small_heads.save(tmp_path / "case_flair.nii.gz", heads()["flair"])
    for name, depth in (("case_T1", 2), ("case_T2", 20)):
        image = np.random.default_rng(0).random((64, 64, depth), np.float32)
        nibabel.save(
            nibabel.Nifti1Image(image, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / f"{name}.nii.gz"
        )
    study = read_study(tmp_path)
    assert set(study.chosen) == {"flair"}
    assert study.aside == {
        "case_T1.nii.gz": "too few slices for a volume: 64 x 64 x 2 voxels",
        "case_T2.nii.gz": "its slices cover too little of a head",
    }


def test_an_archive_lasts_as_long_as_its_study(
    written: tuple[Path, dict[str, Written]], tmp_path: Path
) -> None:
    packed = shutil.make_archive(str(tmp_path / "study"), "zip", written[0])
    study = read_study(packed)
    assert set(study.chosen) == set(SEQUENCES)
    path = study.series[0].files[0]
    assert path.is_file()
    del study
    assert not path.exists()


def test_of_two_that_show_the_same_the_better_is_proposed(tmp_path: Path) -> None:
    """A 3-D series of thin slices before thick ones that were taken first."""
    thick = replace(PLANS["flair"], plane="axial", step_mm=2.5, description="FLAIR tra")
    thick = replace(thick, header={**thick.header, "MRAcquisitionType": "2D"})
    about = {"StudyInstanceUID": "1.2.3", "StudyDate": "20240305"}
    head = heads()["flair"]
    for number, plan in ((2, thick), (3, PLANS["flair"])):
        more = {**about, "SeriesNumber": number, "AcquisitionTime": f"10{number}000"}
        write_series(tmp_path, head, AFFINE, plan, more, coarser=2.5)
    study = read_study(tmp_path)
    assert [series.role.slot for series in study.series] == ["flair", "flair"]
    assert study[study.chosen["flair"]].name == "3 t2_space_dark-fluid_sag_p2_iso"


def test_the_image_without_weighting_of_a_diffusion_series_is_no_t2(tmp_path: Path) -> None:
    """Philips calls a diffusion series SE; its b = 0 has the times of a T2."""
    about = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 3, "AcquisitionTime": "101000"}
    plan = replace(PLANS["t2"], description="")
    first, second = (
        write_series(
            tmp_path / f"{b}", heads()["t2"], AFFINE, plan, {**about, "DiffusionBValue": b}, 3.0
        )
        for b in (0.0, 1000.0)
    )
    uid = dcmread(first.files[0]).SeriesInstanceUID
    for path in second.files:
        dataset = dcmread(path)
        dataset.SeriesInstanceUID = uid
        dataset.save_as(path)
    study = read_study(tmp_path)
    assert study.chosen == {}
    assert [series.role.why for series in study.series] == ["set aside: diffusion"] * 2


@pytest.mark.parametrize(
    ("first", "second", "slots"),
    [
        # As enhanced files and some anonymisers have it, in one study that began at 10.
        (
            {"AcquisitionDateTime": "20240305101000.00"},
            {"AcquisitionDateTime": "20240305102000.00"},
            ["t1", ""],
        ),
        ({}, {}, ["", ""]),
        ({"AcquisitionTime": "000000"}, {"AcquisitionTime": "000000.00"}, ["", ""]),
        ({}, {"ContrastBolusAgent": "Gadovist"}, ["t1", "t1c"]),
    ],
)
def test_of_two_t1_the_second_may_be_after_contrast(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], slots: list[str]
) -> None:
    """And so may the first, where no time tells which it was."""
    plan = replace(PLANS["t1"], step_mm=2.5)
    for number, header in ((3, first), (8, second)):
        about = {"StudyInstanceUID": "1.2.3", "StudyTime": "100000", "SeriesNumber": number}
        write_series(tmp_path, heads()["t1"], AFFINE, plan, {**about, **header}, coarser=4.0)
    series = read_study(tmp_path).series
    assert [one.name.split()[0] for one in series] == ["3", "8"]
    assert [one.role.slot for one in series] == slots


def exported_twice(folder: Path, new_uids: bool, **values: object) -> Written:
    """A FLAIR with a second copy of each of its images, in whose headers some values differ."""
    about = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 2, "AcquisitionTime": "101010"}
    written = write_series(folder, heads()["flair"], AFFINE, PLANS["flair"], about, coarser=3.0)
    for number, path in enumerate(written.files):
        dataset = dcmread(path)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        if new_uids:
            dataset.SOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(path.with_suffix(".again"))
    return written


@pytest.mark.parametrize("new_uids", [False, True])
def test_images_exported_twice_are_taken_once(tmp_path: Path, new_uids: bool) -> None:
    """And the second time with another spelling of their time."""
    written = exported_twice(tmp_path, new_uids, AcquisitionTime="101010.000")
    [series] = read_study(tmp_path).series
    assert np.array_equal(series.voxels, written.stored.astype(np.float32))


def test_what_is_rescaled_otherwise_is_no_copy(tmp_path: Path) -> None:
    written = exported_twice(tmp_path, True, RescaleSlope=2.0)
    study, count = read_study(tmp_path), len(written.files)
    assert study.series == ()
    [why] = study.aside.values()
    assert f"several images at each place ({2 * count} at {count})" in why


def test_of_a_series_in_time_nothing_is_left_out(tmp_path: Path) -> None:
    """Not even where one slice, as of air, is the same in both."""
    written = exported_twice(tmp_path, True)
    path = written.files[7].with_suffix(".again")
    dataset = dcmread(path)
    dataset.PixelData = dataset.PixelData[:-2] + b"\1\0"
    dataset.save_as(path)
    study = read_study(tmp_path)
    assert study.series == ()
    assert "several images at each place" in "".join(study.aside.values())


def altered_by_half(folder: Path, **values: object) -> None:
    """A FLAIR whose headers say something else of one half of its slices."""
    about = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 2, "AcquisitionTime": "101000"}
    written = write_series(folder, heads()["flair"], AFFINE, PLANS["flair"], about, coarser=2.5)
    for path in written.files[len(written.files) // 2 :]:
        dataset = dcmread(path)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)


def test_half_of_a_head_is_not_sure(tmp_path: Path) -> None:
    """Its other half has another echo time."""
    altered_by_half(tmp_path, EchoTime=400.0)
    one, other = read_study(tmp_path).series
    assert one.role.slot == other.role.slot == "flair"
    for half, rest in ((one, other), (other, one)):
        assert not half.role.sure
        assert f"{rest.grid.shape[2]} further slices of its series" in half.role.doubt


def test_two_image_types_in_one_head_are_told(tmp_path: Path) -> None:
    altered_by_half(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    [whole] = read_study(tmp_path).series
    assert whole.role.sure
    assert whole.warnings == (
        "2 t2_space_dark-fluid_sag_p2_iso: its slices are of several image types, and their "
        "brightness may differ: ORIGINAL PRIMARY M ND; ORIGINAL PRIMARY M ND NORM.",
    )


def test_a_damaged_series_is_set_aside_and_the_others_stay(
    written: tuple[Path, dict[str, Written]], tmp_path: Path
) -> None:
    folder, truth = written
    shutil.copytree(folder, tmp_path / "study")
    bad = tmp_path / "study" / truth["t2"].files[3].relative_to(folder)
    bad.write_bytes(bad.read_bytes()[:-50])
    study = read_study(tmp_path / "study")
    assert set(study.chosen) == {"flair", "t1", "t1c"}
    assert study.aside == {"4 t2_tse_cor": "its pixels are damaged or cut short; export it again"}


def test_voxels_beyond_the_room_are_read_again(
    written: tuple[Path, dict[str, Written]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "KEPT_BYTES", 0)
    folder, truth = written
    study = read_study(folder)
    for slot, key in study.chosen.items():
        assert np.array_equal(study[key].voxels, truth[slot].stored.astype(np.float32))
        assert study[key].voxels is not study[key].voxels  # and not kept


def test_more_voxels_than_can_be_read_are_told_from_the_headers(
    written: tuple[Path, dict[str, Written]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a pixel is read: they are cut short. What is set aside does not count."""
    folder, truth = written
    voxels = sum(one.stored.size for one in truth.values())
    monkeypatch.setattr(intake, "MOST_VOXELS", voxels)
    about = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 9}
    scout = replace(PLANS["t1"], description="localizer")
    write_series(tmp_path, heads()["t1"], AFFINE, scout, about, coarser=2.5)
    assert len(read_study([folder, tmp_path], study=1).series) == 1
    assert len(read_study([folder, tmp_path]).series) == 4
    monkeypatch.setattr(intake, "MOST_VOXELS", voxels - 1)
    monkeypatch.setattr(intake, "read_voxels", lambda stack: pytest.fail("pixels were read"))
    with pytest.raises(
        StudyError, match=r"hold \d+ million voxels, and up to \d+ million are read"
    ):
        read_study(folder)


def test_of_what_is_set_aside_no_pixel_is_read(tmp_path: Path) -> None:
    """Who asks for a damaged one is told which it is."""
    scout = replace(PLANS["flair"], description="localizer")
    about = {"StudyInstanceUID": "1.2.3", "SeriesNumber": 9}
    written = write_series(tmp_path, heads()["flair"], AFFINE, scout, about, coarser=3.0)
    written.files[3].write_bytes(written.files[3].read_bytes()[:-50])
    [series] = read_study(tmp_path).series
    assert series.role.aside
    with pytest.raises(StudyError, match=r"^9 localizer: its pixels are damaged"):
        _ = series.voxels


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(StudyError, match="There is no MRI series here"):
        read_study(tmp_path)


def test_what_is_called_an_image_and_cannot_be_read_is_told(
    written: tuple[Path, dict[str, Written]], tmp_path: Path
) -> None:
    """Of notes and pictures, which are no images of a head, no word."""
    folder, truth = written
    shutil.copytree(folder, tmp_path / "study")
    for name in ("lost.dcm", "volume.nrrd", "notes.txt"):
        (tmp_path / "study" / name).write_bytes(b"not what it is called" * 20)
    study = read_study(tmp_path / "study")
    assert set(study.chosen) == set(truth)
    assert study.aside == {
        "lost.dcm": "named as DICOM is, but it does not begin so: export it again",
        "volume.nrrd": "another format: convert it to .nii.gz, for example with 3D Slicer or "
        "SimpleITK",
    }


def test_a_slash_in_a_description_is_no_folder(tmp_path: Path) -> None:
    plans = {"t1": replace(PLANS["t1"], description="T1/TSE ax")}
    write_study(tmp_path, heads(), AFFINE, plans, coarser=2.5)
    assert [series.name for series in read_study(tmp_path).series] == ["2 T1/TSE ax"]
