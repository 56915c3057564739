"""The one door for sound files: from a WAV's bytes to samples.

No decoder is asked to guess what a file is, so no playlist, film or web address ever reaches one.
WAV of whole numbers (8 to 32 bits) or floats is read, and nothing else; the app's visitors may
load any format that their browser turns into samples itself. Memory is that of the result,
whatever a header claims.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mckd.digits.data import DataError, Floats
from mckd.digits.sound import MAX_RATE_HZ, MAX_SECONDS, MIN_RATE_HZ

MOST_CHANNELS = 8
MOST_CHUNKS = 64
UNKNOWN_LENGTH = 0xFFFFFFFF  # as programs leave it that write to a pipe

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
_PIECE = 2**16  # frames decoded at a time
_LOOKS_LIKE = {
    b"RIFX": "a WAV of the other byte order",
    b"RF64": "a WAV for more than 4 GB",
    b"RIFF": "a film or another RIFF file",
    b"FORM": "an AIFF sound",
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
    floats: bool
    bits: int
    channels: int
    rate: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_wave(path: Path) -> tuple[Floats, int]:
    """A WAV file as mono float32 (n,), n > 0, full scale 1, and its sampling rate in Hz.

    Raises:
        DataError: missing, no WAV, compressed, cut short; a rate, a length or values that no
            spoken word has.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(32)
            if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
                raise DataError(_no_wave(start, path.name))
            form = None
            for kind, place, size in _chunks(file):
                file.seek(place)
                if kind == b"fmt ":
                    form = _format(file.read(min(size, 40)), path.name)
                elif kind == b"data" and form:
                    left = path.stat().st_size - place
                    size = left if size == UNKNOWN_LENGTH else size
                    if size > left:
                        raise DataError(f"{path.name} ends early. Fetch it again.")
                    return _decode(file, form, size // form.frame_bytes, path.name), form.rate
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}). Fetch it again.") from None
    raise DataError(f"{path.name} holds no sound. Fetch it again.")


def _no_wave(start: bytes, name: str) -> str:
    looks = next((what for magic, what in _LOOKS_LIKE.items() if start.startswith(magic)), "")
    if start[4:8] == b"ftyp":
        looks = "an MP4 file"
    seen = f" (it is {looks or 'empty'})" if looks or not start else ""
    return f"{name} is not a WAV file{seen}. Convert the recording to WAV, 16 bits."


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and claimed size of the chunks, up to the end of the file."""
    place = 12
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        yield head[:4], place + 8, size
        place += 8 + size + size % 2


def _format(chunk: bytes, name: str) -> _Format:
    """What the samples are, if it is something a voice may be recorded in."""
    if len(chunk) < 16:
        raise DataError(f"{name} has a damaged header. Fetch it again.")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    if bits not in _BITS.get(tag, ()):
        raise DataError(f"{name} is compressed or of an odd type. Convert it to WAV, 16 bits.")
    if not 1 <= channels <= MOST_CHANNELS or frame_bytes != channels * bits // 8:
        raise DataError(f"{name} has a damaged header. Fetch it again.")
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise DataError(
            f"{name} has a sampling rate of {rate:,} Hz, not {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,}. "
            "Convert it."
        )
    return _Format(tag == _FLOAT, bits, channels, rate)


def _decode(file: BinaryIO, form: _Format, frames: int, name: str) -> Floats:
    """The next frames as mono, (frames,)."""
    if not frames:
        raise DataError(f"{name} holds no sound. Fetch it again.")
    if frames > MAX_SECONDS * form.rate:
        raise DataError(
            f"{name} lasts {frames / form.rate:,.0f} seconds, and a word less than "
            f"{MAX_SECONDS:.0f}. Cut it out."
        )
    mono = np.empty(frames, np.float32)
    for first in range(0, frames, _PIECE):
        part = mono[first : first + _PIECE]
        data = np.frombuffer(file.read(len(part) * form.frame_bytes), np.uint8)
        part[:] = _samples(data, form).reshape(-1, form.channels).mean(axis=1)
    if not np.isfinite(mono).all():
        raise DataError(f"{name} holds values that are no numbers. Fetch it again.")
    return mono


def _samples(data: npt.NDArray[np.uint8], form: _Format) -> Floats:
    """Samples of all channels in turn, full scale 1."""
    if form.floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return data.view(f"<f{form.bits // 8}").astype(np.float32)
    if form.bits == 8:  # the only unsigned one
        whole = data.astype(np.float32) - np.float32(128)
    elif form.bits == 24:  # as the upper three bytes of 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = data.reshape(-1, 3)
        whole = wide.view("<i4").ravel().astype(np.float32) / np.float32(2**8)
    else:
        whole = data.view(f"<i{form.bits // 8}").astype(np.float32)
    return np.asarray(whole / np.float32(2 ** (form.bits - 1)), np.float32)
