"""The one door for image files: bytes in, checked voxels out.

Every file of a case goes through `open_image`. It knows what a usable NIfTI image is; limits on
size for files from strangers belong here too, and nowhere else.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from mckd.tumour.geometry import Grid
from mckd.tumour.naming import CaseError

Floats = npt.NDArray[np.float32]

UNKNOWN_SIDES = "left and right unknown"
FORMS_APART_MM = 1.0
SMALLEST_DETERMINANT = 1e-4  # of the affine with columns of length 1: flatter is singular

LARGEST_BYTES = 2**29
"""Of a file once unpacked: four float32 volumes of 320 x 320 x 320, or one of 512 x 512 x 512."""
_SMALLEST_HEADER = 348
_LOOKS_LIKE = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"NRRD": "an NRRD image",
    b"ObjectType": "a MetaImage",
    b"<": "a web page",
    b"{": "a JSON file",
    b"version https://git-lfs": "a Git LFS pointer",
}


SYNTHETIC = b"MCKD synthetic"
"""How the description in the header of a synthetic image begins."""


@dataclass(frozen=True, eq=False)
class Image:
    """One file: voxels (X, Y, Z) or (X, Y, Z, N) float32, finite, in the file's axis order.

    name is the file's, without its folder. synthetic: its header says that this project made it.
    warnings are sentences about what was mended.
    """

    name: str
    voxels: Floats
    grid: Grid
    sides_known: bool
    synthetic: bool
    warnings: tuple[str, ...]


def open_image(path: Path) -> Image:
    """Read a .nii or .nii.gz file, whichever of the two it really is.

    NIfTI-1 and NIfTI-2, either byte order. Axes of length 1 at the end are dropped. Voxels that
    are not numbers become 0 and are counted in the warnings.

    Raises:
        CaseError: no such file, not NIfTI, cut short, damaged; dimensions, values or an affine
            that no image of a head has.
    """
    path = Path(path)
    name = path.name
    image = _parse(_content(path), name)
    shape = _shape(image, name)
    affine = _affine(image, name)
    sides_known, warnings = _forms(image, name)
    voxels, bad = _voxels(image, name, shape)
    if bad:
        what = "1 voxel was no number" if bad == 1 else f"{bad:,} voxels were no numbers"
        warnings.append(f"{name}: {what} (NaN or infinite); taken as 0.")
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    synthetic = bytes(image.header["descrip"]).startswith(SYNTHETIC)
    return Image(name, voxels, grid, sides_known, synthetic, tuple(warnings))


def _content(path: Path) -> bytes:
    """The file's bytes, unpacked if they are gzip."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CaseError(f"{path.name} is missing. Check the name and the folder.") from None
    except OSError as error:
        raise CaseError(
            f"{path.name} cannot be opened ({error.strerror}). Check the file and its permissions."
        ) from error
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            unpacked = packed.read(LARGEST_BYTES + 1)
    except EOFError:
        raise CaseError(_cut_short(path.name)) from None
    except (OSError, zlib.error) as error:
        raise CaseError(
            f"{path.name} is damaged (its gzip data is corrupt). Copy or export it again."
        ) from error
    if len(unpacked) > LARGEST_BYTES:
        raise CaseError(
            f"{path.name} unpacks to more than {LARGEST_BYTES / 2**20:.0f} MB, more than any scan "
            "of a head. Give the scan itself, cropped to the head."
        )
    return unpacked


def _cut_short(name: str) -> str:
    return f"{name} ends early, as after a broken copy or upload. Copy or export it again."


def _parse(data: bytes, name: str) -> Any:
    """nibabel's image of the bytes; its voxels are not read yet."""
    kind = _kind(data, name)
    try:
        image = kind.from_bytes(data)
        needed = int(image.dataobj.offset) + int(
            np.prod([int(n) for n in image.shape], dtype=object) * image.get_data_dtype().itemsize
        )
    except Exception as error:  # what a damaged header raises is not one family
        raise CaseError(
            f"{name} has a damaged header. Export it again as NIfTI from its source."
        ) from error
    if needed > len(data):
        raise CaseError(_cut_short(name))
    return image


