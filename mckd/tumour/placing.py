"""The files of one head on one grid: what counts as the same, and how others come onto it.

    grid = usual_grid(headers)                     # what most of them lie on
    require_alike(header, usual)                   # before a voxel is unpacked
    volume = head_onto(volume, theirs, grid)       # canonical grids; a sharp edge stays sharp

Grids in other axis orders are the same; an affine that is a little off is forgiven. Images that
were scanned in one session but never brought together are resampled onto the first one's grid,
in which they are a little blurred. What differs more was not made for one case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mckd.tumour.geometry import Grid, T
from mckd.tumour.naming import CaseError
from mckd.tumour.nifti import Floats, Header

NEAR_MM = 0.5
"""Grids of one shape whose corners lie no further apart are taken as one: half a usual voxel."""
SAME_DIRECTION = 0.95  # cosine between axes: they lean no more than 18 degrees
MOST_STRETCH = 1.5  # between the voxels of two grids
LEAST_SHARED = 0.6  # of the usual grid's box that lies within the other's
LEAST_OVERLAP = 0.85  # Dice of two heads, once on one grid
FINEST_MM = 0.75
"""Voxels that are finer become voxels of about 1 mm, as those of the training."""
COARSENED_MM = 1.0


def same_place(a: Grid, b: Grid) -> bool:
    """Whether the voxels of two grids are the same, whatever the order of the axes."""
    return a.canonical.same_as(b.canonical)


def near_place(a: Grid, b: Grid) -> bool:
    """Whether they are but for rounding of the affine."""
    one, other = a.canonical, b.canonical
    return one.shape == other.shape and one.apart_mm(other) <= NEAR_MM


def usual_grid(headers: Sequence[Header]) -> Header:
    """The first of the files that most others lie on the same grid as."""
    return max(headers, key=lambda a: sum(near_place(a.grid, b.grid) for b in headers))


class ApartError(CaseError):
    """The files of a case do not lie on one grid."""


def require_alike(odd: Header, usual: Header) -> None:
    """Refuse a file whose grid is not nearly that of another.

    Raises:
        ApartError: other directions, other voxels, another place.
    """
    a, b = odd.grid.canonical, usual.grid.canonical
    directions = (a.affine[:3, :3] / a.spacing_mm * b.affine[:3, :3] / b.spacing_mm).sum(0)
    stretch = np.divide(a.spacing_mm, b.spacing_mm)
    if (
        directions.min() < SAME_DIRECTION
        or max(*stretch, *(1 / stretch)) >= MOST_STRETCH
        or _shared(b, a) < LEAST_SHARED
    ):
        raise not_alike(odd, usual)


def not_alike(odd: Header, usual: Header) -> ApartError:
    """Two files that were not made for one case."""
    return ApartError(
        f"{odd.name} does not lie on the same grid as {usual.name}: "
        f"{difference(odd.grid, usual.grid)}. Register and resample all files to one grid first."
    )


def difference(odd: Grid, usual: Grid) -> str:
    """What two grids differ in, in a few words."""
    if odd.shape != usual.shape:
        a, b = (" x ".join(map(str, grid.shape)) for grid in (odd, usual))
        return f"it has {a} voxels, not {b}"
    if odd.axes != usual.axes:
        return f"its axes point to {odd.axes}, not {usual.axes}"
    if not np.allclose(odd.spacing_mm, usual.spacing_mm, rtol=1e-3):
        a, b = (" x ".join(f"{s:.4g}" for s in grid.spacing_mm) for grid in (odd, usual))
        return f"its voxels measure {a} mm, not {b} mm"
    return f"its affine puts voxels up to {odd.apart_mm(usual):.2g} mm elsewhere"


def coarsened(grid: Grid) -> Grid:
    """A grid over the same place with voxels of about 1 mm along the axes where they are finer.

    The given one itself where they are not.
    """
    fine = [mm < FINEST_MM for mm in grid.spacing_mm]
    if not any(fine):
        return grid
    shape = [
        max(2, round(n * mm / COARSENED_MM)) if small else n
        for n, mm, small in zip(grid.shape, grid.spacing_mm, fine, strict=True)
    ]
    step = np.divide(grid.shape, shape)
    turn = np.diag([*step, 1.0])
    turn[:3, 3] = (step - 1) / 2  # the first new voxel begins where the first old one does
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ turn)


def onto(volume: npt.NDArray[T], source: Grid, target: Grid) -> npt.NDArray[T]:
    """(X, Y, Z) on one grid at the voxels of another: the nearest value, 0 outside."""
    return _resampled(volume, source, target, 0)


def head_onto(volume: Floats, source: Grid, target: Grid) -> Floats:
    """A head in air of 0 at the voxels of another grid, linearly, its edge as sharp as it was.

    Only voxels of the head are averaged, and a voxel is head where half of it is.
    """
    share = _resampled((volume != 0).astype(np.float32), source, target, 1)
    inside = share >= 0.5
    out = _resampled(volume, source, target, 1)
    out[~inside] = 0
    out[inside] /= share[inside]
    return out


def _resampled(volume: npt.NDArray[T], source: Grid, target: Grid, order: int) -> npt.NDArray[T]:
    matrix = np.linalg.inv(source.affine) @ target.affine
    result: npt.NDArray[T] = ndimage.affine_transform(
        volume,
        matrix[:3, :3],
        matrix[:3, 3],
        target.shape,
        order=order,
        mode="grid-constant",
        prefilter=False,
    )
    return result


def _shared(a: Grid, b: Grid) -> float:
    """How much of a grid's box lies within that of another, along the axes x, y, z."""
    (low_a, high_a), (low_b, high_b) = (
        (grid.corners_mm().min(0), grid.corners_mm().max(0)) for grid in (a, b)
    )
    both = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    if both.min() <= 0:
        return 0.0
    return float(np.prod(both) / np.prod(high_a - low_a))
