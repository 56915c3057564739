"""Dice, HD95 and volumes: what must hold for any two masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckd.tumour.geometry import Grid
from mckd.tumour.metrics import dice, hd95_mm, score_region, volume_ml, volumes_ml

SHAPE = (7, 6, 5)
GRID = Grid(SHAPE, np.diag([1.0, 1, 1, 1]))
Mask = Any

masks = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.99, 1.0])).map(
    lambda drawn: np.random.default_rng(drawn[0]).random(SHAPE) > drawn[1]
)


@given(masks, masks)
def test_symmetric(a: Mask, b: Mask) -> None:
    assert dice(a, b) == dice(b, a)
    assert hd95_mm(a, b, GRID) == hd95_mm(b, a, GRID)


@given(masks, masks, st.floats(0.1, 8))
def test_scales_with_the_voxels(a: Mask, b: Mask, factor: float) -> None:
    larger = Grid(SHAPE, np.diag([factor, factor, factor, 1]))
    distance = hd95_mm(a, b, GRID)
    wanted = None if distance is None else pytest.approx(distance * factor)
    assert hd95_mm(a, b, larger) == wanted
    assert volume_ml(a, larger) == pytest.approx(volume_ml(a, GRID) * factor**3)


@given(masks, masks, st.permutations(range(3)), st.tuples(*[st.sampled_from((1, -1))] * 3))
def test_axis_order_and_flips_make_no_difference(
    a: Mask, b: Mask, order: list[int], steps: tuple[int, int, int]
) -> None:
    affine = np.diag([0.7, 1.1, 3.0, 1])
    flip = tuple(slice(None, None, step) for step in steps)
    turned = np.eye(4)
    turned[:3, :3] = (affine[:3, :3] * steps)[:, order]
    grid = Grid(SHAPE, affine)
    other = Grid(tuple(SHAPE[axis] for axis in order), turned)
    a2, b2 = a[flip].transpose(order), b[flip].transpose(order)
    assert dice(a2, b2) == dice(a, b)
    assert hd95_mm(a2, b2, other) == pytest.approx(hd95_mm(a, b, grid))
    assert volume_ml(a2, other) == pytest.approx(volume_ml(a, grid))


@given(masks, masks)
def test_never_a_silent_nan(a: Mask, b: Mask) -> None:
    result = score_region("wt", a, b & ~a, GRID)
    assert 0 <= result.brats_dice <= 1
    assert result.hd95_mm is None or math.isfinite(result.hd95_mm)


@given(masks)
def test_a_mask_agrees_with_itself(a: Mask) -> None:
    assert dice(a, a) == (1 if a.any() else None)
    assert hd95_mm(a, a, GRID) == (0 if a.any() else None)


@given(masks, masks)
def test_taking_wrong_voxels_away_never_costs_dice(a: Mask, b: Mask) -> None:
    better, worse = dice(a & b, b), dice(a, b)
    if a.any() and b.any():
        assert better is not None
        assert worse is not None
        assert better >= worse
        assert (worse == 0) == (not (a & b).any())


@given(masks, masks)
def test_volumes_add_up(a: Mask, b: Mask) -> None:
    union, both = volume_ml(a | b, GRID), volume_ml(a & b, GRID)
    assert union + both == pytest.approx(volume_ml(a, GRID) + volume_ml(b, GRID))
    nested = volumes_ml(np.stack([a & b, a, a | b]), GRID)
    assert nested["et"] <= nested["tc"] <= nested["wt"]


@given(masks, masks, st.integers(0, 2), st.integers(1, 3))
def test_empty_space_around_changes_nothing_but_the_diagonal(
    a: Mask, b: Mask, axis: int, more: int
) -> None:
    pad = [(more, 0) if k == axis else (0, 0) for k in range(3)]
    wide_a, wide_b = np.pad(a, pad), np.pad(b, pad)
    wide = Grid(wide_a.shape, GRID.affine)
    assert dice(wide_a, wide_b) == dice(a, b)
    if a.any() and b.any() and not (a | b).take([0], axis).any():
        assert hd95_mm(wide_a, wide_b, wide) == pytest.approx(hd95_mm(a, b, GRID))
