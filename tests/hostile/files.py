"""Hostile files of every kind, drawn from a seed: what a stranger might send to each door.

    for hostile in hostile_files(300):
        path.write_bytes(hostile.make())

A kind is a small function of a random generator; each group of kinds stands before one door.
"""

from __future__ import annotations

import base64
import json
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import numpy as np

from tests.hostile.images import (
    MB,
    STARTS,
    Maker,
    Rng,
    bomb_after_the_image,
    bomb_before_the_voxels,
    bomb_without_header,
    both_conventions,
    cut_off,
    cut_off_gzip,
    datatype,
    empty_blocks,
    extension,
    film,
    flat,
    flipped_bits,
    four_labels,
    freesurfer,
    good,
    gzip_in_gzip,
    honest_bomb,
    huge_dims,
    impossible_dims,
    label_values,
    labels_of_another_shape,
    large_dims_and_no_voxels,
    long_extension,
    long_gzip_name,
    many_empty_members,
    mask,
    mixed_byte_order,
    noise_as_labels,
    number_of_dims,
    odd_gzip_header,
    offset,
    other_magic,
    padding,
    probabilities,
    qform,
    random_header,
    rubbish_after_gzip,
    rubbish_in_gzip,
    scaling,
    second_version,
    second_version_offset,
    sform,
    some_nan,
    something_else,
    tiny_values,
    too_large_for_float32,
    values,
    wider_type,
    wrong_checksum,
)
from tests.hostile.sounds import (
    OTHER_SOUNDS,
    aiff_from_a_pipe,
    aiff_of_odd_kind,
    aiff_of_odd_rate,
    aiff_that_lasts,
    antiphase,
    as_long_as_allowed,
    ds64,
    flac,
    flipped_aiff,
    flipped_wav,
    floats_that_are_none,
    four_gigabytes,
    loud_beyond_measure,
    many_chunks,
    odd_form,
    ogg,
    piped_wav,
    silence,
    surround,
    ten_minutes,
    very_short,
    wide_chunks,
)

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
