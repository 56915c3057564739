"""Synthesised speakers: many voices, accents and speeds saying the ten digits.

Four recorded speakers teach a network four voices. Speech synthesisers add pronunciations and
voice qualities that no signal processing of those four can produce. The files are named like
those of the Free Spoken Digit Dataset, ``{digit}_{speaker}_{index}.wav``, 8 kHz, mono, 16 bits.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from mckd.digits.sound import SAMPLE_RATE_HZ

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

ENGLISH_ACCENTS = (
    "en-gb",
    "en-us",
    "en-us-nyc",
    "en-029",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
)

FOREIGN_SPELLINGS: dict[str, tuple[str, ...]] = {
    "fr": ("zirau", "ouanne", "tou", "sri", "faur", "faïve", "sikse", "sévène", "eïte", "naïne"),
    "de": ("siro", "uann", "tu", "sri", "fohr", "faiw", "siks", "sewwen", "eht", "nain"),
    "es": ("sirou", "uan", "tu", "tri", "for", "faiv", "siks", "seven", "eit", "nain"),
    "it": ("zirou", "uan", "tu", "sri", "for", "faiv", "sics", "seven", "eit", "nain"),
    "el": ("ζίροου", "ουάν", "του", "θρι", "φορ", "φάιβ", "σιξ", "σέβεν", "έιτ", "νάιν"),
    "nl": ("ziro", "wan", "toe", "srie", "foor", "faif", "siks", "sevven", "eet", "nain"),
    "pl": ("ziroł", "łan", "tu", "sri", "for", "fajw", "siks", "sewen", "ejt", "najn"),
    "pt": ("zirou", "uân", "tu", "tri", "fór", "faive", "sics", "séven", "êit", "nain"),
    "ru": ("зироу", "уан", "ту", "сри", "фор", "файв", "сикс", "севен", "эйт", "найн"),
    "hi": ("ज़ीरो", "वन", "टू", "थ्री", "फोर", "फाइव", "सिक्स", "सेवन", "एट", "नाइन"),
}
"""The English digits spelled so that another language's voice says them with its accent."""

VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5"),
    *("croak", "klatt", "klatt2", "klatt3", "klatt4", "klatt6", "whisper", "whisperf"),
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Hugo", "Lee"),
    *("Mario", "Michael", "Mike", "adam", "anika", "antonio", "aunty", "belinda", "benjamin"),
    *("boris", "caleb", "david", "ed", "edward", "grandma", "grandpa", "iven", "john", "linda"),
    *("max", "michel", "miguel", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro"),
    *("shelby", "steph", "travis", "victor", "zac"),
)
"""Voice qualities of espeak-ng that still sound like people."""

FLITE_VOICES = ("slt", "awb", "rms", "kal", "kal16")

Render = Callable[[int, Path], None]
"""Writes one digit as a WAV file of any rate."""


@dataclass(frozen=True)
class Speaker:
    """A synthesised speaker: a name for the file system and a way to say a digit."""

    name: str
    render: Render


def espeak_speaker(name: str, rng: random.Random, *, foreign: bool) -> Speaker:
    """Draw an espeak-ng voice with its variant, pitch (0..99) and speed (words per minute)."""
    accent = rng.choice(sorted(FOREIGN_SPELLINGS) if foreign else ENGLISH_ACCENTS)
    spellings = FOREIGN_SPELLINGS.get(accent, ENGLISH)
    voice = f"{accent}+{rng.choice(VARIANTS)}"
    pitch, speed = str(rng.randint(15, 85)), str(rng.randint(90, 220))
    ending = rng.choice((".", ".", ",", "?", "!"))

    def render(digit: int, path: Path) -> None:
        _espeak(path, spellings[digit] + ending, voice, pitch, speed)

    return Speaker(name, render)


def flite_speaker(name: str, rng: random.Random) -> Speaker:
    """Draw a flite voice with its stretch of time and mean pitch."""
    voice = rng.choice(FLITE_VOICES)
    stretch, pitch = f"{rng.uniform(0.75, 1.5):.2f}", str(rng.randint(75, 240))

    def render(digit: int, path: Path) -> None:
        _call(
            *("flite", "-voice", voice, "--setf", f"duration_stretch={stretch}"),
            *("--setf", f"int_f0_target_mean={pitch}", "-t", ENGLISH[digit], "-o", str(path)),
        )

    return Speaker(name, render)


def draw_speakers(seed: int, cases: int, *, with_flite: bool) -> list[Speaker]:
    """Draw ``cases`` speakers: mostly English accents, foreign accents, and flite if available."""
    rng = random.Random(seed)
    speakers = []
    for case in range(cases):
        share = rng.random()
        if share < 0.25 and with_flite:
            speakers.append(flite_speaker(f"flite{case:03d}", rng))
        else:
            speakers.append(espeak_speaker(f"espeak{case:03d}", rng, foreign=share < 0.5))
    return speakers


def synthesise(out: Path, seed: int, cases: int = 400) -> int:
    """Let ``cases`` synthesised speakers say all ten digits; return the number of files in ``out``.

    The same seed and programs give the same files. flite is used when it is installed; without
    espeak-ng this raises ``RuntimeError``.
    """
    if shutil.which("espeak-ng") is None:
        raise RuntimeError(
            "The synthesised voices need the program espeak-ng; "
            "please install it (on Debian: apt install espeak-ng)."
        )
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    with tempfile.TemporaryDirectory() as scratch:
        rendered = Path(scratch) / "word.wav"
        for speaker in draw_speakers(seed, cases, with_flite=shutil.which("flite") is not None):
            for digit in range(10):
                speaker.render(digit, rendered)
                _write_voice(
                    out / f"{digit}_{speaker.name}_0.wav", *soundfile.read(rendered, dtype="int16")
                )
                written += 1
    return written


def say(word: str, out: Path, *, voice: str, pitch: int, speed: int) -> None:
    """One word by an espeak-ng voice, cut to the word, 8 kHz."""
    with tempfile.TemporaryDirectory() as scratch:
        rendered = Path(scratch) / "word.wav"
        _espeak(rendered, word, voice, str(pitch), str(speed))
        samples, rate = soundfile.read(rendered, dtype="int16")
    sounding = np.flatnonzero(np.abs(samples.astype(np.int64)) > 200)
    _write_voice(out, samples[sounding[0] : sounding[-1] + 1], rate)


def _espeak(path: Path, text: str, voice: str, pitch: str, speed: str) -> None:
    _call("espeak-ng", "-v", voice, "-p", pitch, "-s", speed, "-w", str(path), text)


def _call(*command: str) -> None:
    """Run a synthesiser, turning its failure into one sentence."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = result.stderr.strip().splitlines()
        raise RuntimeError(f"{command[0]} failed: {reason[-1] if reason else 'no reason given'}")


def _write_voice(path: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """Resample to 8 kHz and write a 16-bit mono WAV file."""
    divisor = gcd(SAMPLE_RATE_HZ, rate)
    resampled = resample_poly(
        samples.astype(np.float64), SAMPLE_RATE_HZ // divisor, rate // divisor
    )
    whole = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
    soundfile.write(path, whole, SAMPLE_RATE_HZ, "PCM_16")
