"""An examination as the page shows it: rows, pictures the right way round, choices."""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from mckd.clinic import intake
from mckd.clinic.headers import Frame, read_frames
from mckd.clinic.intake import read_study
from mckd.clinic.series import Facts, Role, Series, Step, Study, StudyError
from mckd.studio.services.line import Superseded
from mckd.studio.tasks.tumour import case_tab as tab
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.native import series_archive
from mckd.studio.tasks.tumour.opened import GONE, CaseFiles, Choice, Opened, Reading, read
from mckd.studio.tasks.tumour.sources import DROPPED
from mckd.studio.tasks.tumour.studies import TILE, Examination, look_through
from mckd.tumour.geometry import Grid
from mckd.tumour.references import WITHOUT_REFERENCE
from tests import small_heads
from tests.clinic.moved import prepared_of
from tests.clinic.written import PLANS, write_study
from tests.patience import PATIENCE_S, until
from tests.studio.tasks.tumour.stub import last, opened


def kept(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "data": data}


def picture(file: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file["data"])))


def series(voxels: np.ndarray, affine: np.ndarray, key: str = "s0", slot: str = "t1") -> Series:
    shape = (voxels.shape[0], voxels.shape[1], voxels.shape[2])
    role = Role(slot, True, "as it is called")
    return Series(key, "a series", Grid(shape, affine), Facts(), role, voxels.astype(np.float32))


