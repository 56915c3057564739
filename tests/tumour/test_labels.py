"""The label file: on the input grid, with a header of its own, under a plain name."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mckd.tumour import read_case, regions
from mckd.tumour.labels import file_name, label_file, left_out, region_bits
from tests import small_heads


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


def test_a_label_file_of_unknown_sides_claims_none(tmp_path: Path) -> None:
    small_heads.save(tmp_path / "x_flair.nii.gz", small_heads.volume("flair"), "RAS", sides=False)
    case = read_case(tmp_path)
    assert not case.sides_known
    data = label_file(np.zeros(case.grid.canonical.shape, np.uint8), case)
    header = nibabel.Nifti1Image.from_bytes(gzip.decompress(data)).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 0)


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
