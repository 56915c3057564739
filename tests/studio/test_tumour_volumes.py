"""What of a case travels: bytes, scale, letters, the label file."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mckd.studio.services.volumes import (
    axis_letters,
    bits_to_regions,
    describe,
    file_name,
    label_file,
    pack_regions,
    pack_volume,
    region_bits,
    unpack_bits,
)
from mckd.tumour import read_case, regions
from tests import small_heads

LEANING = np.array([[0.9, -0.44, 0], [0.44, 0.9, 0], [0, 0, 1]])


def unpacked(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(gzip.decompress(data), np.uint8).reshape(shape, order="F")


def test_values_come_back_within_half_a_step() -> None:
    volume = np.random.default_rng(0).gamma(4, 200, (20, 30, 10)).astype(np.float32)
    volume[:5] = 0
    packed = pack_volume(volume)
    back = packed.low + packed.step * unpacked(packed.data, volume.shape)
    unclipped = volume <= packed.low + 255 * packed.step
    assert unclipped.mean() > 0.99
    assert np.abs(back - volume)[unclipped].max() <= packed.step * 0.51
    assert (back[volume == 0] == 0).all()
    assert packed.low <= packed.window[0] < packed.window[1]


def test_small_whole_numbers_are_exact() -> None:
    volume = np.random.default_rng(0).integers(0, 200, (9, 8, 7)).astype(np.float32)
    packed = pack_volume(volume)
    assert packed.step == 1
    assert (packed.low + unpacked(packed.data, volume.shape) == volume).all()


def test_negative_values_and_outliers_keep_their_grey() -> None:
    volume = np.random.default_rng(0).normal(0, 1, (30, 30, 30)).astype(np.float32)
    volume[0, 0, 0] = 1e6  # one bad voxel must not turn the rest black
    packed = pack_volume(volume)
    assert packed.clipped
    assert packed.step < 0.1
    assert packed.low < -2


def test_the_first_axis_is_the_fastest() -> None:
    found = np.zeros((3, 4, 5, 6), bool)
    found[2, 1:3, 2, 3] = True
    found[1, 1, 2, 3] = True
    data = gzip.decompress(pack_regions(found))
    assert data[1 + 4 * (2 + 5 * 3)] == 6
    assert data[2 + 4 * (2 + 5 * 3)] == 4
    bits = unpack_bits(pack_regions(found), (4, 5, 6))
    assert (bits == region_bits(found)).all()
    assert (bits_to_regions(bits) == found).all()


@pytest.mark.parametrize(
    ("turn", "letters"),
    [
        (np.eye(3), [["L", "R"], ["P", "A"], ["I", "S"]]),
        (np.diag([-1, 1, 1]), [["R", "L"], ["P", "A"], ["I", "S"]]),
        (LEANING, [["LP", "RA"], ["PR", "AL"], ["I", "S"]]),
    ],
)
def test_letters_follow_the_affine(turn: np.ndarray, letters: list[list[str]]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 1, 3])
    assert axis_letters(affine) == letters


def test_unknown_sides_have_no_letters() -> None:
    assert axis_letters(np.eye(4), False) == [["?", "?"], ["P", "A"], ["I", "S"]]


def test_a_case_is_described_by_its_canonical_grid(tmp_path: Path) -> None:
    case = read_case(small_heads.save_case(tmp_path / "head"))
    facts = describe(case)
    assert tuple(facts["shape"]) == small_heads.SHAPE
    assert facts["spacing"] == pytest.approx(small_heads.SPACING)
    assert np.reshape(facts["affine"], (3, 4)) == pytest.approx(small_heads.affine()[:3])
    assert facts["synthetic"] is True


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


def test_file_names_are_plain() -> None:
    assert file_name("Müller, Hans/../x", ["t1", "t2"]) == "M_ller_Hans_.._x_mckd_t1-t2.nii.gz"
    assert file_name("...", ["t1"]) == "case_mckd_t1.nii.gz"
