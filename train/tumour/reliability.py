"""How often a voxel is in a region that the model holds to be so likely: fitting."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from mckd.tumour.calibration import Curve

Array = npt.NDArray[np.float64]


def fit_curve(p: Array, voxels: Array, inside: Array) -> Curve:
    """Beta calibration: logistic regression on ln p and -ln(1 - p), neither turned round.

    Args:
        p: (n,) probabilities in 0..1, both exclusive.
        voxels: (n,) how many voxels have each. inside: how many of those are in the region.
    """
    total = max(float(voxels.sum()), 1.0)
    x = np.stack([np.log(p), -np.log1p(-p), np.ones_like(p)], 1)
    n, k = voxels / total, inside / total

    def loss(w: Array) -> tuple[float, Array]:
        z = x @ w
        return float((n * np.logaddexp(0, z) - k * z).sum()), x.T @ (n * expit(z) - k)

    start = np.array([1.0, 1.0, 0.0])
    found = minimize(loss, start, jac=True, bounds=[(0, None), (0, None), (None, None)])
    a, b, c = (float(w) for w in found.x)
    return Curve(a, b, c)
