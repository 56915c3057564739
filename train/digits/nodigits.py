"""What is no digit, made for a test: noise, letters, scribbles; words and sounds.

All of it is drawn or spoken here, so that nobody needs data for it. Pictures are (160, 160) uint8,
as a pad would send them; sounds (n,) with their rate in Hz.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from mckd.digits.data import Floats
from mckd.digits.sound import SAMPLE_RATE_HZ
from mckd.digits.wave import read_wave
from train.digits.voices import say

SIDE, MARGIN = 160, 20
LETTERS = "ACDEFGHJKLMNPRTUVWXYabdefhkmnprtuvwxy&@#%?"  # those that nobody reads as a digit
TURNS_DEG = (-8, 0, 8)
NOISES, SCRIBBLES, HUMS = 100, 100, 40
WORDS = (
    *("banana", "hello", "yes", "no", "table", "window", "green", "purple", "elephant", "water"),
    *("computer", "stop", "go", "left", "right", "up", "down", "marvin", "sheila", "house", "cat"),
    *("dog", "bird", "bed", "tree", "happy", "wow", "tomorrow", "monday", "number", "hospital"),
    *("doctor", "patient", "scanner", "morning", "coffee"),
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3")

Pictures = list[npt.NDArray[np.uint8]]
Sounds = list[tuple[npt.NDArray[Any], int]]


def pictures(seed: int) -> dict[str, Pictures]:
    """By what they show."""
    rng = np.random.default_rng(seed)
    return {
        "noise": [_noise(rng) for _ in range(NOISES)],
        "letters": [_letter(x, turn) for x in LETTERS for turn in TURNS_DEG],
        "scribbles": [_scribble(rng) for _ in range(SCRIBBLES)],
    }


def sounds(seed: int) -> dict[str, Sounds]:
    """By what is heard; other words only where espeak-ng is installed."""
    rng = np.random.default_rng(seed)
    made = {"noise and tones": [_hum(rng, k) for k in range(HUMS)]}
    if shutil.which("espeak-ng"):
        made = {"other words": [_word(word, voice) for word in WORDS for voice in VOICES]} | made
    return made


def _noise(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Every pixel, or block of pixels, by itself."""
    block = int(rng.choice([1, 2, 5, 10]))
    return np.kron(
        rng.integers(0, 256, (SIDE // block, SIDE // block)), np.ones((block, block))
    ).astype(np.uint8)


def _letter(letter: str, turn: float) -> npt.NDArray[np.uint8]:
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    sheet = Image.new("L", (SIDE, SIDE), 255)
    ink = ImageFont.truetype(str(font), SIDE - 2 * MARGIN)
    ImageDraw.Draw(sheet).text((SIDE / 2, SIDE / 2), letter, fill=0, font=ink, anchor="mm")
    return np.asarray(sheet.rotate(turn, fillcolor=255))


def _scribble(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A random walk of 6 to 30 straight strokes, as large as the sheet."""
    walk = np.cumsum(rng.normal(size=(rng.integers(6, 31), 2)), axis=0)
    walk = (walk - walk.min(0)) / np.ptp(walk, axis=0) * (SIDE - 2 * MARGIN) + MARGIN
    sheet = Image.new("L", (SIDE, SIDE), 255)
    path = [(float(x), float(y)) for x, y in walk]
    ImageDraw.Draw(sheet).line(path, fill=0, width=int(rng.integers(4, 15)), joint="curve")
    return np.asarray(sheet)


def _hum(rng: np.random.Generator, kind: int) -> tuple[npt.NDArray[np.int16], int]:
    """A second of white noise, of a tone or of brown noise that swells and fades."""
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    noise = rng.normal(size=len(time_s))
    tone = np.sin(2 * np.pi * rng.uniform(100, 900) * time_s)
    wave: Any = (noise, tone, np.cumsum(noise))[kind % 3] * np.hanning(len(time_s))
    return (wave / np.abs(wave).max() * 20_000).astype(np.int16), SAMPLE_RATE_HZ


def _word(word: str, voice: str) -> tuple[Floats, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        say(word, path, voice=voice, pitch=50, speed=150)
        return read_wave(path)
