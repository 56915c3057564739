"""Sequences spoilt on purpose, to measure whether `mckd.tumour.misleading` finds them.

    spoilt = KINDS["strong motion"](volumes, "t2", other, random)     # all volumes, one changed

Volumes are {sequence: (x, y, z) float32}, canonical, 0 outside the brain; a kind gives them back
with one changed, or two where names are swapped. Motion and noise keep the outline of the brain, as
preparations with one mask do: what they change is found inside it or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mckd.tumour.geometry import bounding_box
from mckd.tumour.nifti import Floats

Random = np.random.Generator
Volumes = Mapping[str, Floats]
Doubles = npt.NDArray[np.float64]
Kind = Callable[[Volumes, str, Volumes, Random], dict[str, Floats]]
"""(volumes of a case, the sequence to spoil, volumes of another patient, what is random)."""

SOUND = "5 mm slices"
"""The kind that is no fault: to find it is a false alarm."""
PHASE_AXIS = 1
"""Lines of k-space are taken one after the other along it: back to front, as is usual."""
CENTRE = 0.04  # share of the lines, in the middle of k-space, that show the head where it lay first


@dataclass(frozen=True)
class Movement:
    """jumps: how often the head moves. degrees, mm: the largest turn and shift of each axis."""

    jumps: int
    degrees: float
    mm: float


def motion(
    movement: Movement, volumes: Volumes, sequence: str, _other: Volumes, random: Random
) -> dict[str, Floats]:
    """Rigid jumps between lines of k-space (as Shaw et al., MIDL 2019): each line shows the head
    where it lay when the line was taken. Voxels of 1 mm."""
    volume = volumes[sequence]
    k = np.fft.fftfreq(volume.shape[PHASE_AXIS])
    jumps = np.sort(random.uniform(-0.5, 0.5, movement.jumps))
    pose_of_line = np.where(np.abs(k) > CENTRE / 2, np.searchsorted(jumps, k), 0)
    lines = np.zeros(volume.shape, np.complex64)
    for pose in range(movement.jumps + 1):
        turn = random.uniform(-1, 1, 3) * np.deg2rad(movement.degrees)
        moved = placed(volume, turn, random.uniform(-1, 1, 3) * movement.mm) if pose else volume
        taken = pose_of_line == pose
        lines[:, taken] = np.fft.fft(moved, axis=PHASE_AXIS)[:, taken]
    shown = np.abs(np.fft.ifft(lines, axis=PHASE_AXIS))
    return {**volumes, sequence: _inside(shown, volume)}


def shifted(
    mm: tuple[float, float], volumes: Volumes, sequence: str, _other: Volumes, random: Random
) -> dict[str, Floats]:
    """As a whole, by a distance in this range in any direction. Voxels of 1 mm."""
    way = random.standard_normal(3)
    way *= random.uniform(*mm) / np.linalg.norm(way)
    return {**volumes, sequence: placed(volumes[sequence], np.zeros(3), way)}


def anothers(volumes: Volumes, sequence: str, other: Volumes, _random: Random) -> dict[str, Floats]:
    """The same sequence of another patient, its brain scaled into the box of this one's."""
    here = bounding_box(volumes[sequence] != 0)
    there = bounding_box(other[sequence] != 0)
    brain = there.crop(other[sequence])
    scale = [a / b for a, b in zip(here.shape, there.shape, strict=True)]
    fitted = ndimage.zoom(brain, scale, order=1, grid_mode=True, mode="nearest")
    whole = volumes[sequence].shape
    return {**volumes, sequence: np.asarray(here.uncrop(fitted, whole), np.float32)}


def swapped(volumes: Volumes, sequence: str, _other: Volumes, random: Random) -> dict[str, Floats]:
    """Its name and that of another sequence of the case exchanged."""
    with_ = str(random.choice([s for s in volumes if s != sequence]))
    return {**volumes, sequence: volumes[with_], with_: volumes[sequence]}


def copied(volumes: Volumes, sequence: str, _other: Volumes, random: Random) -> dict[str, Floats]:
    """Another sequence of the case under its name, saved anew: other units, rounded."""
    of = volumes[str(random.choice([s for s in volumes if s != sequence]))]
    units = random.uniform(200, 2000) / np.abs(of).max()
    return {**volumes, sequence: _inside(np.rint(of * units), of)}


def noisy(
    deviations: float, volumes: Volumes, sequence: str, _other: Volumes, random: Random
) -> dict[str, Floats]:
    """Rician noise, in standard deviations of the brain."""
    volume = volumes[sequence]
    sigma = np.float32(deviations * volume[volume != 0].std())
    real, imaginary = sigma * random.standard_normal((2, *volume.shape), dtype=np.float32)
    return {**volumes, sequence: _inside(np.hypot(volume + real, imaginary), volume)}


def thickened(
    mm: int, volumes: Volumes, sequence: str, _other: Volumes, _random: Random
) -> dict[str, Floats]:
    """Seen in slices of that thickness, as is usual: no fault, but less sharp. Voxels of 1 mm."""
    volume = volumes[sequence]
    first = np.arange(0, volume.shape[2], mm)
    means = np.add.reduceat(volume, first, axis=2) / np.diff([*first, volume.shape[2]])
    return {**volumes, sequence: _inside(np.repeat(means, mm, 2)[..., : volume.shape[2]], volume)}


KINDS: Mapping[str, Kind] = {
    "light motion": partial(motion, Movement(2, 1.0, 1.0)),
    "moderate motion": partial(motion, Movement(3, 3.0, 3.0)),
    "strong motion": partial(motion, Movement(5, 6.0, 6.0)),
    "shift": partial(shifted, (4.0, 10.0)),
    "another patient": anothers,
    "swap": swapped,
    "copy": copied,
    "noise": partial(noisy, 0.7),
    SOUND: partial(thickened, 5),
}


def placed(volume: Floats, turn: Doubles, shift: Doubles) -> Floats:
    """Turned about the middle by radians about each axis, and shifted by voxels; linear."""
    matrix = np.eye(3)
    for axis, angle in enumerate(turn):
        a, b = (k for k in range(3) if k != axis)
        about = np.eye(3)
        about[[a, b], [a, b]] = np.cos(angle)
        about[a, b], about[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ about
    middle = (np.array(volume.shape) - 1) / 2
    offset = middle - matrix @ (middle + shift)
    return np.asarray(ndimage.affine_transform(volume, matrix, offset, order=1), np.float32)


def _inside(changed: npt.NDArray[np.floating], volume: Floats) -> Floats:
    """0 where `volume` is, and nowhere else."""
    least = 1e-3 * np.abs(volume).max()
    return np.where(volume != 0, np.maximum(changed, least), 0).astype(np.float32)
