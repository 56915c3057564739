"""RANO's two diameters, against shapes whose diameters are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mckd.tumour import diameters as module
from mckd.tumour.diameters import Slice, lesions_of, product_mm2

CUBES = (1.0, 1.0, 1.0)


def diameters(flat, pixel_mm) -> tuple[float, float]:
    found = Slice.of(flat, pixel_mm)
    return found.longest_mm, found.across_mm()


def turned(degrees: float, pixel_mm: tuple[float, float], size: int = 120):
    """Coordinates in mm (u, v) of the pixels of a slice, along axes turned by an angle."""
    x, y = ((np.arange(size) - size / 2 + 0.3) * mm for mm in pixel_mm)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    return grid_x * c + grid_y * s, grid_y * c - grid_x * s


class TestDiameters:
    @pytest.mark.parametrize("pixel_mm", [(1, 1), (2, 1), (0.5, 3)])
    def test_of_a_block_are_its_diagonal_and_the_line_across_it(self, pixel_mm):
        """40 x 30 mm: a diagonal of 50; at right angles to it a line from side to side, whose
        length is 30 / cos of the angle between diagonal and long side, 30 * 50 / 40."""
        rows, columns = round(40 / pixel_mm[0]), round(30 / pixel_mm[1])
        flat = np.zeros((rows + 4, columns + 6), bool)
        flat[2 : 2 + rows, 3 : 3 + columns] = True
        assert diameters(flat, pixel_mm) == pytest.approx((50, 37.5))

    def test_of_a_pixel_are_its_own(self):
        """3 x 4 mm: 5, and 3 * 5 / 4."""
        assert diameters(np.ones((1, 1), bool), (3, 4)) == pytest.approx((5, 3.75))

    @pytest.mark.parametrize("pixel_mm", [(1, 1), (0.5, 1.5)])
    @pytest.mark.parametrize("degrees", [0, 17, 45, 80])
    def test_of_a_turned_ellipse_are_its_axes(self, degrees, pixel_mm):
        """40 and 24 mm, as far as pixels can tell: a corner reaches half a diagonal further."""
        u, v = turned(degrees, pixel_mm)
        found = diameters((u / 20) ** 2 + (v / 12) ** 2 <= 1, pixel_mm)
        assert found == pytest.approx((40, 24), abs=math.hypot(*pixel_mm))

    @pytest.mark.parametrize("degrees", [10, 30, 64])
    def test_of_a_turned_block_are_those_of_the_block(self, degrees):
        """40 x 24 mm: a diagonal of 46.65, across it 24 * 46.65 / 40 = 27.99."""
        u, v = turned(degrees, (1, 1))
        found = diameters((abs(u) <= 20) & (abs(v) <= 12), (1, 1))
        assert found == pytest.approx((46.65, 27.99), abs=math.sqrt(2))

    def test_of_a_ring_reach_over_its_hole(self):
        u, v = turned(0, (1, 1))
        around = u**2 + v**2
        found = diameters((around <= 900) & (around > 676), (1, 1))
        assert found == pytest.approx((60, 60), abs=math.sqrt(2))

    def test_across_is_a_line_between_points_opposite_each_other(self):
        """An L of 10 mm thick arms, 40 and 20 mm long: from (0, 0) to (40, 20) nothing lies, the
        longest is the diagonal between the ends of the arms, across it no line is as long as the
        arms are apart."""
        flat = np.zeros((40, 20), bool)
        flat[:, :10] = flat[:10] = True
        longest, across = diameters(flat, (1, 1))
        assert longest == pytest.approx(math.hypot(40, 20))  # (0, 20) to (40, 0)
        # From the corner (0, 0) at right angles to (2, -1): to the inner corner (10, 10) would be
        # 14.1; along (1, 2) it leaves the arm at x = 10, y = 20: 22.4 mm.
        assert across == pytest.approx(math.hypot(10, 20))


def test_lines_are_looked_at_in_parts_that_fit_the_memory(monkeypatch):
    """Of a mask as wild as noise there are thousands; the parts do not change what is found."""
    flat = np.random.default_rng(0).random((40, 30)) > 0.6
    whole = diameters(flat, (1, 2))
    monkeypatch.setattr(module, "AT_ONCE", 7)
    assert diameters(flat, (1, 2)) == whole


class TestLesions:
    def test_are_measured_on_the_slice_where_they_are_longest(self):
        mask = np.zeros((60, 60, 6), bool)
        mask[5:25, 5:20, 1] = True  # 20 x 15 mm
        mask[5:45, 5:35, 2] = True  # 40 x 30 mm
        mask[5:25, 5:20, 3] = True
        (lesion,) = lesions_of(mask, (1, 1, 2), (1, 1, 2))
        assert (lesion.longest_mm, lesion.across_mm) == pytest.approx((50, 37.5))
        assert (lesion.at, lesion.slices, lesion.measurable) == (2, 3, True)

    def test_products_of_measurable_ones_are_summed(self):
        """50 x 37.5 and 25 x 18.75; 6 x 8 mm (10 long, 7.5 across) is too small, and one that is
        large enough is seen on a single slice."""
        mask = np.zeros((150, 60, 8), bool)
        mask[0:40, 0:30, 1:3] = True
        mask[50:70, 0:15, 1:3] = True
        mask[80:88, 0:6, 1:3] = True
        mask[100:140, 0:30, 5] = True
        lesions = lesions_of(mask, CUBES, CUBES)
        assert [lesion.measurable for lesion in lesions].count(True) == 2
        assert product_mm2(lesions) == pytest.approx(50 * 37.5 + 25 * 18.75)

    @pytest.mark.parametrize(("slice_mm", "measurable"), [(5, True), (6, True), (7, False)])
    def test_of_thick_slices_have_to_be_twice_as_large(self, slice_mm, measurable):
        """16 x 12 mm: 20 long, 15 across; slices of 6 mm ask for 12, of 8 mm for 16."""
        mask = np.zeros((20, 20, 2), bool)
        mask[2:18, 2:14] = True
        thickness = {5: 5.0, 6: 7.0, 7: 8.0}[slice_mm]
        thick = (1, 1, thickness)
        assert lesions_of(mask, thick, thick)[0].measurable is measurable

    @pytest.mark.parametrize(
        ("given_mm", "slices", "measurable"),
        [
            ((1, 1, 1), 7, True),
            ((1, 1, 5), 1, False),  # 7 mm are nearer to one slice of 5 than to two
            ((1, 1, 4), 2, True),
            ((1, 1, 7), 1, False),  # one slice, and 12.7 mm are less than 14
            ((7, 1, 1), 7, False),  # sagittal: seen on 7 axial slices, and less than 14 still
            ((6, 1, 1), 7, True),  # 12 mm are asked for
            ((0.5, 0.5, 0.5), 7, True),  # no more slices than the mask has
        ],
    )
    def test_slices_are_those_that_were_scanned_whatever_the_mask_was_resampled_to(
        self, given_mm, slices, measurable
    ):
        """9 x 9 mm, 12.7 long and across, on 7 slices of 1 mm."""
        mask = np.zeros((20, 20, 12), bool)
        mask[5:14, 5:14, 2:9] = True
        (lesion,) = lesions_of(mask, CUBES, given_mm)
        assert (lesion.longest_mm, lesion.across_mm) == pytest.approx((162**0.5, 162**0.5))
        assert (lesion.slices, lesion.measurable) == (slices, measurable)

    def test_that_meet_in_a_corner_are_one(self):
        mask = np.zeros((6, 6, 4), bool)
        mask[1, 1, 1] = mask[2, 2, 2] = True
        assert len(lesions_of(mask, CUBES, CUBES)) == 1

    def test_of_an_empty_mask_are_none(self):
        assert lesions_of(np.zeros((3, 3, 3), bool), CUBES, CUBES) == ()
        assert product_mm2(()) == 0
