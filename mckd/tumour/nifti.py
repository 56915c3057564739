"""The one door for image files: from a stranger's bytes to a header that was judged, to voxels.

    header = read_header(path)        # 348 or 540 bytes are unpacked, not one voxel
    image = read_image(header)        # exactly what the header declares, piece by piece

Every file of a case comes through here, and every limit on such files is here. nibabel sees no
more than a header whose dimensions were found sensible; its own readers believe a file's claims
on size. A refusal is a `CaseError`: one sentence with the file's name and without its folder.
"""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np
import numpy.typing as npt

from mckd.files.names import plain_name
from mckd.tumour.geometry import Doubles, Grid
from mckd.tumour.naming import CaseError

Floats = npt.NDArray[np.float32]

LONGEST_AXIS = 512
LARGEST_VOLUME = 512 * 512 * 200
"""Voxels of one volume: a whole head at 0.5 mm in plane. 210 MB as float32; what is finer than the
networks know is made coarser before the next file is read."""
MOST_VOLUMES = 4
"""In one file."""
LARGEST_STACK = 4 * 280**3
"""Voxels of all volumes of a file: four whole heads at 0.7 mm. 350 MB as float32."""
LARGEST_BYTES = 2**29
"""Of a file as it lies on the disk."""
LONGEST_EXTENSIONS = 2**24
"""Bytes between the header and the voxels. They are skipped, never parsed."""
MOST_TRAILING = 2**20
"""Bytes after the last voxel that are forgiven."""
MOST_MEMBERS = 2**14
"""Of a gzip file: enough for blocked gzip (64 kB each) of the largest image."""

GREATEST_RATIO = 1032
"""Of gzip: no byte becomes more than that many."""

VOXEL_MM = (0.05, 50.0)
FARTHEST_MM = 10_000.0
"""From the origin to a corner voxel."""
SCALE = (1e-9, 1e9)
LARGEST_SHIFT = 1e12
FORMS_APART_MM = 1.0
ROUNDED_QUATERNION = 1e-3  # how much longer than 1 its square may be
SMALLEST_DETERMINANT = 1e-4  # of the affine with columns of length 1: flatter is singular

SYNTHETIC = b"MCKD synthetic"
"""How the description in the header of a synthetic image begins."""
UNKNOWN_SIDES = "left and right unknown"

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
_UNITS_MM = {1: 1000.0, 3: 0.001}  # of NIfTI's codes: metre and micrometre
_GZIP = b"\x1f\x8b"
_PIECE = 2**18  # voxels or bytes handled at a time: memory stays flat whatever a file claims
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
    _GZIP: "gzip within gzip",
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
    with _Source(path, name) as source:
        fields, start = _fields(source, name)
        shape = _shape(fields, name)
        stored = _stored(fields, name)
        offset = _offset(fields, start, name)
        source.require_room_for(offset + math.prod(shape) * stored.itemsize)
    slope, inter = _scaling(fields, name)
    grid, sides_known, warnings = _place(fields, shape, name)
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
    with _Source(header.path, header.name) as source:
        source.skip(header.offset)
        for volume in volumes:
            bad += _decode(source, header, volume, may_be_blank)
        source.finish()
    warnings = header.warnings
    if bad:
        what = "1 voxel was no number" if bad == 1 else f"{bad:,} voxels were no numbers"
        warnings += (f"{header.name}: {what} (NaN or infinite); taken as 0.",)
    return Image(header, volumes.reshape(header.shape[::-1]).T, warnings)


