"""From recordings to the voice network's input."""

from __future__ import annotations

import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.signal import resample_poly

from mckd.digits import sound

Wave = npt.NDArray[np.float64]


def spoken_word(rate: int = sound.SAMPLE_RATE_HZ) -> Wave:
    """Return 0.4 s of a gliding, vowel-like sum of harmonics at any sampling rate, (n,)."""
    time_s = np.arange(int(0.4 * rate)) / rate
    phase = 2 * np.pi * (120 * time_s + 40 * time_s**2)
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 20))
    return np.asarray(0.1 * harmonics * np.sin(np.pi * time_s / 0.4) ** 0.5)


def features(samples: npt.NDArray[np.generic], rate: int = sound.SAMPLE_RATE_HZ) -> torch.Tensor:
    """Return the log-mel spectrogram of a recording, (N_MELS, FRAMES)."""
    window = torch.from_numpy(sound.find_voice(samples, rate).window)
    return sound.log_mel(window[None])[0, 0]


def surrounded(word: Wave, before_s: float, after_s: float, noise: float = 0.0) -> Wave:
    """Put a word between stretches of silence and add white noise to all of it."""
    rate = sound.SAMPLE_RATE_HZ
    padded = np.pad(word, (int(before_s * rate), int(after_s * rate)))
    return padded + noise * np.random.default_rng(0).standard_normal(len(padded))


def test_mel_filters_equal_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(
        sr=sound.SAMPLE_RATE_HZ,
        n_fft=sound.N_FFT,
        n_mels=sound.N_MELS,
        fmin=sound.MEL_LOW_HZ,
        fmax=sound.MEL_HIGH_HZ,
    )
    np.testing.assert_allclose(sound.mel_filters().numpy(), expected, atol=1e-6)


def test_warp_of_one_changes_nothing_and_higher_warps_raise_the_spectrum() -> None:
    wave = torch.from_numpy(sound.find_voice(spoken_word(), sound.SAMPLE_RATE_HZ).window)[None]
    plain = sound.log_mel(wave)
    torch.testing.assert_close(sound.log_mel(wave, torch.ones(1)), plain, atol=1e-3, rtol=0)

    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(sound.WINDOW_SAMPLES) / 8000)[None]
    bands = [
        int(sound.log_mel(tone, torch.tensor([w]))[0, 0].mean(1).argmax()) for w in (0.85, 1.18)
    ]
    assert bands[0] < bands[1]


def test_log_mel_has_the_promised_shape_and_range_and_ignores_the_level() -> None:
    wave = torch.from_numpy(sound.find_voice(spoken_word(), sound.SAMPLE_RATE_HZ).window)[None]
    spectrogram = sound.log_mel(wave)
    assert spectrogram.shape == (1, 1, sound.N_MELS, sound.FRAMES)
    assert spectrogram.min() >= -2.0
    assert spectrogram.max() == 2.0
    torch.testing.assert_close(sound.log_mel(0.1 * wave), spectrogram, atol=1e-2, rtol=0)


def test_mfcc_is_the_orthonormal_cosine_transform() -> None:
    dct = pytest.importorskip("scipy.fft").dct
    spectrogram = features(spoken_word())[None, None]
    expected = dct(spectrogram[0, 0].numpy(), type=2, norm="ortho", axis=0)[: sound.N_MFCC]
    np.testing.assert_allclose(sound.mfcc(spectrogram)[0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 44_100, 48_000, 191_999, 192_000])
def test_the_sampling_rate_hardly_matters(rate: int) -> None:
    difference = (features(spoken_word(rate), rate) - features(spoken_word())).abs()
    assert difference.mean() < 0.05


def test_long_silence_around_a_word_hardly_matters() -> None:
    word = spoken_word()
    near = features(surrounded(word, 0.3, 0.3, noise=0.001))
    far = features(surrounded(word, 6.0, 3.0, noise=0.001))
    assert (near - far).abs().mean() < 0.1


def test_the_word_is_found_where_it_was_spoken() -> None:
    voice = sound.find_voice(surrounded(spoken_word(), 2.0, 1.0, noise=0.003), 8000)
    assert voice.start_s == pytest.approx(2.0, abs=0.06)
    assert voice.end_s == pytest.approx(2.4, abs=0.06)
    assert voice.words == 1


