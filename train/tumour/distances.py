"""HD95 between the surfaces of masks that lie on a GPU, by a tree of their voxels.

`mckd.tumour.metrics` defines it, and has it by distance maps of the whole image. A table asks for
it tens of thousands of times while other runs train: surfaces are found where the masks lie, the
nearest of their voxels on the CPU. All pairs of them on the GPU would hold up whoever trains there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from mckd.tumour.geometry import Grid
from mckd.tumour.metrics import PERCENTILE, diagonal_mm

Points = npt.NDArray[np.float64]


def hd95_mm(a: Tensor, b: Tensor, grid: Grid) -> float | None:
    """As `mckd.tumour.metrics.hd95_mm` has it, where the masks lie.

    Args:
        a, b: (x, y, z) bool, any part of `grid` that holds both masks whole.
    """
    if not a.any() or not b.any():
        return diagonal_mm(grid) if a.any() or b.any() else None
    mm = np.array(grid.spacing_mm)
    first, second = (surface(mask).nonzero().cpu().numpy() * mm for mask in (a, b))
    return max(_percentile(first, second), _percentile(second, first))


def surface(mask: Tensor) -> Tensor:
    """Voxels of (x, y, z) bool that have a neighbour outside it, across a face."""
    inside = torch.nn.functional.pad(mask, (1, 1, 1, 1, 1, 1))
    deep = mask.clone()
    for axis in range(3):
        for step in (-1, 1):
            deep &= inside.roll(step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~deep


def _percentile(of: Points, to: Points) -> float:
    """Of the distances of points (n, 3) to the nearest of others (m, 3)."""
    ordered = np.sort(cKDTree(to).query(of)[0])
    return float(ordered[int((len(ordered) - 1) * PERCENTILE)])
