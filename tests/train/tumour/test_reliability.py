"""Curves through what came of probabilities, and how far off these were."""

import numpy as np
import pytest

from train.tumour.reliability import fit_curve

P = np.linspace(0.02, 0.98, 49)


def came_as(a: float, b: float, c: float) -> np.ndarray:
    """The share of voxels that are in the region where beta calibration is exactly right."""
    return 1 / (1 + np.exp(-(a * np.log(P) - b * np.log1p(-P) + c)))


def test_a_curve_is_found_again():
    voxels = np.full_like(P, 1000.0)
    curve = fit_curve(P, voxels, voxels * came_as(0.7, 0.4, -0.3))
    assert (curve.a, curve.b, curve.c) == pytest.approx((0.7, 0.4, -0.3), abs=1e-3)


def test_a_curve_never_falls():
    """Here the likelier a voxel was said to be the less often it was in the region."""
    voxels = np.full_like(P, 1000.0)
    curve = fit_curve(P, voxels, voxels * (1 - P))
    assert np.all(np.diff(curve(P.astype(np.float32))) >= 0)


def test_nothing_to_learn_from_leaves_probabilities_as_they_are():
    curve = fit_curve(P, np.zeros_like(P), np.zeros_like(P))
    assert (curve.a, curve.b, curve.c) == (1, 1, 0)
