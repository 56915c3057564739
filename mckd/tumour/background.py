"""What of a volume is air: found, and made exactly 0.

    image = without_background(volume)      # the air is 0, and nothing else is changed
    head = image != 0

Everything else in this project asks `!= 0`. Skull-stripped images as they are published have air
of exactly 0 and leave here to the bit as they came. Others were shifted, scaled, saved with a
little noise, or resampled, which blurs the edge of the head and lets it ring. Their air is what
the border of the image has most of, as far inwards as the head is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mckd.tumour.geometry import Bools, bounding_box

Floats = npt.NDArray[np.float32]

CONSTANT = 0.25
"""Share of the border that has one value to the bit: then that is the air."""
NOISE = 3
"""How much further from its middle than 199 in 200 voxels of the border noise may be: of normal
noise no voxel of a whole image is."""
MOST_NOISE = 0.03
"""Of the brightness of a head. Air that varies more may be a scan as it was acquired, with skull;
to take away its air would hide that."""
FAINT = 0.02  # of that brightness: brighter is no noise, but may be ringing
RINGING = 0.1  # of that brightness: a spline that runs through a sharp edge rings less
SOFT = 0.88
"""A head was resampled if its outermost voxels have less than this share of what lies behind them,
nine in ten of them. Of 72 volumes with a sharp edge the tenth has 1.0 or more, of those resampled
by splines of first or third order 0.7 at most."""
FAINTEST = 0.1
"""Faint voxels, not air, for one of the head. A spline leaves half of an image faint, of 84 volumes
with a sharp edge none has more than 0.01."""
QUIET = 1e-3
"""Of that brightness: ringing has faded at the border of the image, the noise of a scan has not."""
HALF = 0.5  # of what lies behind it: an interpolated voxel that is more head than air
MOST_DARK = 0.15  # share of a head darker than its air: with more, the air is a grey within
RIM_SAMPLES = 20_000
DARKEST = 1.0  # per cent of what was scanned, and as many brightest

_NEIGHBOURS = ndimage.generate_binary_structure(3, 3)


def without_background(volume: Floats) -> Floats:
    """A volume (X, Y, Z) with its air at 0; the given one itself where it is so already.

    Values are those of the file less that of the air. Where no air is found nothing is changed,
    and the image is full of values, which `doubts` says.
    """
    air, noise = _air(volume)
    lifted = volume if air == 0 else volume - np.float32(air)
    level = _level(lifted)
    if noise > MOST_NOISE * level:
        return volume
    inside = (
        _sharp_head(lifted, level) if _is_soft(lifted, level, noise) else np.abs(lifted) > noise
    )
    return lifted if noise == 0 and (inside == (lifted != 0)).all() else lifted * inside


def above_air(head: Floats) -> Floats:
    """A head as it was scanned, (X, Y, Z), with its air around 0; the given one where it is so.

    What was scanned is a magnitude, with noise in its air. Where that was shifted, the darkest of
    what was scanned becomes 0, and what a program wrote beside it, far darker, with it.
    """
    lowest = float(head.min())
    seen = head[head > lowest]
    if lowest == 0 or not seen.size:
        return head
    air, noise = _air(head)
    dark, bright = (float(value) for value in np.percentile(seen, (DARKEST, 100 - DARKEST)))
    if noise == 0 and (air > lowest or dark - air < bright - dark):  # without its skull
        return head if air == 0 else head - np.float32(air)
    if abs(dark) <= MOST_NOISE * bright and dark - lowest <= MOST_NOISE * bright:
        return head
    lifted: Floats = np.maximum(head - np.float32(dark), np.float32(0))
    return lifted


def _air(volume: Floats) -> tuple[float, float]:
    """The value of the air, and how far from it air may be."""
    border = _border(volume)
    values, counts = np.unique(border, return_counts=True)
    most = int(counts.argmax())
    if values[most] == 0 or counts[most] > CONSTANT * border.size:
        return float(values[most]), 0.0
    middle = float(np.median(border))
    return middle, NOISE * float(np.percentile(np.abs(border - middle), 99.5))


def _border(volume: Floats) -> Floats:
    """The values of all six faces."""
    return np.concatenate([np.take(volume, (0, -1), axis).ravel() for axis in range(3)])


def _level(lifted: Floats) -> float:
    """How bright a head is: the median of what is not faint."""
    some = np.abs(lifted[::2, ::2, ::2])
    bright = some[some > RINGING * np.percentile(some, 99)]
    return float(np.median(bright)) if bright.size else 0.0


def _is_soft(lifted: Floats, level: float, noise: float) -> bool:
    """Whether the edge of the head was blurred, or rings."""
    head = np.abs(lifted) > FAINT * level
    faint = np.count_nonzero(np.abs(lifted) > noise) - np.count_nonzero(head)
    quiet = np.median(np.abs(_border(lifted))) <= max(noise, QUIET * level)
    rings = quiet and faint > FAINTEST * np.count_nonzero(head)
    box = bounding_box(head, 1)
    lifted, head = box.crop(lifted), box.crop(head)
    bright = np.abs(lifted)
    seen = bright > RINGING * level
    if np.count_nonzero(lifted[seen] < 0) > MOST_DARK * np.count_nonzero(seen):
        return False
    if rings:
        return True
    inner = ndimage.binary_erosion(head, border_value=1)
    rim = np.argwhere(head & ~inner)
    rim = rim[:: 1 + len(rim) // RIM_SAMPLES]
    rim = rim[((rim > 0) & (rim < np.array(head.shape) - 1)).all(1)]
    behind = _sums_around(rim, np.where(inner, bright, 0))
    count = _sums_around(rim, inner)
    known = behind > 0
    if not known.any():
        return False
    shares = bright[tuple(rim[known].T)] * count[known] / behind[known]
    return float(np.percentile(shares, 90)) < SOFT


def _sums_around(places: npt.NDArray[np.int64], volume: npt.NDArray[Any]) -> Any:
    """Over the 27 voxels around each of some places (n, 3), none at the border."""
    steps = np.argwhere(_NEIGHBOURS) - 1
    return sum(volume[tuple((places + step).T)].astype(np.float64) for step in steps)


def _sharp_head(lifted: Floats, level: float) -> Bools:
    """Where the head is, without its ringing and without voxels that are less than half head."""
    box = bounding_box(np.abs(lifted) > FAINT * level, 1)
    part = box.crop(lifted)
    head = _not_reached(part < RINGING * level)
    deep = ndimage.binary_erosion(head, _NEIGHBOURS, iterations=2)
    weight = ndimage.uniform_filter(deep.astype(np.float32), 5)
    behind = ndimage.uniform_filter(np.where(deep, part, 0), 5)
    sharp = deep | head & (part * weight >= HALF * behind)
    return box.uncrop(sharp, lifted.shape)


def _not_reached(passable: Bools) -> Bools:
    """All but what can be reached through passable voxels from outside the image."""
    outside, _ = ndimage.label(np.pad(passable, 1, constant_values=True))
    inner = (slice(1, -1),) * 3
    reached: Bools = outside[inner] != outside[0, 0, 0]
    return reached
