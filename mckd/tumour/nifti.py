"""The one door for image files: from a stranger's bytes to a header that was judged, to voxels.

    header = read_header(path)        # 348 or 540 bytes are unpacked, not one voxel
    image = read_image(header)        # exactly what the header declares, piece by piece

Every file of a case comes through here; every limit on such files is here or in `nifti_bytes`,
`nifti_header` and `nifti_affine`. A refusal is a `CaseError`: one sentence with the file's name
and without its folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mckd.files.names import plain_name
from mckd.tumour.geometry import Grid
from mckd.tumour.naming import CaseError
from mckd.tumour.nifti_affine import grid_of
from mckd.tumour.nifti_bytes import PIECE, Source
from mckd.tumour.nifti_header import offset_of, read_fields, scaling_of, shape_of, stored_type

Floats = npt.NDArray[np.float32]

SYNTHETIC = b"MCKD synthetic"
"""How the description in the header of a synthetic image begins."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself, found sensible before a voxel is unpacked.

    name: as people call it, without a folder and fit to be shown. shape: (X, Y, Z) or (X, Y, Z, N)
    without axes of length 1 at the end. stored: type of the voxels in the file, with its byte
    order. offset: bytes before the first voxel. slope, inter: value = slope * stored + inter.
    synthetic: the header says that this project made the image. warnings: sentences for the user.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    grid: Grid
    sides_known: bool
    synthetic: bool
    warnings: tuple[str, ...]

    @property
    def volumes(self) -> int:
        return self.shape[3] if len(self.shape) == 4 else 1


@dataclass(frozen=True, eq=False)
class Image:
    """One file: voxels (X, Y, Z) or (X, Y, Z, N) float32, finite, in the file's axis order.

    warnings: the header's, and what was mended among the voxels.
    """

    header: Header
    voxels: Floats
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.header.name

    @property
    def grid(self) -> Grid:
        return self.header.grid


def read_header(path: Path, shown: str | None = None) -> Header:
    """Judge the header of a .nii or .nii.gz file, whichever of the two it really is.

    NIfTI-1 and NIfTI-2, either byte order. Free text and extensions are not kept.

    Args:
        shown: what people call the file, where it lies under another name.

    Raises:
        CaseError: no such file, not NIfTI, cut short; dimensions, a type, scaling or an affine
            that no image of a head has.
    """
    path = Path(path)
    name = plain_name(shown or path.name)
    with Source(path, name) as source:
        fields, start = read_fields(source, name)
        shape = shape_of(fields, name)
        stored = stored_type(fields, name)
        offset = offset_of(fields, start, name)
        source.require_room_for(offset + math.prod(shape) * stored.itemsize)
    slope, inter = scaling_of(fields, name)
    grid, sides_known, warnings = grid_of(fields, shape, name)
    return Header(
        path=path,
        name=name,
        shape=shape,
        stored=stored,
        offset=offset,
        slope=slope,
        inter=inter,
        grid=grid,
        sides_known=sides_known,
        synthetic=bytes(fields["descrip"]).startswith(SYNTHETIC),
        warnings=tuple(warnings),
    )


def read_image(header: Header, may_be_blank: bool = False) -> Image:
    """Unpack the voxels that a header declares, and no more than a little after them.

    Voxels that are not numbers become 0 and are counted in the warnings. may_be_blank: whether a
    volume of one value is of use, as reference labels may be.

    Raises:
        CaseError: cut short, damaged, much longer than declared, or blank.
    """
    volumes = np.empty((header.volumes, math.prod(header.shape[:3])), np.float32)
    bad = 0
    with Source(header.path, header.name) as source:
        source.skip(header.offset)
        for volume in volumes:
            bad += _decode(source, header, volume, may_be_blank)
        source.finish()
    warnings = header.warnings
    if bad:
        what = "1 voxel was no number" if bad == 1 else f"{bad:,} voxels were no numbers"
        warnings += (f"{header.name}: {what} (NaN or infinite); taken as 0.",)
    return Image(header, volumes.reshape(header.shape[::-1]).T, warnings)


def _decode(source: Source, header: Header, out: Floats, may_be_blank: bool) -> int:
    """Fill one flat volume; returns how many of its voxels were not numbers and are 0 now."""
    scaled = (header.slope, header.inter) != (1, 0)
    bad, lowest, highest = 0, np.inf, -np.inf
    for first in range(0, out.size, PIECE):
        part = out[first : first + PIECE]
        stored = np.frombuffer(source.take(part.size * header.stored.itemsize), header.stored)
        with np.errstate(all="ignore"):
            part[:] = stored * np.float64(header.slope) + header.inter if scaled else stored
        if scaled or header.stored.kind == "f":
            wrong = ~np.isfinite(part)
            bad += int(np.count_nonzero(wrong))
            part[wrong] = 0
        lowest, highest = min(lowest, float(part.min())), max(highest, float(part.max()))
    if bad == out.size:
        raise CaseError(f"{header.name} is blank: none of its voxels is a number. Export it again.")
    if lowest == highest and not may_be_blank:
        raise CaseError(
            f"{header.name} is blank: every voxel is {highest:g}. Give the image itself, or leave "
            "the sequence out."
        )
    return bad
