"""How often a voxel is in a region that the model holds to be so likely: fitting and judging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from mckd.tumour.calibration import Curve

Array = npt.NDArray[np.float64]

BARS = 10


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


@dataclass(frozen=True)
class Bar:
    """One bar of a reliability diagram: what was promised, what came, of how many voxels."""

    promised: float
    came: float
    voxels: float


def bars(q: Array, voxels: Array, inside: Array) -> list[Bar]:
    """The diagram of probabilities q (n,), in BARS equal parts of 0..1; empty ones are left out."""
    place = np.minimum((q * BARS).astype(int), BARS - 1)
    found = []
    for bar in range(BARS):
        n = voxels[place == bar].sum()
        if n:
            promised = float((q * voxels)[place == bar].sum() / n)
            found.append(Bar(promised, float(inside[place == bar].sum() / n), float(n)))
    return found


def expected_error(diagram: Sequence[Bar]) -> float:
    """ECE (Naeini et al. 2015): the mean of |promised - came|, each bar by its voxels."""
    total = sum(bar.voxels for bar in diagram)
    return sum(abs(bar.promised - bar.came) * bar.voxels for bar in diagram) / total
