"""HD95 by pairs of voxels, against distance maps and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from mckd.tumour import metrics
from mckd.tumour.geometry import Grid
from train.tumour.distances import hd95_mm, surface

GRID = Grid((24, 20, 16), np.diag([1.0, 1.5, 2.0, 1.0]))


def blob(seed, threshold):
    noise = np.random.default_rng(seed).normal(size=GRID.shape)
    return ndimage.gaussian_filter(noise, 2) > threshold


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.0, 0.06, 0.1])
def test_is_that_of_the_distance_maps(seed, threshold):
    """Ragged masks that reach the edges of the image."""
    a, b = blob(seed, threshold), blob(seed + 100, 0.05)
    found = hd95_mm(torch.from_numpy(a), torch.from_numpy(b), GRID)
    assert found == pytest.approx(metrics.hd95_mm(a, b, GRID), rel=1e-6)


def test_by_hand():
    """Two voxels, three apart along an axis of 1.5 mm."""
    a, b = torch.zeros(2, *GRID.shape, dtype=torch.bool)
    a[4, 4, 4] = b[4, 7, 4] = True
    assert hd95_mm(a, b, GRID) == pytest.approx(4.5)


def test_empty_masks_follow_the_same_rule():
    none, some = torch.zeros(2, *GRID.shape, dtype=torch.bool)
    some[3, 3, 3] = True
    assert hd95_mm(none, none, GRID) is None
    assert hd95_mm(none, some, GRID) == hd95_mm(some, none, GRID) == metrics.diagonal_mm(GRID)


def test_the_surface_of_a_cube_is_all_but_its_middle():
    mask = torch.zeros(5, 5, 5, dtype=torch.bool)
    mask[1:4, 1:4, 1:4] = True
    found = surface(mask)
    assert found.sum() == 26
    assert not found[2, 2, 2]
    assert surface(torch.ones(3, 3, 3, dtype=torch.bool)).sum() == 26  # the image ends there
