"""What of a case travels to a browser: pure functions.

Each sequence as gzip of uint8 with the scale that gives its values back, label maps as gzip of the
bits in a box around what was found, and a small description of the grid.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mckd.tumour.geometry import Bools, Box, axis_letters, bounding_box
from mckd.tumour.labels import region_bits

if TYPE_CHECKING:
    from mckd.tumour import Case

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LEVEL = 4  # of gzip: a volume takes 50 ms, level 6 twice as long for 3 % less
WINDOW = (0.5, 99.9)  # percentiles of the brain that become black and white
HEAD = 12  # bytes before the voxels of a box: its start and its size
RANGE = (0.02, 99.98)  # percentiles that still have a grey of their own


@dataclass(frozen=True)
class Packed:
    """One volume on its way: gzip of uint8, first axis fastest; value = low + step * byte.

    clipped: whether brighter values exist than the brightest byte. window: the values that are
    shown as black and as white at first.
    """

    data: bytes
    low: float
    step: float
    clipped: bool
    window: tuple[float, float]

    def facts(self) -> dict[str, Any]:
        """All but the bytes, for JSON."""
        return {
            "low": self.low,
            "step": self.step,
            "clipped": self.clipped,
            "window": [*self.window],
        }


def pack_volume(volume: Floats, box: Box | None = None) -> Packed:
    """(X, Y, Z) intensities, 0 outside the box, as 256 greys over nearly all of their range."""
    inner = volume if box is None else box.crop(volume)
    some = inner[inner != 0][::5]
    if not some.size:
        some = inner.ravel()
    bottom, dark, white, top = (
        float(v) for v in np.percentile(some, (RANGE[0], WINDOW[0], WINDOW[1], RANGE[1]))
    )
    low = min(0.0, bottom)
    step = max((top - low) / 255, 1e-9)
    if step <= 1 and bool((some % 1 == 0).all()):
        step = 1.0  # every whole number keeps a byte of its own
    grey = np.full(volume.shape, np.uint8(np.clip(round(-low / step), 0, 255)), order="F")
    part = grey if box is None else box.crop(grey)
    part[:] = np.clip((inner - np.float32(low)) * np.float32(1 / step) + np.float32(0.5), 0, 255)
    clipped = float(inner.max()) > low + 255.5 * step
    return Packed(pack_bytes(grey), low, step, clipped, (dark, max(white, dark + step)))


def pack_regions(regions: Bools) -> bytes:
    """(3, X, Y, Z) ET, TC, WT as `pack_map` of bits as in BITS."""
    return pack_map(region_bits(regions))


def pack_map(voxels: Bytes) -> bytes:
    """(X, Y, Z) uint8 as gzip of a box around all that is not 0: most of a head is.

    Start and size as uint16 (little endian) of each axis, then the voxels, first axis fastest.
    """
    box = bounding_box(voxels != 0)
    return _packed(box, box.crop(voxels).tobytes(order="F"))


def unpack_bits(data: bytes, shape: tuple[int, int, int]) -> Bytes:
    """The way back from `pack_regions`: (X, Y, Z) uint8."""
    unpacked = gzip.decompress(data)
    start, size = np.frombuffer(unpacked, "<u2", 6).reshape(2, 3).astype(int).tolist()
    voxels = np.frombuffer(unpacked, np.uint8, offset=HEAD).reshape(size, order="F")
    stop = (start[0] + size[0], start[1] + size[1], start[2] + size[2])
    return Box((start[0], start[1], start[2]), stop).uncrop(voxels, shape)


def pack_probabilities(cropped: Floats, box: Box) -> bytes:
    """(3, x, y, z) probabilities of ET, TC, WT in 0..1, which lie in this box of a case, as gzip of
    a box around all that is not 0 in 256 steps, start and size as uint16 (little endian) of each
    axis, and its voxels: ET, TC, WT, a byte each (255 is 1), first axis fastest.
    """
    steps = np.rint(np.multiply(cropped, 255)).astype(np.uint8)
    inner = bounding_box(np.logical_or.reduce(steps))
    (a, b, c), (i, j, k) = box.start, inner.start
    (d, e, f), start = inner.shape, (a + i, b + j, c + k)
    voxels = b"".join(region.tobytes(order="F") for region in inner.crop(steps))
    return _packed(Box(start, (start[0] + d, start[1] + e, start[2] + f)), voxels)


def _packed(box: Box, voxels: bytes) -> bytes:
    """Where they lie, start and size, and the voxels."""
    head = np.array([*box.start, *box.shape], "<u2").tobytes()
    return gzip.compress(head + voxels, LEVEL, mtime=0)


def pack_bytes(volume: Bytes) -> bytes:
    """(X, Y, Z) uint8 as gzip of one byte a voxel, first axis fastest."""
    return gzip.compress(volume.tobytes(order="F"), LEVEL, mtime=0)


def describe(case: Case) -> dict[str, Any]:
    """Grid, names and marks of a case, as the viewer wants them; no voxel."""
    grid = case.grid.canonical
    return {
        "name": case.name,
        "shape": [*grid.shape],
        "spacing": [round(mm, 6) for mm in grid.spacing_mm],
        "affine": [round(float(number), 6) for number in grid.affine[:3].ravel()],
        "letters": axis_letters(grid.affine, case.sides_known),
        "box": [[*case.brain.start], [*case.brain.stop]],
        "sides_known": case.sides_known,
        "synthetic": case.synthetic,
    }
