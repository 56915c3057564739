"""What a scanner and the usual preprocessing make of a perfect image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from train.tumour.phantoms.anatomy import BOX
from train.tumour.phantoms.fields import Bools, Floats, Random, smooth_field

MIDDLE, SIGMA = 45.0, 12.0
"""Mean and standard deviation of a brain in the file. Small numbers compress well, and steps of
0.08 sigma are lost in the noise."""
BRIGHTEST = 2000

Shorts = npt.NDArray[np.int16]


COIL_MM = (100.0, 45.0)
BETWEEN_SLICES = 0.4  # blur by interpolating thick slices, in sigmas of their thickness


@dataclass(frozen=True)
class Scan:
    """How one image was acquired."""

    coil: tuple[float, float]  # sigma of the log of the sensitivity, at each grain of COIL_MM
    in_plane_mm: float  # sigma of the point spread
    slice_mm: float  # sigma of it across slices
    slice_axis: int
    noise: float  # sigma, in standard deviations of the brain


def sample_scan(sequence: str, random: Random) -> Scan:
    """Draw a scan: a little more than half have thick slices, axial or, of T1, often sagittal."""
    in_plane = float(random.uniform(0.3, 0.55))
    thick, thickest = random.random() < 0.55, 2.0 if random.random() < 0.9 else 3.2
    return Scan(
        coil=(float(random.uniform(0.03, 0.14)), float(random.uniform(0, 0.04))),
        in_plane_mm=in_plane,
        slice_mm=float(random.uniform(0.6, thickest)) if thick else in_plane,
        slice_axis=0 if sequence == "t1" and random.random() < 0.4 else 2,
        noise=float(random.uniform(0.02, 0.09)),
    )


def acquire(perfect: Floats, brain: Bools, scan: Scan, random: Random) -> Shorts:
    """The image (X, Y, Z) of a perfect one, 0 outside the brain."""
    image = perfect
    for size, grain in zip(scan.coil, COIL_MM, strict=True):
        image = image * np.exp(size * smooth_field(BOX, grain, random))
    for axis in range(3):
        sigma = scan.slice_mm if axis == scan.slice_axis else scan.in_plane_mm
        image = ndimage.gaussian_filter1d(image, sigma, axis=axis, truncate=3.0)
    noise = np.float32(scan.noise * image[brain].std())
    real, imaginary = (noise * random.standard_normal(BOX, dtype=np.float32) for _ in range(2))
    image = np.hypot(image + real, imaginary)  # Rician: the magnitude of a complex image
    between = BETWEEN_SLICES * scan.slice_mm
    if between > 0.3:
        image = ndimage.gaussian_filter1d(image, between, axis=scan.slice_axis, truncate=3.0)
    return _file_values(image, brain)


def _file_values(image: Floats, brain: Bools) -> Shorts:
    values = image[brain]
    scaled = (values - values.mean()) * (SIGMA / values.std()) + MIDDLE
    whole = np.zeros(image.shape, np.int16)
    whole[brain] = np.clip(np.rint(scaled), 1, BRIGHTEST)
    return whole
