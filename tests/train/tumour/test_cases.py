"""Cases made ready for training: what is left out, the cache, folds and crops."""

import shutil

import nibabel
import numpy as np
import pytest
import torch

from mckd.tumour import CaseError, read_case
from tests import small_heads
from tests.train.tumour.test_task import SHAPE, write_case
from train.tumour.cases import crop, deal, fill_cache, load_cases, patient_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in range(6):
        write_case(folder, number)
    return folder


def test_cases_without_a_reference_are_left_out(tmp_path):
    write_case(tmp_path, 1)
    write_case(tmp_path, 2, with_labels=False)
    assert [case.name for case in load_cases(tmp_path)] == ["case_001"]


def test_a_reference_that_does_not_tell_every_region_teaches_nothing(tmp_path, capsys):
    """And it is said; the cases beside it are used."""
    write_case(tmp_path, 1)
    write_case(tmp_path, 2)
    (path,) = (tmp_path / "case_002").glob("*_seg.nii.gz")
    image = nibabel.load(path)
    mask = (np.asarray(image.dataobj) > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), path)
    for cache in (None, tmp_path / "cache"):
        assert [case.name for case in load_cases(tmp_path, cache)] == ["case_001"]
        said = capsys.readouterr().err
        assert "Left out: case_002:" in said
        assert "has one label; it is taken as the whole tumour" in said


def test_no_reference_at_all_is_an_error_that_says_what_to_do(tmp_path):
    write_case(tmp_path, 2, with_labels=False)
    with pytest.raises(CaseError, match="data phantoms"):
        load_cases(tmp_path)


def test_a_missing_sequence_is_marked_and_zero(tmp_path):
    write_case(tmp_path, 1, sequences=("flair", "t2"))
    (case,) = load_cases(tmp_path)
    assert case.present.tolist() == [True, False, False, True]
    assert not case.images[1].any()


def test_the_cache_holds_the_same_and_is_read_again(tmp_path, folder):
    direct = load_cases(folder)
    for _ in range(2):
        for a, b in zip(direct, load_cases(folder, tmp_path / "cache"), strict=True):
            assert torch.equal(a.images, b.images)
            assert torch.equal(a.labels, b.labels)
            assert (a.name, a.enhancing, a.synthetic) == (b.name, b.enhancing, b.synthetic)


def test_the_cache_can_be_filled_ahead_by_other_processes(tmp_path):
    cache, folder = tmp_path / "cache", tmp_path / "cases"
    for number in (1, 2):
        write_case(folder, number)
    fill_cache([folder], cache, jobs=1)
    written = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert [case.name for case in load_cases(folder, cache)] == ["case_001", "case_002"]
    assert {file: file.stat().st_mtime_ns for file in cache.iterdir()} == written


def test_a_case_knows_where_its_crop_lies_in_the_image(tmp_path, folder):
    path = folder / "case_001"
    whole = read_case(path)
    for cache in (None, tmp_path / "cache"):
        case = load_cases(path, cache)[0]
        assert case.grid.same_as(whole.grid.canonical)
        assert case.voxel_ml == pytest.approx(0.001)
        assert np.array_equal(case.brain.uncrop(case.labels.numpy(), SHAPE), whole.labels)


def test_a_changed_case_is_not_taken_from_the_cache(tmp_path):
    write_case(tmp_path / "cases", 1)
    (before,) = load_cases(tmp_path / "cases", tmp_path / "cache")
    for file in (tmp_path / "cases" / "case_001").iterdir():
        file.unlink()
    (tmp_path / "cases" / "case_001").rmdir()
    write_case(tmp_path / "cases", 1, sequences=("flair",))
    (after,) = load_cases(tmp_path / "cases", tmp_path / "cache")
    assert before.present.all()
    assert not after.present.all()


