"""A glioma grows: an invading front, oedema ahead of it, and the pressure of its mass.

The density u of tumour cells obeys the Fisher-Kolmogorov equation (Swanson et al., Cell
Proliferation 33, 2000, doi 10.1046/j.1365-2184.2000.00177.x)

    du/dt = div(D grad u) + rho u (1 - u)

where D, the diffusivity, is high along white matter, low in grey matter and 0 in CSF. Fronts are
about sqrt(D / rho) wide and stop where D is 0: outlines follow the anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from train.tumour.phantoms.anatomy import BOX
from train.tumour.phantoms.fields import (
    Floats,
    Random,
    Triple,
    enlarged,
    interpolated,
    smooth_field,
    smoothstep,
)

GRID_MM = 2  # of the equation
KINDS = {"ring": 0.54, "solid": 0.12, "patchy": 0.06, "none": 0.28}
"""How a tumour takes up contrast agent, and the part of all tumours that do so: in a rim around
necrosis, throughout, in a few nodules, nowhere."""

FASTEST = 2.2  # diffusivity, 1 in white matter; sets the time step
MOST_STEPS, PATIENCE = 900, 100  # of these without growth
FAR_MM = -40.0  # stands for outside the region that was computed
LARGEST_PUSH_MM = 22.0  # the radius from which a tumour pushes no harder

Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Tumour:
    """What kind of tumour. See `lesion` for the fields about its inside."""

    kind: str  # of KINDS
    core_ml: float
    oedema_ml: float
    foci: int
    satellite: bool  # one more focus further off
    front_mm: float  # sqrt(D / rho) in white matter
    grey_speed: float  # D in grey matter
    unevenness: float  # sigma of the log of D from place to place
    push: float  # peak displacement, in radii
    rim_mm: float
    rim_noise: float  # sigma of the log of the rim's thickness
    holes: float  # the part of the rim that does not enhance
    septa: bool  # enhancing walls inside
    lopsided_mm: float  # how far the core reaches beyond the rim, up to
    bleeding: float  # the part of the necrosis that is old blood


@dataclass(frozen=True, eq=False)
class Lesion:
    """What grew, on the box (X, Y, Z).

    core, oedema: signed distance in mm to the outline, inside positive; oedema's holds the core.
    displacement: (3, X, Y, Z) in voxels: tissue at p came from p - displacement.
    """

    core: Floats
    oedema: Floats
    displacement: Floats


def sample_tumour(random: Random) -> Tumour:
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    if kind in ("none", "patchy"):
        core_ml = _lognormal(38, 0.85, 3, 150, random)
        # All that is bright in FLAIR is often core.
        oedema_ml = core_ml * _lognormal(0.6, 1.3, 0.03, 130 / core_ml, random)
    else:
        # A ring of a millilitre may lie in a hundred of oedema: neither size tells the other.
        core_ml = _lognormal(16, 1.25, 0.5, 130, random)
        oedema_ml = _lognormal(42, 0.9, 2, 180, random)
    if kind == "solid":
        core_ml = min(core_ml / 2, 50.0)
    return Tumour(
        kind=kind,
        core_ml=core_ml,
        oedema_ml=oedema_ml,
        foci=int(random.choice([1, 2, 3], p=[0.55, 0.3, 0.15])),
        satellite=bool(random.random() < 0.15),
        front_mm=float(random.uniform(2.8, 4.8)),
        grey_speed=float(random.uniform(0.12, 0.5)),
        unevenness=float(random.uniform(0.4, 1.0)),
        push=float(random.uniform(0.05, 0.4)),
        rim_mm=float(np.clip(3.4 * np.exp(0.4 * random.standard_normal()), 1.8, 9)),
        rim_noise=float(random.uniform(0.2, 0.5)),
        holes=float(random.choice([0.02, 0.08, 0.2], p=[0.5, 0.3, 0.2])),
        septa=bool(random.random() < 0.35),
        lopsided_mm=float(random.choice([0.0, 6.0, 14.0], p=[0.65, 0.2, 0.15])),
        bleeding=float(random.choice([0.0, 0.15], p=[0.8, 0.2])),
    )


def _lognormal(median: float, spread: float, least: float, most: float, random: Random) -> float:
    return float(np.clip(median * np.exp(spread * random.standard_normal()), least, most))


def grow(
    tumour: Tumour,
    grey: Floats,
    white: Floats,
    surface: Floats,
    random: Random,
    share: float = 1.0,
) -> Lesion:
    """Core, oedema and displacement. The core grows to the size that its mass effect completes.

    grey, white: tissue fractions of every second voxel of the box, (x, y, z). surface: the same
    voxels' distance in mm to the brain's outline, inside positive. share: of its volumes that the
    tumour has reached: with less than 1 the same tumour at an earlier visit.
    """
    middle = _place(white, surface, random)
    then = replace(tumour, core_ml=share * tumour.core_ml, oedema_ml=share * tumour.oedema_ml)
    core_ml = _before_push_ml(then)
    whole_ml = core_ml + then.oedema_ml
    reach_mm = radius_mm(_before_push_ml(tumour) + tumour.oedema_ml)
    window = _window(middle, 20 + 2.1 * reach_mm + 20 * tumour.satellite, white.shape)
    grey, white, surface = grey[window], white[window], surface[window]
    room = (surface > 1.5) * smoothstep(grey + white, 0.35, 0.7)
    tracts = smoothstep(white, 0.3, 0.8)
    uneven = np.exp(tumour.unevenness * smooth_field(white.shape, 11, random))
    mobility = room * (tracts + tumour.grey_speed * (1 - tracts)) * uneven
    seeds = _seeds(tumour, middle, window, random) * (mobility > 0.02)
    cells = _spread(seeds, mobility, tumour.front_mm, core_ml)
    core = _outline(cells)
    uneven = np.exp(0.5 * smooth_field(white.shape, 9, random))
    mobility = room * (white**1.5 + 0.06 * (1 - white)) * uneven
    start = (cells > 0.5).astype(np.float32)
    oedema = _outline(_spread(start, mobility, 1.25 * tumour.front_mm, whole_ml))
    away = _away(then, cells)
    return Lesion(
        _fine(core, window, FAR_MM),
        _fine(np.maximum(oedema, core), window, FAR_MM),
        np.stack([_fine(component, window, 0) for component in away]),
    )


def no_lesion() -> Lesion:
    """Nothing grew, nothing is pushed."""
    nowhere = np.full(BOX, FAR_MM, np.float32)
    return Lesion(nowhere, nowhere, np.zeros((3, *BOX), np.float32))


def displaced(lesion: Lesion) -> Lesion:
    """The lesion with its outlines moved by its own displacement."""
    near = lesion.oedema > -15
    window = ndimage.find_objects(near.astype(np.uint8))[0]
    moved_to = lesion.displacement[(slice(None), *window)]
    source = np.indices(moved_to.shape[1:], np.float32) - moved_to
    outlines = []
    for outline in (lesion.core.copy(), lesion.oedema.copy()):
        outline[window] = interpolated(outline[window], source)
        outlines.append(outline)
    return Lesion(outlines[0], outlines[1], lesion.displacement)


def radius_mm(volume_ml: float) -> float:
    """Of a ball."""
    return float((3 * volume_ml * 1000 / 4 / np.pi) ** (1 / 3))


def _place(white: Floats, surface: Floats, random: Random) -> Triple:
    """A voxel in the white matter of the hemispheres, not too near to the brain's outline."""
    chance = ((white > 0.6) & (surface > 9)).astype(np.float32)
    ladder = np.cumsum(chance.ravel(), dtype=np.float64)
    at = int(np.searchsorted(ladder, random.random() * ladder[-1]))
    x, y, z = np.unravel_index(at, chance.shape)
    return int(x), int(y), int(z)


