"""From a recorded word to the voice network's input.

A recording passes through two stages:

1. :func:`find_voice` (NumPy and SciPy, once per recording) makes it mono, moves it to 8 kHz, finds
   the loudest word and centres it in a window of one second.
2. :func:`log_mel` (PyTorch, in batches) turns such windows into log-mel spectrograms whose level
   does not depend on the microphone's gain.

Training and the app share both, so that the network never sees input prepared in another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import butter, resample_poly, sosfiltfilt
from torch import Tensor

SAMPLE_RATE_HZ = 8000
WINDOW_SAMPLES = 8000
"""Length of the network's window: one second."""

N_FFT = 256
HOP_SAMPLES = 100
FRAMES = WINDOW_SAMPLES // HOP_SAMPLES
N_MELS = 40
N_MFCC = 20
MEL_LOW_HZ = 100.0
MEL_HIGH_HZ = 3900.0
DYNAMIC_RANGE_DB = 60.0
"""Anything this far below the loudest mel band of a word counts as silence."""

MIN_RATE_HZ = 4000
MAX_RATE_HZ = 192_000
MIN_SECONDS = 0.1
MAX_SECONDS = 30.0
SILENT_PEAK = 1e-4
"""Peak (full scale 1) below which a recording holds no voice: about -80 dBFS."""

LOUDEST_PEAK = 2.0**31
"""Peak above which a recording is damaged; floats sometimes hold the range of whole numbers."""

CANCELLED = 0.5
"""Channels cancel each other out if their mean has less power than this, in units of what it has
when they have nothing in common. Stereo with one side reversed has none."""

_PIECE = 2**14  # frames mixed at a time
_LONGEST_RATIO = 2000
"""Denominator of a resampling ratio: exact for all usual rates, and an odd one costs no more."""

_HIGH_PASS_HZ = 80.0
_PRE_EMPHASIS = 0.97
_RMS_LEVEL = 0.1
_FADE_SAMPLES = 80
_ENERGY_HOP = 80
"""Step of the end-point search: 10 ms."""

_MERGE_GAP_SECONDS = 0.2
"""Silences up to this long belong to a word: the closures of "six" and "eight" last about 0.1 s."""

_MARGIN_SECONDS = 0.15
_MIN_WORD_SECONDS = 0.08
_OTHER_WORD_DB = 15.0
"""A second stretch of sound counts as a word when it is at most this much softer than the first."""


@dataclass(frozen=True)
class Voice:
    """One word cut out of a recording."""

    window: npt.NDArray[np.float32]
    """The word centred in silence, (WINDOW_SAMPLES,), at 8 kHz and a fixed level, within -1..1."""

    start_s: float
    end_s: float
    """Where the word lies in the original recording, in seconds."""

    words: int
    """How many words the recording seems to hold; the loudest one is in the window."""


def find_voice(samples: npt.NDArray[np.generic], sample_rate: int) -> Voice:
    """Find the loudest word of a recording and centre it in a one-second window.

    ``samples`` has shape (n,) or (n, channels) and any real dtype: integers are scaled by their
    type's range, floats are taken to have a full scale of 1. Raises ``ValueError`` with a sentence
    fit for the user when the recording cannot hold a word.
    """
    wave = resample(_mono(samples, sample_rate), sample_rate)
    wave = _remove_rumble(wave)
    segments = _sounding_segments(wave)
    chosen = max(segments, key=lambda s: float(np.sum(wave[s[0] : s[1]] ** 2)))
    start, end = _at_most_window(wave, *chosen)
    return Voice(
        window=_centred(wave, start, end, segments),
        start_s=start / SAMPLE_RATE_HZ,
        end_s=end / SAMPLE_RATE_HZ,
        words=_count_words(wave, segments),
    )


def _mono(samples: npt.NDArray[np.generic], sample_rate: int) -> npt.NDArray[np.float64]:
    """Check a recording and return it as one channel of full scale 1 without its mean, (n,)."""
    if not MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ:
        raise ValueError(
            f"A sampling rate of {sample_rate} Hz is not supported; "
            f"please use {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz."
        )
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError("The sound must be a list of samples with one or more channels.")
    if samples.shape[0] < MIN_SECONDS * sample_rate or samples.size == 0:
        raise ValueError(f"The sound is too short; please record at least {MIN_SECONDS} seconds.")
    if samples.shape[0] > MAX_SECONDS * sample_rate:
        raise ValueError(
            f"The sound is too long; please record one word in less than {MAX_SECONDS:.0f} seconds."
        )
    wave = _full_scale_one(samples)
    if not np.isfinite(wave).all():
        raise ValueError("The sound holds values that are not finite numbers; please record again.")
    if max(wave.max(), -wave.min()) > LOUDEST_PEAK:
        raise ValueError("The sound is damaged: its values are far too large; please record again.")
    wave -= wave.mean()
    if max(wave.max(), -wave.min()) < SILENT_PEAK:
        raise ValueError("The sound is silent; please check the microphone and record again.")
    return wave


