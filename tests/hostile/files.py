"""Hostile files of every kind, drawn from a seed: what a stranger might send to each door.

    for hostile in hostile_files(300):
        path.write_bytes(hostile.make())

A kind is a small function of a random generator; each group of kinds stands before one door.
"""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import nibabel
import numpy as np

Rng = np.random.Generator
Maker = Callable[[Rng], bytes]

ENDINGS = {
    "image": "_t1.nii.gz",
    "reference": "_seg.nii",
    "sound": ".wav",
    "recording": ".json",
    "picture": ".txt",
    "checkpoint": ".safetensors",
}
NAMES = (
    "a\u202egz.iin_t1.nii",
    "a\nb\x1b[31m_t1.nii",
    "; rm -rf ~ #_t1.nii.gz",
    "=cmd|' calc'!A0_t1.nii.gz",
    "<img src=x onerror=alert(1)>_t1.nii.gz",
    "CON_t1.nii",
    "..%2f..%2fetc_t1.nii",
    "\N{BRAIN}\N{ZERO WIDTH JOINER} \N{ARABIC LETTER ALEF}_t1.nii.gz",
    "x" * 230 + "_t1.nii.gz",
)

SHAPE = (24, 30, 20)
LARGEST = (280, 280, 280)  # what the door still unpacks
MB = 2**20


@dataclass(frozen=True)
class Hostile:
    """One file: its kind, the door it is for, the name it comes under, and its bytes."""

    kind: str
    door: str
    name: str
    make: Callable[[], bytes]


def hostile_files(count: int, seed: int = 0) -> Iterator[Hostile]:
    """That many files, spread over the groups by their shares and over all kinds of each."""
    total = sum(share for _, share, _ in GROUPS)
    number = 0
    for place, (door, share, kinds) in enumerate(GROUPS):
        last = place == len(GROUPS) - 1
        here = count - number if last else round(count * share / total)
        for kind, maker in islice(cycle(kinds.items()), here):
            rng = np.random.default_rng([seed, number])
            name = str(rng.choice(NAMES)) if kind == "name" else f"x{ENDINGS[door]}"
            yield Hostile(kind, door, name, partial(maker, rng))
            number += 1


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


# ---- sounds