def corner(shape: tuple[int, int, int]) -> np.ndarray:
    """A head that is bright at the patient's right, in front and on top."""
    head = np.full(shape, 10.0, np.float32)
    head[shape[0] // 2 :, shape[1] // 2 :, shape[2] // 2 :] = 100
    return head


def test_the_patients_right_is_on_the_left_and_the_front_on_top() -> None:
    thick = np.diag([1.0, 1.0, 5.0, 1.0])
    flipped = np.diag([-1.0, -1.0, 5.0, 1.0])
    flipped[:2, 3] = 39, 49
    head = corner((40, 50, 12))
    for affine, voxels in [(thick, head), (flipped, head[::-1, ::-1])]:
        one = series(voxels, affine)
        shown = Examination.of(Study((one,), {"t1": "s0"}, {})).view(kept)["series"][0]
        grey = picture(shown["picture"]).astype(float)
        height, width = grey.shape
        assert (height, width) == (88, 70)  # 50 x 40 mm, the longer side of 88 pixels
        bright = np.argwhere(grey > 128).mean(axis=0)
        assert bright[0] < height / 2  # rows: the front is on top
        assert bright[1] < width / 2  # columns: the patient's right is on the left
        assert (shown["plane"], shown["slices"], shown["spacing"]) == ("axial", 12, "1 × 1 × 5")


def test_of_what_is_set_aside_no_voxel_is_asked_for() -> None:
    def damaged() -> np.ndarray:
        raise StudyError("its pixels are damaged")

    one, affine = series(corner((40, 50, 12)), np.diag([1.0, 1.0, 5.0, 1.0])), np.eye(4)
    role = Role(sure=True, why="set aside: a localizer")
    scout = Series("s1", "scout", Grid((40, 50, 12), affine), Facts(), role, damaged)
    rows = Examination.of(Study((one, scout), {"t1": "s0"}, {})).view(kept)["series"]
    assert [bool(row["picture"]) for row in rows] == [True, False]
    assert [row["why"] for row in rows] == ["as it is called", "set aside: a localizer"]


def test_check_pictures_are_tiles_of_the_same_places_with_the_outline_of_the_brain() -> None:
    grid = np.diag([1.0, 1.0, 1.0, 1.0])
    one = series(corner((40, 50, 30)), grid, "s0", "t1")
    two = series(corner((40, 50, 30)), grid, "s1", "t2")
    found = prepared_of({"t1": one, "t2": two}, (40, 50, 30))
    brain = np.zeros((40, 50, 30), np.bool_)
    brain[10:30, 10:40, 5:25] = True
    heads = {"t1": one.voxels, "t2": two.voxels}
    steps = (Step("registration", "t2", "moved by 3 mm", "It may not fit."),)
    found = type(found)(found.study, found.case, heads, brain, found.moved, steps)
    view = Examination.of(found.study).prepared(found).view(kept)
    checks = view["checks"]
    count = len(checks["planes"])
    assert checks["planes"][-2:] == ["coronal", "sagittal"]
    assert set(checks["sheets"]) == {"t1", "t2"}
    for sheet in checks["sheets"].values():
        assert picture(sheet).shape == (TILE, TILE * count)
    outline = picture(checks["outline"])[..., 3] > 0
    axial = outline[:, TILE * 2 : TILE * 3]
    rows, columns = (np.flatnonzero(axial.any(axis=a)) for a in (1, 0))
    scale = TILE / 50  # of the longer side
    assert rows[[0, -1]] == pytest.approx([10 * scale, 40 * scale], abs=scale + 1)
    assert columns[[0, -1]] == pytest.approx([(5 + 10) * scale, (5 + 30) * scale], abs=scale + 1)
    assert view["steps"] == [
        {
            "kind": "registration",
            "slot": "T2",
            "said": "moved by 3 mm",
            "trouble": "It may not fit.",
        }
    ]


def archive(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        for number, file in enumerate(files):
            packed.write(file, str(number))
    return path


def sent(service: CaseService, path: Path) -> str:
    with path.open("rb") as file:
        return service.folders.receive("browser", path.name, file)


def test_archives_of_a_visitor_become_an_examination_of_theirs_alone(
    service: CaseService, tmp_path: Path
) -> None:
    heads = {"flair": small_heads.volume("flair"), "t1c": small_heads.volume("t1ce")}
    write_study(tmp_path / "disk", heads, small_heads.affine(), coarser=2.0)
    path = archive(tmp_path / "disk", tmp_path / "scans.zip")
    ticket, desk = sent(service, path), Desk()
    source = service.sources.examination(desk.owner, [ticket], "browser")
    assert source.raw
    assert isinstance(source.files, Path)
    study = read_study(source.files)
    assert set(study.chosen) == {"flair", "t1c"}
    with pytest.raises(ValueError, match="no longer here"):
        service.sources.examination(Desk().owner, [ticket], "another browser")
    with pytest.raises(ValueError, match=DROPPED[:20]):
        service.sources.examination(desk.owner, [])
    service.close(desk)
    assert not source.files.exists()


def test_headers_of_one_visitor_hold_up_no_other(
    service: CaseService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the next examination waits until they are read; who leaves waits no more."""
    heads = {"flair": small_heads.volume("flair")}
    write_study(tmp_path / "disk", heads, small_heads.affine(), coarser=2.0)
    path, begun, gate = archive(tmp_path / "disk", tmp_path / "scans.zip"), threading.Event(), []

    def slowly(file: Path) -> list[Frame]:
        begun.set()
        until(lambda: gate)
        return read_frames(file)

    monkeypatch.setattr(intake, "read_frames", slowly)
    desks, told = [Desk(), Desk()], ([], [])
    threads = []
    for desk, heard in zip(desks, told, strict=True):
        source = service.sources.examination(desk.owner, [sent(service, path)], "browser")
        work = service.open(desk, source)
        threads.append(threading.Thread(target=heard.extend, args=(work,), daemon=True))
        threads[-1].start()
        until(begun.is_set)
    until(lambda: any("1 case before yours" in update.stage for update in told[1]))
    assert last(service.open(Desk(), service.sources.bundled("phantom_a"))).answer
    for desk in desks:
        service.stop(desk)
    gate.append(1)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads)
    assert not any(update.answer for heard in told for update in heard)


def test_an_archive_that_is_none_is_one_sentence(service: CaseService, tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    path.write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="An archive is damaged"):
        service.sources.examination(Desk().owner, [sent(service, path)])


def of_phantom(cases: Path, choice: Choice | None = None) -> CaseFiles:
    files = {s: cases / "phantom_a" / f"phantom_a_{s}.nii.gz" for s in ("flair", "t2")}
    return CaseFiles("own:1", files, raw=True, choice=choice)


def noted(service: CaseService, cases: Path) -> Desk:
    """A desk with a case, and with series that it could be prepared from."""
    desk, source = opened(service), of_phantom(cases)
    desk.note(desk.turn, source, Examination((), {}, {}, 0))
    return desk


def test_nothing_of_an_examination_stays_when_all_is_deleted(
    service: CaseService, cases: Path
) -> None:
    desk = noted(service, cases)
    assert service.stop(desk).examination is not None
    service.close(desk)
    assert service.stop(desk).examination is None
    assert last(service.prepare(desk, Choice(slots={"t2": "t2"}))).problem == GONE


def test_an_examination_that_is_prepared_anew_is_kept_once(
    service: CaseService, cases: Path
) -> None:
    desk = noted(service, cases)
    assert "bundled:phantom_a" in service.shelf
    list(service.prepare(desk, Choice()))
    assert "bundled:phantom_a" not in service.shelf


def test_voxels_of_the_series_are_not_kept_and_the_rest_is_counted() -> None:
    shape = (4, 5, 6)
    one = series(corner(shape), np.eye(4))
    found = prepared_of({"t1": one}, shape)
    light = found.without_voxels()
    with pytest.raises(StudyError, match="put away"):
        _ = light.used["t1"].voxels
    regions = np.zeros((3, *shape), np.bool_)
    regions[:, 1:3, 2, 2] = True
    np.testing.assert_array_equal(light.native(regions, "t1"), regions)
    plain, whole = Opened(found.case, {}, None, 0), Opened(found.case, {}, None, 0, prepared=light)
    assert whole.size - plain.size == 4 * 5 * 6 * (4 + 1)  # a head of float32, a mask


@pytest.mark.parametrize("slots", [{"t1": "t9"}, {"t1": "t2", "t2": "t2"}])
def test_a_choice_of_an_unknown_series_or_of_one_twice_is_asked_about(
    cases: Path, slots: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="Say of at least one"):
        read(of_phantom(cases, Choice(slots=slots)))


def test_what_is_taken_home_is_of_the_case_on_screen(
    service: CaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, read_anew = opened(service), service.opened
    with pytest.raises(ValueError, match="no kind of file"):
        series_archive(service, desk, "exe")
    with pytest.raises(ValueError, match="not made of series"):
        series_archive(service, desk, "nifti")

    def another_came(desk: Desk) -> Opened | None:
        list(service.open(desk, service.sources.bundled("phantom_b")))
        return read_anew(desk)

    monkeypatch.setattr(service, "opened", another_came)
    with pytest.raises(ValueError, match="open it again"):
        service.label_file(desk)
    with pytest.raises(ValueError, match="open it again"):
        series_archive(service, desk, "nifti")


def test_names_in_headers_are_shown_to_their_visitor_and_stand_nowhere_else(
    service: CaseService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A series may be called after a person; those of the files hold "Nobody^Known" too."""
    caplog.set_level(logging.DEBUG)
    plans = {"flair": replace(PLANS["flair"], description="FLAIR Mustermann")}
    plans["t1c"] = replace(PLANS["t1c"], description="Mustermann T1 post")
    heads = {"flair": small_heads.volume("flair"), "t1c": small_heads.volume("t1ce")}
    write_study(tmp_path / "disk", heads, small_heads.affine(), plans, coarser=2.0)
    damaged = next((tmp_path / "disk" / "003").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-999])
    ticket, desk = sent(service, archive(tmp_path / "disk", tmp_path / "Mustermann.zip")), Desk()
    for _, _, _, shown in tab.open_case(service, desk, {"study": [ticket]}, "browser"):
        if "series" in shown:
            stopped = tab.stop(service, desk)[3]
    assert "Mustermann" in stopped["series"][0]["name"]
    assert "Mustermann" in str(stopped["aside"])
    assert "Mustermann" not in str(tab.stop(service, Desk()))
    secrets = ("Mustermann", "Known")
    assert not any(secret in caplog.text for secret in secrets)
    kept = [file for file in service.folders.root.rglob("*") if file.is_file()]
    assert any(file.suffix == ".png" for file in kept)
    for file in kept:
        assert not any(secret in str(file) for secret in secrets)
        if not file.is_relative_to(service.folders.given):
            assert not any(secret.encode() in file.read_bytes() for secret in secrets)
    service.close(desk)
    service.folders.forget("browser")
    assert [file for file in service.folders.root.rglob("*") if file.is_file()] == []


def test_an_older_examination_can_be_chosen(service: CaseService, tmp_path: Path) -> None:
    for date, word in [("20230101", "flair"), ("20240101", "t1c")]:
        heads = {word: small_heads.volume({"t1c": "t1ce"}.get(word, word))}
        write_study(tmp_path / "disk" / date, heads, small_heads.affine(), date=date, coarser=2.0)
    path = archive(tmp_path / "disk", tmp_path / "scans.zip")
    source = service.sources.examination(Desk().owner, [sent(service, path)], "browser")
    told: list[Reading] = []

    def first(said: Reading) -> None:
        """Stop once the series are known."""
        told.append(said)
        if said.examination is not None:
            raise Superseded

    for study, slot in [(0, "t1c"), (1, "flair")]:
        with pytest.raises(Superseded):
            read(replace(source, choice=Choice(study)), first)
        shown = told[-1].examination
        assert shown is not None
        assert (shown.days, shown.study) == (("2024-01-01", "2023-01-01"), study)
        assert [row["slot"] for row in shown.series] == [slot]
    assert {said.fraction for said in told} >= {0.0, 0.5}  # of the headers


def test_files_on_grids_of_their_own_are_prepared_unasked(tmp_path: Path) -> None:
    files = {}
    for slot, turn in [("flair", 0.0), ("t2", 0.4)]:
        affine = np.diag([4.0, 4.0, 4.0, 1.0])
        affine[:2, :2] = 4 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        files[slot] = tmp_path / f"{slot}.nii"
        head = np.pad(corner((20, 26, 20)), 5)  # in air
        nibabel.save(nibabel.Nifti1Image(head, affine), files[slot])
    told: list[Reading] = []

    def first(said: Reading) -> None:
        told.append(said)
        if said.text.startswith("Moving"):
            raise Superseded

    with pytest.raises(Superseded):
        read(CaseFiles("own:1", files, {"flair": "a.nii", "t2": "b.nii"}), first)
    shown = told[-1].examination
    assert shown is not None
    assert [row["name"] for row in shown.series] == ["a.nii", "b.nii"]


def test_sentences_about_a_visitors_file_call_it_as_the_visitor_does(tmp_path: Path) -> None:
    head = np.pad(corner((20, 26, 20)), 5)
    head[20, 20, 20] = np.nan
    path = tmp_path / "0017.nii"
    nibabel.save(nibabel.Nifti1Image(head, np.diag([-4.0, -4.0, 4.0, 1.0])), path)
    files = CaseFiles("own:1", {"flair": path}, {"flair": "child flair.nii"})
    [one] = look_through(files, lambda said: None).study.series
    assert one.warnings[-1].startswith("child flair.nii: 1 voxel was no number")


def test_a_reference_that_preparation_leaves_behind_is_told(tmp_path: Path) -> None:
    """It lies on the images as they were; whoever wants them as they are is refused."""
    files = {slot: tmp_path / f"{slot}.nii.gz" for slot in ("flair", "t1c", "seg")}
    small_heads.save(files["flair"], small_heads.volume("flair"))
    small_heads.save(files["seg"], small_heads.labels())
    image = nibabel.load(small_heads.save(files["t1c"], small_heads.volume("t1ce")))
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]
    nibabel.save(nibabel.Nifti1Image(image.dataobj, turn @ image.affine), files["t1c"])
    source = CaseFiles("own:1", files)
    with pytest.raises(ValueError, match="does not lie on the same grid"):
        read(replace(source, as_is=True))
    case = read(source).case
    assert case.labels is None
    assert WITHOUT_REFERENCE in case.warnings
