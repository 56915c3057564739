"""Whether a sequence misleads: it lies elsewhere, moved in the scanner, is a copy, or is swapped.

    looked = look_at(case.volumes, case.spacing_mm)
    suspects(looked)                                  # {sequence: sentence}

No label and no network: only what the images say of each other, in slices across the thickest axis,
about SLICES_MM apart, well inside the brain, so that no outline of a brain tells anything.

Images of one head that lie on each other have their edges at the same places and along the same
lines, whatever is bright in them. `shared` measures that by normalised gradient fields (Haber and
Modersitzki, MICCAI 2006), against the same images FAR voxels apart, as edges of brains agree a
little anywhere. Which sequence is which is told by three rules of physics (`RULES`), and what was
saved twice by its noise, which no two scans have in common.

Limits were set by `python -m train corrupt`, see RESULTS.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from scipy import ndimage
from scipy.stats import spearmanr

from mckd.tumour.geometry import Bools
from mckd.tumour.naming import SEQUENCE_NAMES, SEQUENCES
from mckd.tumour.nifti import Floats

SLICES_MM = 5.0
COARSEST_MM = 1.5  # voxels in a slice; limits were set on 1 mm
EDGE = 1.0  # blur before edges are sought, voxels
INSIDE = 4  # voxels from where any sequence is 0
FAR = 6  # voxels
TINY = 1e-6  # keeps logarithms of 0 and quotients by 0 away
FEWEST = 5000  # voxels inside, for any of it to mean something
SAMPLE = 100_000  # of them, enough for ranks and percentiles
VESSELS = 0.5  # per cent of the voxels that gain most after contrast

# In brackets: the range over 18 real and 21 synthetic cases with nothing wrong.
LEAST_PLACED = 0.45  # (.39 to .8 and .76 to .98: the least of each case's sequences)
LEAST_OF_TWO = 0.1  # (.08 to .8)
A_COPY = 0.97  # (up to .59 and .84)
NOISY = -2.0  # (up to -2.3 and -3.0)

Pair = tuple[str, str]


@dataclass(frozen=True)
class Looked:
    """What the images of a case say of each other. Empty where too little of a brain is seen, or
    its voxels are coarser than COARSEST_MM.

    shared: {pair: ln of how well edges agree, against FAR voxels apart}: 0 for two heads. detail:
    {pair: correlation of what is finer than 3 voxels}. noise: {sequence: ln of the fine detail
    where there is little, in deviations of the brain}. rules: {pair: how far it is on the right
    side of its rule, see `RULES`}; negative if that is broken.
    """

    shared: Mapping[Pair, float]
    detail: Mapping[Pair, float]
    noise: Mapping[str, float]
    rules: Mapping[Pair, float]


NOTHING = Looked({}, {}, {}, {})

WHY = "another patient's image, a wrong position, or moved while it was scanned?"
_FLUID = "Fluid is the brightest on T2."
_TISSUE = "Grey and white matter are on FLAIR as on T2."
RULES: Mapping[Pair, str] = {
    ("flair", "t2"): _FLUID,
    ("t1", "t2"): _FLUID,
    ("t1c", "t2"): _FLUID,
    ("flair", "t1"): _TISSUE,
    ("flair", "t1c"): _TISSUE,
    ("t1", "t1c"): "After contrast vessels are bright.",
}
"""What tells a pair of sequences apart. Exchanging their names changes the sign of a rule."""


def look_at(volumes: Mapping[str, Floats], spacing_mm: Sequence[float]) -> Looked:
    """volumes: {sequence: (x, y, z) float32 in any unit, 0 outside the brain}, on one grid."""
    across = max(range(3), key=lambda axis: (round(spacing_mm[axis], 2), axis))
    if max(mm for axis, mm in enumerate(spacing_mm) if axis != across) > COARSEST_MM:
        return NOTHING
    step = max(1, round(SLICES_MM / spacing_mm[across]))
    slices = {s: _in_deviations(np.moveaxis(v, across, 0)[::step]) for s, v in volumes.items()}
    inside = _well_inside(slices)
    if np.count_nonzero(inside) < FEWEST:
        return NOTHING
    smooth = {s: ndimage.uniform_filter(v, (0, 3, 3)) for s, v in slices.items()}
    fine = {s: (v - smooth[s])[inside] for s, v in slices.items()}
    edges = {s: _edges(v, inside) for s, v in slices.items()}
    pairs = list(combinations(slices, 2))
    some = slice(None, None, 1 + np.count_nonzero(inside) // SAMPLE)
    return Looked(
        shared={(a, b): _shared(edges[a], edges[b], inside) for a, b in pairs},
        detail={(a, b): float(np.corrcoef(fine[a], fine[b])[0, 1]) for a, b in pairs},
        noise={s: _noise(fine[s], v[inside]) for s, v in slices.items()},
        rules=_rules({s: v[inside][some] for s, v in smooth.items()}),
    )


def placed(looked: Looked) -> dict[str, float]:
    """{sequence: how well its edges agree with the others', against those with each other}.

    About 1 where all lie on each other, near 0 for one that does not. Needs three sequences.
    """
    names = [s for s in SEQUENCES if any(s in pair for pair in looked.shared)]
    found = {}
    for name in names if len(names) > 2 else ():
        own = fmean(v for pair, v in looked.shared.items() if name in pair)
        others = fmean(v for pair, v in looked.shared.items() if name not in pair)
        found[name] = own / max(others, TINY)
    return found


def suspects(looked: Looked) -> dict[str, str]:
    """{sequence: a sentence}, empty if none misleads. What concerns two stands under both.

    A copy agrees so well with its twin that others seem to lie elsewhere, and one that lies
    elsewhere upsets the rules: what comes first is judged first.
    """
    return _copies(looked) or _elsewhere(looked) | _noisy(looked) or _swapped(looked)


def _copies(looked: Looked) -> dict[str, str]:
    found: dict[str, str] = {}
    for (a, b), alike in looked.detail.items():
        if alike > A_COPY:
            said = (
                f"{_name(a)} and {_name(b)} show the same scan, to the noise: one is a copy of the "
                "other under a wrong name."
            )
            found |= {a: said, b: said}
    return found


def _elsewhere(looked: Looked) -> dict[str, str]:
    found = {
        s: f"{_name(s)} does not lie on the other sequences: {WHY}"
        for s, share in placed(looked).items()
        if share < LEAST_PLACED
    }
    if len(looked.shared) == 1:
        ((a, b), share) = next(iter(looked.shared.items()))
        if share < LEAST_OF_TWO:
            found = dict.fromkeys(
                (a, b), f"{_name(a)} and {_name(b)} do not lie on each other: {WHY}"
            )
    return found


def _noisy(looked: Looked) -> dict[str, str]:
    return {
        s: f"{_name(s)} is much noisier than scans that the model knows."
        for s, level in looked.noise.items()
        if level > NOISY
    }


def _swapped(looked: Looked) -> dict[str, str]:
    """The pair that breaks a rule most; that fluid is brightest on T2 comes first, as the rule for
    FLAIR compares with it."""
    broken = {pair: by for pair, by in looked.rules.items() if by < 0}
    of_fluid = {pair: by for pair, by in broken.items() if "t2" in pair} or broken
    if not broken:
        return {}
    pair = min(of_fluid, key=lambda p: of_fluid[p])
    a, b = map(_name, pair)
    said = f"{a} looks as {b} should and {b} as {a}: are the two swapped? {RULES[pair]}"
    return dict.fromkeys(pair, said)


def _name(sequence: str) -> str:
    return SEQUENCE_NAMES[sequence]


# ---- pictures


def _in_deviations(slices: Floats) -> Floats:
    """Values in deviations of those that are not 0: only so is TINY little in any unit."""
    seen = slices[slices != 0]
    return slices / np.float32(seen.std(dtype=np.float64) or 1) if seen.size else slices


def _well_inside(slices: Mapping[str, Floats]) -> Bools:
    """(n, a, b): INSIDE voxels or more from where any sequence is 0."""
    brain = np.logical_and.reduce([v != 0 for v in slices.values()])
    in_plane = ndimage.generate_binary_structure(2, 1)[None]
    return np.asarray(ndimage.binary_erosion(brain, in_plane, INSIDE), np.bool_)


def _edges(slices: Floats, inside: Bools) -> Floats:
    """(2, n, a, b): gradients in the plane, of a length near 1 where it is above the median's."""
    smooth = ndimage.gaussian_filter(slices, (0, EDGE, EDGE))
    gradient = np.stack(np.gradient(smooth, axis=(1, 2)))
    squared = np.square(gradient).sum(0)
    usual = np.median(squared[inside])
    unit: Floats = gradient / np.sqrt(squared + usual + TINY)
    return unit


def _shared(one: Floats, other: Floats, inside: Bools) -> float:
    """ln of the mean squared cosine between edges, over that FAR voxels apart in four ways."""
    here = _agreement(one, other, inside)
    apart = [
        _agreement(one, np.roll(other, by, axis), inside) for axis in (2, 3) for by in (-FAR, FAR)
    ]
    return math.log((here + TINY) / (fmean(apart) + TINY))


def _agreement(one: Floats, other: Floats, inside: Bools) -> float:
    return float(np.square(np.einsum("i...,i...->...", one, other))[inside].mean())


def _noise(fine: Floats, values: Floats) -> float:
    return math.log((np.percentile(np.abs(fine), 25) + TINY) / (values.std() + TINY))


# ---- names


def _rules(values: Mapping[str, Floats]) -> dict[Pair, float]:
    """{pair of sequences: how far it is on the right side of its rule}, see `RULES`."""
    present = [s for s in SEQUENCES if s in values]
    found: dict[Pair, float] = {}
    if "t2" in values:
        tails = {s: _tail(v, 1.0) for s, v in values.items()}
        found |= {(s, "t2"): tails["t2"] - tails[s] for s in present if s != "t2"}
        alike = {s: float(spearmanr(values[s], values["t2"]).statistic) for s in present}
        if "flair" in values:
            found |= {("flair", s): alike["flair"] - alike[s] for s in ("t1", "t1c") if s in values}
    if {"t1", "t1c"} <= values.keys():
        one, other = (_level(values[s]) for s in ("t1", "t1c"))
        found["t1", "t1c"] = _tail(other - one, VESSELS)
    return found


def _tail(values: Floats, percent: float) -> float:
    """ln of how far the brightest lie from the median, against the darkest."""
    low, middle, high = np.percentile(values, (percent, 50, 100 - percent))
    return math.log((high - middle + TINY) / (middle - low + TINY))


def _level(values: Floats) -> Floats:
    """In units of the middle half of the values, from their median."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return np.asarray((values - middle) / (high - low + TINY), np.float32)
