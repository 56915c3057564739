"""Whether two visits can be of one head, told by the pattern of its folds and hollows.

    one, other = Head.of(case), Head.of(case_of_another_visit)
    one.agreement(other)                  # about .8 for one head, .3 for two

Folds differ from person to person, and a rigid motion brings those of one person onto each other
whatever has grown. A pattern is the image in voxels of COARSE_MM less its mean over WIDE_MM around,
in deviations of the same surroundings: so neither the scanner's brightness nor the outline that a
preparation left says anything. Two visits are compared by the sequences that both have, at the
motion where these agree best; agreement is the correlation of both patterns there, averaged over
the sequences.

The limit was set by `python -m train heads`, see RESULTS.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from mckd.tumour.geometry import Bools, Doubles
from mckd.tumour.naming import SEQUENCES

if TYPE_CHECKING:
    from mckd.tumour.data import Case
    from mckd.tumour.nifti import Floats

LEAST_AGREEMENT = 0.55
"""Heads that agree less may be those of two people."""
ENOUGH = 0.7
"""Heads that agree so well as they lie are one: no better motion is sought."""
COARSE_MM = 4.0
WIDE_MM = 12.0  # deviation of the surroundings that a voxel is compared with
STEPS = 40  # of a pattern, to one deviation
CALM = 0.3  # of the usual deviation: where there is less, noise would be all there is
FEWEST = 4000  # voxels of COARSE_MM, 256 mL
LEAST_SHARED = 0.5  # of the smaller head within the other
NODS, TURNS, LIFTS = (-24.0, -12.0, 0.0, 12.0, 24.0), (-12.0, 0.0, 12.0), (-3.0, 0.0, 3.0)
"""Where the search begins: degrees about the axis to the right; about the two others; voxels up."""
KEPT_STARTS = 4
SMOOTH = 1.5  # voxels of COARSE_MM: blur of the patterns that starts are tried on
EVERY = 7  # of so many voxels one is looked at
UNIT = np.array([0.1, 0.1, 0.1, 1.5, 1.5, 1.5])  # of a motion: radians, voxels
SEARCH = {"maxiter": 5, "xtol": 0.02, "ftol": 1e-4}
TINY = 1e-6

Pattern = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Head:
    """patterns: {sequence: (x, y, z)}, canonical axes, voxels of COARSE_MM, STEPS to a deviation;
    0 outside the brain, and only there."""

    patterns: Mapping[str, Pattern]
    _known: WeakKeyDictionary[Head, float | None] = field(default_factory=WeakKeyDictionary)

    @classmethod
    def of(cls, case: Case) -> Head:
        """What outlives the images of a visit: neither skull nor face, a picture of 4 mm."""
        return cls(
            {s: _pattern(case.brain.crop(v), case.spacing_mm) for s, v in case.volumes.items()}
        )

    def agreement(self, other: Head) -> float | None:
        """See the module; None where no sequence is common or too little of a brain is seen. Worked
        out once."""
        if other not in self._known:
            self._known[other] = other._known[self] = _agreement(self, other)
        return self._known[other]


def _agreement(one: Head, other: Head) -> float | None:
    names = [s for s in SEQUENCES if s in one.patterns and s in other.patterns]
    pairs = [(one.patterns[s], other.patterns[s]) for s in names]
    sizes = [(np.count_nonzero(a), np.count_nonzero(b)) for a, b in pairs]
    if not pairs or np.min(sizes) < FEWEST:
        return None
    if sizes[0][0] > sizes[0][1]:
        pairs = [(b, a) for a, b in pairs]  # the smaller one may lie within the other
    rough = _Match([(_smooth(a), _smooth(b)) for a, b in pairs])
    exact = _Match(pairs)
    found = exact.at(np.zeros(6))  # as they lie, the middles on each other
    if found < ENOUGH:
        starts = sorted(_starts(), key=rough.at, reverse=True)[:KEPT_STARTS]
        near = max((rough.best(start) for start in starts), key=rough.at)
        found = exact.at(exact.best(near))
    return found


class _Match:
    """How well patterns agree after a motion, (6,): three turns and three shifts, in UNIT."""

    def __init__(self, pairs: Sequence[tuple[Floats | Pattern, Floats | Pattern]]) -> None:
        one, other = pairs[0]
        inside = np.argwhere(one)
        self._middle, self._there = inside.mean(0), np.argwhere(other).mean(0)
        self._points = inside[::EVERY]
        self._pairs = [(a[tuple(self._points.T)].astype(np.float32), b) for a, b in pairs]

    def at(self, motion: Doubles) -> float:
        """-1 to 1; 0 where too little of the heads lies on each other."""
        turn, shift = np.split(motion * UNIT, 2)
        turned = Rotation.from_rotvec(turn).apply(self._points - self._middle)
        places = (turned + self._there + shift).T
        return fmean(
            _correlation(values, ndimage.map_coordinates(other, places, np.float32, order=1))
            for values, other in self._pairs
        )

    def best(self, start: Doubles) -> Doubles:
        """The motion that a start leads to, by Powell's method."""
        found = optimize.minimize(
            lambda motion: -self.at(motion), start, method="Powell", options=SEARCH
        )
        return np.asarray(found.x, np.float64)


