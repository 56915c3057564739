"""Regions back on the slices that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform

from mckd.tumour.geometry import Bools

if TYPE_CHECKING:
    from mckd.clinic.series import Prepared


def to_series(prepared: Prepared, regions: npt.NDArray[np.generic], slot: str) -> Bools:
    """(R, X, Y, Z) on the case's canonical grid to (R, x, y, z) bool on the grid of a series.

    A voxel of the series belongs to a region whose linear interpolation at its centre is over .5.
    """
    target = prepared.study[prepared.study.chosen[slot]].grid
    source = prepared.case.grid.canonical.affine
    to_case = np.linalg.inv(source) @ np.linalg.inv(prepared.moved[slot]) @ target.affine
    found = np.zeros((len(regions), *target.shape), np.bool_)
    for region, out in zip(regions, found, strict=True):
        out[:] = (
            affine_transform(region.astype(np.float32), to_case, output_shape=target.shape, order=1)
            > 0.5
        )
    return found
