"""Hostile images and references: NIfTI, gzip, and something else that is called so."""

from __future__ import annotations

import gzip
import pickle
import struct
import zlib
from collections.abc import Callable

import nibabel
import numpy as np

Rng = np.random.Generator
Maker = Callable[[Rng], bytes]

SHAPE = (24, 30, 20)
LARGEST = (280, 280, 280)  # what the door still unpacks
MB = 2**20


# ---- images


def head(rng: Rng, dtype: str = "<i2") -> np.ndarray:
    volume = rng.integers(50, 900, SHAPE).astype(dtype)
    volume[:2] = volume[:, -3:] = 0
    return volume


def nifti(voxels: np.ndarray, second: bool = False) -> bytearray:
    kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    return bytearray(kind(voxels, np.diag([-4.0, 4.0, 5.0, 1.0]), dtype=voxels.dtype).to_bytes())


def patched(rng: Rng, offset: int, layout: str, *values: float) -> bytes:
    """A good image, one field changed; packed or not, as it falls."""
    data = nifti(head(rng))
    struct.pack_into(layout, data, offset, *values)
    return gzip.compress(bytes(data), 1) if rng.random() < 0.5 else bytes(data)


def dims(rng: Rng, *values: int) -> bytes:
    return patched(rng, 40, "<8h", *(*values, *[1] * 7)[:8])


def huge_dims(rng: Rng) -> bytes:
    return dims(rng, 3, *rng.integers(400, 32_767, 3))


def large_dims_and_no_voxels(rng: Rng) -> bytes:
    return dims(rng, 3, *rng.integers(200, 281, 3))


def impossible_dims(rng: Rng) -> bytes:
    return dims(rng, 3, *rng.permutation([int(rng.choice([0, -1, -300, -32_768])), 24, 30]))


def number_of_dims(rng: Rng) -> bytes:
    return dims(rng, int(rng.choice([-3, 0, 1, 2, 5, 6, 7, 8, 200, 32_767])), *SHAPE, 3, 3, 3, 3)


def film(rng: Rng) -> bytes:
    return dims(rng, 4, *SHAPE, int(rng.integers(5, 32_767)))


def flat(rng: Rng) -> bytes:
    return dims(rng, 3, *rng.permutation([1, 14_400, 1]))


def freesurfer(rng: Rng) -> bytes:
    data = nifti(head(rng))
    sizes = [(-1, 1, 1), (27_307, 1, 6)][int(rng.integers(2))]
    struct.pack_into("<8h", data, 40, 3, *sizes, 1, 1, 1, 1)
    struct.pack_into("<2i", data, 140, 0, int(rng.integers(2**28, 2**31 - 1)))
    return gzip.compress(bytes(data))


def offset(rng: Rng) -> bytes:
    values = [np.nan, np.inf, -np.inf, -4, 8, 351, 352.5, 1e6, 1e9, 2.0**31, 3e38]
    return patched(rng, 108, "<f", float(rng.choice(values)))


def extension(rng: Rng) -> bytes:
    data = nifti(head(rng))
    length = int(rng.choice([0, -16, 7, 16, 1_500_000_000, 2**31 - 1]))
    data[348:352] = struct.pack("<4B2i40s", 1, 0, 0, 0, length, 6, b"Doe^Jane")
    struct.pack_into("<f", data, 108, 400)
    return gzip.compress(bytes(data))


def datatype(rng: Rng) -> bytes:
    codes = [-1, 0, 1, 3, 32, 128, 255, 1536, 1792, 2048, 2304, 32_767]
    return patched(rng, 70, "<h", int(rng.choice(codes)))


def wider_type(rng: Rng) -> bytes:
    return patched(rng, 70, "<h", int(rng.choice([8, 16, 64, 768, 1024, 1280])))


def scaling(rng: Rng) -> bytes:
    values = [np.inf, -np.inf, 1e38, -1e30, 1e-38, 1e-12]
    return patched(rng, 112, "<2f", float(rng.choice(values)), float(rng.choice([0, np.nan, 1e35])))


