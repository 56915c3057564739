"""Slices as they are looked at, by one voxel that is at the right, in front, on top."""

from __future__ import annotations

import numpy as np
import pytest

from mckd.tumour.planes import ACROSS, looked_at


@pytest.mark.parametrize(
    ("plane", "shape", "row", "column"),
    [
        ("axial", (4, 3), 0, 0),  # front on top, the patient's right on the left
        ("coronal", (5, 3), 0, 0),  # top on top, the patient's right on the left
        ("sagittal", (5, 4), 0, 0),  # top on top, front on the left
    ],
)
def test_the_right_is_on_the_left_and_the_front_and_the_top_on_top(plane, shape, row, column):
    """Canonical axes run to the right, front and top: the last voxel of each is there."""
    volume = np.zeros((3, 4, 5))
    volume[2, 3, 4] = 1
    across = ACROSS.index(plane)
    picture = looked_at(volume, across, volume.shape[across] - 1)
    assert picture.shape == shape
    assert [*np.argwhere(picture)[0]] == [row, column]
    assert not looked_at(volume, across, 0).any()
