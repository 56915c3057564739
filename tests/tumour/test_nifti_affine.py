"""Affines that say nothing, or not what the rest of the header says."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mckd.tumour.naming import CaseError
from mckd.tumour.nifti import Header, read_header
from mckd.tumour.nifti_affine import UNKNOWN_SIDES

SIZES = (1, 1.5, 3)
PLACED = np.eye(4)
PLACED[:3, :3] = Rotation.from_euler("xyz", (10, -7, 4), degrees=True).as_matrix() * SIZES
PLACED[:3, 3] = -20, 11, 4


@pytest.fixture
def read(tmp_path: Path):
    """read(sform, qform, pixdim): the header of a file that says so; None: it says nothing."""

    def read(sform, qform=None, pixdim=None) -> Header:
        image = nibabel.Nifti1Image(np.zeros((9, 12, 7), np.int16), None)
        image.header.set_qform(qform, int(qform is not None))
        image.header.set_sform(sform, 2)
        image.header["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
        if pixdim is not None:
            image.header["pixdim"][1:4] = pixdim
        nibabel.save(image, tmp_path / "x_t1.nii.gz")
        return read_header(tmp_path / "x_t1.nii.gz")

    return read


@pytest.mark.parametrize("sides", [(1, 1, 1), (-1, -1, 1), (0.5, 0.5, 5), (-0.5, -0.5, 5)])
def test_what_a_writer_puts_there_that_knows_nothing(read, sides) -> None:
    """nibabel's and ITK's axes with the first voxel at the origin."""
    header = read(np.diag([*sides, 1.0]))
    assert not header.sides_known
    assert header.grid.spacing_mm == tuple(np.abs(sides))
    (told,) = header.warnings
    assert told.startswith(f"x_t1.nii.gz: {UNKNOWN_SIDES}, ")


@pytest.mark.parametrize(
    ("sides", "origin"),
    [((-1, -1, 1), (0, 239, 0)), ((1, 1, 1), (0, -239, 0)), ((-1, 1, 1), (0, 0, 0))],
)
def test_straight_axes_that_somebody_placed(read, sides, origin) -> None:
    """The first is BraTS's."""
    affine = np.diag([*sides, 1.0])
    affine[:3, 3] = origin
    header = read(affine)
    assert header.sides_known
    assert header.warnings == ()


def test_a_form_that_says_nothing_beside_one_that_does(read) -> None:
    for sform, qform, silent, used in [
        (np.diag([*SIZES, 1.0]), PLACED, "sform", "qform"),
        (PLACED, np.diag([*SIZES, 1.0]), "qform", "sform"),
    ]:
        header = read(sform, qform)
        np.testing.assert_allclose(header.grid.affine, PLACED, atol=1e-4)
        assert header.sides_known
        wanted = f"x_t1.nii.gz: its {silent} says nothing; the {used} is used."
        assert header.warnings == (wanted,)


@pytest.mark.parametrize(("sform", "qform"), [(np.eye(4), None), (PLACED, None), (PLACED, PLACED)])
def test_voxels_of_two_sizes(read, sform, qform) -> None:
    """1.25 mm3 by pixdim, 1 or 4.5 mm3 by the sform: by one of them each volume is wrong."""
    said = r"two sizes, 1 x 1(\.5)? x [13] in its sform and 0.5 x 0.5 x 5 in its pixdim"
    with pytest.raises(CaseError, match=said):
        read(sform, qform, (0.5, 0.5, 5))


@pytest.mark.parametrize("factor", [0.985, 1.015])
def test_sizes_that_were_rounded(read, factor) -> None:
    header = read(PLACED, pixdim=np.multiply(SIZES, factor))
    assert header.grid.spacing_mm == pytest.approx(SIZES, abs=1e-4)
    assert header.warnings == ()


def test_sizes_that_nobody_set(read) -> None:
    header = read(PLACED, pixdim=(1, 1, 1))
    np.testing.assert_allclose(header.grid.affine, PLACED, atol=1e-4)
    assert header.sides_known
    (told,) = header.warnings
    assert "1 x 1.5 x 3 by the sform, which is used, but 1 x 1 x 1 by its pixdim" in told
    assert read(PLACED, pixdim=(0, 0, 0)).warnings == ()
