"""A head: the MNI152 average, bent into somebody's brain and folded anew.

The average of 152 people has hardly any sulci, so its cortex is made anew: sheets of CSF run in
from the surface, ribbons of grey matter follow them, white matter fills the rest. Ventricles,
deep nuclei and brain stem stay the template's.

Template: ICBM 152 nonlinear symmetric 2009a as bundled with nilearn (Fonov et al., NeuroImage 54,
2011, doi 10.1016/j.neuroimage.2010.07.033).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mckd.tumour.geometry import bounding_box
from train.tumour.phantoms.fields import (
    Bools,
    Floats,
    Ints,
    Numbers,
    Random,
    interpolated,
    logistic,
    smooth_field,
    smoothstep,
    waves,
)

SHAPE = (240, 240, 155)
"""Of a BraTS image, 1 mm, axes to the left, back and up."""
BOX_START, BOX = (45, 24, 0), (150, 200, 152)
"""The part of it that brains lie in; all maps are made on this box."""
CENTRE, TEMPLATE_CENTRE_MM = (119.5, 124.0, 72.0), (0.0, -17.5, 4.5)
"""The middle of the brain: voxel in the image, mm in MNI space."""
SIZE = (0.945, 0.955, 0.915)
"""BraTS's brains, which lie in the space of the SRI24 atlas, against MNI152."""

T = TypeVar("T", bound=np.generic)

MARGIN_MM, BORDER = 3.0, 8  # how far around the brain tissue is computed, and is known
RIBBON_MM = 2.7  # of the cortex
BENDS_MM = (90.0, 40.0, 16.0)  # grain of the deformation
FOLIA_MM = 4.6  # from one cleft of the cerebellum to the next
MIDDLE_MM = 25.0  # from the midplane to the middle of a hemisphere
FOLD_GRID, FOLD_STEP_MM = (96, 96, 96), 2.0

# What iron darkens in T2: middle in MNI mm (both sides), half axes in mm, how much.
IRON = (
    ((19.0, -3.0, 0.0), (6.0, 9.0, 5.0), 1.0),  # pallidum
    ((26.0, 3.0, 1.0), (5.0, 13.0, 9.0), 0.4),  # putamen
    ((7.0, -18.0, -9.0), (5.0, 6.0, 5.0), 0.8),  # red nucleus, substantia nigra
    ((16.0, -56.0, -34.0), (6.0, 7.0, 5.0), 0.6),  # dentate nucleus
)


@dataclass(frozen=True, eq=False)
class Template:
    """MNI152, 1 mm, RAS: maps (x, y, z) float32; origin_mm is where voxel (0, 0, 0) lies.

    surface: distance in mm to the outline of the brain, inside positive.
    pia: distance in mm to the outline or to the fissure between the hemispheres.
    residue: T1-weighted brightness that the tissue maps leave unexplained, in units of the
        difference between grey and white matter.
    cortex: from 0 to 1, where the cortex is folded anew.
    """

    origin_mm: tuple[float, float, float]
    surface: Floats
    pia: Floats
    grey: Floats
    white: Floats
    residue: Floats
    cortex: Floats


@dataclass(frozen=True)
class Head:
    """How somebody's brain differs from the template."""

    matrix: tuple[tuple[float, float, float], ...]  # (3, 3): mm in the head to mm in MNI space
    bend_mm: tuple[float, float, float]  # sigma of the displacement at each of BENDS_MM
    sulcus_mm: float  # half the width of a sulcus where it opens
    depth_mm: float  # of a sulcus
    fold_mm: float  # wavelength of the folds, two gyri
    ventricles: float  # log of how much more readily a voxel is ventricle


