"""python -m mckd predict on what a scanner wrote: DICOM of one person, of several, of nobody."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from mckd.clinic import preparation
from mckd.clinic.brain import BrainError
from mckd.clinic.series import StudyError
from mckd.predict.follow import names_of
from mckd.predict.opening import Wishes
from mckd.predict.studies import StudyWork, studies_of
from mckd.predict.works import survey
from mckd.tumour import read_case
from mckd.tumour.layout import Rules
from tests import small_heads
from tests.clinic.written import PLANS, heads, write_study
from tests.predict.results import ROOT, contents, names_in, table

hd = pytest.importorskip("highdicom", reason="highdicom is not installed")


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    """T1c of a bundled synthetic head as DICOM, skull-stripped, voxels of 1 mm."""
    case = read_case(ROOT / "assets" / "tumour" / "phantom_b", reference=False)
    affine = case.grid.canonical.affine.copy()
    affine[:3, 3] = affine[:3] @ [*case.brain.start, 1]
    plan = replace(PLANS["t1c"], plane="axial", tilt_deg=(0, 0, 0))
    folder = tmp_path_factory.mktemp("scans")
    head = case.brain.crop(case.volumes["t1c"])
    write_study(folder, {"t1c": head}, affine, {"t1c": plan})
    return folder


def lay(source: Path, *places: Path) -> None:
    for place in places:
        shutil.copytree(source, place, copy_function=shutil.copyfile)


def test_a_folder_of_patients(predict, scans, tmp_path, capsys) -> None:
    lay(scans / "002", tmp_path / "in" / "P1" / "visit")
    localizer = tmp_path / "in" / "P2"
    localizer.mkdir(parents=True)
    for path in sorted((scans / "002").iterdir())[:3]:
        one = dcmread(path)
        one.StudyInstanceUID = "1.2.3.4"
        one.save_as(localizer / path.name)
    small_heads.save_case(tmp_path / "in" / "P3", words=("t2",), reference=False)
    code, out = predict(tmp_path / "in", "--dicom-seg", "--names")
    said = capsys.readouterr()
    assert code == 1
    assert [line.partition(":")[0] for line in said.out.splitlines()] == ["P3", "P1/visit"]
    assert "P1/visit: 2 t1_mprage_sag_p2_iso_KM is taken for T1c: its name says" in said.err
    assert "P2: There is no" in said.err
    assert "2 of 3 cases" in said.err

    done = out / "P1" / "visit"
    masks = {"masks/P1_visit_mckd_t1c.nii.gz", "native/t1c.nii.gz", "dicom/t1c.dcm"}
    assert names_in(done) >= masks
    assert not (out / "P3" / "native").exists()
    for name, data in contents(done).items():
        assert (b"Nobody" in data) == name.startswith("dicom/"), name
    used = {row["file"]: (row["results"], row["used_as"]) for row in table(out / "files.csv")}
    assert used["P1/visit/*"] == ("P1/visit", "dicom")
    series = "P1/visit: 2 t1_mprage_sag_p2_iso_KM"
    assert used[series] == ("P1/visit", "t1c")
    assert {row["case"] for row in table(out / "figures.csv")} == {"P1/visit", "P3"}
    holds_the_same(done, "t1c")


def holds_the_same(folder: Path, slot: str) -> None:
    """Whole tumour has the same volume and middle in the mask, on the slices and as DICOM-SEG."""
    (mask,) = (folder / "masks").iterdir()
    found = hd.seg.segread(folder / "dicom" / f"{slot}.dcm")
    volume = found.get_volume(segment_numbers=[3], combine_segments=False)
    places = [(volume.array[..., 0] > 0, np.diag([-1, -1, 1, 1]) @ volume.affine)]
    for path in (mask, folder / "native" / f"{slot}.nii.gz"):
        image = nibabel.load(path)
        places.append((np.asarray(image.dataobj) > 0, image.affine))
    ml = [here.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000 for here, affine in places]
    middles = [affine @ [*np.argwhere(here).mean(axis=0), 1] for here, affine in places]
    assert min(ml) > 1
    assert ml == pytest.approx([ml[0]] * 3, rel=0.01)
    for middle in middles[1:]:
        assert middle == pytest.approx(middles[0], abs=0.1)


def test_headers_say_the_day_of_an_examination(scans, tmp_path) -> None:
    """Not the name of the folder, which says one only where headers do not."""
    lay(scans / "002", tmp_path / "2023-01-01")
    (work,) = found_below(tmp_path).values()
    opened = work.open(Wishes(), lambda share, step: None)
    assert opened.prepared.study.day == date(2024, 3, 5)
    assert names_of(work, [work])[0] == "2023-01-01"


def test_the_deepest_folder_names_a_visit_first_and_what_holds_several_none(tmp_path) -> None:
    work = StudyWork("P20010712/2024-01-31", (tmp_path / "all",), tmp_path, (), Rules())
    names = ["2024-01-31", "P20010712"]
    assert names_of(work, [work]) == [*names, "all"]
    assert names_of(work, [work, replace(work, name="P20010712/2024-03-01")]) == names


def test_dicom_that_nobody_may_prepare(predict, scans, tmp_path, capsys) -> None:
    lay(scans, tmp_path / "in")
    assert predict(tmp_path / "in", "--prepare", "never")[0] == 2
    assert "dcm2niix" in capsys.readouterr().err


def test_a_head_that_cannot_be_prepared_is_held_back(
    predict, tmp_path, capsys, monkeypatch
) -> None:
    """With what speaks against it as it is, and why it could not be prepared."""

    def none_found(*_):
        raise BrainError("no brain was found in the image")

    monkeypatch.setattr(preparation, "evidence", none_found)
    skull = small_heads.volume("t1") + np.random.default_rng(0).integers(20, 200, small_heads.SHAPE)
    small_heads.save(tmp_path / "head" / "x_t1.nii.gz", skull.astype(np.int16))
    code, _ = predict(tmp_path / "head", anyway=False)
    said = capsys.readouterr().err
    assert code == 3
    assert "head: held back. Outside training conditions: nearly every voxel" in said
    assert "It cannot be prepared: x_t1.nii.gz: no brain was found in the image." in said


# ---- which files are one examination


def found_below(folder: Path) -> dict[str, StudyWork]:
    works, left = studies_of(folder, (folder,), "top", survey(folder).dicom, Rules())
    assert not left
    return {work.name: work for work in works}


@pytest.fixture(scope="module")
def thick(tmp_path_factory) -> Path:
    """A small study of thick slices, of 2024."""
    folder = tmp_path_factory.mktemp("thick")
    given = {slot: heads()[slot] for slot in ("t1", "t2")}
    write_study(folder, given, small_heads.affine(), coarser=3.0)
    return folder


def test_folders_of_one_examination_are_one_case(thick, tmp_path) -> None:
    lay(thick, tmp_path / "P1")
    (name,) = found_below(tmp_path)
    assert name == "P1"
    assert len(found_below(tmp_path)["P1"].paths) == len([*thick.rglob("IM*")])
    assert [*found_below(tmp_path / "P1")] == ["top"]


def test_several_examinations_in_one_folder_are_told_apart_oldest_first(thick, tmp_path) -> None:
    for path in thick.rglob("IM*"):
        for year in (2025, 2023):
            one = dcmread(path)
            one.StudyInstanceUID = f"1.2.3.{year}"
            one.AcquisitionDate = f"{year}0102"
            one.SOPInstanceUID = generate_uid()
            one.save_as(tmp_path / f"{path.parent.name}_{year}_{path.name}.dcm")
    found = found_below(tmp_path)
    assert [*found] == ["top/study-1", "top/study-2"]
    assert all("_2023_" in path for path in found["top/study-1"].paths)
    assert all("_2025_" in path for path in found["top/study-2"].paths)
    assert len({work.source for work in found.values()}) == 2


def relabelled(path: Path, to: Path, **said: str) -> None:
    """A copy of a DICOM file with other values in its header."""
    one = dcmread(path)
    for keyword, value in said.items():
        setattr(one, keyword, value)
    one.SOPInstanceUID = generate_uid()
    to.parent.mkdir(parents=True, exist_ok=True)
    one.save_as(to)


def test_an_examination_between_two_halves_of_another_is_a_case(thick, tmp_path) -> None:
    """As names sort: 1* and 9* are of one, 5* is of another."""
    for number, path in enumerate(sorted((thick / "002").iterdir())):
        old, new = {"StudyInstanceUID": "1.2.3.1"}, {"StudyInstanceUID": "1.2.3.2"}
        half = "1" if number % 2 else "9"
        relabelled(path, tmp_path / f"{half}{path.name}", **old, AcquisitionDate="20230102")
        relabelled(path, tmp_path / f"5{path.name}", **new, AcquisitionDate="20250102")
    found = found_below(tmp_path)
    assert {name: {path[0] for path in work.paths} for name, work in found.items()} == {
        "top/study-1": {"1", "9"},
        "top/study-2": {"5"},
    }


@pytest.mark.parametrize("uid", ["1.2.3", ""])
def test_two_patients_are_two_cases_under_one_uid(thick, tmp_path, uid) -> None:
    for path in (thick / "002").iterdir():
        for who in ("A", "B"):
            said = {"StudyInstanceUID": uid, "PatientID": who, "PatientName": who}
            relabelled(path, tmp_path / f"{path.name}_{who}", **said)
    found = found_below(tmp_path)
    assert [{path[-1] for path in work.paths} for work in found.values()] in (
        [{"A"}, {"B"}],
        [{"B"}, {"A"}],
    )


def test_folders_of_nobody_without_a_uid_are_not_one_case(thick, tmp_path) -> None:
    for path in (thick / "002").iterdir():
        for who in ("P1", "P2"):
            nobody = {"StudyInstanceUID": "", "PatientID": "", "PatientName": ""}
            relabelled(path, tmp_path / who / path.name, **nobody)
    assert [*found_below(tmp_path)] == ["P1", "P2"]


def test_an_archive_of_two_examinations_is_not_halved(thick, tmp_path) -> None:
    for path in (thick / "002").iterdir():
        for year in (2023, 2025):
            relabelled(path, tmp_path / f"{year}{path.name}", StudyInstanceUID=f"1.2.3.{year}")
    with zipfile.ZipFile(tmp_path / "P7.zip", "w") as packed:
        for path in tmp_path.glob("20*"):
            packed.write(path, path.name)
    work = StudyWork("P7", (tmp_path,), tmp_path, ("P7.zip",), Rules())
    with pytest.raises(StudyError, match=r"It holds 2 examinations\. Unpack it"):
        work.open(Wishes(), lambda share, step: None)


def test_an_archive_is_one_case(predict, thick, tmp_path, capsys) -> None:
    """Its two series are thick and small: the sentence is that of the preparation."""
    with zipfile.ZipFile(tmp_path / "P7.zip", "w") as packed:
        for path in thick.rglob("IM*"):
            packed.write(path, path.relative_to(thick))
    code, out = predict(tmp_path / "P7.zip", "--map", "*t1*=none", "--map", "*t2*=none")
    assert code == 1
    assert "P7: There is no FLAIR, T1, T1c or T2 among its series." in capsys.readouterr().err
    (row,) = table(out / "index.csv")
    assert (row["case"], row["state"]) == ("P7", "failed")


# ---- what somebody says of its series


def test_a_pattern_that_fits_no_series_is_refused_before_anything_is_done(
    predict, thick, tmp_path, capsys
) -> None:
    lay(thick, tmp_path / "in" / "P1")
    small_heads.save_case(tmp_path / "in" / "P3", words=("t2",), reference=False)
    assert predict(tmp_path / "in", "--map", "*t1*=t1", "--map", "*KM*=t1c")[0] == 2
    assert "--map *KM*=t1c fits none of the files or series." in capsys.readouterr().err


def test_a_pattern_that_fits_no_series_of_an_archive(thick, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "P7.zip", "w") as packed:
        for path in thick.rglob("IM*"):
            packed.write(path, path.relative_to(thick))
    rules = Rules((("*t1*", "t1"), ("*KM*", "t1c")))
    work = StudyWork("P7", (tmp_path,), tmp_path, ("P7.zip",), rules)
    with pytest.raises(StudyError, match=r"--map \*KM\*=t1c fits none"):
        work.open(Wishes(), lambda share, step: None)


def test_of_equal_names_one_may_be_meant(thick, tmp_path) -> None:
    """As `read_study` numbers them: 2 t1_se_tra, 2 t1_se_tra (2)."""
    lay(thick / "002", tmp_path / "2")
    (work,) = found_below(tmp_path).values()
    assert Rules((("2 t1_se_tra", "t1"), ("* (2)", "none"))).unused(work.names) == ""
    assert Rules((("* (2) *", "none"),)).unused(work.names)


def test_one_sequence_is_never_said_of_two_series(tmp_path) -> None:
    given = {slot: heads()[slot] for slot in ("t1", "t2")}
    write_study(tmp_path, given, small_heads.affine())
    (work,) = found_below(tmp_path).values()
    work = replace(work, rules=Rules((("*t?_*", "t1c"),)))
    wanted = "2 t1_se_tra and 3 t2_tse_cor are all said to be T1c"
    with pytest.raises(StudyError, match=wanted):
        work.open(Wishes(), lambda share, step: None)
