"""HD95 on a GPU: every pair of surface voxels, rather than a distance map on the CPU.

`mckd.tumour.metrics` defines it. A table asks for it tens of thousands of times, which would take
the processor longer than all its training takes the GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mckd.tumour.geometry import Grid
from mckd.tumour.metrics import PERCENTILE, diagonal_mm

ROWS = 4096  # of distances at once


def hd95_mm(a: Tensor, b: Tensor, grid: Grid) -> float | None:
    """As `mckd.tumour.metrics.hd95_mm` has it, where the masks lie.

    Args:
        a, b: (x, y, z) bool, any part of `grid` that holds both masks whole.
    """
    if not a.any() or not b.any():
        return diagonal_mm(grid) if a.any() or b.any() else None
    mm = torch.tensor(grid.spacing_mm, device=a.device)
    first, second = (surface(mask).nonzero() * mm for mask in (a, b))
    return max(_percentile(first, second), _percentile(second, first))


def surface(mask: Tensor) -> Tensor:
    """Voxels of (x, y, z) bool that have a neighbour outside it, across a face."""
    inside = torch.nn.functional.pad(mask, (1, 1, 1, 1, 1, 1))
    deep = mask.clone()
    for axis in range(3):
        for step in (-1, 1):
            deep &= inside.roll(step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~deep


def _percentile(of: Tensor, to: Tensor) -> float:
    """Of the distances of points (n, 3) to the nearest of others (m, 3)."""
    exact = "donot_use_mm_for_euclid_dist"
    nearest = [torch.cdist(some, to, compute_mode=exact).amin(1) for some in of.split(ROWS)]
    ordered = torch.cat(nearest).sort().values
    return float(ordered[int((len(ordered) - 1) * PERCENTILE)])
