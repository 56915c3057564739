"""The one door for sound files: from a file's bytes to samples.

libsndfile (soundfile) decodes them; what it does not guard is here. It guesses what a file is; it
takes one that was cut short for whole, hears nothing of a recording whose writer did not know the
length (into a pipe, in a browser), gives up at a chunk of odd length, and allows any rate and any
number of channels. So the first bytes alone say what may be read, and no playlist, film or web
address is ever followed; chunks are walked here, in all sizes of WAV (RIFF, RIFX, RF64, BW64, W64)
and in AIFF, and libsndfile gets the samples without a header, piece by piece: memory is that of the
result. FLAC and Ogg it unpacks itself, within the same bounds.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mckd.digits.data import DataError, Floats
from mckd.digits.sound import MAX_RATE_HZ, MAX_SECONDS, MIN_RATE_HZ, to_mono

MOST_CHANNELS = 8
MOST_CHUNKS = 64
LARGEST_PACKED = 64 * 2**20
"""Bytes of a FLAC or Ogg file."""
UNKNOWN_LENGTH = 0x7F000000
"""A length from here on says that its writer did not know it, as into a pipe; so does 0."""

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_WIDE = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"  # of Sony's Wave64
# Samples of AIFF-C by the name of the compression: libsndfile's name for them (of plain ones with
# as many bits as the header says) and their byte order.
_AIFF_KINDS = {
    b"none": ("PCM", "BIG"),
    b"twos": ("PCM", "BIG"),
    b"sowt": ("PCM", "LITTLE"),
    b"in24": ("PCM_24", "BIG"),
    b"in32": ("PCM_32", "BIG"),
    b"42ni": ("PCM_24", "LITTLE"),
    b"42n1": ("PCM_24", "LITTLE"),  # as libsndfile spells it
    b"23ni": ("PCM_32", "LITTLE"),
    b"raw ": ("PCM_U8", "BIG"),
    b"fl32": ("FLOAT", "BIG"),
    b"fl64": ("DOUBLE", "BIG"),
    b"alaw": ("ALAW", "BIG"),
    b"ulaw": ("ULAW", "BIG"),
}
_WIDTHS = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
    "ALAW": 1,
    "ULAW": 1,
}
# Chunks that may stand after one of odd length whose writer forgot the byte that makes it even.
_AFTER_ODD = (b"fmt ", b"data", b"LIST", b"fact", b"bext", b"COMM", b"SSND")
_LOOKS_LIKE = {
    b"RIFF": "a film or another RIFF file",
    b"FORM": "another IFF file",
    b"fLaC": "a FLAC sound",
    b"OggS": "an Ogg sound",
    b"ID3": "an MP3 sound",
    b"\xff\xfb": "an MP3 sound",
    b"\xff\xf1": "an AAC sound",
    b"\x1a\x45\xdf\xa3": "a WebM or Matroska file",
    b"#EXTM3U": "a playlist",
    b"[playlist]": "a playlist",
    b"ffconcat": "a playlist",
    b"<": "a web page or XML",
    b"version https://git-lfs": "a Git LFS pointer",
}


@dataclass(frozen=True)
class _Format:
    """kind, order: of the samples, in libsndfile's words. rate: Hz.

    frames: as a header of AIFF says besides; 0: it does not.
    """

    kind: str
    order: str
    channels: int
    rate: int
    frames: int = 0

    @property
    def frame_bytes(self) -> int:
        return self.channels * _WIDTHS[self.kind]


@dataclass(frozen=True)
class _Layout:
    """How chunks follow each other: from where, in which byte order, with wide heads (Wave64)."""

    first: int
    order: str = "<"
    wide: bool = False


def read_wave(path: Path, shown: str | None = None, packed: bool = True) -> tuple[Floats, int]:
    """A sound file as mono float32 (n,), n > 0, full scale 1, and its sampling rate in Hz.

    Args:
        shown: what people call the file, where it lies under another name.
        packed: whether FLAC and Ogg are read too, by libsndfile.

    Raises:
        DataError: missing, another format, compressed otherwise, cut short; a rate, a length or
            values that no spoken word has.
    """
    path = Path(path)
    name = shown or path.name
    try:
        with path.open("rb") as file:
            start = file.read(40)
            if packed and start[:4] in (b"fLaC", b"OggS"):
                return _unpacked(path, name)
            if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
                layout = _Layout(12, ">" if start[:4] == b"RIFX" else "<")
            elif start[:16] == _WIDE and start[24:28] == b"wave":
                layout = _Layout(40, wide=True)
            elif start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
                layout = _Layout(12, ">")
            else:
                raise DataError(_no_sound(start, name))
            of_aiff = start[8:12] in (b"AIFF", b"AIFC")
            found = _find_aiff if of_aiff else _find_wave
            form, place, size = found(file, layout, path.stat().st_size, name)
            return _decode(file, form, place, size // form.frame_bytes, name), form.rate
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror}). Fetch it again.") from None


def _no_sound(start: bytes, name: str) -> str:
    looks = next((what for magic, what in _LOOKS_LIKE.items() if start.startswith(magic)), "")
    if start[4:8] == b"ftyp":
        looks = "an MP4 file"
    seen = f" (it is {looks or 'empty'})" if looks or not start else ""
    return f"{name} is not a WAV or AIFF file{seen}. Convert the recording to WAV, 16 bits."


# ---- what a file holds, and where


def _find_wave(file: BinaryIO, layout: _Layout, length: int, name: str) -> tuple[_Format, int, int]:
    """Of a WAV: how its samples are stored, where, and how many bytes of them there are."""
    whole, form, long = _whole(file, layout), None, 0
    for kind, place, size in _chunks(file, layout, length):
        file.seek(place)
        if kind == b"fmt ":
            form = _format(file.read(min(size, 40)), layout.order, name)
        elif kind == b"ds64":  # the lengths that RF64 has no room for elsewhere
            long = int.from_bytes(file.read(16)[8:], "little")
        elif kind == b"data" and form:
            known = long if long and size == 0xFFFFFFFF else size
            return form, place, _extent(file, place, known, whole, length, name)
    raise DataError(f"{name} holds no sound. Fetch it again.")


def _find_aiff(file: BinaryIO, layout: _Layout, length: int, name: str) -> tuple[_Format, int, int]:
    """The same of an AIFF; what describes the samples may come after them."""
    whole, form, where = _whole(file, layout), None, None
    for kind, place, size in _chunks(file, layout, length):
        file.seek(place)
        if kind == b"COMM":
            form = _aiff_format(file.read(min(size, 40)), name)
        elif kind == b"SSND":
            skipped = 8 + int.from_bytes(file.read(4), "big")
            where = place + skipped, max(0, size - skipped)
        if form and where:
            place, known = where
            size = _extent(file, place, known, whole, length, name)
            return form, place, min(size, (form.frames or size) * form.frame_bytes)
    raise DataError(f"{name} holds no sound. Fetch it again.")


def _whole(file: BinaryIO, layout: _Layout) -> int:
    """Where the file ends, as its first bytes claim."""
    file.seek(16 if layout.wide else 4)
    if layout.wide:
        return int.from_bytes(file.read(8), "little")
    return 8 + int.from_bytes(file.read(4), _named(layout.order))


def _chunks(file: BinaryIO, layout: _Layout, length: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and claimed size of the chunks, up to the end of the file."""
    place, head_bytes = layout.first, 24 if layout.wide else 8
    for _ in range(MOST_CHUNKS):
        if place + head_bytes > length:
            return
        file.seek(place)
        head = file.read(head_bytes)
        if layout.wide:  # a size counts its head, and chunks begin at multiples of 8
            size = max(0, int.from_bytes(head[16:], "little") - head_bytes)
        else:
            size = int.from_bytes(head[4:], _named(layout.order))
        place += head_bytes
        yield head[:4], place, size
        place += size
        if layout.wide:
            place += -size % 8
        elif size % 2 and place < length:
            file.seek(place)
            place += file.read(4) not in _AFTER_ODD


