"""The pixels of a stack of slices, in this process where they are stored plainly.

What is compressed is unpacked by native code, which a damaged file may end: a process of its own
does it, bounded in memory and time, see `unpacking`.
"""

from __future__ import annotations

import numpy as np
from pydicom.pixels import pixel_array

from mckd.clinic.series import StudyError
from mckd.clinic.stacks import Stack
from mckd.tumour.nifti import Floats


def read_voxels(stack: Stack) -> Floats:
    """(X, Y, Z) float32: column, row, slice; value = slope * stored + inter, finite.

    Raises:
        StudyError: cut short, damaged, or stored in a way that cannot be read: why, in a few words.
    """
    out = np.empty(stack.grid.shape, np.float32)
    for place, frame in enumerate(stack.frames):
        try:
            stored = pixel_array(frame.path, index=frame.place, raw=True)
        except Exception:  # of damaged pixels pydicom raises whatever its parts do
            raise StudyError("its pixels are damaged or cut short; export it again") from None
        out[:, :, place] = stored.T * np.float64(frame.slope) + frame.inter
    out[~np.isfinite(out)] = 0
    return out