def test_a_reference_in_another_folder_is_of_the_case_too(tmp_path):
    """MSD keeps labels apart: drawn anew, they are read anew."""
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    image, labels = (tmp_path / f / "BRATS_001.nii.gz" for f in ("imagesTr", "labelsTr"))
    head = np.stack([small_heads.volume(word) for word in small_heads.WORDS], -1)
    nibabel.save(nibabel.Nifti1Image(head, small_heads.affine()), image)
    enhancing = []
    for drawn in (True, False):
        small_heads.save(labels, small_heads.labels(enhancing=drawn), axes="RAS")
        (case,) = load_cases(tmp_path, tmp_path / "cache")
        enhancing.append(case.enhancing)
    assert enhancing[0] > 0
    assert enhancing[1] == 0


def test_folds_share_out_the_enhancing_cases(folder):
    parts = deal(load_cases(folder), 2)
    assert [sum(case.enhancing > 0 for case in part) for part in parts] == [2, 2]
    names = [case.name for part in parts for case in part]
    assert len(names) == len(set(names)) == 6


@pytest.mark.parametrize(
    ("place", "patient"),
    [
        ("case_001", "case_001"),
        ("HGG/Brats18_TCIA01_131_1", "HGG/Brats18_TCIA01_131_1"),
        ("BraTS2021_00005", "BraTS2021_00005"),
        ("BraTS-GLI-00005-101", "BraTS-GLI-00005"),
        ("P1/week-000", "P1"),
        ("P1/week-000-2", "P1/week-000-2"),
        ("a/P1_ses-preop", "a/P1"),
        ("UCSF-PDGM-0429_FU003d", "UCSF-PDGM-0429"),
        ("sub-01/ses-2/anat", "sub-01"),
        ("imagesTr/P1_visit2.nii.gz", "imagesTr/P1"),
        ("Monday", "Monday"),
    ],
)
def test_a_place_says_whose_visit_a_case_is(place, patient):
    assert patient_of(place) == patient


@pytest.fixture(scope="module")
def visits(tmp_path_factory, folder):
    """Three patients with two visits each, and one with one. Numbers 0 and 3 have no ET."""
    root = tmp_path_factory.mktemp("visits")
    for number in range(6):
        shutil.copytree(folder / f"case_{number:03}", root / f"P{number % 3}" / f"week-{number:03}")
    shutil.copytree(folder / "case_001", root / "P3" / "week-000")
    return root


def test_visits_of_a_patient_are_dealt_into_one_fold(visits):
    parts = deal(load_cases(visits), 2)
    patients = [{case.patient for case in part} for part in parts]
    assert patients[0] | patients[1] == {"P0", "P1", "P2", "P3"}
    assert not patients[0] & patients[1]
    assert sorted(len(part) for part in parts) == [3, 4]
    assert "P0" in patients[0]  # who has least ET is dealt first


def test_cases_of_one_name_are_called_by_their_places(visits):
    names = [case.name for case in load_cases(visits)]
    assert [name for name in names if "/" in name] == ["P0/week-000", "P3/week-000"]
    assert len(set(names)) == 7


def test_a_crop_takes_its_part_and_pads_with_zero(folder):
    case = load_cases(folder)[1]
    g = torch.Generator().manual_seed(0)
    size = (8, 64, 12)
    for _ in range(10):
        images, _ = crop(case, size, g, seek=True)
        assert images.shape == (4, *size)
        n = case.labels.shape[1]
        start = (64 - n) // 2
        # Every row of the crop is one of the case.
        whole = {tuple(v) for v in case.images[0].permute(0, 2, 1).flatten(0, 1).tolist()}
        for row in images[0, :, start : start + n].permute(0, 2, 1).flatten(0, 1).tolist():
            assert tuple(row) in whole
        assert not images[:, :, :start].any()
        assert not images[:, :, start + n :].any()


def test_half_of_the_crops_seek_the_tumour(folder):
    case = load_cases(folder)[1]
    g = torch.Generator().manual_seed(0)
    hits = [bool(crop(case, (2, 2, 2), g, seek=True)[1].any()) for _ in range(200)]
    plain = [bool(crop(case, (2, 2, 2), g, seek=False)[1].any()) for _ in range(200)]
    assert sum(hits) > 90
    assert sum(plain) < 50