class _Source:
    """The bytes of a file, unpacked if they are gzip, from the first to the last.

    zlib itself reads the gzip headers and compares the checksums, so no loop in Python runs over
    what a stranger made long.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name

    def __enter__(self) -> _Source:
        try:
            if self._path.exists() and not self._path.is_file():
                raise OSError(0, "it is no file")
            self._file: BinaryIO = self._path.open("rb")
        except FileNotFoundError:
            raise CaseError(f"{self._name} is missing. Check the name and the folder.") from None
        except OSError as error:
            raise CaseError(
                f"{self._name} cannot be opened ({error.strerror}). Check the file and its "
                "permissions."
            ) from error
        self._size = self._path.stat().st_size
        if self._size > LARGEST_BYTES:
            self._file.close()
            raise CaseError(
                f"{self._name} is larger than {LARGEST_BYTES // 2**20} MB, more than any scan of a "
                "head. Give the scan itself, cropped to the head."
            )
        self._packed = self._file.read(len(_GZIP)) == _GZIP
        self._file.seek(0)
        self._bytes: Any = io.BufferedReader(_Gunzip(self._file)) if self._packed else self._file
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def at_most(self, size: int) -> bytes:
        """The next bytes, fewer only where the file ends."""
        try:
            return bytes(self._bytes.read(size))
        except EOFError:
            raise _cut_short(self._name) from None
        except (OSError, zlib.error) as error:
            raise CaseError(
                f"{self._name} is damaged (its gzip data is corrupt). Copy or export it again."
            ) from error

    def take(self, size: int) -> bytes:
        """Exactly the next bytes."""
        taken = self.at_most(size)
        if len(taken) < size:
            raise _cut_short(self._name)
        return taken

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.take(min(size, _PIECE)))

    def require_room_for(self, size: int) -> None:
        """Refuse a file that cannot hold as much, or if it is not packed, holds much more."""
        if self._size * (GREATEST_RATIO if self._packed else 1) < size:
            raise _cut_short(self._name)
        if not self._packed:
            self._require_end(self._size - size)

    def finish(self) -> None:
        """Read to the end, where gzip keeps its checksum; it must be near."""
        left = 0
        while (piece := self.at_most(_PIECE)) and left <= MOST_TRAILING:
            left += len(piece)
        self._require_end(left)

    def _require_end(self, left: int) -> None:
        if left > MOST_TRAILING:
            raise CaseError(
                f"{self._name} goes on long after the image that its header describes, so one of "
                "the two is wrong. Export it again from its source."
            )


class _Gunzip(io.RawIOBase):
    """The content of a gzip file of any number of members, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members = 0
        self._left = b""
        self._next_member(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack into a buffer; 0 at the end.

        Raises:
            EOFError: the file ends within a member.
            zlib.error: it is no gzip, or a checksum is wrong.
        """
        while True:
            if self._member.eof and not self._next_member(self._member.unused_data):
                return 0
            packed = self._left or self._file.read(_PIECE)
            piece = self._member.decompress(packed, len(buffer))
            self._left = self._member.unconsumed_tail
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
            if not packed and not self._member.eof:
                raise EOFError

    def _next_member(self, rest: bytes) -> bool:
        """Begin the next member, if there is one.

        Zeros between members are padding. What else follows, as after a copy that added the end
        of a line, is no member and not read.
        """
        while len(start := rest.lstrip(b"\0")) < len(_GZIP):
            more = self._file.read(_PIECE)
            if not more:
                return False
            rest = start + more
        if not start.startswith(_GZIP):
            return False
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise zlib.error("too many members")
        self._left = start
        self._member = zlib.decompressobj(wbits=31)  # 31: gzip, with its checksum
        return True


def _fields(source: _Source, name: str) -> tuple[Any, int]:
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
            return _cut_short(name)
        looks = "an Analyze header"
    seen = f" (it is {looks or 'empty'})" if looks or not data else ""
    return CaseError(
        f"{name} is not a NIfTI file{seen}. Convert the images to .nii.gz, from DICOM for example "
        "with dcm2niix."
    )


def _damaged(name: str) -> CaseError:
    return CaseError(f"{name} has a damaged header. Export it again as NIfTI from its source.")


def _cut_short(name: str) -> CaseError:
    return CaseError(
        f"{name} ends early, as after a broken copy or upload. Copy or export it again."
    )


def _shape(fields: Any, name: str) -> tuple[int, ...]:
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


def _stored(fields: Any, name: str) -> np.dtype[Any]:
    code = int(fields["datatype"])
    if code in _TYPES:
        return np.dtype(_TYPES[code]).newbyteorder(fields.endianness)
    what = _OTHER_TYPES.get(code, "values of an unknown type")
    raise CaseError(
        f"{name} holds {what}, not plain intensities. Export the magnitude as one number per voxel."
    )


def _offset(fields: Any, start: int, name: str) -> int:
    """Bytes before the first voxel; some writers leave 0, which means right after the header."""
    said = float(fields["vox_offset"])
    if said == 0:
        return start + _EXTENDER
    if not (said.is_integer() and start <= said <= start + LONGEST_EXTENSIONS):
        raise _damaged(name)
    return int(said)


def _scaling(fields: Any, name: str) -> tuple[float, float]:
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


def _place(fields: Any, shape: tuple[int, ...], name: str) -> tuple[Grid, bool, list[str]]:
    """The grid, whether left and right are known, and what is odd about qform and sform."""
    size = (shape[0], shape[1], shape[2])
    scale = _UNITS_MM.get(int(fields["xyzt_units"]) & 7, 1.0)
    forms = {
        "sform": fields.get_sform() if fields["sform_code"] > 0 else None,
        "qform": _qform(fields) if fields["qform_code"] > 0 else None,
    }
    said = {form: _in_mm(affine, scale) for form, affine in forms.items() if affine is not None}
    if not said:
        return (
            _checked_grid(size, _in_mm(fields.get_base_affine(), scale), name),
            False,
            [
                f"{name}: {UNKNOWN_SIDES}, the file has neither a qform nor an sform; the usual "
                "order is assumed."
            ],
        )
    usable = {form: affine for form, affine in said.items() if _is_regular(affine)} or said
    used, affine = next(iter(usable.items()))
    grid = _checked_grid(size, affine, name)
    other = next((form for form in said if form != used), None)
    if other is None:
        return grid, True, []
    if other not in usable:
        return grid, True, [f"{name}: its {other} says nothing; the {used} is used."]
    apart = grid.apart_mm(Grid(size, usable[other]))
    if apart > FORMS_APART_MM:
        return (
            grid,
            True,
            [f"{name}: its qform and sform differ by up to {apart:.1f} mm; the sform is used."],
        )
    return grid, True, []


def _qform(fields: Any) -> Doubles:
    """The affine of the quaternion; NaN where it is none.

    By the standard, but for a factor of the third axis that is neither 1 nor -1, which counts as
    1, and lengths with a sign. Rounding may make the quaternion a little longer than 1.
    """
    b, c, d = (float(fields[f"quatern_{letter}"]) for letter in "bcd")
    rest = 1 - (b * b + c * c + d * d)
    affine = np.eye(4)
    if not rest > -ROUNDED_QUATERNION:
        return np.full((4, 4), np.nan)
    a = math.sqrt(max(0.0, rest))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    lengths = np.abs(np.asarray(fields["pixdim"][1:4], np.float64))
    lengths[2] *= -1 if float(fields["pixdim"][0]) < 0 else 1
    affine[:3, :3] = turn * lengths
    affine[:3, 3] = [float(fields[f"qoffset_{letter}"]) for letter in "xyz"]
    return affine


def _in_mm(affine: Doubles, scale: float) -> Doubles:
    """An affine in the units of its header, of which only those that no head has are believed."""
    inside = np.asarray(affine, np.float64).copy()
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(inside[:3, :3], axis=0)
    if scale != 1 and not (VOXEL_MM[0] <= lengths.min() and lengths.max() <= VOXEL_MM[1]):
        inside[:3] *= scale
    return inside


def _is_regular(affine: Doubles) -> bool:
    """Whether an affine is finite and its axes span space."""
    directions = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(directions, axis=0)
    return bool(
        (lengths > 0).all() and abs(np.linalg.det(directions / lengths)) >= SMALLEST_DETERMINANT
    )


def _checked_grid(shape: tuple[int, int, int], affine: Doubles, name: str) -> Grid:
    """A grid that a head may lie on, its voxels measured in millimetres."""
    grid = Grid(shape, np.asarray(affine, np.float64))
    if not _is_regular(grid.affine):
        raise CaseError(
            f"{name} does not say where its voxels lie (its affine is singular or not finite). "
            "Export it again from its source."
        )
    lengths = grid.spacing_mm
    if min(lengths) < VOXEL_MM[0] or max(lengths) > VOXEL_MM[1]:
        size = " x ".join(f"{mm:.4g}" for mm in lengths)
        raise CaseError(
            f"{name} has voxels of {size} mm, which no scan of a head has. Check its units and "
            "export it again."
        )
    if np.abs(grid.corners_mm()).max() > FARTHEST_MM:
        raise CaseError(
            f"{name} places its voxels more than {FARTHEST_MM / 1000:.0f} m away (its affine is "
            "wrong). Export it again from its source."
        )
    return grid


def _decode(source: _Source, header: Header, out: Floats, may_be_blank: bool) -> int:
    """Fill one flat volume; returns how many of its voxels were not numbers and are 0 now."""
    scaled = (header.slope, header.inter) != (1, 0)
    bad, lowest, highest = 0, np.inf, -np.inf
    for first in range(0, out.size, _PIECE):
        part = out[first : first + _PIECE]
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
