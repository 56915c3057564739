"""Slices of a head as they are looked at: radiological convention.

The patient's right is on the reader's left, the front of the head on top, or on the left where it
is seen from the side, its top on top: columns and rows run against the canonical axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ACROSS = ("sagittal", "coronal", "axial")
"""What a slice across each canonical axis is called."""


def looked_at(volume: npt.NDArray[Any], across: int, at: int) -> npt.NDArray[Any]:
    """(rows, columns) of the slice of (X, Y, Z), canonical, at a place along the axis `across`."""
    flat: npt.NDArray[Any] = np.take(volume, at, axis=across)
    return flat.T[::-1, ::-1]
