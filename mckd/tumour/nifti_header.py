"""What the fields of a NIfTI header say of its voxels, found sensible or refused.

nibabel unpacks the fields; its own checks believe a file's claims on size.
"""

from __future__ import annotations

import math
from typing import Any

import nibabel
import numpy as np

from mckd.tumour.naming import CaseError
from mckd.tumour.nifti_bytes import GZIP, Source, cut_short

LONGEST_AXIS = 512
LARGEST_VOLUME = 512 * 512 * 200
"""Voxels of one volume: a whole head at 0.5 mm in plane. 210 MB as float32; what is finer than the
networks know is made coarser before the next file is read."""
MOST_VOLUMES = 4
"""In one file."""
LARGEST_STACK = 4 * 280**3
"""Voxels of all volumes of a file: four whole heads at 0.7 mm. 350 MB as float32."""
LONGEST_EXTENSIONS = 2**24
"""Bytes between the header and the voxels. They are skipped, never parsed."""
SCALE = (1e-9, 1e9)
LARGEST_SHIFT = 1e12

_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_OTHER_TYPES = {
    1: "single bits",
    32: "complex numbers",
    128: "colours",
    1536: "numbers of 128 bits",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "colours",
}
_HEADER_1, _HEADER_2 = 348, 540
_EXTENDER = 4  # bytes between the header and the first extension or voxel
_LOOKS_LIKE = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    GZIP: "gzip within gzip",
    b"NRRD": "an NRRD image",
    b"ObjectType": "a MetaImage",
    b"NDims": "a MetaImage",
    b"\0\0\0\1": "a FreeSurfer .mgh or .mgz image",
    b"\x89HDF": "an HDF5 file",
    b"CDF": "a MINC or NetCDF file",
    b"\x93NUMPY": "a NumPy file",
    b"RIFF": "a sound or film",
    b"<": "a web page or XML",
    b"{": "a JSON file",
    b"version https://git-lfs": "a Git LFS pointer",
}


def read_fields(source: Source, name: str) -> tuple[Any, int]:
    """nibabel's header with the values as they are in the file, and its length in bytes."""
    data = source.at_most(_HEADER_1)
    second = data[4:8] == b"n+2\0"
    if not second and data[344:348] != b"n+1\0":
        raise _no_nifti(data, name)
    length = _HEADER_2 if second else _HEADER_1
    data += source.take(length - len(data))
    if data[:4] not in (length.to_bytes(4, "little"), length.to_bytes(4, "big")):
        raise _damaged(name)
    kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    order = "<" if data[:4] == length.to_bytes(4, "little") else ">"
    return kind(data, order, check=False), length


def _no_nifti(data: bytes, name: str) -> CaseError:
    """What the first bytes of a file are instead."""
    if data[344:348] == b"ni1\0":
        return CaseError(
            f"{name} is one half of a .hdr/.img pair. Convert the pair to one .nii.gz file."
        )
    looks = next((what for start, what in _LOOKS_LIKE.items() if data.startswith(start)), "")
    if data[128:132] == b"DICM":
        looks = "a DICOM file"
    elif data[257:262] == b"ustar":
        looks = "a TAR archive"
    elif data[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c"):
        if len(data) < _HEADER_1:
            return cut_short(name)
        looks = "an Analyze header"
    seen = f" (it is {looks or 'empty'})" if looks or not data else ""
    return CaseError(
        f"{name} is not a NIfTI file{seen}. Convert the images to .nii.gz, from DICOM for example "
        "with dcm2niix."
    )


def _damaged(name: str) -> CaseError:
    return CaseError(f"{name} has a damaged header. Export it again as NIfTI from its source.")


def shape_of(fields: Any, name: str) -> tuple[int, ...]:
    """The dimensions without trailing ones: 3 or 4.

    Read as they stand: nibabel would take some impossible ones for FreeSurfer's long vectors.
    """
    count, *sizes = (int(n) for n in fields["dim"])
    whole = tuple(sizes[: max(0, min(count, len(sizes)))])
    shape = whole
    while len(shape) > 3 and shape[-1] in (0, 1):  # some writers leave 0 where there is no axis
        shape = shape[:-1]
    if count > len(sizes) or len(shape) not in (3, 4) or min(shape) < 2:
        raise CaseError(
            f"{name} has the dimensions {_times(whole)}, which is no 3-D image. Give one 3-D "
            "volume per sequence."
        )
    too_many = math.prod(shape[:3]) > LARGEST_VOLUME or (
        math.prod(shape) > LARGEST_STACK and shape[3] <= MOST_VOLUMES
    )
    if max(shape[:3]) > LONGEST_AXIS or too_many:
        raise CaseError(
            f"{name} has {_times(shape)} voxels, more than any head at 0.5 mm. Crop it to the "
            "head, or resample it to 1 mm."
        )
    if math.prod(shape[3:]) > MOST_VOLUMES:
        raise CaseError(
            f"{name} holds {shape[3]:,} volumes, as a film or a diffusion scan does. Give one 3-D "
            "volume per sequence."
        )
    return shape


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "none"


def stored_type(fields: Any, name: str) -> np.dtype[Any]:
    code = int(fields["datatype"])
    if code in _TYPES:
        return np.dtype(_TYPES[code]).newbyteorder(fields.endianness)
    what = _OTHER_TYPES.get(code, "values of an unknown type")
    raise CaseError(
        f"{name} holds {what}, not plain intensities. Export the magnitude as one number per voxel."
    )


def offset_of(fields: Any, start: int, name: str) -> int:
    """Bytes before the first voxel; some writers leave 0, which means right after the header."""
    said = float(fields["vox_offset"])
    if said == 0:
        return start + _EXTENDER
    if not (said.is_integer() and start <= said <= start + LONGEST_EXTENSIONS):
        raise _damaged(name)
    return int(said)


def scaling_of(fields: Any, name: str) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or NaN means none."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (SCALE[0] <= abs(slope) <= SCALE[1] and abs(inter) <= LARGEST_SHIFT):
        raise CaseError(
            f"{name} scales its values by {slope:.3g} and shifts them by {inter:.3g}, which no "
            "scanner does. Export it again from its source."
        )
    return slope, inter