def sform(rng: Rng) -> bytes:
    matrix = np.diag([-4.0, 4, 5, 1])[:3].ravel()
    bad = [np.nan, np.inf, 1e-30, 1e30, 0]
    if rng.random() < 0.3:
        matrix[:] = [1, 1, 0, 0] * 3
    elif rng.random() < 0.5:
        matrix[[0, 5, 10]] = float(rng.choice([1e-6, 1e6, 0]))
    else:
        matrix[rng.integers(12)] = float(rng.choice(bad))
    return patched(rng, 280, "<12f", *matrix)


def qform(rng: Rng) -> bytes:
    data = nifti(head(rng))
    struct.pack_into("<2h", data, 252, 1, 0)
    struct.pack_into("<3f", data, 256, *rng.choice([np.nan, np.inf, 3, -9], 3))
    return bytes(data)


def flipped_bits(rng: Rng, second: bool = False) -> bytes:
    data = nifti(head(rng), second)
    for place in rng.integers(0, 560, rng.integers(1, 20)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def random_header(rng: Rng) -> bytes:
    data = nifti(head(rng))
    data[4:344] = rng.bytes(340)
    return bytes(data)


def other_magic(rng: Rng) -> bytes:
    magics = [b"ni1\0", b"n+3\0", b"n+1 ", b"\0\0\0\0", b"N+1\0"]
    return patched(rng, 344, "<4s", magics[int(rng.integers(len(magics)))])


def second_version(rng: Rng) -> bytes:
    data = nifti(head(rng), second=True)
    struct.pack_into("<8q", data, 16, 3, *(2 ** rng.integers(10, 62, 3)).tolist(), 1, 1, 1, 1)
    return bytes(data)


def second_version_offset(rng: Rng) -> bytes:
    data = nifti(head(rng), second=True)
    struct.pack_into("<q", data, 168, int(rng.choice([-8, 1, 2**40, 2**62])))
    return bytes(data)


def mixed_byte_order(rng: Rng) -> bytes:
    return patched(rng, 0, ">i", 348)


def cut_off(rng: Rng) -> bytes:
    data = bytes(nifti(head(rng)))
    return data[: int(rng.integers(1, len(data)))]


def values(rng: Rng, value: float) -> bytes:
    return bytes(nifti(np.full(SHAPE, value, "<f4")))


def mask(rng: Rng) -> bytes:
    return bytes(nifti((head(rng) > 400).astype("u1")))


def some_nan(rng: Rng) -> bytes:
    volume = head(rng, "<f4")
    volume[rng.random(SHAPE) < 0.3] = rng.choice([np.nan, np.inf, -np.inf])
    return bytes(nifti(volume))


def too_large_for_float32(rng: Rng) -> bytes:
    return bytes(nifti(head(rng, "<f8") * 1e300))


def tiny_values(rng: Rng) -> bytes:
    return bytes(nifti(head(rng, "<f8") * 1e-310))


def good(rng: Rng) -> bytes:
    return gzip.compress(bytes(nifti(head(rng))))


# ---- gzip


def largest_header(dtype: str, extra: int = 0) -> bytes:
    header = nibabel.Nifti1Header()
    header.set_data_shape(LARGEST)
    header.set_data_dtype(np.dtype(dtype))
    header.set_sform(np.diag([0.7, 0.7, 0.7, 1]), 1)
    header["vox_offset"] = 352 + extra
    header["magic"] = b"n+1"
    return header.binaryblock + bytes(4)


def honest_bomb(rng: Rng) -> bytes:
    """A header that tells the truth about very many equal voxels."""
    dtype = str(rng.choice(["u1", "<i2", "<f4", "<f8"]))
    voxels = np.full(280 * 280, int(rng.choice([0, 7])), dtype).tobytes()
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(largest_header(dtype))]
    parts += [packer.compress(voxels) for _ in range(280)]
    return b"".join([*parts, packer.flush()])


def bomb_after_the_image(rng: Rng) -> bytes:
    return good(rng) + gzip.compress(bytes(64 * MB), 1) * int(rng.integers(1, 24))


def bomb_before_the_voxels(rng: Rng) -> bytes:
    start = largest_header("<i2", extra=16 * MB - 352)
    return gzip.compress(start) + gzip.compress(bytes(64 * MB), 1) * 24


