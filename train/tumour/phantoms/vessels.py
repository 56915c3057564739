"""What takes up contrast agent and is no tumour: vessels, sinuses, choroid plexus, dura.

Without them a network learns that everything bright in T1 with contrast agent is tumour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from train.tumour.phantoms.anatomy import Tissue
from train.tumour.phantoms.fields import Floats, Random, logistic, smoothstep

Point = tuple[float, float, float]
Path = tuple[Point, ...]

# Midlines in MNI mm of vessels on the midplane, with their radius in mm; read off the template.
MIDLINE: tuple[tuple[float, Path], ...] = (
    (  # superior sagittal sinus
        2.6,
        (
            (0, 66, 10),
            (0, 66, 30),
            (0, 50, 54),
            (0, 25, 70),
            (0, -5, 78),
            (0, -35, 79),
            (0, -65, 66),
            (0, -90, 42),
            (0, -104, 15),
            (0, -104, -4),
        ),
    ),
    (1.7, ((0, -44, 6), (0, -60, 0), (0, -80, -6), (0, -100, -8))),  # straight sinus
    (1.1, ((0, 0, 16), (0, -12, 17), (0, -28, 12), (0, -38, 8), (0, -44, 6))),  # cerebral vein
    (1.5, ((0, -30, -48), (0, -24, -34), (0, -16, -20))),  # basilar artery
    (1.1, ((8, 6, -16), (1, 12, -14), (1, 32, -6), (1, 40, 8), (1, 28, 26), (1, 0, 36))),
)
# The same of vessels on both sides; x is mirrored.
PAIRED: tuple[tuple[float, Path], ...] = (
    (  # carotid and middle cerebral artery
        1.4,
        ((13, 4, -28), (13, 4, -18), (26, 4, -17), (38, 4, -10), (42, -6, 0), (42, -22, 8)),
    ),
    (1.0, ((3, -16, -20), (14, -24, -16), (20, -36, -8), (16, -56, 0))),  # posterior artery
    (0.9, ((3, -2, 16), (10, 8, 16), (16, 2, 24))),  # thalamostriate vein
    (2.8, ((3, -102, -8), (25, -94, -16), (45, -75, -20), (54, -55, -26))),  # transverse sinus
)
# The choroid plexus of a lateral ventricle.
CHOROID: Path = ((5, 4, 14), (10, -14, 18), (20, -36, 14), (24, -42, 6), (30, -34, -6))


@dataclass(frozen=True)
class Vascular:
    """How somebody's vessels look, and what the skull stripping left. Lengths in mm."""

    width: float  # of the large vessels, a factor
    small_mm: float  # radius of the veins in the sulci
    choroid_mm: float
    falx: float  # brightness of the falx, a fraction
    strip_mm: float  # how much of the brain's outline the skull stripping took away
    left_over: float  # from 0 to 1: how much of what lies outside it left


@dataclass(frozen=True, eq=False)
class Blood:
    """Fractions of voxels (N,). left_over: how much of the outside the skull stripping left."""

    vessel: Floats
    choroid: Floats
    dura: Floats
    left_over: Floats


def sample_vascular(random: Random) -> Vascular:
    return Vascular(
        width=float(random.uniform(0.6, 1.2)),
        small_mm=float(random.uniform(0.1, 0.65)),
        choroid_mm=float(random.uniform(1.4, 3.0)),
        falx=float(random.uniform(0, 0.6)),
        strip_mm=float(random.uniform(0.5, 1.8)),
        left_over=float(random.choice([0.0, 0.4, 0.8], p=[0.3, 0.4, 0.3])),
    )


def make_blood(vascular: Vascular, tissue: Tissue, random: Random) -> Blood:
    """Where blood is, and what enhances like it."""
    wander = np.stack([tissue.noise(14, random) for _ in range(3)])
    where = tissue.where + 0.8 * wander
    vessel, choroid = (np.zeros(len(tissue.index), np.float32) for _ in range(2))
    paths = [*MIDLINE, *PAIRED, *((radius, _mirrored(path)) for radius, path in PAIRED)]
    for radius, path in paths:
        _draw(vessel, where, path, radius * vascular.width)
    vessel = np.maximum(vessel, _cortical(vascular, tissue, random))
    rough = tissue.noise(4, random)
    for path in (CHOROID, _mirrored(CHOROID)):
        _draw(choroid, where, path, vascular.choroid_mm + 0.8 * rough)
    choroid *= smoothstep(tissue.csf, 0.35, 0.7)
    patches = tissue.noise(34, random)
    left_over = smoothstep(patches, 1.5 - vascular.left_over, 1.9 - vascular.left_over)
    left_over *= vascular.left_over > 0
    dura = smoothstep(-tissue.surface, -0.6, 0.6) * np.maximum(left_over, 0.25)
    falx = logistic((0.7 - np.abs(tissue.where[0])) / 0.3) * smoothstep(tissue.csf, 0.2, 0.6)
    falx *= vascular.falx * (tissue.where[2] > 12)
    return Blood(vessel, choroid, np.maximum(dura, falx).astype(np.float32), left_over)


def _mirrored(path: Path) -> Path:
    return tuple((-x, y, z) for x, y, z in path)


def _cortical(vascular: Vascular, tissue: Tissue, random: Random) -> Floats:
    """Veins: curves in which a second family of sheets meets the sulci, or the surface."""
    crossing = 9 * tissue.noise(22, random)
    radius = vascular.small_mm * (1 + 0.5 * tissue.noise(30, random))
    in_sulcus = np.sqrt(tissue.sheet**2 + crossing**2)
    on_surface = np.sqrt((tissue.surface - 0.8) ** 2 + (crossing + 4) ** 2)
    tube = logistic((radius - np.minimum(in_sulcus, on_surface)) / 0.3)
    return tube * smoothstep(tissue.cortex, 0.3, 0.8) * (tissue.surface < 22)


def _draw(fraction: Floats, where: Floats, path: Path, radius: Floats | float) -> None:
    """Draw a tube along straight pieces into fraction (N,), in place. Lengths in mm."""
    widest = float(np.max(radius)) + 1.5
    for start, stop in pairwise(path):
        a, b = np.array(start, np.float32)[:, None], np.array(stop, np.float32)[:, None]
        low, high = np.minimum(a, b) - widest, np.maximum(a, b) + widest
        near = np.flatnonzero(((where > low) & (where < high)).all(0))
        off, along = where[:, near] - a, b - a
        t = np.clip((along * off).sum(0) / (along**2).sum(), 0, 1)
        apart = np.sqrt(((off - along * t) ** 2).sum(0))
        here = radius if isinstance(radius, float) else radius[near]
        fraction[near] = np.maximum(fraction[near], logistic((here - apart) / 0.35))
