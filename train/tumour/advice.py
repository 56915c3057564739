"""What each sequence added to each subset of the calibration cases: learned, judged by regret."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt

from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.advice import Step, Steps, advise, features
from mckd.tumour.calibration import Calibration
from train.tumour.measure import SUBSETS, Measured, dice, sign

Array = npt.NDArray[np.float64]

RIDGE = 10.0
FIXED = ("t1c", "flair", "t2", "t1")
"""The order in which sequences would be added without looking: contrast first."""


def fit_steps(cases: Sequence[Measured], calibration: Calibration) -> Steps:
    """For each sequence and region one ridge regression over the subsets without it; each subset
    has a mean of its own, and weights are shared."""
    x = np.array([[_features(case, s) for s in range(len(SUBSETS))] for case in cases])
    scores = _dices(cases)
    widths = np.log(_widths(cases, calibration) + 1)
    steps: dict[frozenset[str], dict[str, dict[str, Step]]] = {s: {} for s in SUBSETS[:-1]}
    for sequence in SEQUENCES:
        before = [s for s, subset in enumerate(SUBSETS) if sequence not in subset]
        after = [SUBSETS.index(SUBSETS[s] | {sequence}) for s in before]
        for k, region in enumerate(REGIONS):
            gains = _regress(x[:, before], scores[:, after, k] - scores[:, before, k])
            shrinks = _regress(x[:, before], widths[:, after, k] - widths[:, before, k])
            for s, gain, shrink in zip(before, gains, shrinks, strict=True):
                of_regions = steps[SUBSETS[s]].setdefault(sequence, {})
                of_regions[region] = Step(gain, shrink)
    return steps


def regret(cases: Sequence[Measured], steps: Sequence[Steps]) -> dict[str, float]:
    """By how much the mean Dice is lower than with the best next sequence, in the mean of cases and
    of subsets that lack two sequences or more: by advice, by the fixed order, at random.

    steps: for each case, learned without it. Where no sequence is worth it the fixed order decides.
    """
    scores = _dices(cases).mean(-1)
    found: dict[str, list[float]] = {"advice": [], "fixed": [], "random": []}
    for case, learned, score in zip(cases, steps, scores, strict=True):
        for s, subset in enumerate(SUBSETS):
            absent = [q for q in FIXED if q not in subset]
            if len(absent) < 2:
                continue
            worth = {q: score[SUBSETS.index(subset | {q})] for q in absent}
            best = max(worth.values())
            signs = {region: sign(case, s, k) for k, region in enumerate(REGIONS)}
            named = advise(learned, subset, signs, dict.fromkeys(REGIONS, 0.0))
            chosen = named[0].sequence if named else absent[0]
            found["advice"].append(best - worth[chosen])
            found["fixed"].append(best - worth[absent[0]])
            found["random"].append(best - fmean(worth.values()))
    return {name: fmean(values) for name, values in found.items()}


def _features(case: Measured, s: int) -> tuple[float, ...]:
    return features({region: sign(case, s, k) for k, region in enumerate(REGIONS)})


def _dices(cases: Sequence[Measured]) -> Array:
    """(cases, S, 3), 1 where neither outline nor reference has the region."""
    return np.array(
        [
            [
                [_or_one(dice(case, s, -1, k)) for k in range(len(REGIONS))]
                for s in range(len(SUBSETS))
            ]
            for case in cases
        ]
    )


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _widths(cases: Sequence[Measured], calibration: Calibration) -> Array:
    """(cases, S, 3) mL."""
    ends = [
        [
            [
                calibration.interval(subset, region, sign(case, s, k), synthetic=True)
                for k, region in enumerate(REGIONS)
            ]
            for s, subset in enumerate(SUBSETS)
        ]
        for case in cases
    ]
    return np.diff(np.array(ends), axis=-1)[..., 0]


def _regress(x: Array, y: Array) -> list[tuple[float, ...]]:
    """Weights for each of S subsets: x (n, S, features), the first of which is 1, y (n, S)."""
    means, level = x.mean(0), y.mean(0)
    a = (x - means)[..., 1:].reshape(-1, x.shape[-1] - 1)
    b = (y - level).ravel()
    w = np.linalg.solve(a.T @ a + RIDGE * np.eye(a.shape[1]), a.T @ b)
    return [(float(level[s] - means[s, 1:] @ w), *(float(v) for v in w)) for s in range(x.shape[1])]
