"""Random changes to spoken words: other speakers, rooms, microphones and background noise.

Every change comes as a pair: ``sample_*`` draws parameters for a batch from a ``torch.Generator``,
``apply_*`` carries them out and is deterministic. Words are windows as cut by
``mckd.digits.sound.find_voice``, (B, n) at 8 kHz; spectrograms come from ``log_mel``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from mckd.digits.sound import SAMPLE_RATE_HZ

RIR_SAMPLES = 2400
"""Length of a room's impulse response: 0.3 s."""

EQ_KNOTS = 9
"""Knots of a microphone's frequency response, evenly spaced from 0 to 4 kHz."""


def _uniform(low: float, high: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw values of a uniform distribution over low..high."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def _happens(probability: float, size: int, generator: Generator) -> Tensor:
    """Draw a boolean (size,) that is true with a probability."""
    return torch.rand(size, generator=generator) < probability


def _word_bounds(wave: Tensor) -> Tensor:
    """Return the first and last sample that are audible next to each word's peak, (B, 2)."""
    loud = wave.abs() > 0.04 * wave.abs().amax(dim=1, keepdim=True)
    first = loud.float().argmax(dim=1)
    last = wave.shape[1] - 1 - loud.flip(1).float().argmax(dim=1)
    return torch.stack([first, last], dim=1)


def _between(samples: int, bounds: Tensor) -> Tensor:
    """Return a mask (B, samples) that is true from bounds[:, 0] to bounds[:, 1]."""
    position = torch.arange(samples)
    return (position >= bounds[:, :1]) & (position <= bounds[:, 1:])


@dataclass(frozen=True)
class Timing:
    """Speed (resampling factor: pitch and formants move along), cut and shift of a word."""

    speed: Tensor  # (B,), 0.75..1.33; above 1 is faster and higher
    cut: Tensor  # (B, 2), share of the word lost at its beginning and end, 0..0.3
    shift: Tensor  # (B,), seconds; positive is later


def sample_timing(size: int, generator: Generator) -> Timing:
    """Draw speeds log-uniformly, shifts within 0.12 s, and sometimes too tight a cut."""
    # Endings get lost more than beginnings: "six" without its s must not become "eight".
    happens = torch.rand((size, 2), generator=generator) < torch.tensor([0.25, 0.35])
    widest = torch.tensor([0.15, 0.3])
    return Timing(
        speed=torch.exp(_uniform(math.log(0.75), math.log(1.33), (size,), generator)),
        cut=torch.rand((size, 2), generator=generator) * widest * happens,
        shift=_uniform(-0.12, 0.12, (size,), generator),
    )


def apply_timing(wave: Tensor, timing: Timing) -> Tensor:
    """Cut each word's ends, resample it around the window's middle and move it; (B, n)."""
    samples = wave.shape[1]
    first, last = _word_bounds(wave).unbind(1)
    lost = timing.cut * (last - first)[:, None]
    bounds = torch.stack([first + lost[:, 0], last - lost[:, 1]], dim=1)
    bounds = torch.where(timing.cut > 0, bounds, torch.tensor([0.0, float(samples)]))
    wave = torch.where(_between(samples, bounds), wave, 0.0)

    middle = (samples - 1) / 2
    shift = timing.shift[:, None] * SAMPLE_RATE_HZ
    source = middle + (torch.arange(samples) - middle - shift) * timing.speed[:, None]
    inside = (source >= 0) & (source <= samples - 1)
    left = source.floor().clamp(0, samples - 2).long()
    resampled = torch.lerp(wave.gather(1, left), wave.gather(1, left + 1), source - left)
    return torch.where(inside, resampled, 0.0)


@dataclass(frozen=True)
class Channel:
    """The way from mouth to file: loudness contrast, echo, frequency response and clipping."""

    contrast: Tensor  # (B,), -0.3..0.5; above 0, soft sounds become softer still
    room: Tensor  # (B, RIR_SAMPLES), impulse response with a direct path of 1
    gain_db: Tensor  # (B, EQ_KNOTS), frequency response
    clip: Tensor  # (B,), peak allowed relative to the word's own peak, 1 = no clipping


def sample_channel(size: int, generator: Generator) -> Channel:
    """Draw level contrasts, decaying rooms, smooth equalisers with band limits, and clipping."""
    # Some speakers hardly voice their consonants, and gates and compressors change the balance.
    contrast = _uniform(-0.3, 0.5, (size,), generator) * _happens(0.4, size, generator)

    reverberation_s = _uniform(0.08, 0.6, (size, 1), generator)
    direct_to_echo_db = _uniform(-2.0, 20.0, (size, 1), generator)
    time_s = torch.arange(RIR_SAMPLES) / SAMPLE_RATE_HZ
    # The level of an echo has fallen by 60 dB (a factor of e^-6.9) after the reverberation time.
    echo = torch.randn((size, RIR_SAMPLES), generator=generator)
    echo = echo * torch.exp(-6.9 * time_s / reverberation_s)
    echo[:, :8] = 0.0
    echo = echo / echo.norm(dim=1, keepdim=True) * 10 ** (-direct_to_echo_db / 20)
    echo = echo * _happens(0.5, size, generator)[:, None]
    echo[:, 0] = 1.0

    place = torch.linspace(0.0, 1.0, EQ_KNOTS)
    bumps = 4.0 * torch.randn((size, EQ_KNOTS), generator=generator)
    tilt = _uniform(-12.0, 12.0, (size, 1), generator) * (place - 0.5)
    low_cut = _uniform(0.0, 0.1, (size, 1), generator) * _happens(0.3, size, generator)[:, None]
    high_cut = 1 - _uniform(0, 0.4, (size, 1), generator) * _happens(0.3, size, generator)[:, None]
    band = -30.0 * ((place < low_cut) | (place > high_cut))
    gain_db = (bumps + tilt + band) * _happens(0.8, size, generator)[:, None]

    clip = torch.where(
        _happens(0.1, size, generator),
        _uniform(0.2, 0.8, (size,), generator),
        torch.ones(size),
    )
    return Channel(contrast, echo, gain_db, clip)


def apply_channel(wave: Tensor, channel: Channel) -> Tensor:
    """Send words through their channels; (B, n) -> (B, n)."""
    samples = wave.shape[1]
    wave = wave * _envelope(wave) ** channel.contrast[:, None]
    length = samples + RIR_SAMPLES
    bins = length // 2 + 1
    gain_db = F.interpolate(channel.gain_db[:, None], bins, mode="linear", align_corners=True)
    response = torch.fft.rfft(channel.room, length) * 10 ** (gain_db[:, 0] / 20)
    heard: Tensor = torch.fft.irfft(torch.fft.rfft(wave, length) * response, length)[:, :samples]
    limit = heard.abs().amax(dim=1, keepdim=True) * channel.clip[:, None]
    return heard.clamp(-limit, limit)


def _envelope(wave: Tensor) -> Tensor:
    """Return each word's level smoothed over 25 ms relative to its loudest moment, (B, n)."""
    coarse = F.avg_pool1d(wave.abs()[:, None], 200, stride=50, padding=100)
    level = F.interpolate(coarse, wave.shape[1], mode="linear")[:, 0]
    return (level / level.amax(dim=1, keepdim=True).clamp(min=1e-6)).clamp(min=1e-3)


@dataclass(frozen=True)
class Background:
    """Noise behind the voice."""

    noise: Tensor  # (B, n), of unit power
    snr_db: Tensor  # (B,), level of the word over the noise; inf = no noise
    margin: Tensor  # (B, 2), seconds before and after the word within which noise is left


def sample_background(size: int, samples: int, generator: Generator) -> Background:
    """Draw coloured noise (bluish to reddish), partly swelling, and tones, at 2..35 dB."""
    frequency = torch.arange(1, samples // 2 + 2)
    white = torch.randn((size, samples // 2 + 1, 2), generator=generator)
    exponent = _uniform(-0.5, 1.5, (size, 1), generator)
    noise = torch.fft.irfft(torch.view_as_complex(white) * frequency ** (-exponent / 2), samples)
    noise = noise / noise.std(dim=1, keepdim=True)

    time_s = torch.arange(samples) / SAMPLE_RATE_HZ
    phase = _uniform(0.0, 2 * math.pi, (size, 2), generator)
    swell_hz = _uniform(0.5, 6.0, (size, 1), generator)
    swell = 1 + 0.8 * torch.sin(2 * math.pi * swell_hz * time_s + phase[:, :1])
    noise = torch.where(_happens(0.3, size, generator)[:, None], noise * swell, noise)

    tone_hz = torch.exp(_uniform(math.log(50), math.log(3500), (size, 1), generator))
    tone = math.sqrt(2) * torch.sin(2 * math.pi * tone_hz * time_s + phase[:, 1:])
    noise = noise + tone * _happens(0.1, size, generator)[:, None]
    noise = noise / noise.square().mean(dim=1, keepdim=True).sqrt()

    snr_db = torch.where(
        _happens(0.7, size, generator),
        _uniform(2.0, 35.0, (size,), generator),
        torch.full((size,), math.inf),
    )
    # find_voice silences what lies beyond a word's margins, and recordings are often cut there.
    margin = torch.where(
        _happens(0.75, size, generator)[:, None],
        _uniform(0.0, 0.2, (size, 2), generator),
        torch.full((size, 2), math.inf),
    )
    return Background(noise, snr_db, margin)


def apply_background(wave: Tensor, background: Background) -> Tensor:
    """Add noise to words at their signal-to-noise ratios; (B, n) -> (B, n)."""
    # The level of a word is that of its sounding part, not of the silence around it.
    word = _word_bounds(wave)
    sounding = _between(wave.shape[1], word)
    power = (wave.square() * sounding).sum(dim=1) / sounding.sum(dim=1).clamp(min=1)
    level = (power * 10 ** (-background.snr_db / 10)).sqrt()
    reach = background.margin * SAMPLE_RATE_HZ * torch.tensor([-1.0, 1.0])
    kept = _between(wave.shape[1], word + reach)
    return torch.where(kept, wave + background.noise * level[:, None], 0.0)


def sample_warp(size: int, generator: Generator) -> Tensor:
    """Draw vocal-tract length factors (B,) for ``log_mel``, 0.85..1.18."""
    return torch.exp(_uniform(math.log(0.85), math.log(1.18), (size,), generator))


@dataclass(frozen=True)
class Smear:
    """Changes to a spectrogram: uneven tempo at constant pitch, and masks."""

    tempo: Tensor  # (B,), above 1 is faster
    sway: Tensor  # (B,), frames by which the middle moves against the ends
    mel_mask: Tensor  # (B, mels), true where a band is hidden
    frame_mask: Tensor  # (B, frames), true where a moment is hidden


def sample_smear(size: int, mels: int, frames: int, generator: Generator) -> Smear:
    """Draw tempos of 0.75..1.5 and, for a part of the batch, one mask along each axis."""
    tempo = torch.exp(_uniform(math.log(0.75), math.log(1.5), (size,), generator))
    sway = _uniform(-4.0, 4.0, (size,), generator)
    mel_mask = _sample_mask(size, mels, 7, 0.5, generator)
    frame_mask = _sample_mask(size, frames, 8, 0.5, generator)
    return Smear(tempo, sway, mel_mask, frame_mask)


def _sample_mask(size: int, cells: int, widest: int, share: float, generator: Generator) -> Tensor:
    """Draw one run of up to ``widest`` cells for a share of the batch; boolean (size, cells)."""
    start = _uniform(0.0, float(cells), (size, 1), generator)
    width = _uniform(0.0, float(widest), (size, 1), generator)
    cell = torch.arange(cells)
    chosen = _happens(share, size, generator)[:, None]
    return (cell >= start) & (cell < start + width) & chosen


def apply_smear(spectrogram: Tensor, smear: Smear) -> Tensor:
    """Warp the time axis of (B, 1, mels, frames) and hide masked cells at the mean level."""
    frames = spectrogram.shape[3]
    middle = (frames - 1) / 2
    offset = torch.arange(frames) - middle
    bend = torch.cos(offset / frames * math.pi) * smear.sway[:, None]
    source = (middle + offset * smear.tempo[:, None] + bend).clamp(0, frames - 1)
    left = source.floor().clamp(max=frames - 2).long()
    fraction = (source - left)[:, None, None, :]
    index = left[:, None, None, :].expand_as(spectrogram)
    warped = torch.lerp(spectrogram.gather(3, index), spectrogram.gather(3, index + 1), fraction)
    hidden = smear.mel_mask[:, None, :, None] | smear.frame_mask[:, None, None, :]
    return torch.where(hidden, warped.mean(dim=(2, 3), keepdim=True), warped)


@dataclass(frozen=True)
class VoiceChange:
    """All changes to a batch of words."""

    timing: Timing
    channel: Channel
    background: Background
    warp: Tensor  # (B,), vocal-tract length factor for ``log_mel``


def sample_voice_change(size: int, samples: int, generator: Generator) -> VoiceChange:
    """Draw everything that happens to a batch of words before the spectrogram."""
    return VoiceChange(
        sample_timing(size, generator),
        sample_channel(size, generator),
        sample_background(size, samples, generator),
        sample_warp(size, generator),
    )


def apply_voice_change(wave: Tensor, change: VoiceChange) -> Tensor:
    """Carry out a change on word windows, (B, n) -> (B, n); pass ``change.warp`` to log_mel."""
    wave = apply_timing(wave, change.timing)
    wave = apply_channel(wave, change.channel)
    return apply_background(wave, change.background)
