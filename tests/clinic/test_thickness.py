"""What is said of thick slices: which plane, which thickness, how much."""

from __future__ import annotations

import numpy as np
import pytest

from mckd.clinic.thickness import CHANGE, cost_of
from mckd.tumour.geometry import Grid
from mckd.tumour.planes import ACROSS


def grid(spacing_mm) -> Grid:
    return Grid((20, 20, 20), np.diag([*spacing_mm, 1.0]))


def test_thin_slices_cost_nothing_to_speak_of() -> None:
    assert cost_of(grid((1.0, 1.0, 1.2))) == ""


@pytest.mark.parametrize(
    ("spacing_mm", "said"),
    [
        ((0.9, 0.9, 5.5), "Slices of 5.5 mm"),
        ((0.9, 0.9, 5.5), "axial slices of 5 mm"),
        ((3.2, 0.9, 0.9), "sagittal slices of 3 mm"),
        ((1.0, 12.0, 1.0), "coronal slices of 7 mm"),
    ],
)
def test_the_nearest_that_was_measured(spacing_mm, said) -> None:
    assert said in cost_of(grid(spacing_mm))


def test_axes_of_the_file_do_not_matter() -> None:
    turned = Grid((20, 20, 20), grid((0.9, 0.9, 5.5)).affine[:, [2, 0, 1, 3]])
    assert "axial" in cost_of(turned)


def test_every_plane_and_thickness_was_measured_and_thicker_is_worse() -> None:
    assert {*CHANGE} == {(plane, mm) for plane in ACROSS for mm in (2, 3, 5, 7)}
    for plane in ACROSS:
        lost = np.array([CHANGE[plane, mm] for mm in (2, 3, 5, 7)]).mean(1)
        assert (np.diff(lost) < 0).all()
