"""Where voxels lie: grids, the one orientation everything is computed in, boxes.

Canonical means closest to RAS+: the first axis runs to the patient's right, the second to the
front, the third up. Nothing is resampled: axes are reordered and flipped, so values stay the
same to the bit and every step can be undone exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)
Triple = tuple[int, int, int]

SAME_PLACE_MM = 0.05
"""Two grids are the same if no corner voxel lies further apart than this in x, y or z."""
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""(4, 4): mm in RAS+, as here, to mm in LPS, as in DICOM, and back."""
ENDS = (("L", "R"), ("P", "A"), ("I", "S"))  # of the axes x, y, z in RAS+: negative, positive
OBLIQUE = 0.35  # a second letter where an axis leans more than 20 degrees towards another


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid: shape (X, Y, Z) and affine (4, 4) from voxel index to RAS+ mm.

    placed: False if its file has no affine, so that this one is what programs assume of the sizes
    of the voxels alone.
    """

    shape: Triple
    affine: Doubles
    placed: bool = True

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along each of this grid's axes."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @cached_property
    def voxel_ml(self) -> float:
        """Volume of a voxel, |det(affine)| / 1000: right for sheared and oblique grids too."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @cached_property
    def axes(self) -> str:
        """Where the axes point, like `LPS`: to the patient's left, back, up."""
        from nibabel.orientations import ornt2axcodes

        return "".join(str(code) for code in ornt2axcodes(self._orientation))

    @cached_property
    def _orientation(self) -> Doubles:
        """(3, 2): for each axis of this grid the canonical axis and the direction on it."""
        from nibabel.orientations import io_orientation

        return np.asarray(io_orientation(self.affine), np.float64)

    @cached_property
    def canonical(self) -> Grid:
        """The same voxels, axes closest to RAS+. The affine is exact but for rounding."""
        from nibabel.orientations import inv_ornt_aff

        shape = tuple(self.shape[axis] for axis in self._order)
        turn = inv_ornt_aff(self._orientation, self.shape)
        return Grid((shape[0], shape[1], shape[2]), self.affine @ turn)

    @cached_property
    def _order(self) -> list[int]:
        """For each canonical axis the axis of this grid."""
        return [int(axis) for axis in np.argsort(self._orientation[:, 0])]

    @cached_property
    def _flips(self) -> tuple[Any, ...]:
        """An index that flips the last three axes where they run against the canonical ones."""
        return (..., *(slice(None, None, int(step)) for step in self._orientation[:, 1]))

    def to_canonical(self, volume: npt.NDArray[T]) -> npt.NDArray[T]:
        """(..., X, Y, Z) on this grid to the canonical grid, C-contiguous."""
        lead = list(range(volume.ndim - 3))
        flipped = volume[self._flips]
        turned = flipped.transpose(*lead, *(len(lead) + axis for axis in self._order))
        return np.ascontiguousarray(turned)

    def from_canonical(self, volume: npt.NDArray[T]) -> npt.NDArray[T]:
        """(..., x, y, z) on the canonical grid back to this grid, C-contiguous."""
        lead = list(range(volume.ndim - 3))
        back = [len(lead) + int(axis) for axis in self._orientation[:, 0]]
        return np.ascontiguousarray(volume.transpose(*lead, *back)[self._flips])

    def corners_mm(self) -> Doubles:
        """(8, 3): the centres of the corner voxels."""
        index = np.array(np.meshgrid(*((0, n - 1) for n in self.shape), indexing="ij"))
        return np.asarray(index.reshape(3, 8).T @ self.affine[:3, :3].T + self.affine[:3, 3])

    def apart_mm(self, other: Grid) -> float:
        """How far a corner lies from the other grid's, at most, in x, y or z. Equal shapes."""
        return float(np.abs(self.corners_mm() - other.corners_mm()).max())

    def same_as(self, other: Grid) -> bool:
        """Equal shapes, and corners within SAME_PLACE_MM."""
        return self.shape == other.shape and bool(
            np.allclose(self.corners_mm(), other.corners_mm(), rtol=0, atol=SAME_PLACE_MM)
        )


@dataclass(frozen=True)
class Box:
    """Part of a grid: start is inside, stop is not, in voxels."""

    start: Triple
    stop: Triple

    @property
    def shape(self) -> Triple:
        (a, b, c), (d, e, f) = self.start, self.stop
        return d - a, e - b, f - c

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        (a, b, c), (d, e, f) = self.start, self.stop
        return slice(a, d), slice(b, e), slice(c, f)

    def crop(self, volume: npt.NDArray[T]) -> npt.NDArray[T]:
        """(..., X, Y, Z) to (..., x, y, z), a view."""
        return volume[(..., *self.slices)]

    def uncrop(self, volume: npt.NDArray[T], shape: Triple) -> npt.NDArray[T]:
        """(..., x, y, z) to (..., X, Y, Z) of `shape`, zero outside the box."""
        whole = np.zeros((*volume.shape[:-3], *shape), volume.dtype)
        whole[(..., *self.slices)] = volume
        return whole


def bounding_box(mask: Bools, margin: int = 0) -> Box:
    """The smallest box around the True voxels of (X, Y, Z), `margin` wider, within the image.

    An empty mask gives the whole image.
    """
    start, stop = [], []
    for axis, size in enumerate(mask.shape):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, size - 1)
        start.append(max(0, first - margin))
        stop.append(min(size, last + 1 + margin))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def axis_letters(affine: Doubles, sides_known: bool = True) -> list[list[str]]:
    """For each axis of the array what its low and its high end are called: [["L", "R"], ...].

    An axis that leans gets two letters, the nearer one first. Where left and right are not
    known, the letters L and R become "?".
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    named = []
    for direction in directions.T:
        order = np.argsort(-np.abs(direction), kind="stable")
        ends = ["", ""]
        for rank, axis in enumerate(order):
            if rank and abs(direction[axis]) < OBLIQUE:
                continue
            along = direction[axis] > 0
            ends[0] += ENDS[axis][0 if along else 1]
            ends[1] += ENDS[axis][1 if along else 0]
        named.append(ends if sides_known else [re.sub("[LR]", "?", end) for end in ends])
    return named
