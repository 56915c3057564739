"""What the picture itself says of a sequence: whether fluid is bright, and whether vessels are.

Deep in a head lie the ventricles: on T2 their fluid is the brightest there, on FLAIR and T1 it is
the darkest. After contrast the vessels between the hemispheres and at the base are bright spots.

The limits were set on 83 series of 26 heads (BraTS 2021, MS, raw and thick clinical series,
volunteers, a child). Under their own names none of them is doubted; called T2, all 64 FLAIR, T1 and
T1c are, as are all 19 T2 called anything else, 19 of 23 T1 called T1c and 11 of 21 T1c called T1.
FLAIR and T1 are not told from each other. A picture never decides a role: it raises doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from mckd.clinic.roles import Guess
from mckd.tumour.background import above_air
from mckd.tumour.geometry import Bools, Grid, Triple
from mckd.tumour.nifti import Floats

COARSE_MM, FINE_MM = 3.0, 1.5
TISSUE = 0.3  # of the brightness of a head: darker is air or bone
UPPER_MM = 90.0  # below the top of a head lies its base, with air and fat in it
VESSEL_MM = 75.0
DEEPEST = 0.62  # of the greatest depth: the middle of the brain, with its ventricles
INSIDE_MM = 22.0  # from the surface of the head: within its skull
SPOT_MM = 10.0
FEWEST = 500
WIDEST_MM = 230.0, 290.0

BRIGHT_FLUID, BRIGHT_TAIL = 0.2, 1.23
USUAL_DARK, USUAL_TAIL = 0.62, 1.3
DARK_VESSELS, BRIGHT_VESSELS, BRIGHT_SPOTS = 1.4, 1.5, 0.7


@dataclass(frozen=True)
class Look:
    """Figures of the middle of a head, all relative to its median.

    fluid: over BRIGHT_FLUID if what is far from the median there is bright rather than dark. tail:
    the 92nd percentile. vessels: the 99.9th within the skull; spots: of what stands out of 10 mm
    around it. size_mm: of what is not air, from right to left and from back to front.
    """

    fluid: float
    tail: float
    vessels: float
    spots: float
    size_mm: tuple[float, float]

    @property
    def is_a_head(self) -> bool:
        return self.size_mm[0] < WIDEST_MM[0] and self.size_mm[1] < WIDEST_MM[1]

    @property
    def fluid_is_bright(self) -> bool:
        return self.fluid > BRIGHT_FLUID and self.tail > BRIGHT_TAIL

    @property
    def vessels_are_bright(self) -> bool:
        return self.vessels > BRIGHT_VESSELS and self.spots > BRIGHT_SPOTS

    @property
    def vessels_are_dark(self) -> bool:
        return self.vessels < DARK_VESSELS


def look_at(voxels: Floats, grid: Grid) -> Look | None:
    """What a series (X, Y, Z) on its grid shows; None where too little of a head is seen."""
    if (np.array(voxels.shape) < _block(grid, COARSE_MM)).any():
        return None
    voxels = above_air(voxels)
    coarse, where = _canonical(voxels, grid, COARSE_MM)
    head = _head(coarse)
    if not head.any():
        return None
    spacing = where.spacing_mm
    depth = ndimage.distance_transform_edt(np.pad(head, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    area = head.sum((0, 1))
    top = int(np.flatnonzero(area > 0.3 * area.max()).max())
    below = (top - np.arange(head.shape[2])) * spacing[2]
    upper = head & (below >= 0) & (below < UPPER_MM)
    core = upper & (depth > DEEPEST * depth[head & (below < VESSEL_MM)].max())
    inside = head & (depth > INSIDE_MM) & (below > SPOT_MM) & (below < VESSEL_MM)
    values = coarse[core]
    if min(core.sum(), inside.sum()) < FEWEST or np.median(values) <= 0:
        return None
    dark, tail = np.percentile(values, (3, 92)) / np.median(values)
    fluid = 3 * np.log(max(dark, 0.01) / USUAL_DARK) + np.log(max(tail, 0.01) / USUAL_TAIL)
    vessels, spots = _vessels(voxels, grid, inside)
    size = [float(np.ptp(np.argwhere(head)[:, axis]) + 1) * spacing[axis] for axis in (0, 1)]
    return Look(float(fluid), float(tail), vessels, spots, (size[0], size[1]))


def _vessels(voxels: Floats, grid: Grid, inside: Bools) -> tuple[float, float]:
    fine, where = _canonical(voxels, grid, FINE_MM)
    nearest = [
        np.minimum(np.arange(n) * inside.shape[axis] // n, inside.shape[axis] - 1)
        for axis, n in enumerate(fine.shape)
    ]
    there = inside[np.ix_(*nearest)]
    size = [max(1, round(SPOT_MM / mm)) for mm in where.spacing_mm]
    standing_out = fine - ndimage.uniform_filter(fine, size)
    median = float(np.median(fine[there]))
    vessels, spots = (np.percentile(v[there], 99.9) / median for v in (fine, standing_out))
    return float(vessels), float(spots)


def _block(grid: Grid, mm: float) -> list[int]:
    """The voxels along each axis that measure about `mm`."""
    return [max(1, round(mm / spacing)) for spacing in grid.spacing_mm]


def _canonical(voxels: Floats, grid: Grid, mm: float) -> tuple[Floats, Grid]:
    """Means over blocks of about `mm`, in canonical orientation."""
    factors = _block(grid, mm)
    sizes = [n // factor for n, factor in zip(voxels.shape, factors, strict=True)]
    cut = voxels[tuple(slice(n * factor) for n, factor in zip(sizes, factors, strict=True))]
    (a, b, c), (i, j, k) = sizes, factors
    means = cut.reshape(a, i, b, j, c, k).mean((1, 3, 5))
    shape: Triple = (a, b, c)
    smaller = Grid(shape, grid.affine @ np.diag([*map(float, factors), 1.0]))
    return smaller.to_canonical(means), smaller.canonical


def _head(volume: Floats) -> Bools:
    """The largest piece that is not air or bone, filled slice by slice along each axis."""
    some = volume[volume > 0.1 * np.percentile(volume, 99)]
    if not some.size:
        return np.zeros(volume.shape, np.bool_)
    pieces, count = ndimage.label(ndimage.binary_opening(volume > TISSUE * np.median(some)))
    if not count:
        return np.zeros(volume.shape, np.bool_)
    head = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    for axis in range(3):
        for place in np.moveaxis(head, axis, 0):
            place[:] = ndimage.binary_fill_holes(place)
    return np.asarray(head, np.bool_)


def compared(guess: Guess, look: Look | None) -> Guess:
    """A guess, with a doubt where the picture contradicts it, and a hint where it is open."""
    if look is None or guess.aside or guess.doubt:
        return guess
    if not look.is_a_head:
        return Guess(frozenset(), "set aside: what it shows is wider than a head", aside=True)
    if guess.slots == {"t2"} and not look.fluid_is_bright:
        doubt = "taken for T2, but its fluid is not bright: FLAIR or T1?"
    elif "t2" not in guess.slots and look.fluid_is_bright:
        doubt = "its fluid is bright, as on T2"
    elif guess.slots == {"t1c"} and look.vessels_are_dark:
        doubt = "taken for T1 with contrast, but no vessel is bright"
    elif guess.slots == {"t1"} and look.vessels_are_bright:
        doubt = "taken for T1 without contrast, but vessels are bright"
    else:
        return _hinted(guess, look)
    return replace(guess, doubt=doubt)


def _hinted(guess: Guess, look: Look) -> Guess:
    if len(guess.slots) == 1:
        return guess
    hint = (
        "fluid is bright, as on T2" if look.fluid_is_bright else "fluid is dark, as on FLAIR or T1"
    )
    if guess.slots == {"t1", "t1c"}:
        hint = "vessels are bright" if look.vessels_are_bright else "no vessel stands out"
    return replace(guess, why=f"{guess.why}; {hint}")
