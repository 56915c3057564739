"""What many measured cases tell of others: scale and ends of intervals, curves of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mckd.conformal import signed_errors, tails_of, upper_quantile
from mckd.tumour import REGIONS
from mckd.tumour.calibration import (
    LEVEL,
    NEAR_ML,
    Calibration,
    Curve,
    Told,
    features,
    scale_of,
)
from train.tumour.measure import PROBABILITIES, SUBSETS, Measured, sign
from train.tumour.reliability import fit_curve

RIDGE = 1.0

Array = npt.NDArray[np.float64]


def fit(cases: Sequence[Measured], told_of: str) -> Calibration:
    """The calibration that these cases give. told_of: what they are, see `Calibration.about`."""
    weights = {region: _weights(cases, k) for k, region in enumerate(REGIONS)}
    told = {
        subset: {region: _told(cases, s, k, weights[region]) for k, region in enumerate(REGIONS)}
        for s, subset in enumerate(SUBSETS)
    }
    return Calibration(told_of, weights, told)


def _weights(cases: Sequence[Measured], k: int) -> tuple[float, ...]:
    """Of the scale of errors of region k: ridge regression of their logarithms, all subsets.

    Only how the scale changes from case to case matters; its level is in the tails.
    """
    here = [(case, s) for case in cases if case.reference_ml[k] for s in range(len(SUBSETS))]
    x = np.array([features(sign(case, s, k)) for case, s in here])
    errors = np.array([abs(case.signs[s, k, 0] - case.reference_ml[k]) for case, s in here])
    y = np.log(errors + NEAR_ML)
    penalty = RIDGE * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    return tuple(float(w) for w in np.linalg.solve(x.T @ x + penalty, x.T @ y))


def _told(cases: Sequence[Measured], s: int, k: int, weights: tuple[float, ...]) -> Told:
    tails = tails_of(errors_of(cases, s, k, weights), LEVEL)
    without = [sign(case, s, k).certainty for case in cases if not case.reference_ml[k]]
    least = max(upper_quantile(without, LEVEL), least_sure(cases, s, k))
    return Told(tails.low, tails.high, min(least, 1.0), curve_of(cases, s, k))


def errors_of(cases: Sequence[Measured], s: int, k: int, weights: tuple[float, ...]) -> Array:
    """(n,) of the volume of region k from subset s, in its scale, of the n cases that have it."""
    having = [case for case in cases if case.reference_ml[k]]
    signs = [sign(case, s, k) for case in having]
    return signed_errors(
        np.array([case.reference_ml[k] for case in having]),
        np.array([one.volume_ml for one in signs]),
        np.array([scale_of(weights, one) for one in signs]),
    )


def least_sure(cases: Sequence[Measured], s: int, k: int) -> float:
    """The certainty that at LEVEL a case with the region does not fall below."""
    return -upper_quantile(
        [-sign(case, s, k).certainty for case in cases if case.reference_ml[k]], LEVEL
    )


def curve_of(cases: Sequence[Measured], s: int, k: int) -> Curve:
    """Of the probabilities of region k from subset s."""
    voxels, inside = np.sum([case.voxels[s, k] for case in cases], 0)
    return fit_curve(PROBABILITIES, voxels, inside)
