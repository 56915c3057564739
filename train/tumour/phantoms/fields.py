"""Smooth random fields: the one source of irregularity in anatomy, growth and scanners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mckd.tumour.geometry import Triple

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Random = np.random.Generator

BANDWIDTH = 0.22  # of `waves`, relative


def smooth_field(shape: Triple, grain: float, random: Random) -> Floats:
    """Gaussian field (X, Y, Z), mean 0 and variance 1 at every voxel, blobs about `grain` voxels.

    White noise on nodes half a grain apart, joined by cubic B-splines. The weights are products
    of three small matrices, so a field costs milliseconds.
    """
    weights = [_spline_weights(n, grain / 2) for n in shape]
    nodes = random.standard_normal([w.shape[1] for w in weights], dtype=np.float32)
    return _joined(nodes, weights)


def waves(shape: Triple, wavelength: float, random: Random) -> Floats:
    """Periodic field (X, Y, Z), variance 1, all of its waves about `wavelength` voxels long.

    Its zero set is a maze of sheets half a wavelength apart, like the folds of a cortex.
    """
    noise = np.fft.rfftn(random.standard_normal(shape, dtype=np.float32))
    fx, fy, fz = (np.fft.fftfreq(n) for n in shape)
    f = np.sqrt(fx[:, None, None] ** 2 + fy[:, None] ** 2 + fz[: noise.shape[2]] ** 2)
    band = np.exp(-0.5 * ((f * wavelength - 1) / BANDWIDTH) ** 2)
    field = np.fft.irfftn(noise * band, s=shape, axes=(0, 1, 2))
    return np.asarray(field / field.std(), np.float32)


def enlarged(coarse: Floats, factor: int, shape: Triple) -> Floats:
    """A map known at every `factor`-th voxel from the first on, linearly, as one of `shape`."""
    weights = [_linear_weights(n, m, factor) for n, m in zip(shape, coarse.shape, strict=True)]
    return _joined(coarse, weights)


def interpolated(volume: Floats, at: Floats, wrap: bool = False) -> Floats:
    """A map (X, Y, Z) at places (3, ...) in voxels, linearly; wrapped, or constant outside."""
    mode = "grid-wrap" if wrap else "nearest"
    return np.asarray(ndimage.map_coordinates(volume, at, np.float32, order=1, mode=mode))


def smoothstep(x: Numbers, low: float, high: float) -> Floats:
    """0 below low, 1 above high, smooth between; falling if high is below low."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def logistic(x: Numbers) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))), np.float32)


def _joined(nodes: Floats, weights: Sequence[Floats]) -> Floats:
    """Nodes (a, b, c), weighted along the axes by (X, a), (Y, b) and (Z, c): (X, Y, Z)."""
    a, b, c = nodes.shape
    along_z = nodes.reshape(-1, c) @ weights[2].T
    along_y = weights[1] @ along_z.reshape(a, b, -1)
    flat = weights[0] @ along_y.reshape(a, -1)
    return np.asarray(flat.reshape(*(len(w) for w in weights)))


def _spline_weights(size: int, step: float) -> Floats:
    """(size, nodes): cubic B-spline weights at voxels 0 to size - 1, rows of Euclidean length 1."""
    position = np.arange(size) / step
    apart = np.abs(position[:, None] + 1 - np.arange(int(position[-1]) + 4))
    near, far = (4 - 6 * apart**2 + 3 * apart**3) / 6, np.clip(2 - apart, 0, None) ** 3 / 6
    weights = np.where(apart < 1, near, far)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), np.float32)


def _linear_weights(size: int, nodes: int, step: int) -> Floats:
    position = np.minimum(np.arange(size) / step, nodes - 1)
    apart = np.abs(position[:, None] - np.arange(nodes))
    return np.asarray(np.clip(1 - apart, 0, None), np.float32)