def _kind(data: bytes, name: str) -> Any:
    """NIfTI-1 or NIfTI-2, by size and magic of the header."""
    if data[4:8] == b"n+2\0":
        return nibabel.Nifti2Image
    if len(data) >= _SMALLEST_HEADER:
        if data[344:348] == b"n+1\0":
            return nibabel.Nifti1Image
        if data[344:348] == b"ni1\0":
            raise CaseError(
                f"{name} is one half of a .hdr/.img pair. Convert the pair to one .nii.gz file."
            )
    if len(data) < _SMALLEST_HEADER and data[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c"):
        raise CaseError(_cut_short(name))
    seen = next((what for start, what in _LOOKS_LIKE.items() if data.startswith(start)), "")
    if data[128:132] == b"DICM":
        seen = "a DICOM file"
    looks = f" (it is {'empty' if not data else seen})" if seen or not data else ""
    raise CaseError(
        f"{name} is not a NIfTI file{looks}. Convert the images to .nii.gz, from DICOM for "
        "example with dcm2niix."
    )


def _shape(image: Any, name: str) -> tuple[int, ...]:
    """The dimensions without trailing ones: 3 or 4."""
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4) or min(shape) < 2:
        raise CaseError(
            f"{name} has the dimensions {_times(image.shape)}, which is no 3-D image. Give one "
            "3-D volume per sequence."
        )
    return shape


def _times(shape: Any) -> str:
    return " x ".join(str(int(n)) for n in shape) or "none"


def _affine(image: Any, name: str) -> npt.NDArray[np.float64]:
    affine = np.asarray(image.affine, np.float64)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if np.isfinite(affine).all() and (lengths > 0).all():
        determinant = abs(np.linalg.det(affine[:3, :3] / lengths))
        if determinant > SMALLEST_DETERMINANT:
            return affine
    raise CaseError(
        f"{name} does not say where its voxels lie (its affine is singular or not finite). "
        "Export it again from its source."
    )


def _forms(image: Any, name: str) -> tuple[bool, list[str]]:
    """Whether left and right are known, and what is odd about qform and sform."""
    header = image.header
    sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    if sform is None and qform is None:
        return False, [
            f"{name}: {UNKNOWN_SIDES}, the file has neither a qform nor an sform; the usual order "
            "is assumed."
        ]
    if sform is not None and qform is not None and np.isfinite(qform).all():
        shape = tuple(int(n) for n in image.shape[:3])
        apart = Grid(shape, sform).apart_mm(Grid(shape, qform))  # type: ignore[arg-type]
        if apart > FORMS_APART_MM:
            return True, [
                f"{name}: its qform and sform differ by up to {apart:.1f} mm; the sform is used."
            ]
    return True, []


def _voxels(image: Any, name: str, shape: tuple[int, ...]) -> tuple[Floats, int]:
    """Float32 voxels, and how many of them were not numbers and are 0 now."""
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        what = {"c": "complex numbers", "V": "colours"}.get(dtype.kind, f"values of type {dtype}")
        raise CaseError(
            f"{name} holds {what}, not plain intensities. Export the magnitude as one number per "
            "voxel."
        )
    try:
        with np.errstate(all="ignore"):
            voxels = np.asarray(image.dataobj).reshape(shape, order="F").astype(np.float32)
    except Exception as error:
        raise CaseError(
            f"{name} cannot be decoded. Export it again as NIfTI from its source."
        ) from error
    wrong = ~np.isfinite(voxels)
    bad = int(np.count_nonzero(wrong))
    if bad == voxels.size:
        raise CaseError(f"{name} is blank: none of its voxels is a number. Export it again.")
    if bad:
        voxels[wrong] = 0
    return voxels, bad
