"""Regions back on the slices that they came from.

A voxel of a thick slice shows the mean of what lies within its thickness, so what it holds of a
region is the share of its box that the region fills. A voxel that is more or less than half full
cannot stay so in a mask: as many of the fullest are taken as make up the region's volume.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, uniform_filter

from mckd.tumour.geometry import Bools, Box, Doubles, Triple, bounding_box
from mckd.tumour.nifti import Floats

if TYPE_CHECKING:
    from mckd.clinic.series import Prepared, Series

SAME_SHARE = 4  # decimals: shares that differ by less are one


def to_series(prepared: Prepared, regions: npt.NDArray[np.generic], slot: str) -> Bools:
    """(R, X, Y, Z) on the case's canonical grid to (R, x, y, z) bool on the grid of a series.

    Each region lies within the next, before and after. Its volume is kept, but for rounding to
    whole voxels and what lies outside the series. Between slices with a gap nothing was seen: there
    each stands for half of the gap on both sides. A grid like that of the case gives the same
    voxels.
    """
    series = prepared.study[prepared.study.chosen[slot]]
    place = np.linalg.inv(prepared.case.grid.canonical.affine) @ np.linalg.inv(prepared.moved[slot])
    to_case: Doubles = place @ series.grid.affine
    found = np.zeros((len(regions), *series.grid.shape), np.bool_)
    outermost: Bools = np.any(regions, axis=0)
    if not outermost.any():
        return found
    box = _around(outermost, to_case, series.grid.shape)
    inner = np.zeros(box.shape, np.bool_)
    for region, out in zip(regions, found, strict=True):
        share = _shares(region != 0, to_case, _extent(series), box)
        inner = _fullest(share, inner)
        box.crop(out)[:] = inner
    return found


def _extent(series: Series) -> Doubles:
    """(3,): what a voxel shows, in voxels of the series: less than 1 where slices have gaps."""
    extent = np.ones(3)
    if series.facts.thickness_mm:
        extent[2] = series.facts.thickness_mm / series.grid.spacing_mm[2]
    return extent


def _around(mask: Bools, to_case: Doubles, shape: Triple) -> Box:
    """The part of a grid of that shape where the True voxels of a mask can be, with some margin."""
    inside, to_series = bounding_box(mask, margin=1), np.linalg.inv(to_case)
    ends = np.array(list(product(*zip(inside.start, inside.stop, strict=True))))
    moved = ends @ to_series[:3, :3].T + to_series[:3, 3]
    low = np.clip(np.floor(moved.min(axis=0)).astype(int) - 1, 0, shape)
    high = np.clip(np.ceil(moved.max(axis=0)).astype(int) + 2, 0, shape)
    (a, b, c), (d, e, f) = low.tolist(), high.tolist()
    return Box((a, b, c), (d, e, f))


def _shares(mask: Bools, to_case: Doubles, extent: Doubles, box: Box) -> Floats:
    """(x, y, z) float32 in 0 to 1: how much of each voxel's box the mask fills.

    Sampled about as densely as the mask is, linearly interpolated.
    """
    lengths = np.linalg.norm(to_case[:3, :3], axis=0) * extent
    counts = [max(1, round(float(length))) for length in lengths]
    points = [
        ((np.arange(n) + 0.5) / n - 0.5) * width for n, width in zip(counts, extent, strict=True)
    ]
    filled = mask.astype(np.float32)
    share = np.zeros(box.shape, np.float32)
    for point in product(*points):
        start = to_case[:3, :3] @ (np.array(box.start) + point) + to_case[:3, 3]
        share += affine_transform(filled, to_case[:3, :3], start, box.shape, order=1)
    return share / np.float32(np.prod(counts))


def _fullest(share: Floats, inner: Bools) -> Bools:
    """The voxels with the largest shares, as many as all shares make up, and those of `inner`.

    Of equally full voxels those come first whose neighbours are fuller: a face that fills half of
    its voxels becomes a cap.
    """
    fullest = inner.copy()
    count = round(float(share.sum(dtype=np.float64))) - np.count_nonzero(inner)
    (open_,) = np.nonzero(((share > 0) & ~inner).ravel())
    around = uniform_filter(share, 3, mode="constant").ravel()[open_]
    order = np.lexsort((-around, -share.ravel()[open_].round(SAME_SHARE)))
    fullest.flat[open_[order[: max(count, 0)]]] = True
    return fullest
