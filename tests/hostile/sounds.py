"""Hostile sounds: WAV and AIFF of every size, and something else that is called so."""

from __future__ import annotations

import struct

import numpy as np

from tests.hostile.images import Rng

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