def _correlation(one: Floats, other: Floats) -> float:
    """About 0, where both are known; both are deviations from their surroundings."""
    known = (one != 0) & (other != 0)
    if np.count_nonzero(known) < LEAST_SHARED * len(one):
        return 0.0
    a, b = one[known], other[known]
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _starts() -> Iterator[Doubles]:
    for nod, lean, turn, lift in product(NODS, TURNS, TURNS, LIFTS):
        yield np.array([*np.radians((nod, lean, turn)), 0.0, 0.0, lift]) / UNIT


# ---- patterns


def _pattern(volume: Floats, spacing_mm: Sequence[float]) -> Pattern:
    """(X, Y, Z), 0 outside the brain, as a pattern; see the module."""
    coarse, inside = _coarse(volume, spacing_mm)
    off = (coarse - _around(coarse, inside)) * inside
    deviation = np.sqrt(_around(np.square(off), inside))
    usual = float(np.median(deviation[inside])) if inside.any() else 0.0
    steps = np.rint(STEPS * off / (deviation + CALM * usual + TINY)).clip(-127, 127)
    steps[inside & (steps == 0)] = 1  # 0 is outside
    return np.asarray(steps, np.int8)


def _coarse(volume: Floats, spacing_mm: Sequence[float]) -> tuple[Floats, Bools]:
    """Means over the brain around points COARSE_MM apart, and which of them lie in it."""
    step = np.divide(COARSE_MM, spacing_mm)
    shape = [max(2, round(n / s) + 2) for n, s in zip(volume.shape, step, strict=True)]
    first = [(n - 1 - s * (k - 1)) / 2 for n, s, k in zip(volume.shape, step, shape, strict=True)]
    total, share = (
        ndimage.affine_transform(
            ndimage.gaussian_filter(v, step / 2, truncate=2.0), step, first, tuple(shape), order=1
        )
        for v in (volume, (volume != 0).astype(np.float32))
    )
    inside = share > 0.5
    return np.where(inside, total / np.maximum(share, 0.5), 0).astype(np.float32), inside


def _around(coarse: Floats, inside: Bools) -> Floats:
    """The mean of the brain over WIDE_MM around."""
    wide = WIDE_MM / COARSE_MM
    total, share = (
        ndimage.gaussian_filter(v, wide, truncate=3.0)
        for v in (coarse * inside, inside.astype(np.float32))
    )
    return np.asarray(total / np.maximum(share, TINY), np.float32)


def _smooth(pattern: Pattern) -> Floats:
    return np.asarray(ndimage.gaussian_filter(pattern.astype(np.float32), SMOOTH), np.float32)