def wav(data: bytes, *, claims: int | None = None, **form: int) -> bytes:
    tag, channels = form.get("tag", 1), form.get("channels", 1)
    rate, bits = form.get("rate", 8000), form.get("bits", 16)
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * frame % 2**32, frame % 2**16, bits)
    size = len(data) if claims is None else claims
    return (
        b"RIFF\xff\xff\xff\xffWAVEfmt "
        + struct.pack("<I", 16)
        + head
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def four_gigabytes(rng: Rng) -> bytes:
    return wav(rng.bytes(3200), claims=int(rng.choice([2**32 - 1, 2**32 - 16, 2**31, 10**6])))


def very_short(rng: Rng) -> bytes:
    return wav(rng.bytes(int(rng.integers(0, 3)) * 2))


def ten_minutes(rng: Rng) -> bytes:
    return wav(bytes(600 * 8000), bits=8)


def as_long_as_allowed(rng: Rng) -> bytes:
    block = (rng.standard_normal(192_000) * 3000).astype("<i2").tobytes()
    return wav(block * 30, rate=192_000)


def surround(rng: Rng) -> bytes:
    return wav(rng.bytes(6 * 3 * 48_000), channels=6, bits=24, rate=48_000)


def odd_form(rng: Rng) -> bytes:
    return wav(
        rng.bytes(4000),
        tag=int(rng.choice([0, 1, 2, 3, 6, 7, 0x55, 0xFFFE])),
        channels=int(rng.choice([0, 1, 9, 65_535])),
        rate=int(rng.choice([0, 1, 8000, 768_000, 2**32 - 1])),
        bits=int(rng.choice([0, 1, 4, 12, 16, 64])),
    )


def floats_that_are_none(rng: Rng) -> bytes:
    wave = np.sin(np.arange(8000.0) / 3)
    wave[rng.integers(8000, size=9)] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
    return wav(wave.astype("<f8").tobytes(), tag=3, bits=64)


def loud_beyond_measure(rng: Rng) -> bytes:
    wave = np.sin(np.arange(8000.0) / 3) * 10.0 ** float(rng.integers(5, 38))
    return wav(wave.astype("<f4").tobytes(), tag=3, bits=32)


def silence(rng: Rng) -> bytes:
    return wav(np.full(8000, rng.integers(-99, 99), "<i2").tobytes())


def flipped_wav(rng: Rng) -> bytes:
    data = bytearray(wav((rng.standard_normal(8000) * 3000).astype("<i2").tobytes()))
    for place in rng.integers(0, 44, 4):
        data[place] = rng.integers(256)
    return bytes(data)


def many_chunks(rng: Rng) -> bytes:
    return wav(b"")[:36] + (b"junk" + bytes(4)) * int(rng.integers(70, 10**6))


def aiff(
    frames: int, bits: int, rate: bytes, compression: bytes, claims: int, data: bytes
) -> bytes:
    """channels: one. rate: a float of 80 bits."""
    form = struct.pack(">hIh", 1, frames % 2**32, bits) + rate + compression
    body = b"COMM" + struct.pack(">I", len(form)) + form
    body += b"SSND" + struct.pack(">I", claims) + bytes(8) + data
    return b"FORM\xff\xff\xff\xff" + (b"AIFC" if compression else b"AIFF") + body


RATE_8000 = b"\x40\x0b\xfa" + bytes(7)


def piped_wav(rng: Rng) -> bytes:
    wave = (rng.standard_normal(8000) * 3000).astype("<i2").tobytes()
    return wav(wave, claims=int(rng.choice([0, 0x7FFFF000, 2**32 - 1])))


def antiphase(rng: Rng) -> bytes:
    wave = (rng.standard_normal(8000) * 3000).astype("<i2")
    return wav(np.stack([wave, -wave], axis=1).tobytes(), channels=2)


def aiff_from_a_pipe(rng: Rng) -> bytes:
    wave = (rng.standard_normal(8000) * 3000).astype(">i2").tobytes()
    claims = int(rng.choice([0, 0x7F000000, 2**32 - 1]))
    return aiff(claims, 16, RATE_8000, b"", claims, wave)


def aiff_of_odd_rate(rng: Rng) -> bytes:
    exponent = int(rng.choice([0, 1, 0x3FFF, 0x7FFE, 0x7FFF, 0xFFFF]))
    return aiff(4000, 16, struct.pack(">H", exponent) + rng.bytes(8), b"", 8008, bytes(8000))


def aiff_of_odd_kind(rng: Rng) -> bytes:
    kind = bytes(rng.choice([b"MAC3", b"ima4", b"QDM2", b"\0\0\0\0", b"SDX2"]))
    return aiff(4000, int(rng.integers(-9, 99)), RATE_8000, kind + b"\0\0", 8008, bytes(8000))


def aiff_that_lasts(rng: Rng) -> bytes:
    return aiff(2**31 - 1, 16, RATE_8000, b"", 0, bytes(2 * 8000 * 60))


def flipped_aiff(rng: Rng) -> bytes:
    wave = (rng.standard_normal(8000) * 3000).astype(">i2").tobytes()
    data = bytearray(aiff(8000, 16, RATE_8000, b"", len(wave) + 8, wave))
    for place in rng.integers(0, 54, 4):
        data[place] = rng.integers(256)
    return bytes(data)


def ds64(rng: Rng) -> bytes:
    sizes = struct.pack("<QQQI", *(int(n) for n in rng.integers(2**40, 2**62, 3)), 2**32 - 1)
    plain = wav(bytes(4000), claims=2**32 - 1)[12:]
    return b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes + plain


def wide_chunks(rng: Rng) -> bytes:
    """Wave64, whose chunks claim to be of nothing or of everything."""
    rest = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"
    first = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"
    claims = [0, 1, 23, 24, 2**63, 2**64 - 1]
    whole, form, data = (struct.pack("<Q", claims[rng.integers(6)]) for _ in range(3))
    return (
        first + whole + b"wave" + rest + b"fmt " + rest + form + bytes(16) + b"data" + rest + data
    )


def flac(rng: Rng) -> bytes:
    """A head that claims everything, and noise for frames."""
    claims = struct.pack(">HH", 16, 65_535) + rng.bytes(6) + b"\xff" * 8 + bytes(16)
    return b"fLaC\x80\0\0\x22" + claims + b"\xff\xf8" + rng.bytes(20_000)


def ogg(rng: Rng) -> bytes:
    """Pages that begin well, hold noise, and claim the end of time."""
    page = b"OggS\0\2" + b"\xff" * 7 + b"\x7f" + rng.bytes(4) + bytes(8) + b"\xff" + b"\xff" * 255
    return (page + b"\x01vorbis" + rng.bytes(65_018)) * 9


OTHER_SOUNDS = (
    b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest/meta-data/\n",
    b"ffconcat version 1.0\nfile 'concat:/etc/passwd|/etc/hosts'\n",
    b"[playlist]\nFile1=http://127.0.0.1:7860/\n",
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    b"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>",
    b"RIFF\x10\0\0\0AVI LIST",
    b"ID3\x04",
    b"OggS",
    b"fLaC",
    b"\0\0\0\x18ftypisom",
    b"\x1a\x45\xdf\xa3",
    b"RF64\xff\xff\xff\xffWAVEds64",
)


# ---- what a browser sends of a recording and of a drawing


def pcm(rng: Rng) -> str:
    wave = rng.standard_normal(8000) * 3000
    return base64.b64encode(wave.astype("<i2").tobytes()).decode()


RECORDINGS: tuple[Callable[[Rng], object], ...] = (
    lambda rng: {"pcm": pcm(rng), "rate": int(rng.choice([-1, 0, 7999, 2**60]))},
    lambda rng: {"pcm": pcm(rng) * 500, "rate": 48_000},
    lambda rng: {"pcm": pcm(rng)[:-3], "rate": 16_000},
    lambda rng: {"pcm": "é" * 400, "rate": 16_000},
    lambda rng: {"pcm": "", "rate": 16_000},
    lambda rng: {"pcm": [pcm(rng)], "rate": 16_000},
    lambda rng: {"pcm": pcm(rng), "rate": "16000"},
    lambda rng: {"pcm": base64.b64encode(bytes(32_000)).decode(), "rate": 16_000},
    lambda rng: {"path": "/etc/passwd"},
    lambda rng: {"url": "http://169.254.169.254/"},
    lambda rng: [pcm(rng)],
    lambda rng: 1e308,
)


def recording(sent: Callable[[Rng], object], rng: Rng) -> bytes:
    return json.dumps(sent(rng)).encode()


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(size: tuple[int, int], content: bytes = b"", before: bytes = b"", colour: int = 0) -> bytes:
    head = struct.pack(">2I5B", *size, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + before
        + chunk(b"IDAT", zlib.compress(content))
        + chunk(b"IEND", b"")
    )


DRAWINGS: tuple[Maker, ...] = (
    lambda rng: png((30_000, 30_000)),
    lambda rng: png((2**31 - 1, 2**31 - 1)),
    lambda rng: png((0, 0)),
    lambda rng: png((512, 512), bytes(64 * MB)),
    lambda rng: png((200, 200), bytes(100)),
    lambda rng: png((28, 28), rng.bytes(29 * 28)),
    lambda rng: png((64, 64), before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 * MB)))),
    lambda rng: png((64, 64), bytes(65 * 64), colour=3),
    lambda rng: png((64, 64), bytes(65 * 64))[: int(rng.integers(8, 60))],
    lambda rng: b"GIF89a" + rng.bytes(99),
    lambda rng: b"<svg onload='alert(1)'/>",
    lambda rng: rng.bytes(500),
)