def to_mono(
    part: Callable[[int, int], npt.NDArray[np.floating[Any]]], frames: int, dtype: type[Any]
) -> npt.NDArray[Any]:
    """The mean of all channels, (frames,); where they cancel each other out, the loudest one.

    part: of the frames from a first to before a last one, (n, channels); called in turn, and once
    more from the start if they cancel. voice.js mixes what the browser decodes by the same rule.
    """
    spans = [(first, min(first + _PIECE, frames)) for first in range(0, frames, _PIECE)]
    mono: npt.NDArray[Any] = np.empty(frames, dtype)
    sums = squares = np.zeros(1)
    with np.errstate(all="ignore"):
        for first, last in spans:
            several = part(first, last)
            mono[first:last] = several.mean(axis=1)
            both = np.column_stack([several, mono[first:last]]).astype(np.float64)
            sums, squares = sums + both.sum(axis=0), squares + (both * both).sum(axis=0)
        *powers, mixed = squares / frames - (sums / frames) ** 2
        if mixed < CANCELLED * np.mean(powers) / len(powers):
            for first, last in spans:
                mono[first:last] = part(first, last)[:, int(np.argmax(powers))]
    return mono


def _full_scale_one(samples: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """One channel, (n,), of samples of any real dtype as floats of full scale 1."""
    whole = np.issubdtype(samples.dtype, np.integer)
    if not whole and not np.issubdtype(samples.dtype, np.floating):
        raise ValueError("The sound must consist of real numbers.")
    channels: npt.NDArray[Any] = samples.reshape(len(samples), -1)
    wave = to_mono(lambda a, b: channels[a:b].astype(np.float64), len(channels), np.float64)
    if whole:
        limits = np.iinfo(samples.dtype)  # type: ignore[type-var]
        # Unsigned formats put silence in the middle of their range.
        half = (int(limits.max) - int(limits.min) + 1) / 2
        wave -= int(limits.min) + half
        wave /= half
    return wave


def resample(
    wave: npt.NDArray[np.floating[Any]], sample_rate: int, wanted: int = SAMPLE_RATE_HZ
) -> npt.NDArray[np.float64]:
    """A wave (n,) at another rate in Hz, with an anti-aliasing filter."""
    if sample_rate == wanted:
        return np.asarray(wave, np.float64)
    ratio = Fraction(wanted, int(sample_rate)).limit_denominator(_LONGEST_RATIO)
    return np.asarray(resample_poly(wave, ratio.numerator, ratio.denominator), dtype=np.float64)


def _remove_rumble(wave: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Remove what lies below the voice (mains hum, wind, steps) without shifting it in time."""
    sections = butter(4, _HIGH_PASS_HZ, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    padding = min(SAMPLE_RATE_HZ // 10, len(wave) - 1)
    return np.asarray(sosfiltfilt(sections, wave, padlen=padding), dtype=np.float64)


def _frame_levels_db(wave: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the level of each 10 ms step, smoothed over 30 ms, in decibels."""
    steps = max(1, len(wave) // _ENERGY_HOP)
    power = (wave[: steps * _ENERGY_HOP].reshape(steps, -1) ** 2).mean(axis=1)
    smooth = np.convolve(np.pad(power, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    return np.asarray(10 * np.log10(smooth + 1e-12), dtype=np.float64)


def _sounding_segments(wave: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the stretches (start, end) in samples that stand out from the background."""
    # Pre-emphasis lets soft but sharp sounds (f, s, t, th) count for as much as loud vowels.
    levels = _frame_levels_db(np.append(wave[0], wave[1:] - 0.9 * wave[:-1]))
    peak, floor = float(levels.max()), float(np.percentile(levels, 10))
    # 30 dB below the peak still holds a fricative, unless the background is louder. In a tightly
    # cut recording the "background" is voice itself, hence the upper limit.
    threshold = max(peak - 30.0, min(floor + 6.0, peak - 10.0))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], levels >= threshold, [0]])))
    gap = _MERGE_GAP_SECONDS * SAMPLE_RATE_HZ
    segments: list[tuple[int, int]] = []
    for start, end in (edges.reshape(-1, 2) * _ENERGY_HOP).tolist():
        if segments and start - segments[-1][1] <= gap:
            segments[-1] = (segments[-1][0], end)
        else:
            segments.append((start, end))
    return segments


def _count_words(wave: npt.NDArray[np.float64], segments: list[tuple[int, int]]) -> int:
    """Count the segments that last long enough and are nearly as loud as the loudest one."""
    levels = [10 * math.log10(float(np.mean(wave[a:b] ** 2)) + 1e-12) for a, b in segments]
    least = max(levels) - _OTHER_WORD_DB
    shortest = _MIN_WORD_SECONDS * SAMPLE_RATE_HZ
    words = sum(
        level >= least and end - start >= shortest
        for level, (start, end) in zip(levels, segments, strict=True)
    )
    return max(1, words)


def _at_most_window(wave: npt.NDArray[np.float64], start: int, end: int) -> tuple[int, int]:
    """Shorten a segment that exceeds the window to its part of highest energy."""
    if end - start <= WINDOW_SAMPLES:
        return start, end
    energy = np.concatenate([[0.0], np.cumsum(wave[start:end] ** 2)])
    start += int(np.argmax(energy[WINDOW_SAMPLES:] - energy[:-WINDOW_SAMPLES]))
    return start, start + WINDOW_SAMPLES


def _centred(
    wave: npt.NDArray[np.float64], start: int, end: int, segments: list[tuple[int, int]]
) -> npt.NDArray[np.float32]:
    """Copy a word with a short margin to the middle of a window at a fixed level."""
    # The margin keeps soft on- and offsets, yet must not reach into a neighbouring word.
    margin = int(_MARGIN_SECONDS * SAMPLE_RATE_HZ)
    before = max((e for _, e in segments if e <= start), default=0)
    after = min((s for s, _ in segments if s >= end), default=len(wave))
    left, right = max(start - margin, before, 0), min(end + margin, after, len(wave))
    middle = (start + end) // 2
    left = max(left, middle - WINDOW_SAMPLES // 2)
    right = min(right, left + WINDOW_SAMPLES, middle + WINDOW_SAMPLES // 2)

    word = wave[left:right].copy()
    fade = min(_FADE_SAMPLES, len(word) // 4)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(fade, 1))
    word[:fade] *= ramp
    word[len(word) - fade :] *= ramp[::-1]
    word *= _RMS_LEVEL / max(float(np.sqrt(np.mean(wave[start:end] ** 2))), 1e-9)

    window = np.zeros(WINDOW_SAMPLES, dtype=np.float32)
    offset = left - (middle - WINDOW_SAMPLES // 2)
    window[offset : offset + len(word)] = np.clip(word, -1.0, 1.0)
    return window


def _hz_to_mel(hz: float) -> float:
    """Slaney's mel scale: linear up to 1 kHz, logarithmic above."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _mel_to_hz(mel: Tensor) -> Tensor:
    """Inverse of :func:`_hz_to_mel` for a tensor of any shape."""
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def mel_filters(warp: Tensor | None = None) -> Tensor:
    """Return triangular mel filters of unit area, (N_MELS, bins) or (B, N_MELS, bins).

    ``warp`` (B,) stretches each sample's frequency axis by a factor of about 0.8..1.25, as a
    shorter (> 1) or longer (< 1) vocal tract would.
    """
    bins = torch.arange(N_FFT // 2 + 1, dtype=torch.float32) * (SAMPLE_RATE_HZ / N_FFT)
    limits = (_hz_to_mel(MEL_LOW_HZ), _hz_to_mel(MEL_HIGH_HZ))
    corners = _mel_to_hz(torch.linspace(*limits, N_MELS + 2))
    left, middle, right = (c[:, None] for c in (corners[:-2], corners[1:-1], corners[2:]))
    if warp is not None:
        bins, corners = bins.to(warp.device), corners.to(warp.device)
        left, middle, right = (c.to(warp.device) for c in (left, middle, right))
        bins = (bins * warp[:, None])[:, None, :]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0) * 2 / (right - left)


@lru_cache(maxsize=4)
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the analysis window (N_FFT,) and the unwarped mel filters on a device."""
    return torch.hann_window(N_FFT, device=device), mel_filters().to(device)


def log_mel(wave: Tensor, warp: Tensor | None = None) -> Tensor:
    """Return the log-mel spectrogram of word windows.

    ``wave`` has shape (B, WINDOW_SAMPLES); the result has shape (B, 1, N_MELS, FRAMES) and lies
    within -2..2, where 2 is the loudest band of the word and -2 is ``DYNAMIC_RANGE_DB`` below it.
    The result does not change with the level of ``wave``. ``warp`` is as in :func:`mel_filters`.
    """
    window, filters = _constants(wave.device)
    emphasised = torch.cat([wave[:, :1], wave[:, 1:] - _PRE_EMPHASIS * wave[:, :-1]], dim=1)
    spectrum = torch.stft(
        emphasised, N_FFT, HOP_SAMPLES, window=window, pad_mode="constant", return_complex=True
    )[..., :FRAMES]
    power = spectrum.real.square() + spectrum.imag.square()
    mel = (filters if warp is None else mel_filters(warp)) @ power
    level_db = 10 * torch.log10(mel.clamp(min=1e-12))
    relative_db = level_db - level_db.amax(dim=(1, 2), keepdim=True)
    half = DYNAMIC_RANGE_DB / 2
    return ((relative_db.clamp(min=-DYNAMIC_RANGE_DB) + half) / (half / 2)).unsqueeze(1)


def mfcc(spectrogram: Tensor) -> Tensor:
    """Return mel-frequency cepstral coefficients for display, (B, N_MFCC, FRAMES).

    ``spectrogram`` comes from :func:`log_mel`; the orthonormal cosine transform (DCT-II) over its
    mel axis separates the broad shape of the spectrum (the first rows) from its detail.
    """
    bands = torch.arange(N_MELS, device=spectrogram.device) + 0.5
    order = torch.arange(N_MFCC, device=spectrogram.device)[:, None]
    basis = torch.cos(math.pi / N_MELS * order * bands) * math.sqrt(2 / N_MELS)
    basis[0] /= math.sqrt(2)
    return basis @ spectrogram.squeeze(1)
