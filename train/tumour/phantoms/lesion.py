"""The inside of a tumour: enhancing rim, walls and nodules, necrosis, oedema, and their labels.

A ring's rim has uneven thickness and holes, and may lie inside tumour that does not enhance; so
contrast alone does not tell core from oedema, as in real gliomas.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from mckd.tumour.references import CORE, OEDEMA
from train.tumour.phantoms.anatomy import Tissue
from train.tumour.phantoms.fields import Floats, Random, logistic, smoothstep
from train.tumour.phantoms.growth import Lesion, Tumour

ENHANCING = 4  # in BraTS to 2021; 3 from 2023
NEVER_MM = -9.0

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Parts:
    """Fractions of voxels (N,), their sum at most 1, and BraTS's labels (N,) uint8."""

    enhancing: Floats
    necrosis: Floats
    blood: Floats  # old blood in the necrosis
    solid: Floats  # core that neither enhances nor is necrotic
    oedema: Floats
    labels: Bytes


def dissect(tumour: Tumour, lesion: Lesion, tissue: Tissue, random: Random) -> Parts:
    """What the lesion, its outlines displaced already, puts into each voxel of the tissue."""
    inside = tissue.pick(lesion.core) + 0.5 * tissue.noise(7, random)
    around = tissue.pick(lesion.oedema) + 0.6 * tissue.noise(7, random)
    depth = _depth(tumour, inside, tissue, random)
    uptake = _uptake(tumour, depth, tissue, random)
    dry = smoothstep(tissue.fluid, 0.8, 0.3)
    core = logistic(inside / 0.45) * dry
    enhancing = core * logistic(uptake / 0.35)
    dead = _dead(tumour, depth)
    bleeding = smoothstep(tissue.noise(12, random), *_above(tumour.bleeding))
    labels = np.zeros(len(tissue.index), np.uint8)
    labels[(around > 0) & (dry > 0.5)] = OEDEMA
    labels[core > 0.5] = CORE
    labels[(core > 0.5) & (uptake > 0)] = ENHANCING
    return Parts(
        enhancing=enhancing,
        necrosis=(core - enhancing) * dead * (1 - bleeding),
        blood=(core - enhancing) * dead * bleeding,
        solid=(core - enhancing) * (1 - dead),
        oedema=logistic((around + 0.3) / 1.2) * dry * (1 - core),
        labels=labels,
    )


def _depth(tumour: Tumour, inside: Floats, tissue: Tissue, random: Random) -> Floats:
    """mm below the outer edge of the rim: that of the core, or on one side deeper."""
    beyond = np.maximum(tumour.lopsided_mm * (tissue.noise(50, random) - 0.2), 0)
    return np.asarray(inside - beyond + 0.4 * tissue.noise(5, random), np.float32)


def _uptake(tumour: Tumour, depth: Floats, tissue: Tissue, random: Random) -> Floats:
    """mm to where contrast agent stops being taken up, positive where it is."""
    if tumour.kind == "none":
        return np.full_like(depth, NEVER_MM)
    if tumour.kind == "patchy":
        nodules = 2.5 * (tissue.noise(11, random) - 1.45) - 0.25 * np.maximum(3 - depth, 0)
        return np.asarray(nodules, np.float32)
    hole = tissue.noise(13, random) > NormalDist().inv_cdf(1 - tumour.holes)
    if tumour.kind == "solid":
        uptake = np.minimum(2.5 - 1.6 * tissue.noise(10, random), 2 * depth + 1)
    else:
        rim = tumour.rim_mm * np.exp(tumour.rim_noise * tissue.noise(16, random))
        uptake = np.asarray(rim - depth)
        if tumour.septa:
            uptake = np.maximum(uptake, 0.9 - 6 * np.abs(tissue.noise(20, random)))
        uptake = np.minimum(uptake, 2 * depth + 0.8)
    return np.where(hole, NEVER_MM, uptake).astype(np.float32)


def _dead(tumour: Tumour, depth: Floats) -> Floats:
    """From 0 to 1: how much of what does not enhance is necrosis rather than solid tumour."""
    if tumour.kind in ("ring", "solid"):
        return smoothstep(depth, 1.0, 3.0)
    return np.zeros_like(depth)


def _above(part: float) -> tuple[float, float]:
    """Between which values of a field of variance 1 lies the edge of its upper `part`."""
    edge = NormalDist().inv_cdf(1 - part) if part else 99.0
    return edge - 0.4, edge + 0.4
