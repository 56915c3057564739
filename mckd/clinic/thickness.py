"""What thick slices cost: measured on cases of 1 mm whose slices were averaged.

    cost_of(grid)        # a sentence, "" where slices are thin

By `python -m train bench thick`: all four sequences were degraded alike and prepared back to 1 mm.
"""

from __future__ import annotations

import numpy as np

from mckd.tumour.geometry import Grid
from mckd.tumour.naming import REGIONS
from mckd.tumour.planes import ACROSS

CASES = 2
CHANGE: dict[tuple[str, int], tuple[float, float, float]] = {
    ("sagittal", 2): (-0.005, -0.006, -0.004),
    ("sagittal", 3): (-0.016, -0.018, -0.012),
    ("sagittal", 5): (-0.059, -0.050, -0.034),
    ("sagittal", 7): (-0.096, -0.083, -0.075),
    ("coronal", 2): (-0.001, -0.002, -0.001),
    ("coronal", 3): (-0.005, -0.005, -0.003),
    ("coronal", 5): (-0.018, -0.011, -0.008),
    ("coronal", 7): (-0.036, -0.020, -0.023),
    ("axial", 2): (-0.004, -0.005, -0.002),
    ("axial", 3): (-0.012, -0.011, -0.006),
    ("axial", 5): (-0.043, -0.036, -0.017),
    ("axial", 7): (-0.078, -0.062, -0.031),
}
"""Mean change of Dice of ET, TC, WT, by plane and thickness in mm, over CASES cases."""
THIN_MM = 2.5  # up to there nothing was lost that two cases could tell


def cost_of(grid: Grid) -> str:
    """What the slices of a series cost, by the nearest thickness that was measured."""
    spacing = grid.canonical.spacing_mm
    axis = int(np.argmax(spacing))
    mm = spacing[axis]
    if mm < THIN_MM:
        return ""
    plane = ACROSS[axis]
    nearest = min((known for p, known in CHANGE if p == plane), key=lambda known: abs(known - mm))
    lost = ", ".join(
        f"{region.upper()} {-change:.2f}"
        for region, change in zip(REGIONS, CHANGE[plane, nearest], strict=True)
    )
    return (
        f"Slices of {mm:.2g} mm are coarser than the 1 mm of the training: in {CASES} cases made "
        f"{plane} slices of {nearest} mm, Dice fell by {lost}."
    )