@dataclass(frozen=True, eq=False)
class Tissue:
    """What the N voxels in and around the brain are made of, each map (N,).

    index: of the voxels in the flattened box. where: (3, N), mm in MNI space.
    csf, grey, white: fractions, their sum is 1. fluid: the part of csf in ventricles.
    residue, surface, cortex: as in Template. sheet: mm to the middle of the nearest sulcus, signed.
    """

    index: Ints
    where: Floats
    csf: Floats
    grey: Floats
    white: Floats
    fluid: Floats
    residue: Floats
    surface: Floats
    cortex: Floats
    sheet: Floats

    def pick(self, volume: Floats) -> Floats:
        """The voxels (N,) of a map of the box (X, Y, Z)."""
        return np.asarray(volume.ravel()[self.index])

    def noise(self, grain_mm: float, random: Random) -> Floats:
        """(N,): a smooth field of variance 1."""
        return self.pick(smooth_field(BOX, grain_mm, random))

    def spread(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """Values (N,) as a map of the box (X, Y, Z), 0 elsewhere."""
        volume = np.zeros(BOX, values.dtype)
        volume.ravel()[self.index] = values
        return volume


@lru_cache(maxsize=1)
def load_template() -> Template:
    """The maps that come with nilearn. No network is used.

    Raises:
        RuntimeError: nilearn is not installed.
    """
    try:
        from nilearn import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise RuntimeError("Phantoms need nilearn's template: pip install nilearn") from None
    image = datasets.load_mni152_template(resolution=1)
    mask = np.asarray(datasets.load_mni152_brain_mask(resolution=1).dataobj) > 0
    brain = bounding_box(mask, margin=BORDER)
    inside = brain.crop(mask)
    t1, grey, white = (
        np.ascontiguousarray(brain.crop(loaded.get_fdata(dtype=np.float32)))
        for loaded in (
            image,
            datasets.load_mni152_gm_template(resolution=1),
            datasets.load_mni152_wm_template(resolution=1),
        )
    )
    x, y, z = (
        float(mm) + start for mm, start in zip(image.affine[:3, 3], brain.start, strict=True)
    )
    surface = _distance(inside) - _distance(~inside)
    grid = np.ogrid[: inside.shape[0], : inside.shape[1], : inside.shape[2]]
    mm = tuple((g + o).astype(np.float32) for g, o in zip(grid, (x, y, z), strict=True))
    fissure = (np.abs(mm[0]) < 0.6) & (white < 0.25)
    pia = _distance(inside & ~fissure)
    residue = _residue(t1, inside, grey, white)
    return Template((x, y, z), surface, pia, grey, white, residue, _cortex(grey, pia, *mm))


def _distance(mask: Bools) -> Floats:
    """mm from each voxel of the mask to the nearest one outside it."""
    return np.asarray(ndimage.distance_transform_edt(mask), np.float32)


def _residue(t1: Floats, inside: Bools, grey: Floats, white: Floats) -> Floats:
    """What is left of T1-weighted brightness after a linear fit of the tissue fractions."""
    csf = 1 - grey - white
    some = np.stack([csf[inside], grey[inside], white[inside]], 1)[::9].astype(np.float64)
    fit, *_ = np.linalg.lstsq(some, t1[inside][::9], rcond=None)
    of_csf, of_grey, of_white = (float(f) for f in fit.round(3))
    expected = of_csf * csf + of_grey * grey + of_white * white
    return np.asarray((t1 - expected) * inside / (of_white - of_grey), np.float32)


def _cortex(grey: Floats, pia: Floats, x: Floats, y: Floats, z: Floats) -> Floats:
    """1 in the cortex of the hemispheres, 0 in deep nuclei, brain stem, cerebellum, ventricles."""
    middle = (x / 39) ** 2 + ((y + 6) / 40) ** 2 + ((z - 3) / 26) ** 2
    cortex = smoothstep(ndimage.gaussian_filter(grey, 4.0), 0.16, 0.34) * smoothstep(pia, 26, 18)
    return cortex * smoothstep(middle, 0.8, 1.15) * (1 - below_tentorium(x, y, z))


def below_tentorium(x: Numbers, y: Numbers, z: Numbers) -> Floats:
    """1 in cerebellum and brain stem, 0 in the hemispheres; places in MNI mm."""
    cerebellum = np.maximum((-14 - z) / 6, 0) * np.maximum((-34 - y) / 8, 0)
    stem = np.maximum((-8 - z) / 6, 0) * (np.abs(x) < 18) * (y < -8)
    return smoothstep(cerebellum + stem, 0.2, 1.0)


def sample_head(random: Random) -> Head:
    tilt = np.radians(random.normal(0, 4, 3))
    shear = np.eye(3) + random.normal(0, 0.02, (3, 3)) * (1 - np.eye(3))
    size = np.array(SIZE) * random.normal(1, 0.025) * random.normal(1, 0.02, 3)
    mirror = np.array([random.choice([-1, 1]), 1, 1])
    matrix = _turn(0, tilt[0]) @ _turn(1, tilt[1]) @ _turn(2, tilt[2]) @ shear / size * mirror
    bend = random.uniform((1.0, 0.4, 0.2), (3.0, 1.1, 0.5))
    return Head(
        matrix=tuple((float(a), float(b), float(c)) for a, b, c in matrix),
        bend_mm=(float(bend[0]), float(bend[1]), float(bend[2])),
        sulcus_mm=float(random.uniform(-0.05, 0.45)),
        depth_mm=float(random.uniform(12, 19)),
        fold_mm=float(random.uniform(19, 25)),
        ventricles=float(random.normal(0.3, 0.9)),
    )


def _turn(axis: int, angle: float) -> npt.NDArray[np.float64]:
    a, b = (i for i in range(3) if i != axis)
    turn = np.eye(3)
    turn[a, a] = turn[b, b] = np.cos(angle)
    turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
    return turn


def place(head: Head, random: Random) -> Floats:
    """(3, X, Y, Z): for each voxel of the box, where in MNI space (mm) its tissue comes from."""
    x, y, z = (
        (step * (np.arange(n) + start - centre)).astype(np.float32)
        for n, start, centre, step in zip(BOX, BOX_START, CENTRE, (-1, -1, 1), strict=True)
    )
    where = np.empty((3, *BOX), np.float32)
    for axis, (a, b, c) in enumerate(head.matrix):
        where[axis] = (a * x)[:, None, None] + (b * y)[:, None] + (c * z + TEMPLATE_CENTRE_MM[axis])
        for grain, size in zip(BENDS_MM, head.bend_mm, strict=True):
            where[axis] += size * smooth_field(BOX, grain, random)
    return where


def push(where: Floats, displacement: Floats, head: Head) -> None:
    """Move the tissue by a displacement (3, X, Y, Z) in voxels, in place."""
    to_mm = np.array(head.matrix, np.float32) * np.array([-1, -1, 1], np.float32)
    where -= np.tensordot(to_mm, displacement, 1)


def look_up(template_map: Floats, where: Floats) -> Floats:
    """A map of the template at places (3, ...) in mm, linearly."""
    origin = np.array(load_template().origin_mm, np.float32)
    at = where - origin.reshape(3, *[1] * (where.ndim - 1))
    return interpolated(template_map, at)


def coarse_tissue(where: Floats) -> tuple[Floats, Floats, Floats]:
    """(grey, white, surface) of every second voxel, as in the template.

    Cerebellum and brain stem count as outside: gliomas of adults seldom start or end there.
    """
    template, where = load_template(), where[:, ::2, ::2, ::2]
    grey, white = look_up(template.grey, where), look_up(template.white, where)
    surface = look_up(template.surface, where)
    surface[below_tentorium(*where) > 0.5] = -MARGIN_MM
    return grey, white, surface


def make_tissue(head: Head, where: Floats, swelling: Floats, random: Random) -> Tissue:
    """Tissue of the whole brain. swelling (X, Y, Z), from 0 to 1, closes sulci."""
    template = load_template()
    surface = look_up(template.surface, where) + 0.5 * smooth_field(BOX, 20, random)
    index = np.flatnonzero(surface > -MARGIN_MM)
    where = where.reshape(3, -1)[:, index]
    surface, swelling = surface.ravel()[index], swelling.ravel()[index]
    grey, white, residue, cortex, pia = (
        look_up(m, where)
        for m in (template.grey, template.white, template.residue, template.cortex, template.pia)
    )
    fine, coarse = (smooth_field(BOX, grain, random).ravel()[index] for grain in (5, 18))
    old = _sharpened(grey, white, fine, smoothstep(surface, 12, 25) * head.ventricles)
    sheet, reach = _folds(head, where, index, random)
    width = head.sulcus_mm + 0.3 * coarse - (0.3 + max(head.sulcus_mm, 0)) * swelling
    new = _ribbon(sheet + 0.3 * fine, np.minimum(pia, np.maximum(surface, 0)), reach, width)
    solid = logistic(surface / 0.4) * (1 - _folia(where, surface, coarse))
    grey, white = (solid * (a + cortex * (b - a)) for a, b in zip(old, new, strict=True))
    csf = 1 - grey - white
    fluid = csf * smoothstep(surface, 9, 13) * (1 - cortex)
    residue *= 1 - cortex
    return Tissue(index, where, csf, grey, white, fluid, residue, surface, cortex, sheet)


def _sharpened(
    grey: Floats, white: Floats, wobble: Floats, ventricle: Floats
) -> tuple[Floats, Floats]:
    """Grey and white fractions of one person, from the blurred ones of an average of many."""
    power, floor = 2.2, 1e-3
    csf = (np.clip(1 - grey - white, 0, 1) + floor) ** power * np.exp(ventricle + 0.5 * wobble)
    grey = (grey + floor) ** power * np.exp(-0.4 * wobble)
    white = (white + floor) ** power
    total = csf + grey + white
    return grey / total, white / total


def _folds(head: Head, where: Floats, index: Ints, random: Random) -> tuple[Floats, Floats]:
    """(N,) signed mm to the middle of the nearest sulcus, and how many mm deep that reaches.

    A maze is drawn around each hemisphere's middle line and carried inwards along the rays, bent
    a little, so that sulci stand upright on the surface and wind along it.
    """
    field = waves(FOLD_GRID, head.fold_mm / FOLD_STEP_MM, random)
    slope = np.sqrt(np.sum(np.square(np.gradient(field)), 0)) / FOLD_STEP_MM
    maze = (field / (slope + 0.35 * slope.mean())).astype(np.float32)
    depths = smooth_field(FOLD_GRID, 24 / FOLD_STEP_MM, random)
    bend = np.stack([smooth_field(BOX, 26, random).ravel()[index] for _ in range(3)])
    x, y, z = where
    side = np.where(x < 0, -1, 1).astype(np.float32)
    middle = np.stack([MIDDLE_MM * side, np.clip(y, -55, 22), np.clip(z, -5, 25)])
    ray = where - middle
    stretch = 30 / (np.sqrt((ray**2).sum(0)) + 1e-3) + 0.35
    at = (middle + ray * stretch + 60 * side + 3.5 * bend) / FOLD_STEP_MM
    sheet = interpolated(maze, at, wrap=True) / np.clip(stretch, 0.7, 2)
    reach = head.depth_mm + 4 * interpolated(depths, at, wrap=True)
    return np.asarray(sheet, np.float32), np.asarray(reach, np.float32)


def _ribbon(sheet: Floats, pia: Floats, reach: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Grey and white fractions of folded cortex. All in mm; width is half a sulcus's."""
    beyond = np.maximum(pia - reach, 0)
    opening = width * (1.25 - 0.75 * np.clip(pia / reach, 0, 1)) + 0.15
    to_pia = np.minimum(np.sqrt(sheet**2 + beyond**2) - opening, pia - 0.5 - width)
    csf = logistic(-to_pia / 0.25)
    grey = np.clip(logistic((RIBBON_MM - to_pia) / 0.4) - csf, 0, 1)
    return grey, 1 - csf - grey


def _folia(where: Floats, surface: Floats, wobble: Floats) -> Floats:
    """CSF fraction (N,) of the narrow clefts of the cerebellum, shells around its front."""
    clefts = np.zeros(len(surface), np.float32)
    x, y, z = where
    near = np.flatnonzero((y < -40) & (z < -16) & (surface < 16))
    away = np.sqrt((0.8 * x[near]) ** 2 + (y[near] + 36) ** 2 + (1.2 * (z[near] + 22)) ** 2)
    shell = np.cos(2 * np.pi * (away + 1.2 * wobble[near]) / FOLIA_MM)
    inwards = smoothstep(surface[near], 16, 2)
    clefts[near] = 0.5 * smoothstep(shell, 0.55, 1) * inwards * below_tentorium(*where[:, near])
    return clefts


def iron(where: Floats) -> Floats:
    """(N,): from 0 to 1, how much iron shortens T2 at places (3, N) in MNI mm."""
    amount = np.zeros(where.shape[1], np.float32)
    low, high = np.array([-36, -64, -42]), np.array([36, 24, 14])
    near = np.flatnonzero(((where > low[:, None]) & (where < high[:, None])).all(0))
    x, y, z = where[:, near]
    for (cx, cy, cz), (rx, ry, rz), strength in IRON:
        apart = ((np.abs(x) - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2
        amount[near] = np.maximum(amount[near], strength * smoothstep(apart, 1.3, 0.5))
    return amount
