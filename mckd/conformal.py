"""Conformal prediction: intervals that hold the truth as often as they promise.

    errors = signed_errors(truths, centres, scales)           # of cases the model did not see
    tails = tails_of(errors, 0.9)                             # once
    low, high = centre + scale * tails.low, centre + scale * tails.high

Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al., JASA 2018) with errors that
are normalised by a scale known beforehand (Papadopoulos et al. 2011). The assumption is that a new
case is exchangeable with those of the calibration; of other cases it promises nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NARROWEST = 0.15
"""The unit of one side is at least this share of that of both: few errors may lie on it."""


@dataclass(frozen=True)
class Tails:
    """How far the truth lies below and above a centre, in its scale: low <= 0 <= high.

    Infinite where there are too few errors to promise anything: at 90 % it takes 9.
    """

    low: float
    high: float


def signed_errors(truths: Floats, centres: Floats, scales: Floats) -> Floats:
    """(truth - centre) / scale of every case, (n,)."""
    return np.asarray((truths - centres) / scales, np.float64)


def tails_of(errors: Floats, level: float) -> Tails:
    """Both ends of an interval that holds the truth of a new case with this chance.

    Errors may be larger on one side, so each side has a unit of its own (`units_of`), and one rank
    is taken of all errors in their units. The units are learned from the same errors: what that
    does to the promise has to be measured on cases that were left out.
    """
    down, up = units_of(errors, level)
    reach = upper_quantile(in_units(errors, down, up), level)
    return Tails(-reach * down, reach * up)


def units_of(errors: Floats, level: float) -> tuple[float, float]:
    """Of errors below and above 0: a quantile of each side's, both above 0."""
    least = max(NARROWEST * float(np.quantile(np.abs(errors), level)), 1e-9)
    below, above = (float(np.quantile(side, level)) for side in (-errors, errors))
    return max(below, least), max(above, least)


def in_units(errors: Floats, down: float, up: float) -> Floats:
    """How far each error lies from 0 in the unit of its side, (n,)."""
    return np.where(errors < 0, -errors / down, errors / up)


def upper_quantile(values: Sequence[float] | Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of n values, infinite if that is more than n.

    A value exchangeable with them is at most this with a chance of `level` or more.
    """
    rank = math.ceil(round((len(values) + 1) * level, 9))  # 20 * .95 is a little more than 19
    if rank > len(values):
        return math.inf
    return float(np.sort(np.asarray(values, np.float64))[rank - 1])