def test_of_several_words_the_loudest_is_used() -> None:
    word = spoken_word()
    both = np.concatenate([surrounded(0.5 * word, 0.5, 0.5), surrounded(word, 0.5, 0.5)])
    voice = sound.find_voice(both, 8000)
    assert voice.words == 2
    assert voice.start_s == pytest.approx(1.9, abs=0.06)
    assert (features(both) - features(word)).abs().mean() < 0.05


def test_a_long_sound_is_cut_to_the_window() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 300 * np.arange(8000 * 3) / 8000)
    voice = sound.find_voice(tone, 8000)
    assert voice.window.shape == (sound.WINDOW_SAMPLES,)
    assert voice.end_s - voice.start_s <= 1.0


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda w: w + 0.3, id="offset"),
        pytest.param(lambda w: 1e-3 * w, id="low level"),
        pytest.param(
            lambda w: w + 0.2 * np.sin(np.arange(len(w)) * 2 * np.pi * 50 / 8000), id="hum"
        ),
    ],
)
def test_faults_of_the_microphone_hardly_matter(disturb) -> None:  # type: ignore[no-untyped-def]
    word = surrounded(spoken_word(), 0.5, 0.5)
    assert (features(disturb(word)) - features(word)).abs().mean() < 0.1


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_sample_types_and_channels_are_equal(dtype: type) -> None:
    word = surrounded(spoken_word(), 0.2, 0.2)
    scaled: Wave = word
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        half = (int(limits.max) - int(limits.min) + 1) / 2
        scaled = np.round(word * half) + int(limits.min) + half
    mono: npt.NDArray[np.generic] = scaled.astype(dtype)
    # Eight bits are coarse: their rounding shows in the quietest bands.
    tolerance = 0.5 if dtype is np.uint8 else 0.01
    assert (features(mono) - features(word)).abs().mean() < tolerance
    torch.testing.assert_close(features(np.stack([mono, mono], axis=1)), features(mono))


def test_the_window_is_float32_within_full_scale() -> None:
    window = sound.find_voice(resample_poly(spoken_word(), 2, 1), 16_000).window
    assert window.dtype == np.float32
    assert window.shape == (sound.WINDOW_SAMPLES,)
    assert np.abs(window).max() <= 1.0


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        pytest.param(np.zeros(0), 8000, "too short", id="empty"),
        pytest.param(np.ones(700), 8000, "too short", id="short"),
        pytest.param(np.zeros((8000, 0)), 8000, "too short", id="no channel"),
        pytest.param(np.ones((2, 2, 8000)), 8000, "channels", id="three axes"),
        pytest.param(np.zeros(8000), 8000, "silent", id="silence"),
        pytest.param(np.full(8000, 0.5), 8000, "silent", id="constant"),
        pytest.param(np.full(8000, np.nan), 8000, "not finite", id="nan"),
        pytest.param(np.full(8000, np.inf), 8000, "not finite", id="inf"),
        pytest.param(np.sin(np.arange(8000.0)) * 1e200, 8000, "far too large", id="absurd"),
        pytest.param(np.full((8000, 6), np.nan, np.float32), 8000, "not finite", id="nan in 5.1"),
        pytest.param(np.ones((192_000 * 600, 1), np.int8), 192_000, "too long", id="10 minutes"),
        pytest.param(np.ones(8000), 3999, "rate", id="low rate"),
        pytest.param(np.ones(8000), 192_001, "rate", id="high rate"),
        pytest.param(np.ones(8000 * 31), 8000, "too long", id="long"),
        pytest.param(np.ones(8000, dtype=np.complex128), 8000, "real numbers", id="complex"),
        pytest.param(np.array(["a"] * 8000), 8000, "real numbers", id="text"),
    ],
)
def test_useless_recordings_are_refused_with_a_sentence(
    samples: npt.NDArray[np.generic], rate: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as failure:
        sound.find_voice(samples, rate)
    assert str(failure.value).endswith(".")


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [191_999, 192_000])
def test_the_longest_recording_takes_little_memory(rate: int, channels: int) -> None:
    word = spoken_word(rate)
    samples = np.zeros((30 * rate, channels), np.int16)
    samples[rate : rate + len(word)] = (word * 2**15).astype(np.int16)[:, None]
    tracemalloc.start()
    voice = sound.find_voice(samples, rate)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert voice.start_s == pytest.approx(1.0, abs=0.06)
    assert peak < 100 * 2**20