def drawing(maker: Maker, rng: Rng) -> bytes:
    return b"data:image/png;base64," + base64.b64encode(maker(rng))


# ---- checkpoints

OURS = {"__metadata__": {"mckd": "{}"}}
WEIGHT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def safetensors(header: object, weights: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (length or len(text)).to_bytes(8, "little") + text + weights


CHECKPOINTS: tuple[Maker, ...] = (
    lambda rng: b"",
    lambda rng: rng.bytes(4000),
    lambda rng: pickle.dumps({"weights": [1.0]}),
    lambda rng: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    lambda rng: safetensors(OURS, length=2**62),
    lambda rng: safetensors(OURS | {"w": WEIGHT | {"shape": [2**50]}}, bytes(4)),
    lambda rng: safetensors(OURS | {"w": WEIGHT | {"data_offsets": [0, 2**60]}}, bytes(4)),
    lambda rng: safetensors(OURS | {str(i): WEIGHT for i in range(50_000)}, bytes(4)),
    lambda rng: safetensors(OURS | {"w": WEIGHT}, struct.pack("<f", np.nan)),
    lambda rng: safetensors({"w": WEIGHT}, bytes(4)),
    lambda rng: b"\xff" * 8 + b"[" * 100_000,
    lambda rng: (90_000).to_bytes(8, "little") + b"[" * 90_000,
)


# ---- the doors, how many of 300 files come to each, and what kinds


def kinds(*makers: Maker) -> dict[str, Maker]:
    return {maker.__name__.replace("_", " "): maker for maker in makers}


GROUPS: tuple[tuple[str, int, dict[str, Maker]], ...] = (
    (
        "image",
        110,
        {
            **kinds(huge_dims, large_dims_and_no_voxels, impossible_dims, number_of_dims, film),
            **kinds(flat, freesurfer, offset, extension, datatype, wider_type, scaling, sform),
            **kinds(qform, flipped_bits, random_header, other_magic, second_version, cut_off),
            **kinds(second_version_offset, mixed_byte_order, mask, some_nan, tiny_values),
            **kinds(too_large_for_float32),
            "flipped bits, NIfTI-2": partial(flipped_bits, second=True),
            "all NaN": partial(values, value=np.nan),
            "all infinite": partial(values, value=np.inf),
            "all 0": partial(values, value=0),
            "all 7": partial(values, value=7),
            "name": good,
        },
    ),
    (
        "image",
        50,
        {
            **kinds(honest_bomb, bomb_after_the_image, bomb_before_the_voxels, gzip_in_gzip),
            **kinds(bomb_without_header, wrong_checksum, cut_off_gzip, rubbish_in_gzip),
            **kinds(rubbish_after_gzip, many_empty_members, long_gzip_name, empty_blocks),
            **kinds(padding, odd_gzip_header, long_extension),
        },
    ),
    (
        "image",
        30,
        {f"something else {i}": partial(something_else, start) for i, start in enumerate(STARTS)},
    ),
    (
        "reference",
        12,
        kinds(
            label_values,
            probabilities,
            labels_of_another_shape,
            four_labels,
            both_conventions,
            noise_as_labels,
        ),
    ),
    (
        "sound",
        60,
        {
            **kinds(four_gigabytes, very_short, ten_minutes, as_long_as_allowed, surround),
            **kinds(odd_form, floats_that_are_none, loud_beyond_measure, silence, flipped_wav),
            **kinds(many_chunks, piped_wav, antiphase, aiff_from_a_pipe, aiff_of_odd_rate),
            **kinds(aiff_of_odd_kind, aiff_that_lasts, flipped_aiff, ds64, wide_chunks, flac, ogg),
            **{
                f"other sound {i}": partial(something_else, start)
                for i, start in enumerate(OTHER_SOUNDS)
            },
        },
    ),
    (
        "recording",
        12,
        {f"recording {i}": partial(recording, sent) for i, sent in enumerate(RECORDINGS)},
    ),
    (
        "picture",
        13,
        {f"drawing {i}": partial(drawing, maker) for i, maker in enumerate(DRAWINGS)},
    ),
    ("checkpoint", 13, {f"checkpoint {i}": maker for i, maker in enumerate(CHECKPOINTS)}),
)
