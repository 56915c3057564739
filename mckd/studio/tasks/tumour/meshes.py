"""Surfaces of regions for the 3-D view, by marching cubes: pure functions."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from mckd.studio.tasks.tumour.volumes import LEVEL
from mckd.tumour.geometry import Bools

MOST_TRIANGLES = 20_000
"""Of one surface: it is made of coarser cells until they suffice. Below 87,000, so that a `pack`ed
corner fits two bytes: a surface has at most three corners for four triangles."""
COARSER = 1.15  # each time that there are too many
UNIT_MM = 1 / 64  # of packed corners, which reach 511 mm
MARGIN = 2  # empty cells around a region, so that every surface is closed

Floats = npt.NDArray[np.float32]
Millimetres = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """A closed surface of triangles.

    corners: (V, 3) float32, mm along the axes of the array from the centre of its first voxel.
    triangles: (F, 3) indices of corners, anticlockwise as seen from outside.
    """

    corners: Floats
    triangles: npt.NDArray[np.int64]


def surfaces(
    regions: Mapping[str, tuple[Bools, float]],
    spacing_mm: Millimetres,
    most: int = MOST_TRIANGLES,
) -> dict[str, Mesh]:
    """The surfaces of regions, all on the same cells; a region that is empty has none.

    Plain 0 and 1 would give stairs: marching cubes runs over how much of each cell is inside, a
    little blurred.

    Args:
        regions: {name: (X, Y, Z) mask, and the level of that share, 0 to 1}. Of two regions with
            the same border, the one with the lower level lies around the other.
        most: triangles of each.
    """
    everything = np.any([inside for inside, _ in regions.values()], axis=0)
    box = _box(everything)
    parts = {name: (inside[box], level) for name, (inside, level) in regions.items()}
    areas = [area_mm2(inside, spacing_mm) for inside, _ in parts.values()]
    edge_mm = max(min(spacing_mm), math.sqrt(1.5 * max(areas) / most))
    low = np.array([side.start for side in box])
    while True:
        made = {
            name: _of_cells(inside, low, spacing_mm, edge_mm, level)
            for name, (inside, level) in parts.items()
            if inside.any()
        }
        if all(len(mesh.triangles) <= most for mesh in made.values()):
            return made
        edge_mm *= COARSER


def _box(inside: Bools) -> tuple[slice, slice, slice]:
    """The part of the array that holds everything; empty if there is nothing."""
    occupied = (np.flatnonzero(inside.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    x, y, z = (slice(found[0], found[-1] + 1) if found.size else slice(0, 0) for found in occupied)
    return x, y, z


def area_mm2(part: Bools, spacing_mm: Millimetres) -> float:
    """Of all faces between a voxel that is inside and one that is not."""
    padded = np.pad(part, 1)
    sides = (math.prod(spacing_mm) / mm for mm in spacing_mm)
    return sum(
        side * np.count_nonzero(np.diff(padded, axis=axis)) for axis, side in enumerate(sides)
    )


def _of_cells(
    part: Bools, low: npt.NDArray[np.int64], spacing_mm: Millimetres, edge_mm: float, level: float
) -> Mesh:
    """With cells of about that size. low: the voxel of the whole array where `part` begins."""
    from skimage.measure import marching_cubes

    steps = np.array([max(1, round(edge_mm / mm)) for mm in spacing_mm])
    shares = blurred(np.pad(shares_of(part, steps), MARGIN))
    level = min(level, float(shares.max()) / 2)  # so that a few voxels have a surface as well
    corners, triangles, _, _ = marching_cubes(shares, level, gradient_direction="ascent")
    first = low - MARGIN * steps + (steps - 1) / 2  # the centre of the first cell, in voxels
    return Mesh(((first + corners * steps) * spacing_mm).astype(np.float32), triangles)


def shares_of(part: Bools, steps: npt.NDArray[np.int64]) -> Floats:
    """How much of each cell of so many voxels is inside, 0 to 1; beyond the array nothing is."""
    filled = np.pad(part, [(0, -n % step) for n, step in zip(part.shape, steps, strict=True)])
    shares = np.zeros([n // step for n, step in zip(filled.shape, steps, strict=True)], np.float32)
    for i, j, k in product(*map(range, steps)):
        shares += filled[i :: steps[0], j :: steps[1], k :: steps[2]]
    return shares / np.float32(steps.prod())


def blurred(field: Floats) -> Floats:
    """Along each axis the mean of a cell, which counts twice, and its two neighbours. The margin
    stays empty where it is two cells wide or more."""
    for axis in range(3):
        before, after = np.roll(field, 1, axis), np.roll(field, -1, axis)
        field = (before + 2 * field + after) * np.float32(0.25)
    return field


def pack(mesh: Mesh) -> bytes:
    """gzip of two uint32, the numbers of corners and triangles; int16 of `UNIT_MM` for each corner;
    uint16 for each triangle; all little-endian."""
    counts = np.array([len(mesh.corners), len(mesh.triangles)], "<u4")
    corners = np.round(mesh.corners / UNIT_MM).astype("<i2")
    parts = (counts, corners, mesh.triangles.astype("<u2"))
    return gzip.compress(b"".join(part.tobytes() for part in parts), LEVEL, mtime=0)
