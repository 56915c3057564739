"""Heads told apart by their folds: smooth random ones, turned, shifted, seen otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from mckd.tumour.data import Case, case_of
from mckd.tumour.geometry import Grid, bounding_box
from mckd.tumour.heads import LEAST_AGREEMENT, Head
from train.tumour.corrupt import placed

SHAPE, MM = (76, 90, 70), 2.0
GRID = Grid(SHAPE, np.diag([MM, MM, MM, 1.0]))


def folds(seed: int) -> np.ndarray:
    """Values 1 to about 3, alike over some 8 mm, in an ellipsoid of about 1000 mL."""
    noise = np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 2.0)
    middle, half = (np.array(SHAPE) - 1) / 2, np.array(SHAPE) * 0.4
    off = sum(((np.indices(SHAPE)[a] - middle[a]) / half[a]) ** 2 for a in range(3))
    return np.where(off < 1, 2 + smooth / smooth.std() / 3, 0).astype(np.float32).clip(0)


def case(**volumes: np.ndarray) -> Case:
    return case_of("", volumes, GRID, GRID)


@pytest.fixture(scope="module")
def mine() -> np.ndarray:
    return folds(1)


def test_one_head_agrees_however_it_lies_and_whatever_its_greys(mine):
    """Turned by 10 degrees about two axes and shifted by 8 mm, other units, brighter to one side, a
    tumour grown into it and the outermost 2 mm cut off."""
    seen = placed(mine, np.radians((10.0, 0.0, -10.0)), np.array((4.0, -3.0, 2.0)))
    inside = ndimage.binary_erosion(seen > 0.9)
    seen = np.where(inside, 700 * seen * np.linspace(1, 1.5, SHAPE[0])[:, None, None], 0)
    seen[40:52, 30:42, 30:42] = 2000
    agreement = Head.of(case(t1=mine)).agreement(Head.of(case(t1=seen.astype(np.float32))))
    assert agreement > 0.75


def test_two_heads_do_not_agree(mine):
    one, other = Head.of(case(t1=mine)), Head.of(case(t1=folds(2)))
    assert one.agreement(other) < LEAST_AGREEMENT / 2
    assert other.agreement(one) == one.agreement(other)


def test_all_common_sequences_count(mine):
    """One agrees, one does not: the mean lies between."""
    one, other = case(t1=mine, t2=mine), case(t1=mine, t2=folds(2), flair=mine)
    assert 0.4 < Head.of(one).agreement(Head.of(other)) < 0.6


def test_nothing_is_said_where_too_little_is_seen(mine):
    whole = Head.of(case(t1=mine))
    assert whole.agreement(Head.of(case(t2=mine))) is None
    part = mine * (np.indices(SHAPE)[2] < 20)
    assert whole.agreement(Head.of(case(t1=part))) is None


def test_a_part_of_the_same_head_agrees(mine):
    part = mine * (np.indices(SHAPE)[2] > 30)
    found = Head.of(case(t1=part)).agreement(Head.of(case(t1=mine)))
    assert found > LEAST_AGREEMENT


def test_a_pattern_is_coarse_and_0_outside_the_brain_alone(mine):
    """76 x 90 x 70 voxels of 2 mm in voxels of 4 mm, cropped: an eighth, two more along an axis."""
    of = replace(case(t1=mine), brain=bounding_box(mine != 0, 4))
    pattern = Head.of(of).patterns["t1"]
    assert pattern.shape == tuple(n // 2 + 2 for n in of.brain.shape)
    assert np.count_nonzero(pattern) == pytest.approx(np.count_nonzero(mine) / 8, rel=0.03)
