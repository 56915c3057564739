"""However a head lies in a file: the same arrays, the same place, and the way back."""

from __future__ import annotations

import itertools

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mckd.tumour.geometry import SAME_PLACE_MM, Grid, bounding_box

ORDERS = [
    np.array(list(zip(order, signs, strict=True)))
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]

seeds = st.integers(0, 2**32 - 1)
spacings = st.tuples(*[st.floats(0.3, 6)] * 3)
shapes = st.tuples(*[st.integers(2, 9)] * 3)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any oblique grid, mirrored or not, slightly sheared or not."""
    directions = Rotation.random(random_state=draw(seeds)).as_matrix() @ np.diag(draw(spacings))
    if draw(st.booleans()):
        directions[:, 0] *= -1
    directions @= np.eye(3) + np.triu(np.full((3, 3), draw(st.floats(-0.1, 0.1))), 1)
    affine = np.eye(4)
    affine[:3, :3] = directions
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return Grid(draw(shapes), affine)


def volume_on(grid: Grid) -> np.ndarray:
    return np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape)


@given(grids())
def test_there_and_back_is_nothing_done(grid: Grid) -> None:
    volume = volume_on(grid)
    turned = grid.to_canonical(volume)
    assert turned.shape == grid.canonical.shape
    assert (grid.from_canonical(turned) == volume).all()
    three = np.stack([volume, -volume, volume + 1])
    assert (grid.from_canonical(grid.to_canonical(three)) == three).all()


@given(grids(), st.tuples(*[st.integers(0, 1)] * 3))
def test_every_voxel_keeps_its_place(grid: Grid, corner: tuple[int, int, int]) -> None:
    volume = volume_on(grid)
    index = [side * (n - 1) for side, n in zip(corner, grid.shape, strict=True)]
    there = np.argwhere(grid.to_canonical(volume) == volume[tuple(index)])[0]
    before = nibabel.affines.apply_affine(grid.affine, index)
    after = nibabel.affines.apply_affine(grid.canonical.affine, there)
    np.testing.assert_allclose(after, before, atol=1e-8)


@given(grids())
def test_the_canonical_grid_is_its_own(grid: Grid) -> None:
    once = grid.canonical
    assert once.axes == "RAS"
    assert once.canonical.shape == once.shape
    np.testing.assert_allclose(once.canonical.affine, once.affine, atol=1e-9)
    assert once.voxel_ml == pytest.approx(grid.voxel_ml)
    assert sorted(once.spacing_mm) == pytest.approx(sorted(grid.spacing_mm))


@given(grids(), st.sampled_from(ORDERS))
def test_the_axis_order_of_the_file_makes_no_difference(grid: Grid, order: np.ndarray) -> None:
    volume = volume_on(grid)
    turned = nibabel.Nifti1Image(volume, grid.affine, dtype=np.int32).as_reoriented(order)
    other = Grid(turned.shape, turned.affine)
    assert (other.to_canonical(np.asarray(turned.dataobj)) == grid.to_canonical(volume)).all()
    np.testing.assert_allclose(other.canonical.affine, grid.canonical.affine, atol=1e-7)


@given(grids(), st.sampled_from(range(3)), st.floats(0, 5))
def test_two_grids_are_the_same_up_to_the_tolerance(grid: Grid, axis: int, mm: float) -> None:
    moved = grid.affine.copy()
    moved[axis, 3] += mm
    other = Grid(grid.shape, moved)
    assert grid.same_as(other) == other.same_as(grid)
    if abs(mm - SAME_PLACE_MM) > 1e-6:
        assert grid.same_as(other) == (mm < SAME_PLACE_MM)
    assert grid.apart_mm(other) == pytest.approx(mm, abs=1e-6)


@given(seeds, st.integers(0, 3))
def test_a_box_holds_the_mask_and_is_undone(seed: int, margin: int) -> None:
    mask = np.random.default_rng(seed).random((5, 6, 7)) > 0.95
    box = bounding_box(mask, margin)
    cropped = box.crop(mask)
    assert cropped.shape == box.shape
    assert (box.uncrop(cropped, mask.shape) == mask).all()
