"""Conformal prediction: intervals that hold the truth as often as they promise.

    errors = signed_errors(truths, centres, scales)           # of cases the model did not see
    tails = tails_of(errors, 0.9)                             # once
    low, high = centre + scale * tails.low, centre + scale * tails.high

Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al., JASA 2018) with errors that
are normalised by a scale known beforehand (Papadopoulos et al. 2011). The only assumption is that
a new case is exchangeable with those of the calibration; of other cases it promises nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tails:
    """How far the truth lies below and above a centre, in its scale: low <= high.

    Infinite where there are too few errors to promise anything: 19 give both ends at 90 %.
    """

    low: float
    high: float


def signed_errors(truths: Floats, centres: Floats, scales: Floats) -> Floats:
    """(truth - centre) / scale of every case, (n,)."""
    return np.asarray((truths - centres) / scales, np.float64)


def tails_of(errors: Sequence[float] | Floats, level: float) -> Tails:
    """Both ends of an interval that holds the truth of a new case with at least this chance.

    Each side may fail with half of 1 - level.
    """
    miss = (1 - level) / 2
    return Tails(-upper_quantile(-np.asarray(errors), 1 - miss), upper_quantile(errors, 1 - miss))


def upper_quantile(values: Sequence[float] | Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of n values, infinite if that is more than n.

    A value exchangeable with them is at most this with a chance of `level` or more.
    """
    rank = math.ceil(round((len(values) + 1) * level, 9))  # 20 * .95 is a little more than 19
    if rank > len(values):
        return math.inf
    return float(np.sort(np.asarray(values, np.float64))[rank - 1])
