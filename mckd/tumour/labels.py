"""Three nested regions as one map: a byte of bits per voxel, and the label file to take home."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mckd.tumour.geometry import Bools, Grid

if TYPE_CHECKING:
    from mckd.tumour.data import Case
    from mckd.tumour.nifti import Floats

Bytes = npt.NDArray[np.uint8]

BITS = {"et": 1, "tc": 2, "wt": 4}  # of a map
BRATS = {"core": 1, "oedema": 2, "et": 4}


def region_bits(regions: Bools) -> Bytes:
    """(3, X, Y, Z) bool to (X, Y, Z) uint8."""
    bits = np.zeros(regions.shape[1:], np.uint8)
    for mask, bit in zip(regions, BITS.values(), strict=True):
        bits |= mask.astype(np.uint8) * np.uint8(bit)
    return bits


def bits_to_regions(bits: Bytes) -> Bools:
    """The way back from `region_bits`: (3, X, Y, Z) bool."""
    return np.stack([bits & bit != 0 for bit in BITS.values()])


def label_file(bits: Bytes, case: Case) -> bytes:
    """Canonical bits (X, Y, Z) as a .nii.gz on the input grid: 1 core, 2 oedema, 4 enhancing.

    The affine of that grid is repeated whatever it is worth, so that the labels lie on the image in
    every viewer; an image that has none gets labels that have none.
    """
    source = "MCKD synthetic case" if case.synthetic else "MCKD Studio"
    return label_image(case.to_input_grid(bits), case.input_grid, source)


def label_image(bits: Bytes, grid: Grid, source: str = "MCKD Studio") -> bytes:
    """Bits (X, Y, Z) on their own grid as a .nii.gz: 1 core, 2 oedema, 4 enhancing.

    The header is new: nothing of the visitor's header goes into it.
    """
    labels = np.zeros(bits.shape, np.uint8)
    labels[bits & BITS["wt"] != 0] = BRATS["oedema"]
    labels[bits & BITS["tc"] != 0] = BRATS["core"]
    labels[bits & BITS["et"] != 0] = BRATS["et"]
    about = f"{source}: 1 core 2 oedema 4 ET, research only"
    return _nifti(labels, grid, about)


def probability_file(p: Floats, case: Case, region: str) -> bytes:
    """(X, Y, Z) probabilities in 0..1 on the input grid as a .nii.gz of bytes, whose header says
    that 255 is 1: what reads it has 0..1 in 256 steps."""
    steps = np.rint(np.multiply(p, 255)).astype(np.uint8)
    source = "MCKD synthetic case" if case.synthetic else "MCKD Studio"
    about = f"{source}: probability of {region.upper()}, research only"
    return _nifti(steps, case.input_grid, about, 1 / 255)


def _nifti(voxels: Bytes, grid: Grid, about: str, scale: float | None = None) -> bytes:
    """A .nii.gz with a new header; scale: of the values against the bytes."""
    import nibabel

    image = nibabel.Nifti1Image(voxels, grid.affine)
    code = int(grid.placed)
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=code)
    image.set_qform(grid.affine, code=code if _is_rigid(grid) else 0)
    image.header["descrip"] = about.encode()
    if scale is not None:
        image.header.set_slope_inter(scale, 0)
    return gzip.compress(image.to_bytes(), 6, mtime=0)


def _is_rigid(grid: Grid) -> bool:
    """Whether a qform can say the same as the affine: no shear."""
    directions = grid.affine[:3, :3] / grid.spacing_mm
    return bool(np.allclose(directions.T @ directions, np.eye(3), atol=1e-4))


def file_name(alias: str, sequences: Sequence[str]) -> str:
    """A name for the label file that every system takes."""
    return f"{portable_name(alias)}_mckd_{'-'.join(sequences)}.nii.gz"


def portable_name(alias: str) -> str:
    """A name as part of a file name: ASCII letters, digits, `._-` between them; else `case`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", alias).strip("._-")[:60] or "case"


def left_out(about: Mapping[str, Any]) -> str:
    """What a checkpoint finds but does not show, by its header, in a sentence; "" if nothing."""
    least, part = about.get("et_min_ml"), about.get("least_part")
    hidden = []
    if least:
        hidden.append(f"enhancing tumour of less than {least:g} mL in all")
    if part:
        hidden.append(f"separate parts smaller than {part:.0%} of the largest")
        hidden.append("core apart from the enhancing tumour")
    return f"Not shown: {', '.join(hidden)}." if hidden else ""
