"""Sound files as they arrive: WAV is read as it was written, all else is refused in a sentence."""

import ast
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mckd.digits.data import DataError
from mckd.digits.wave import read_wave

ROOT = Path(__file__).parents[2]


def wav(
    data: bytes = bytes(3200),
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    claims: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file by hand; claims: what its header says of the length of the data."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, (rate * frame) % 2**32, frame, bits)
    size = len(data) if claims is None else claims
    body = b"fmt " + struct.pack("<I", len(form)) + form + before
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secret" / "0_x_0.wav"


@pytest.fixture(autouse=True)
def _folder(path):
    path.parent.mkdir()


def refused(path, data, match):
    path.write_bytes(data)
    with pytest.raises(DataError, match=match) as caught:
        read_wave(path)
    sentence = str(caught.value)
    assert sentence.startswith("0_x_0.wav ")
    assert sentence.endswith(".")
    assert "secret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_what_another_program_wrote(path, kind, form, channels):
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (4321, channels))
    soundfile.write(path, noise, 22_050, kind, format=form)
    samples, rate = read_wave(path)
    wanted = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    assert rate == 22_050
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, wanted, atol=1e-6)


def test_real_recordings_to_the_bit(avmnist):
    for path in sorted((avmnist / "recordings").glob("*.wav"))[::200]:
        assert (read_wave(path)[0] == soundfile.read(path, dtype="float32")[0]).all()


def test_a_piped_recording_of_unknown_length(path):
    path.write_bytes(wav(struct.pack("<800h", *range(800)), claims=0xFFFFFFFF))
    samples, _ = read_wave(path)
    assert len(samples) == 800
    assert samples[799] == 799 / 2**15


def test_other_chunks_are_passed_over(path):
    other = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    path.write_bytes(wav(b"\1\0" * 9, before=other))
    assert len(read_wave(path)[0]) == 9


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (b"RIFF", "is not a WAV file"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
        (b"ffconcat version 1.0\nfile http://169.254.169.254/\n", "a playlist"),
        (b"[playlist]\nFile1=http://example.org/a.mp3\n", "a playlist"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a web page or XML"),
        (b"<?xml version='1.0'?><MPD/>", "a web page or XML"),
        (b"ID3\x04" + bytes(99), "an MP3 sound"),
        (b"OggS" + bytes(99), "an Ogg sound"),
        (b"fLaC" + bytes(99), "a FLAC sound"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "an MP4 file"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "a WebM"),
        (b"RF64" + bytes(99), "more than 4 GB"),
        (b"RIFF\0\0\0\0AVI " + bytes(99), "a film or another RIFF file"),
    ],
)
def test_something_else(path, data, what):
    refused(path, data, what)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (wav(claims=0xFFFFFFF0), "ends early"),
        (wav()[:-1], "ends early"),
        (wav(b""), "holds no sound"),
        (wav()[:36], "holds no sound"),
        (wav(before=(b"junk" + bytes(4)) * 70), "holds no sound"),
        (wav(before=b"junk" + b"\xff" * 4), "holds no sound"),
        (wav(tag=7, bits=8), "compressed"),
        (wav(tag=0x55), "compressed"),
        (wav(bits=12), "odd type"),
        (wav(bits=0), "odd type"),
        (wav(channels=0), "damaged header"),
        (wav(channels=64, bits=8), "damaged header"),
        (wav(rate=0), "sampling rate of 0 Hz"),
        (wav(rate=2**32 - 1), "sampling rate"),
        (wav(bytes(16_000 * 31)), "lasts 31 seconds"),
        (wav(bytes(100_000 * 600), rate=50_000), "lasts 600 seconds"),
        (wav(np.array([0.1, np.nan], "<f4").tobytes(), tag=3, bits=32), "no numbers"),
        (wav(np.array([0.1, 1e300], "<f8").tobytes(), tag=3, bits=64), "no numbers"),
    ],
)
def test_a_wav_that_holds_no_word(path, data, what):
    refused(path, data, what)


def test_memory_is_that_of_the_result(path):
    path.write_bytes(wav(bytes(12 * 192_000 * 29), channels=6, rate=192_000))
    tracemalloc.start()
    samples, _ = read_wave(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < samples.nbytes + 12 * 2**20


def test_missing(path):
    with pytest.raises(DataError, match=r"0_x_0\.wav cannot be read"):
        read_wave(path)


def test_nothing_else_decodes_sound():
    """No libsndfile, ffmpeg or anything that guesses formats or follows playlists."""
    decoders = {"soundfile", "audioread", "pydub", "ffmpeg", "av", "torchaudio", "torchcodec"}
    for source in [*ROOT.glob("mckd/**/*.py"), *ROOT.glob("train/**/*.py"), ROOT / "app.py"]:
        text = source.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            names += [getattr(node, "module", None) or ""]
            assert not {name.split(".")[0] for name in names} & decoders, source.name
        assert "librosa.load(" not in text