def _window(middle: Triple, reach_mm: float, shape: tuple[int, ...]) -> Window:
    reach = int(reach_mm / GRID_MM)
    x, y, z = (
        slice(max(0, m - reach), min(n, m + reach)) for m, n in zip(middle, shape, strict=True)
    )
    return x, y, z


def _seeds(tumour: Tumour, middle: Triple, window: Window, random: Random) -> Floats:
    """The first cells: a small ball for each focus."""
    shape = tuple(w.stop - w.start for w in window)
    first = np.array([m - w.start for m, w in zip(middle, window, strict=True)], float)
    radius = radius_mm(tumour.core_ml) / GRID_MM
    further = [0.85 * max(radius, 3)] * (tumour.foci - 1)
    further += [1.3 * max(radius, 6)] * tumour.satellite
    places = [first, *(first + random.normal(0, apart, 3) for apart in further)]
    grid = np.indices(shape, np.float32)
    seeds = np.zeros(shape, np.float32)
    for place in places:
        squared = ((grid - place[:, None, None, None].astype(np.float32)) ** 2).sum(0)
        seeds = np.maximum(seeds, np.exp(-squared / (1.3 * tumour.front_mm / GRID_MM) ** 2))
    return seeds


def _spread(seeds: Floats, mobility: Floats, front_mm: float, volume_ml: float) -> Floats:
    """The density u (x, y, z) when as much as volume_ml exceeds 1/2, or nothing grows any more.

    Explicit Euler steps; the flux through a face takes the harmonic mean of its two sides'
    diffusivities, so none enters where D is 0. u never falls below the seeds.
    """
    d = np.minimum(mobility, FASTEST)
    rho = 1 / front_mm**2
    dt = min(0.9 * GRID_MM**2 / (6 * float(d.max())), 0.35 / rho)
    faces = []
    for axis in range(3):
        a, b = _neighbours(axis)
        mean = 2 * d[a] * d[b] / (d[a] + d[b] + 1e-6)
        faces.append((a, b, (dt / GRID_MM**2 * mean).astype(np.float32)))
    birth = (dt * rho * np.minimum(4 * d, 1)).astype(np.float32)
    wanted = volume_ml * 1000 / GRID_MM**3
    u, before, still = seeds, 0, 0
    for _ in range(MOST_STEPS):
        change = birth * u * (1 - u)
        for a, b, face in faces:
            flux = face * (u[a] - u[b])
            change[a] -= flux
            change[b] += flux
        u = np.maximum(u + change, seeds)
        grown = int(np.count_nonzero(u > 0.5))
        still = still + 1 if grown == before else 0
        if grown >= wanted or still == PATIENCE:
            break
        before = grown
    return u


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of the lower and of the upper one of each pair of neighbours along an axis."""
    lower, upper = [slice(None)] * 3, [slice(None)] * 3
    lower[axis], upper[axis] = slice(None, -1), slice(1, None)
    return tuple(lower), tuple(upper)


def _outline(u: Floats) -> Floats:
    """Signed distance in mm to u = 1/2, inside positive. Near it u itself refines the distance."""
    inside, away = u > 0.5, ndimage.distance_transform_edt
    distance = (away(inside) - away(~inside)) * GRID_MM
    distance -= np.sign(distance) * GRID_MM / 2
    refined = np.clip(4 * (u - 0.5), -1, 1) * GRID_MM
    near = np.abs(distance) < 1.2 * GRID_MM
    distance = np.where(near, (distance + refined) / 2, distance)
    return np.asarray(ndimage.gaussian_filter(distance, 0.55), np.float32)


def _away(tumour: Tumour, cells: Floats) -> Floats:
    """Displacement (3, x, y, z) in mm, away from the core, fading to 0 at the window's edge."""
    radius = radius_mm(tumour.core_ml)
    slope = np.stack(np.gradient(ndimage.gaussian_filter(cells, 0.75 * radius / GRID_MM)))
    steepest = float(np.sqrt((slope**2).sum(0)).max())
    for axis, n in enumerate(cells.shape):
        edge = np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32)
        fade = smoothstep(edge, 0, 6)
        slope *= fade.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.asarray(slope * (-_peak_mm(tumour) / max(steepest, 1e-6)), np.float32)


def _before_push_ml(tumour: Tumour) -> float:
    """Of the core, before its mass pushes its own outline away."""
    return tumour.core_ml * (1 - _peak_mm(tumour) / radius_mm(tumour.core_ml)) ** 3


def _peak_mm(tumour: Tumour) -> float:
    """How far the core pushes tissue away at most, and so its own outline."""
    return tumour.push * min(radius_mm(tumour.core_ml), LARGEST_PUSH_MM)


def _fine(coarse: Floats, window: Window, outside: float) -> Floats:
    """A map of the window on every second voxel as one of the box (X, Y, Z)."""
    whole = np.full(BOX, outside, np.float32)
    fine = tuple(
        slice(w.start * GRID_MM, min(w.stop * GRID_MM, n)) for w, n in zip(window, BOX, strict=True)
    )
    x, y, z = (part.stop - part.start for part in fine)
    whole[fine] = enlarged(coarse, GRID_MM, (x, y, z))
    return whole
