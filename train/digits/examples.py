"""Make the examples of the Digits tab: own strokes, and speech synthesised with espeak-ng.

    python -m train.digits.examples          writes assets/digits/examples/

Needs the program espeak-ng; the result is committed, so only a change of this file needs it.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

FOLDER = Path(__file__).parents[2] / "assets" / "digits" / "examples"
RATE = 16_000
SILENCE_S = 0.25

Stroke = list[list[int]]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Points of an ellipse; angles in degrees, clockwise from the right."""
    steps = max(2, round(abs(end - start) / 12))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [[round(x + rx * math.cos(a)), round(y + ry * math.sin(a))] for a in angles]


SEVEN = [[[78, 72], [130, 69], [202, 66], [180, 110], [158, 155], [138, 196], [126, 228]]]
THREE = [arc(132, 94, 50, 42, 200, 440) + arc(134, 180, 60, 50, 275, 510)]
TWO = [
    [*arc(134, 100, 56, 48, 195, 390), [150, 160], [112, 194], [76, 222], [140, 220], [210, 222]]
]
# Barely open at the top: a hurried 9 that could as well be a 4. The voice settles it.
FOUR_OR_NINE = [
    [[143, 70], [110, 84], [88, 120], [84, 146], [104, 160], [140, 158], [178, 148]],
    [[180, 74], [174, 120], [168, 176], [162, 236]],
]

EXAMPLES = [
    {"name": "drawn", "caption": "drawn", "strokes": SEVEN},
    {"name": "spoken", "caption": "spoken", "says": "three"},
    {"name": "both", "caption": "both", "strokes": TWO, "says": "two"},
    {"name": "disagree", "caption": "they disagree", "strokes": THREE, "says": "five"},
    {"name": "messy", "caption": "4 or 9?", "strokes": FOUR_OR_NINE, "says": "nine"},
]
VOICES = {"spoken": "en-us", "both": "en-gb", "disagree": "en-us+f3", "messy": "en-gb+m3"}


def speech(word: str, voice: str) -> np.ndarray:
    """One word as int16 samples at 16 kHz, with a little silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "130", "-w", str(path), word], check=True)
        samples, rate = soundfile.read(path, dtype="int16")
    wave = resample_poly(samples.astype(np.float64), RATE, rate)
    wave *= 12_000 / np.abs(wave).max()
    loud = np.flatnonzero(np.abs(wave) > 100)
    wave = np.pad(wave[loud[0] : loud[-1]], round(SILENCE_S * RATE))
    return wave.round().astype(np.int16)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES:
        if "says" in example:
            wave = speech(str(example["says"]), VOICES[str(example["name"])])
            soundfile.write(FOLDER / f"{example['name']}.wav", wave, RATE, "PCM_16")
    lines = ",\n".join(json.dumps(example) for example in EXAMPLES)
    (FOLDER / "examples.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
