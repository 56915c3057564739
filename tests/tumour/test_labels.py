"""The label file: on the input grid, with a header of its own, under a plain name."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mckd.tumour import read_case, regions
from mckd.tumour.labels import file_name, label_file, left_out, probability_file, region_bits
from tests import small_heads

SFORM = np.array([[2.0, 0, 0, -60], [0, 2, 0, -80], [0, 0, 3, -70], [0, 0, 0, 1]])


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PSL", "AIR"])
def test_the_label_file_lies_on_the_input_grid(tmp_path: Path, axes: str) -> None:
    path = small_heads.save(tmp_path / "x_flair.nii.gz", small_heads.volume("flair"), axes)
    drawn = small_heads.save(tmp_path / "x_seg.nii.gz", small_heads.labels(), axes)
    case = read_case(tmp_path)
    assert case.labels is not None
    data = label_file(region_bits(regions(case.labels)), case)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    given = nibabel.load(path)
    assert image.shape == given.shape
    assert image.affine == pytest.approx(given.affine, abs=1e-4)
    assert image.header.get_qform() == pytest.approx(given.affine, abs=1e-3)
    assert image.get_data_dtype() == np.uint8
    assert (np.asarray(image.dataobj) == np.asarray(nibabel.load(drawn).dataobj)).all()
    assert image.header.get_xyzt_units()[0] == "mm"
    assert b"research only" in bytes(image.header["descrip"])


def contradicting(path: Path, voxels: np.ndarray) -> Path:
    """An image whose sform, which counts, says right where its qform says left."""
    image = nibabel.Nifti1Image(voxels, SFORM)
    image.set_sform(SFORM, code=1)
    image.set_qform(np.diag([-1.0, 1.0, 1.0, 1.0]) @ SFORM, code=1)
    nibabel.save(image, path)
    return path


def test_where_the_forms_contradict_each_other_the_labels_lie_on_the_image(tmp_path: Path) -> None:
    """Voxel (40, 35, 25): 2 * 40 - 60, 2 * 35 - 80, 3 * 25 - 70 mm."""
    path = contradicting(tmp_path / "x_flair.nii.gz", small_heads.volume("flair"))
    case = read_case(tmp_path)
    assert not case.sides_known
    shape = case.grid.canonical.shape
    for data in (
        label_file(np.zeros(shape, np.uint8), case),
        probability_file(np.zeros(shape, np.float32), case, "wt"),
    ):
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
        assert np.array_equal(image.affine, nibabel.load(path).affine)
        assert (image.affine @ [40, 35, 25, 1]).tolist() == [20, -10, 5, 1]


def test_one_file_of_unknown_sides_does_not_move_the_labels_of_the_others(tmp_path: Path) -> None:
    for word in ("flair", "t1", "t1ce"):
        image = nibabel.Nifti1Image(small_heads.volume(word), SFORM)
        nibabel.save(image, tmp_path / f"x_{word}.nii.gz")
    contradicting(tmp_path / "x_t2.nii.gz", small_heads.volume("t2"))
    case = read_case(tmp_path)
    assert not case.sides_known
    data = label_file(np.zeros(case.grid.canonical.shape, np.uint8), case)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert np.array_equal(image.affine, nibabel.load(tmp_path / "x_flair.nii.gz").affine)


def test_a_label_file_of_an_image_without_affine_has_none(tmp_path: Path) -> None:
    path = small_heads.save(
        tmp_path / "x_flair.nii.gz", small_heads.volume("flair"), "RAS", sides=False
    )
    case = read_case(tmp_path)
    assert not case.sides_known
    data = label_file(np.zeros(case.grid.canonical.shape, np.uint8), case)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 0)
    assert np.array_equal(image.affine, nibabel.load(path).affine)


@pytest.mark.parametrize("sides", [(1, 1, 1), (-1, -1, 1)])
def test_on_an_affine_that_says_nothing_the_labels_lie_on_the_image(tmp_path: Path, sides) -> None:
    affine = np.diag([*sides, 1.0])
    nibabel.save(
        nibabel.Nifti1Image(small_heads.volume("flair"), affine), tmp_path / "x_flair.nii.gz"
    )
    case = read_case(tmp_path)
    assert not case.sides_known
    data = label_file(np.zeros(case.grid.canonical.shape, np.uint8), case)
    assert np.array_equal(nibabel.Nifti1Image.from_bytes(gzip.decompress(data)).affine, affine)


def test_file_names_are_plain() -> None:
    assert file_name("Müller, Hans/../x", ["t1", "t2"]) == "M_ller_Hans_.._x_mckd_t1-t2.nii.gz"
    assert file_name("...", ["t1"]) == "case_mckd_t1.nii.gz"


def test_what_is_not_shown_is_said() -> None:
    assert left_out({}) == left_out({"et_min_ml": 0.0, "least_part": None}) == ""
    assert left_out({"et_min_ml": 0.5}) == (
        "Not shown: enhancing tumour of less than 0.5 mL in all."
    )
    assert left_out({"et_min_ml": 0.5, "least_part": 0.5}) == (
        "Not shown: enhancing tumour of less than 0.5 mL in all, separate parts smaller than 50% "
        "of the largest, core apart from the enhancing tumour."
    )
