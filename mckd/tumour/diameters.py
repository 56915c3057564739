"""The two diameters of a lesion as RANO takes them: the longest on an axial slice, and the longest
at right angles to it on that slice.

    lesions = lesions_of(found.canonical[0], case.spacing_mm, case.given_mm["t1c"])    # of ET
    product_mm2(lesions)                                  # the sum over those that are measurable

RANO (Wen et al., J Clin Oncol 28, 2010, doi 10.1200/JCO.2009.26.3541) and RANO 2.0 (Wen et al., J
Clin Oncol 41, 2023, doi 10.1200/JCO.23.01059) measure enhancing lesions after contrast. One is
measurable where both diameters reach 10 mm, or twice the thickness of slices above 5 mm, and where
it is seen on two slices or more. Slices are those that were scanned: resampled to 1 mm, one slice
of 7 mm is seven. Products of measurable lesions are summed. A reader picks a few
target lesions and leaves cavities out; here every measurable lesion counts, as it is outlined.

Voxels are taken as the boxes that they are, so diameters run from corner to corner: a block of
40 x 30 mm is 50 mm long (its diagonal) whatever its voxels are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from mckd.tumour.geometry import Bools

LEAST_MM = 10.0
THICK_MM = 5.0
FEWEST_SLICES = 2
TOUCHING = np.ones((3, 3, 3), bool)
"""Voxels that meet in a corner are of one lesion: a thin rim stays whole."""
ALIKE_MM = 1e-6
CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
AT_ONCE = 256  # lines across a slice, so that a wild mask does not fill the memory

Points = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Lesion:
    """One lesion. longest_mm, across_mm: see the module. slices: as many of the scanned axial ones
    as its extent across them, rounded. at: the axial slice of the mask that was measured, from 0.
    measurable: by RANO's size."""

    longest_mm: float
    across_mm: float
    slices: int
    at: int
    measurable: bool

    @property
    def product_mm2(self) -> float:
        return self.longest_mm * self.across_mm


def lesions_of(mask: Bools, spacing_mm: Spacing, given_mm: Spacing) -> tuple[Lesion, ...]:
    """Every connected part of a mask, the one with the largest product first.

    Args:
        mask: (X, Y, Z) bool, canonical axes: a slice of the third is axial.
        spacing_mm: of those axes.
        given_mm: of the same axes in the image as it was scanned, whose slices count.
    """
    parts, _ = ndimage.label(mask, TOUCHING)
    found = (
        _lesion(parts[box] == number, box[2].start, spacing_mm, given_mm)
        for number, box in enumerate(ndimage.find_objects(parts), start=1)
    )
    return tuple(sorted(found, key=lambda lesion: -lesion.product_mm2))


def product_mm2(lesions: Iterable[Lesion]) -> float:
    """The sum of the products of all measurable lesions; 0 without one."""
    return sum((lesion.product_mm2 for lesion in lesions if lesion.measurable), 0.0)


def _lesion(part: Bools, first: int, spacing_mm: Spacing, given_mm: Spacing) -> Lesion:
    """One part of a mask, cut out; first: the axial slice that it begins on."""
    x_mm, y_mm, z_mm = spacing_mm
    slices = [Slice.of(flat, (x_mm, y_mm)) for flat in np.moveaxis(part, 2, 0)]
    z = max(range(len(slices)), key=lambda z: slices[z].longest_mm)
    longest, across = slices[z].longest_mm, slices[z].across_mm()
    seen = round(len(slices) * z_mm / max(z_mm, given_mm[2]))
    thickness = max(given_mm)  # of sagittal and coronal slices too, which are thick on axial ones
    least = max(LEAST_MM, 2 * thickness if thickness > THICK_MM else 0.0)
    large = min(longest, across) >= least and seen >= FEWEST_SLICES
    return Lesion(longest, across, seen, first + z, large)


@dataclass(frozen=True, eq=False)
class Slice:
    """A mask's pixels on one slice, and the lines between its outermost corners.

    centres, corners: of the pixels along its edge, mm, (P, 2) and (N, 2). half: of a pixel's sides,
    (2,). hull: (H, 2), the outermost corners; apart: (H, H), mm between them.
    """

    centres: Points
    corners: Points
    half: Points
    hull: Points
    apart: Points

    @classmethod
    def of(cls, flat: Bools, pixel_mm: tuple[float, float]) -> Slice:
        """flat: (X, Y) bool, one pixel or more."""
        edge = np.argwhere(flat & ~ndimage.binary_erosion(flat))
        half = np.array(pixel_mm) / 2
        ends = (edge[:, None] + CORNERS).reshape(-1, 2) * pixel_mm - half
        hull = ends[ConvexHull(ends).vertices]
        return cls(edge * np.array(pixel_mm), ends, half, hull, squareform(pdist(hull)))

    @property
    def longest_mm(self) -> float:
        """The longest distance between points of the mask."""
        return float(self.apart.max())

    def across_mm(self) -> float:
        """The longest distance between points of the mask at right angles to the longest.

        Both reach over gaps: necrosis within a rim is not left out. Where several pairs of points
        are equally far apart, that with more across counts.
        """
        ends = np.argwhere(np.triu(self.apart >= self.longest_mm - ALIKE_MM))
        return max(self._across((self.hull[b] - self.hull[a]) / self.apart[a, b]) for a, b in ends)

    def _across(self, along: Points) -> float:
        """The longest line at right angles to the unit vector `along`, (2,).

        On such a line each pixel covers an interval, whose ends are linear between the places of
        corners: so the longest line meets a corner.
        """
        lines = np.unique(self.corners @ along)
        return max(
            self._on(lines[start : start + AT_ONCE], along)
            for start in range(0, len(lines), AT_ONCE)
        )

    def _on(self, lines: Points, along: Points) -> float:
        """The longest of some lines, (L,), told by where they cross `along`."""
        x, y = along
        off, place = lines[:, None] - self.centres @ along, self.centres @ [-y, x]  # (L, P), (P,)
        of_x = _within(off * x, -y, self.half[0])
        of_y = _within(off * y, x, self.half[1])
        low, high = np.maximum(of_x[0], of_y[0]), np.minimum(of_x[1], of_y[1])
        hit = low <= high
        highest = np.where(hit, place + high, -np.inf).max(1)
        lowest = np.where(hit, place + low, np.inf).min(1)
        return float((highest - lowest).max())


def _within(offset: Points, slope: float, half: float) -> tuple[Points, Points]:
    """From where to where |offset + slope * s| <= half; from inf to -inf where nowhere."""
    if abs(slope) < ALIKE_MM:
        inside = np.abs(offset) <= half + ALIKE_MM
        return np.where(inside, -np.inf, np.inf), np.where(inside, np.inf, -np.inf)
    a, b = (-half - offset) / slope, (half - offset) / slope
    return np.minimum(a, b), np.maximum(a, b)