def bomb_without_header(rng: Rng) -> bytes:
    return gzip.compress(bytes(64 * MB), 1) * int(rng.integers(1, 24))


def gzip_in_gzip(rng: Rng) -> bytes:
    return gzip.compress(good(rng))


def wrong_checksum(rng: Rng) -> bytes:
    data = bytearray(good(rng))
    data[-int(rng.integers(1, 9))] ^= 0x55
    return bytes(data)


def cut_off_gzip(rng: Rng) -> bytes:
    data = good(rng)
    return data[: int(rng.integers(2, len(data)))]


def rubbish_in_gzip(rng: Rng) -> bytes:
    data = bytearray(good(rng))
    place = int(rng.integers(10, len(data) - 200))
    data[place : place + 100] = rng.bytes(100)
    return bytes(data)


def rubbish_after_gzip(rng: Rng) -> bytes:
    return good(rng) + rng.bytes(int(rng.integers(1, 5000)))


def many_empty_members(rng: Rng) -> bytes:
    return gzip.compress(b"") * int(rng.integers(20_000, 400_000)) + good(rng)


def long_gzip_name(rng: Rng) -> bytes:
    return b"\x1f\x8b\x08\x08" + bytes(6) + b"A" * int(rng.integers(1, 32)) * MB


def empty_blocks(rng: Rng) -> bytes:
    """Stored blocks without content: input that never becomes output."""
    return good(rng)[:10] + b"\0\0\0\xff\xff" * (int(rng.integers(1, 6)) * MB)


def padding(rng: Rng) -> bytes:
    return good(rng) + bytes(int(rng.integers(1, 32)) * MB)


def odd_gzip_header(rng: Rng) -> bytes:
    return b"\x1f\x8b" + rng.bytes(500)


def long_extension(rng: Rng) -> bytes:
    data = largest_header("<i2", extra=8 * MB)
    return gzip.compress(data + bytes(4 * MB))


# ---- something else, whatever it is called

STARTS = (
    b"",
    b"\0",
    b"hello",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"II*\0",
    b"%PDF-1.7",
    b"PK\x03\x04",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"BZh9",
    b"\xfd7zXZ\0",
    b"NRRD0005\ntype: short\n",
    b"ObjectType = Image\nNDims = 3\n",
    b"\0\0\0\1" + struct.pack(">3i", 30_000, 30_000, 30_000),
    b"\x89HDF\r\n\x1a\n",
    b"\x93NUMPY",
    b"<!doctype html><script>alert(1)</script>",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    b'{"nii": 1}',
    b"version https://git-lfs.github.com/spec/v1\n",
    b"\x7fELF",
    bytes(128) + b"DICM",
    bytes(257) + b"ustar",
    struct.pack("<i", 348),
    pickle.dumps({"voxels": [1, 2, 3]}),
)


def something_else(start: bytes, rng: Rng) -> bytes:
    data = start + rng.bytes(int(rng.integers(0, 3000)))
    return gzip.compress(data) if rng.random() < 0.3 else data


# ---- references on the grid of a good image


def label_values(rng: Rng) -> bytes:
    choices = np.array([5, -1, 255, 0.5, 1e30, -np.inf, np.nan, 3.4e38, 7], "<f4")
    return bytes(nifti(rng.choice(choices, SHAPE)))


def probabilities(rng: Rng) -> bytes:
    return bytes(nifti(rng.random(SHAPE).astype("<f4")))


def labels_of_another_shape(rng: Rng) -> bytes:
    return bytes(nifti(np.zeros(rng.integers(2, 40, 3), "u1")))


def four_labels(rng: Rng) -> bytes:
    return bytes(nifti(np.zeros((*SHAPE, 4), "u1")))


def both_conventions(rng: Rng) -> bytes:
    return bytes(nifti(rng.integers(0, 5, SHAPE).astype("u1")))


def noise_as_labels(rng: Rng) -> bytes:
    return bytes(nifti(rng.integers(-(2**31), 2**31, SHAPE).astype("<i4")))
