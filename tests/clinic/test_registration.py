"""One head in two contrasts on two grids; how the one was moved is known."""

from __future__ import annotations

import numpy as np
import pytest

from mckd.clinic.registration import Volume, judged, register
from mckd.clinic.steps import CancelledError, ticking
from mckd.tumour.geometry import Grid
from tests.clinic.moved import rigid

MOTION = rigid((6.0, -9.0, 12.0), (8.0, -5.0, 11.0))
PARTS = (  # middle and half axes in mm; greys in one contrast and in the other
    ((0, 0, 0), (78, 95, 84), 1.0, 0.7),  # scalp
    ((0, 0, 0), (72, 89, 78), 0.1, 0.1),  # bone
    ((0, -2, 0), (66, 82, 70), 0.6, 0.5),
    ((0, 5, 8), (18, 32, 14), 0.2, 1.0),  # fluid
    ((30, 30, 20), (16, 14, 12), 0.4, 0.9),
    ((-25, -40, -20), (12, 20, 15), 0.75, 0.35),
    ((-30, 40, 25), (20, 12, 18), 0.35, 0.8),
    ((25, -45, 10), (14, 22, 10), 0.8, 0.3),
    ((0, -35, -45), (40, 25, 18), 0.7, 0.4),
    ((0, 92, -30), (14, 18, 20), 0.9, 0.6),  # a nose
)


def seen(contrast: int, spacing_mm: tuple[float, float, float], motion: np.ndarray) -> Volume:
    """The head after a motion, on a grid of that spacing around it."""
    shape = tuple(int(230 / mm) for mm in spacing_mm)
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -110
    index = np.moveaxis(np.indices(shape), 0, -1)
    back = np.linalg.inv(motion) @ affine
    places = index @ back[:3, :3].T + back[:3, 3]
    voxels = np.zeros(shape, np.float32)
    for middle, half, *greys in PARTS:
        voxels[(((places - middle) / np.array(half)) ** 2).sum(-1) < 1] = greys[contrast]
    noise = np.random.default_rng(contrast).normal(0, 0.02, shape).astype(np.float32)
    return Volume(100 * (voxels + noise), Grid(shape, affine))


@pytest.fixture(scope="module")
def heads() -> tuple[Volume, Volume]:
    return seen(0, (3.0, 3.0, 3.0), np.eye(4)), seen(1, (2.5, 2.5, 6.0), MOTION)


@pytest.fixture(scope="module")
def found(heads):
    return register(*heads)


def apart_mm(motion: np.ndarray) -> float:
    """How far it takes the corners of a brain from where MOTION takes them, at most."""
    corners = np.array(np.meshgrid(*[(-60.0, 60.0)] * 3)).reshape(3, 8).T
    ends = [corners @ m[:3, :3].T + m[:3, 3] for m in (motion, MOTION)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).max())


def test_the_motion_is_found_across_contrasts_and_thick_slices(found) -> None:
    assert apart_mm(np.eye(4)) > 20
    assert apart_mm(found.moved) < 1.0


def test_it_is_rigid(found) -> None:
    turn = found.moved[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_what_fits_is_trusted(found) -> None:
    assert found.trouble == ""
    assert found.shared > 0.9


@pytest.mark.parametrize("shift_mm", [(6.0, 0.0, 0.0), (0.0, -8.0, 0.0), (5.0, 5.0, 5.0)])
def test_what_lies_beside_is_not(heads, shift_mm) -> None:
    aside = judged(*heads, MOTION @ rigid((0, 0, 0), shift_mm))
    assert "do not lie on each other" in aside.trouble


def test_heads_that_hardly_meet_are_not(heads) -> None:
    away = judged(*heads, MOTION @ rigid((0, 0, 0), (0.0, 0.0, 150.0)))
    assert "of the head is in both" in away.trouble


def test_heads_that_do_not_meet_are_not(heads) -> None:
    found = judged(*heads, rigid((0.0, 0.0, 0.0), (900.0, 0.0, 0.0)))
    assert (found.gain, found.shared) == (0.0, 0.0)
    assert found.trouble == "only 0% of the head is in both images"


def test_an_image_without_edges_fits_nothing(heads) -> None:
    grey = Volume(
        np.full((9, 9, 9), 50, np.float32), Grid((9, 9, 9), np.diag([20.0, 20.0, 20.0, 1.0]))
    )
    assert judged(grey, grey, np.eye(4)).trouble


def test_it_can_be_ended_from_within(heads) -> None:
    asked = iter([False, False, True])
    told: list[float] = []
    tick = ticking(
        lambda kind, slot, share: told.append(share), lambda: next(asked), "registration", "t2"
    )
    with pytest.raises(CancelledError):
        register(*heads, tick)
    assert len(told) == 2
