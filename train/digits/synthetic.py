"""A small data set that anyone can have: own strokes and synthesised speech.

    python -m train data synthetic --out DIR --seed S

writes a folder laid out like Audiovision-MNIST. The one in assets/digits was made by it, so that
a newcomer can train at once. It is synthetic throughout: scores on it mean nothing elsewhere.
"""

from __future__ import annotations

import gzip
import random
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mckd.digits.data import SYNTHETIC
from mckd.digits.drawing import prepare_picture
from train.digits.voices import ENGLISH, ENGLISH_ACCENTS, say

SPEAKERS = (f"{SYNTHETIC}a", f"{SYNTHETIC}b")
RECORDINGS = 10

Point = tuple[float, float]

# How each digit is written: strokes of points (x right, y down) in a box of 10 x 16.
STROKES: tuple[tuple[tuple[Point, ...], ...], ...] = (
    (((6, 0), (2, 2), (0, 8), (2, 14), (5, 16), (8, 14), (10, 8), (8, 2), (5, 0)),),
    (((3, 3), (6, 0), (6, 8), (6, 16)),),
    (((0, 4), (2, 1), (5, 0), (9, 2), (8, 7), (4, 12), (0, 16), (5, 16), (10, 16)),),
    (((0, 2), (5, 0), (9, 3), (7, 7), (4, 8), (8, 9), (10, 12), (6, 16), (0, 14)),),
    (((7, 0), (3, 6), (0, 11), (5, 11), (10, 11)), ((7, 6), (7, 11), (7, 16))),
    (((9, 0), (2, 0), (1, 7), (5, 6), (10, 10), (7, 15), (4, 16), (0, 14)),),
    (((8, 0), (3, 5), (0, 11), (3, 16), (8, 15), (9, 11), (5, 9), (1, 11)),),
    (((0, 1), (5, 0), (10, 0), (7, 7), (4, 16)),),
    (((8, 3), (5, 0), (1, 3), (4, 7), (9, 11), (6, 16), (1, 13), (5, 8), (9, 3), (6, 0)),),
    (((9, 4), (5, 0), (1, 4), (4, 8), (9, 5), (9, 2), (9, 9), (8, 16)),),
)


def make_synthetic(out: Path, seed: int) -> int:
    """Write pictures and recordings; returns how many of each. The seed decides everything."""
    recordings = out / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    images, labels = [], []
    for speaker in SPEAKERS:
        for digit in range(10):
            for index in range(RECORDINGS):
                images.append(draw_digit(digit, rng))
                labels.append(digit)
                voice = f"{ENGLISH_ACCENTS[index % 2]}+{'f2' if speaker == SPEAKERS[0] else 'm3'}"
                pitch, speed = rng.randint(30, 70), rng.randint(120, 190)
                path = recordings / f"{digit}_{speaker}_{index}.wav"
                say(ENGLISH[digit], path, voice=voice, pitch=pitch, speed=speed)
    _write_idx(out / "images-idx3-ubyte.gz", np.stack(images))
    _write_idx(out / "labels-idx1-ubyte.gz", np.array(labels, np.uint8))
    return len(labels)


def draw_digit(digit: int, rng: random.Random) -> npt.NDArray[np.uint8]:
    """One handwritten digit, (28, 28) uint8, white on black, as the app would prepare it."""
    slant, turn = rng.uniform(-0.25, 0.25), rng.uniform(-0.2, 0.2)
    wide, high = rng.uniform(6.5, 10), rng.uniform(9, 11)
    pen = rng.randint(10, 26)
    canvas = Image.new("L", (280, 280), 0)
    pencil = ImageDraw.Draw(canvas)
    for stroke in STROKES[digit]:
        wobbled = [(x + rng.gauss(0, 0.45), y + rng.gauss(0, 0.45)) for x, y in stroke]
        placed = [
            (
                140 + wide * ((x - 5) - slant * (y - 8)) - turn * high * (y - 8),
                140 + high * (y - 8) + turn * wide * (x - 5),
            )
            for x, y in _smooth(wobbled)
        ]
        pencil.line(placed, fill=255, width=pen, joint="curve")
        for x, y in placed:
            pencil.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
    picture = prepare_picture(np.asarray(canvas))
    return np.asarray(np.rint(picture * 255), np.uint8)


def _smooth(points: list[Point], steps: int = 8) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    ends = [points[0], *points, points[-1]]
    curve = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(steps):
            t = step / steps
            curve.append((_between(a[0], b[0], c[0], d[0], t), _between(a[1], b[1], c[1], d[1], t)))
    return [*curve, points[-1]]


def _between(a: float, b: float, c: float, d: float, t: float) -> float:
    """The curve's coordinate at t in 0..1 between b and c."""
    bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return b + 0.5 * ((c - a) * t + bend)


def _write_idx(path: Path, values: npt.NDArray[np.uint8]) -> None:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    # mtime 0 keeps the file the same from run to run.
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))
