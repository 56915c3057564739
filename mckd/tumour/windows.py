"""Where a network looks at a volume: the windows over it, and the way back from them.

A network that sees the whole brain has one window, the volume padded to what the network takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.tumour.designs import Design
from mckd.tumour.geometry import Box, Triple
from mckd.tumour.network import space_to_depth


@dataclass(frozen=True)
class Windows:
    """Where a network looks at a volume (x, y, z), once that is padded by 0 on both sides.

    patch: of the design. padded: shape. inner: the volume within it. boxes: the windows within
    it, all of one shape, covering it.
    """

    patch: int
    padded: Triple
    inner: Box
    boxes: tuple[Box, ...]

    def cut(self, volume: Tensor, index: int) -> Tensor:
        """One window of (1, 1, x, y, z)."""
        before = self.inner.start
        after = (a - b for a, b in zip(self.padded, self.inner.stop, strict=True))
        sides = [side for pair in zip(before, after, strict=True) for side in pair]
        pad = [*sides[4:], *sides[2:4], *sides[:2]]  # torch begins with the last axis
        return F.pad(volume, pad)[(..., *self.boxes[index].slices)]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Per window (1, C, ...) to (1, C, x, y, z), the mean where windows overlap."""
        if len(parts) == 1:
            return parts[0][(..., *self.inner.slices)]
        total = parts[0].new_zeros(*parts[0].shape[:2], *self.padded)
        count = parts[0].new_zeros(self.padded)
        for box, part in zip(self.boxes, parts, strict=True):
            total[(..., *box.slices)] += part
            count[box.slices] += 1
        return (total / count)[(..., *self.inner.slices)]

    @cached_property
    def padding(self) -> Tensor:
        """Where the padded volume is not the volume, in patches, (patch^3, x/patch, ...) bool."""
        added = torch.ones(1, 1, *self.padded, dtype=torch.bool)
        added[(..., *self.inner.slices)] = False
        return space_to_depth(added, self.patch)[0]

    def feature_bytes(self, design: Design, dtype: torch.dtype) -> int:
        """Of the features of one sequence in all windows."""
        voxels = len(self.boxes) * math.prod(self.boxes[0].shape)
        # Each scale has an eighth of the patches of the one before.
        values = (c * voxels // design.patch**3 // 8**s for s, c in enumerate(design.channels))
        return int(dtype.itemsize * sum(values))


def sliding_windows(shape: Triple, design: Design) -> Windows:
    """The windows of a design over a volume (x, y, z), in as equal steps as whole voxels allow.

    Without a window in the design it is one window, the volume padded to what the network takes.
    Else neighbours overlap by a third or more; an axis shorter than the window is padded to it.

    An axis of 200 with a window of 80 takes steps of at most 53: 4 windows at 0, 40, 80, 120.
    """
    whole = _triple(-(-n // design.multiple) * design.multiple for n in shape)
    window: Triple = design.window or whole
    padded = _triple(map(max, shape, window))
    start = _triple((p - n) // 2 for p, n in zip(padded, shape, strict=True))
    places = product(*map(_starts, padded, window))
    boxes = tuple(_box(_triple(place), window) for place in places)
    return Windows(design.patch, padded, _box(start, shape), boxes)


def _starts(size: int, window: int) -> list[int]:
    steps = -(-3 * (size - window) // (2 * window))
    return [round(k * (size - window) / max(1, steps)) for k in range(steps + 1)]


def _box(start: Triple, shape: Triple) -> Box:
    return Box(start, _triple(map(sum, zip(start, shape, strict=True))))


def _triple(values: Iterable[int]) -> Triple:
    x, y, z = values
    return x, y, z