def _extent(file: BinaryIO, place: int, claimed: int, whole: int, length: int, name: str) -> int:
    """Bytes of the samples: what is claimed, or all that is there if its writer did not know.

    Raises:
        DataError: the file ends before it says it would, as after a broken copy.
    """
    left = length - place
    if 0 < claimed <= left:
        return claimed
    if claimed == 0:
        return 0 if _is_chunk(file, place, left) else max(0, left)
    if claimed >= UNKNOWN_LENGTH or whole <= length or whole >= UNKNOWN_LENGTH:
        return max(0, left)
    raise DataError(f"{name} ends early. Fetch it again.")


def _is_chunk(file: BinaryIO, place: int, left: int) -> bool:
    """Whether what follows is no sound but the next chunk, up to the end of the file at most."""
    file.seek(place)
    head = file.read(8)
    sizes = (int.from_bytes(head[4:], order) for order in ("little", "big"))
    return head[:4].strip().isalnum() and any(size <= left - 8 for size in sizes)


def _named(order: str) -> Any:
    return "big" if order == ">" else "little"


# ---- how samples are stored


def _format(chunk: bytes, order: str, name: str) -> _Format:
    """Of a WAV, if it is something a voice may be recorded in."""
    if len(chunk) < 16:
        raise _damaged(name)
    tag, channels, rate, _, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack(f"{order}H", chunk[24:26])
    width = -(-bits // 8)
    if tag == _PCM and 0 < bits <= 32:
        kind = "PCM_U8" if width == 1 else f"PCM_{8 * width}"
    elif tag == _FLOAT and bits in (32, 64):
        kind = "FLOAT" if bits == 32 else "DOUBLE"
    elif tag in (_A_LAW, _MU_LAW) and bits == 8:
        kind = "ALAW" if tag == _A_LAW else "ULAW"
    else:
        raise _odd(name)
    form = _Format(kind, "BIG" if order == ">" else "LITTLE", channels, rate)
    if frame_bytes != form.frame_bytes:
        raise _damaged(name)
    return _sensible(form, name)


def _aiff_format(chunk: bytes, name: str) -> _Format:
    """The same of an AIFF or AIFF-C."""
    if len(chunk) < 18:
        raise _damaged(name)
    channels, frames, bits, exponent, mantissa = struct.unpack(">hIhHQ", chunk[:18])
    compression = (chunk[18:22] if len(chunk) >= 22 else b"NONE").lower()
    if compression not in _AIFF_KINDS or not 0 < bits <= 64:
        raise _odd(name)
    kind, order = _AIFF_KINDS[compression]
    if kind == "PCM":
        if bits > 32:
            raise _odd(name)
        kind = "PCM_S8" if bits <= 8 else f"PCM_{8 * -(-bits // 8)}"
    # The rate is a float of 80 bits; the upper of its exponents are those of negative numbers.
    rate = round(math.ldexp(mantissa, exponent - 16383 - 63)) if exponent < 16383 + 63 else 0
    unknown = frames >= UNKNOWN_LENGTH
    return _sensible(_Format(kind, order, channels, rate, 0 if unknown else frames), name)


def _sensible(form: _Format, name: str) -> _Format:
    if not 1 <= form.channels <= MOST_CHANNELS:
        raise _damaged(name)
    if not MIN_RATE_HZ <= form.rate <= MAX_RATE_HZ:
        raise DataError(
            f"{name} has a sampling rate of {form.rate:,} Hz, not {MIN_RATE_HZ:,} to "
            f"{MAX_RATE_HZ:,}. Convert it."
        )
    return form


def _damaged(name: str) -> DataError:
    return DataError(f"{name} has a damaged header. Fetch it again.")


def _odd(name: str) -> DataError:
    return DataError(f"{name} is compressed or of an odd type. Convert it to WAV, 16 bits.")


def _require_a_word(frames: int, rate: int, name: str) -> None:
    if frames <= 0:
        raise DataError(f"{name} holds no sound. Fetch it again.")
    if frames > MAX_SECONDS * rate:
        raise DataError(
            f"{name} lasts {frames / rate:,.0f} seconds, and a word less than "
            f"{MAX_SECONDS:.0f}. Cut it out."
        )


# ---- to samples


def _decode(file: BinaryIO, form: _Format, place: int, frames: int, name: str) -> Floats:
    """So many frames from a place on as mono, (frames,)."""
    _require_a_word(frames, form.rate, name)

    def part(first: int, last: int) -> Floats:
        file.seek(place + first * form.frame_bytes)
        return _samples(file.read((last - first) * form.frame_bytes), form)

    return _finite(to_mono(part, frames, np.float32), name)


def _finite(mono: Floats, name: str) -> Floats:
    if not np.isfinite(mono).all():
        raise DataError(f"{name} holds values that are no numbers. Fetch it again.")
    return mono


def _samples(data: bytes, form: _Format) -> Floats:
    """Bytes of whole frames as (n, channels), full scale 1."""
    import soundfile

    samples: Floats
    samples, _ = soundfile.read(
        io.BytesIO(data),
        dtype="float32",
        always_2d=True,
        format="RAW",
        subtype=form.kind,
        endian=form.order,
        channels=form.channels,
        samplerate=form.rate,
    )
    return samples


def _unpacked(path: Path, name: str) -> tuple[Floats, int]:
    """A FLAC or Ogg file by libsndfile, within the same bounds."""
    import soundfile

    if path.stat().st_size > LARGEST_PACKED:
        raise DataError(f"{name} is larger than any recording of a word. Cut the word out.")
    try:
        with soundfile.SoundFile(path) as opened:
            if opened.format not in ("FLAC", "OGG"):
                raise _odd(name)
            rate = _sensible(_Format("", "", opened.channels, opened.samplerate), name).rate
            if opened.frames >= UNKNOWN_LENGTH:
                raise DataError(f"{name} does not say how long it is. Convert it to WAV, 16 bits.")
            _require_a_word(opened.frames, rate, name)

            def part(first: int, last: int) -> Floats:
                if first == 0:
                    opened.seek(0)
                read: Floats = opened.read(last - first, "float32", always_2d=True)
                if len(read) < last - first:
                    raise DataError(f"{name} ends early. Fetch it again.")
                return read

            return _finite(to_mono(part, opened.frames, np.float32), name), rate
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name} is damaged. Fetch it again.") from error
