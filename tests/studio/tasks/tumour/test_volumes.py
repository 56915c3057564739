"""What of a case travels: bytes, scale, letters, the label file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mckd.studio.tasks.tumour.volumes import (
    describe,
    pack_probabilities,
    pack_regions,
    pack_volume,
    unpack_bits,
)
from mckd.tumour import read_case
from mckd.tumour.geometry import Box
from mckd.tumour.labels import bits_to_regions, region_bits
from tests import small_heads


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


def test_a_map_travels_as_the_box_of_what_was_found_its_first_axis_fastest() -> None:
    found = np.zeros((3, 4, 5, 6), bool)
    found[2, 1:3, 2:4, 3] = True
    found[1, 1, 2, 3] = True
    data = gzip.decompress(pack_regions(found))
    assert np.frombuffer(data, "<u2", 6).tolist() == [1, 2, 3, 2, 2, 1]
    assert [*data[12:]] == [6, 4, 4, 4]
    bits = unpack_bits(pack_regions(found), (4, 5, 6))
    assert (bits == region_bits(found)).all()
    assert (bits_to_regions(bits) == found).all()


def test_a_map_of_nothing_comes_back() -> None:
    nothing = np.zeros((3, 4, 5, 6), bool)
    assert not unpack_bits(pack_regions(nothing), (4, 5, 6)).any()


def test_a_case_is_described_by_its_canonical_grid(tmp_path: Path) -> None:
    case = read_case(small_heads.save_case(tmp_path / "head"))
    facts = describe(case)
    assert tuple(facts["shape"]) == small_heads.SHAPE
    assert facts["spacing"] == pytest.approx(small_heads.SPACING)
    assert np.reshape(facts["affine"], (3, 4)) == pytest.approx(small_heads.affine()[:3])
    assert facts["synthetic"] is True


def test_probabilities_are_cropped_to_what_is_not_0() -> None:
    """In a box that begins at (10, 20, 30) only two voxels have any: the box around them."""
    p = np.zeros((3, 4, 5, 6), np.float32)
    p[2, 1, 2, 3], p[2, 2, 2, 3], p[0, 1, 2, 3] = 1.0, 0.5, 0.2
    p[1, 0, 0, 0] = 0.001  # less than half of a step
    data = gzip.decompress(pack_probabilities(p, Box((10, 20, 30), (14, 25, 36))))
    assert np.frombuffer(data[:12], "<u2").tolist() == [11, 22, 33, 2, 1, 1]
    assert [*data[12:]] == [51, 0, 0, 0, 255, 128]
