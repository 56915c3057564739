"""Heads with known brains to learn from, at 2 mm: HD-BET's masks, and brains in other heads.

Where a head with its skull is at hand, HD-BET is the teacher. Cases without a skull say where
their brain is; they are put into the head of somebody else, whose brain is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from mckd.clinic.brain import at_spacing, find_brain
from mckd.clinic.brain_network import BrainNetwork
from mckd.tumour.data import Case
from mckd.tumour.geometry import Bools, bounding_box
from mckd.tumour.nifti import Floats, read_header, read_image

ROOM = 1.04  # a skull is that much wider than the brain that is put into it
THINNEST_MM = 1.5  # slices of heads that others are put into
FLUID = (0.05, 0.8)  # between a brain and the skull that it was put into


@dataclass(frozen=True, eq=False)
class Head:
    """voxels: (X, Y, Z) float32, axes right, front, up, 2 mm, its brain's median 1.
    brain: (X, Y, Z) bool. thin: whether its slices were."""

    name: str
    voxels: Floats
    brain: Bools
    thin: bool


def taught(path: Path, kept: Path | None = None) -> Head:
    """A NIfTI file of a head, with HD-BET's mask; kept: a folder where masks wait for the next."""
    voxels, spacing, brain = with_hd_bet(path, kept)
    return _head(path.name, voxels, brain.astype(np.float32), spacing)


def with_hd_bet(
    path: Path, kept: Path | None = None
) -> tuple[Floats, tuple[float, float, float], Bools]:
    """A NIfTI file in canonical orientation, its spacing, and HD-BET's mask."""
    header = read_header(path)
    spacing = header.grid.canonical.spacing_mm
    voxels = header.grid.to_canonical(read_image(header).voxels)
    mask = kept and kept / f"{path.name}.npy"
    if mask and mask.is_file():
        return voxels, spacing, np.load(mask)
    brain = find_brain(voxels, spacing, "hd-bet")
    if mask:
        mask.parent.mkdir(parents=True, exist_ok=True)
        np.save(mask, brain)
    return voxels, spacing, brain


def stripped(case: Case, sequence: str) -> Head:
    """A sequence of a case without a skull."""
    voxels = case.volumes[sequence]
    brain = ndimage.binary_fill_holes(voxels != 0).astype(np.float32)
    box = bounding_box(brain > 0, 8)
    return _head(f"{case.name}_{sequence}", box.crop(voxels), box.crop(brain), case.spacing_mm)


def _head(name: str, voxels: Floats, brain: Floats, spacing: tuple[float, float, float]) -> Head:
    coarse = at_spacing(voxels, spacing, BrainNetwork.SPACING_MM)
    inside = at_spacing(brain, spacing, BrainNetwork.SPACING_MM) > 0.5
    level = float(np.median(coarse[inside]))
    return Head(name, coarse / level, inside, max(spacing) <= THINNEST_MM)


def put_into(inner: Head, outer: Head, rng: np.random.Generator) -> Head:
    """A brain in the head of somebody else, which is stretched to fit around it.

    Where the other's brain was and the new one is not, there is fluid of a random grey.
    """
    own, other = bounding_box(inner.brain), bounding_box(outer.brain)
    stretch = ROOM * np.divide(own.shape, other.shape)
    middles = (np.add(box.start, box.stop) / 2 - 0.5 for box in (own, other))
    own_middle, other_middle = middles
    shape = np.ceil(stretch * outer.voxels.shape).astype(int)
    shift = np.round(stretch * other_middle - own_middle).astype(int)  # of the inner in the result

    def stretched(volume: Floats) -> Floats:
        offset = other_middle - (own_middle + shift) / stretch
        result: Floats = ndimage.affine_transform(
            volume, 1 / stretch, offset, tuple(shape), order=1, mode="nearest"
        )
        return result

    voxels = stretched(outer.voxels)
    hollow = stretched(outer.brain.astype(np.float32)) > 0.5
    grain = 1 + 0.1 * rng.standard_normal(np.count_nonzero(hollow), np.float32)
    voxels[hollow] = rng.uniform(*FLUID) * grain
    brain = np.zeros(tuple(shape), bool)
    here = np.argwhere(inner.brain)
    there = here + shift
    fits = ((there >= 0) & (there < shape)).all(1)
    here, there = tuple(here[fits].T), tuple(there[fits].T)
    voxels[there] = inner.voxels[here]
    brain[there] = True
    return Head(f"{inner.name} in {outer.name}", voxels, brain, True)
