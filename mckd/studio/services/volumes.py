"""What of a case travels to a browser, and what a visitor takes home.

To the browser: each sequence as gzip of uint8 with the scale that gives its values back, label
maps as gzip of bits, and a small description of the grid. Home: a label file in NIfTI. All pure
functions; numpy alone is imported with the module.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mckd.tumour import Case
    from mckd.tumour.geometry import Bools, Box, Doubles, Grid

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

LEVEL = 4  # of gzip: a volume takes 50 ms, level 6 twice as long for 3 % less
BITS = {"et": 1, "tc": 2, "wt": 4}  # of a label map, as viewer.js reads it
BRATS = {"core": 1, "oedema": 2, "et": 4}
ENDS = (("L", "R"), ("P", "A"), ("I", "S"))  # of the axes x, y, z in RAS+: negative, positive
OBLIQUE = 0.35  # a second letter where an axis leans more than 20 degrees towards another
WINDOW = (0.5, 99.9)  # percentiles of the brain that become black and white
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
    return Packed(_gzip(grey), low, step, clipped, (dark, max(white, dark + step)))


def pack_regions(regions: Bools) -> bytes:
    """(3, X, Y, Z) ET, TC, WT as gzip of one byte a voxel, first axis fastest; bits as in BITS."""
    return _gzip(region_bits(regions))


def region_bits(regions: Bools) -> Bytes:
    """(3, X, Y, Z) bool to (X, Y, Z) uint8."""
    bits = np.zeros(regions.shape[1:], np.uint8)
    for mask, bit in zip(regions, BITS.values(), strict=True):
        bits |= mask.astype(np.uint8) * np.uint8(bit)
    return bits


def unpack_bits(data: bytes, shape: tuple[int, int, int]) -> Bytes:
    """The way back from `pack_regions`: (X, Y, Z) uint8."""
    return np.frombuffer(gzip.decompress(data), np.uint8).reshape(shape, order="F")


def bits_to_regions(bits: Bytes) -> Bools:
    """The way back from `region_bits`: (3, X, Y, Z) bool."""
    return np.stack([bits & bit != 0 for bit in BITS.values()])


def _gzip(volume: Bytes) -> bytes:
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


def axis_letters(affine: Doubles, sides_known: bool = True) -> list[list[str]]:
    """For each axis of the array what its low and its high end are called: [["L", "R"], ...].

    An axis that leans gets two letters, the nearer one first. Where left and right are not
    known, the letters L and R become "?".
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    named = []
    for direction in directions.T:
        order = np.argsort(-np.abs(direction), kind="stable")
        ends = ["", ""]
        for rank, axis in enumerate(order):
            if rank and abs(direction[axis]) < OBLIQUE:
                continue
            along = direction[axis] > 0
            ends[0] += ENDS[axis][0 if along else 1]
            ends[1] += ENDS[axis][1 if along else 0]
        named.append(ends if sides_known else [re.sub("[LR]", "?", end) for end in ends])
    return named


def label_file(bits: Bytes, case: Case) -> bytes:
    """Canonical bits (X, Y, Z) as a .nii.gz on the input grid: 1 core, 2 oedema, 4 enhancing.

    The header is new: nothing of the visitor's header goes into it. If no input file said which
    side is left, neither does this one.
    """
    import nibabel

    labels = np.zeros(bits.shape, np.uint8)
    labels[bits & BITS["wt"] != 0] = BRATS["oedema"]
    labels[bits & BITS["tc"] != 0] = BRATS["core"]
    labels[bits & BITS["et"] != 0] = BRATS["et"]
    image = nibabel.Nifti1Image(case.grid.from_canonical(labels), case.affine)
    known = 1 if case.sides_known else 0
    image.header.set_xyzt_units("mm")
    image.set_sform(case.affine, code=known)
    image.set_qform(case.affine, code=known if _is_rigid(case.grid) else 0)
    source = "MCKD synthetic case" if case.synthetic else "MCKD Studio"
    image.header["descrip"] = f"{source}: 1 core 2 oedema 4 ET, research only".encode()
    return gzip.compress(image.to_bytes(), 6, mtime=0)


def _is_rigid(grid: Grid) -> bool:
    """Whether a qform can say the same as the affine: no shear."""
    directions = grid.affine[:3, :3] / grid.spacing_mm
    return bool(np.allclose(directions.T @ directions, np.eye(3), atol=1e-4))


def file_name(case_name: str, sequences: list[str]) -> str:
    """A name for the label file that every system takes."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", case_name).strip("._-")[:60] or "case"
    return f"{plain}_mckd_{'-'.join(sequences)}.nii.gz"
