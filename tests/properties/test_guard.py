"""Whatever the bytes are: an image, or one sentence; and never more memory than an image takes."""

from __future__ import annotations

import gzip
import itertools
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nibabel
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mckd.digits.data import DataError
from mckd.digits.wave import read_wave
from mckd.files.names import LONGEST_NAME, plain_name
from mckd.tumour import CaseError
from mckd.tumour.nifti import Image, read_header, read_image

SHAPE = (9, 12, 7)
VOXELS = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
IMAGES = [
    kind(VOXELS, np.diag([1.0, 1.5, 3.0, 1.0])).to_bytes()
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image)
]
MOST_MB = 16  # files of up to 4 kB

# Where fields lie in NIfTI-1: (offset, struct format).
FIELDS = {
    "sizeof_hdr": (0, "<i"),
    "dim": (40, "<8h"),
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    "pixdim": (76, "<8f"),
    "vox_offset": (108, "<f"),
    "scaling": (112, "<2f"),
    "glmax": (140, "<2i"),
    "codes": (252, "<2h"),
    "quaternion": (256, "<6f"),
    "sform": (280, "<12f"),
    "extender": (348, "<4B"),
}
NUMBERS = {
    "h": st.one_of(st.integers(-2, 8), st.integers(-(2**15), 2**15 - 1)),
    "i": st.integers(-(2**31), 2**31 - 1),
    "B": st.integers(0, 255),
    "f": st.one_of(st.sampled_from([0.0, 1.0, -1.0, 352.0]), st.floats(width=32)),
}


T = TypeVar("T")


def open_image(path: Path) -> Image:
    return read_image(read_header(path))


def opened(path: Path, data: bytes, read: Callable[[Path], T]) -> T | None:
    """What a reader makes of the bytes; None if it refuses them as it should, in flat memory."""
    path.write_bytes(data)
    refusal = ""
    tracemalloc.start()
    try:
        found = read(path)
    except (CaseError, DataError) as problem:
        found, refusal = None, str(problem)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MB * 2**20
    if refusal:
        assert refusal.startswith(f"{path.name} ")
        assert refusal.endswith(".")
        assert str(path.parent) not in refusal
        assert "\n" not in refusal
    return found


def judged(path: Path, data: bytes) -> bool:
    """Whether the bytes are taken for an image."""
    image = opened(path, data, open_image)
    if image is None:
        return False
    assert np.isfinite(image.voxels).all()
    assert np.isfinite(image.grid.affine).all()
    assert image.voxels.shape[:3] == image.grid.shape
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x_t1.nii.gz"


@given(name=st.sampled_from(sorted(FIELDS)), data=st.data(), packed=st.booleans())
def test_any_value_in_any_field(path: Path, name: str, data: st.DataObject, packed: bool) -> None:
    offset, layout = FIELDS[name]
    count, kind = int(layout[1:-1] or 1), layout[-1]
    values = data.draw(st.lists(NUMBERS[kind], min_size=count, max_size=count))
    content = bytearray(IMAGES[0])
    struct.pack_into(layout, content, offset, *values)
    judged(path, gzip.compress(bytes(content), 1) if packed else bytes(content))


@given(
    image=st.sampled_from(IMAGES),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1, max_size=8),
)
def test_any_flipped_bits(path: Path, image: bytes, flips: list[tuple[int, int]]) -> None:
    content = bytearray(image)
    for place, bit in flips:
        # Half of the flips hit the header, which is a small part of the file.
        content[place % (600 if place % 2 else len(content))] ^= 1 << bit
    judged(path, bytes(content))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5))
def test_any_damage_within_gzip(path: Path, changes: list[tuple[int, int]]) -> None:
    packed = gzip.compress(IMAGES[0], mtime=0)
    content = bytearray(packed)
    for place, value in changes:
        content[place % len(content)] = value
    # Only the name, time and system fields of gzip's header may change unnoticed.
    if judged(path, bytes(content)) and bytes(content) != packed:
        assert content[10:] == packed[10:]


@given(image=st.sampled_from(IMAGES), keep=st.floats(0, 1, exclude_max=True), packed=st.booleans())
@example(image=IMAGES[0], keep=0.999, packed=True)
@example(image=IMAGES[1], keep=0.0, packed=True)
def test_any_truncation_is_noticed(path: Path, image: bytes, keep: float, packed: bool) -> None:
    whole = gzip.compress(image) if packed else image
    assert not judged(path, whole[: int(keep * len(whole))])


@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_at_all(path: Path, content: bytes, packed: bool) -> None:
    assert not judged(path, gzip.compress(content, 1) if packed else content)


@given(st.lists(st.integers(1, len(IMAGES[0]) - 1), max_size=4), st.integers(0, 9))
def test_however_gzip_cut_it_up_it_is_the_same_image(
    path: Path, cuts: list[int], level: int
) -> None:
    ends = [0, *sorted(cuts), len(IMAGES[0])]
    parts = [IMAGES[0][a:b] for a, b in itertools.pairwise(ends)]
    path.write_bytes(b"".join(gzip.compress(part, level) for part in parts))
    assert (open_image(path).voxels == VOXELS).all()


@given(st.text(st.characters(), max_size=300))
def test_any_name_is_shown_as_one_short_line(name: str) -> None:
    shown = plain_name(name)
    assert 0 < len(shown) <= LONGEST_NAME
    assert shown.splitlines() == [shown]
    assert "/" not in shown
    assert not any(mark in shown for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068")


WAV = b"RIFF\x84\x0c\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data"
WAV += struct.pack("<I", 3200) + np.arange(1600, dtype="<i2").tobytes()


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6),
    st.integers(0, len(WAV)),
)
def test_any_damage_to_a_sound(path: Path, changes: list[tuple[int, int]], keep: int) -> None:
    content = bytearray(WAV)
    for place, value in changes:
        content[place] = value
    sound = opened(path, bytes(content[:keep]), read_wave)
    if sound is not None:
        samples, rate = sound
        assert samples.ndim == 1
        assert samples.size
        assert np.isfinite(samples).all()
        assert 4000 <= rate <= 192_000
