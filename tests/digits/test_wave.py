"""Sound files as they arrive: read as they were written, or refused in a sentence."""

import ast
import itertools
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
    whole: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    frame: int | None = None,
) -> bytes:
    """A WAV file by hand; claims, whole: what its header says of the length of data and file."""
    frame = frame or channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, (rate * frame) % 2**32, frame, bits)
    size = len(data) if claims is None else claims
    body = b"fmt " + struct.pack("<I", len(form)) + form + before
    body += b"data" + struct.pack("<I", size) + data + after
    whole = 4 + len(body) if whole is None else whole
    return b"RIFF" + struct.pack("<I", whole) + b"WAVE" + body


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


KINDS = ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("form", "kind", "order"),
    [
        *itertools.product(["WAV", "WAVEX", "W64", "RF64"], ["PCM_U8", *KINDS], ["FILE"]),
        *itertools.product(["WAV"], KINDS, ["BIG"]),
        *itertools.product(["AIFF"], ["PCM_S8", "PCM_U8", *KINDS], ["FILE"]),
        *itertools.product(["AIFF"], ["PCM_16", "PCM_24", "PCM_32"], ["LITTLE"]),
        ("FLAC", "PCM_S8", "FILE"),
        ("FLAC", "PCM_16", "FILE"),
        ("FLAC", "PCM_24", "FILE"),
        ("OGG", "VORBIS", "FILE"),
    ],
)
def test_what_another_program_wrote(path, form, kind, order, channels):
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (4321, channels))
    soundfile.write(path, noise, 22_050, kind, order, form)
    samples, rate = read_wave(path)
    wanted = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    assert rate == 22_050
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, wanted, atol=1e-6)


def test_real_recordings_to_the_bit(avmnist):
    for path in sorted((avmnist / "recordings").glob("*.wav"))[::200]:
        assert (read_wave(path)[0] == soundfile.read(path, dtype="float32")[0]).all()


@pytest.mark.parametrize(
    ("claims", "whole"),
    [
        (0, None),
        (0, 0),
        (0x7FFFF000, None),
        (0x7FFFF000, 0x7FFFF024),
        (0x7FFFFFFF, 0),
        (0x80000000, 0x80000024),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, None),
        (1602, None),  # the file itself says where it ends, and that the samples cannot
        (10**6, 0),
    ],
)
def test_a_recording_of_unknown_length(path, claims, whole):
    """As programs write it that do not know the end yet: into a pipe, or interrupted."""
    path.write_bytes(wav(struct.pack("<800h", *range(800)), claims=claims, whole=whole))
    samples, _ = read_wave(path)
    assert len(samples) == 800
    assert samples[799] == 799 / 2**15


@pytest.mark.parametrize("claims", [0, 0x7F000000, 0xFFFFFFFF])
def test_an_aiff_of_unknown_length(path, claims):
    soundfile.write(path, np.arange(800) / 2**15, 8000, "PCM_16", format="AIFF")
    data = bytearray(path.read_bytes())
    for place in (data.index(b"SSND") + 4, data.index(b"COMM") + 10):
        data[place : place + 4] = struct.pack(">I", claims)
    path.write_bytes(data)
    assert (read_wave(path)[0] == np.arange(800) / 2**15).all()


def test_an_aiff_that_describes_its_samples_last(path):
    soundfile.write(path, np.arange(800) / 2**15, 8000, "PCM_16", format="AIFF")
    data = path.read_bytes()
    at, to = data.index(b"COMM"), data.index(b"SSND")
    path.write_bytes(data[:at] + data[to:] + data[at:to])
    assert (read_wave(path)[0] == np.arange(800) / 2**15).all()


def test_twelve_bits_in_two_bytes(path):
    path.write_bytes(wav(struct.pack("<3h", 16, -2048 * 16, 2047 * 16), bits=12, frame=2))
    assert read_wave(path)[0].tolist() == [1 / 2048, -1, 2047 / 2048]


def test_a_flac_that_does_not_say_how_long_it_is(path):
    soundfile.write(path, np.arange(8000) / 2**15, 8000, "PCM_16", format="FLAC")
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # how many samples: not known
    refused(path, bytes(data), "does not say how long it is. Convert it")


@pytest.mark.parametrize("form", ["FLAC", "OGG"])
def test_packed_sounds_only_where_they_are_wanted(path, form):
    soundfile.write(path, np.zeros(800), 8000, format=form)
    with pytest.raises(DataError, match="is not a WAV or AIFF file"):
        read_wave(path, packed=False)


def test_other_chunks_are_passed_over(path):
    other = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    path.write_bytes(wav(b"\1\0" * 9, before=other))
    assert len(read_wave(path)[0]) == 9


@pytest.mark.parametrize("kind", [b"LIST", b"bext", b"abcd"])
def test_a_chunk_of_odd_length_without_its_even_byte(path, kind):
    path.write_bytes(wav(b"\1\0" * 9, before=kind + struct.pack("<I", 5) + b"INFOx"))
    assert len(read_wave(path)[0]) == 9


def test_a_chunk_after_the_samples_is_no_sound(path):
    path.write_bytes(wav(b"\1\0" * 9, after=b"LIST" + struct.pack("<I", 4) + b"INFO"))
    assert len(read_wave(path)[0]) == 9
    empty = wav(b"", after=b"LIST" + struct.pack("<I", 4) + b"INFO")
    refused(path, empty, "holds no sound")


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC"])
@pytest.mark.parametrize("sides", [(1, -1), (1, -0.9), (0.5, -1), (1, -1, 1, -1), (1, 0, -1)])
def test_channels_that_cancel_each_other_out(path, form, sides):
    """One side reversed: the loudest of them is heard, and not what is left of their sum."""
    word = np.sin(np.arange(4321) / 5) * np.hanning(4321) * 0.8
    soundfile.write(path, word[:, None] * sides, 22_050, "PCM_24", format=form)
    samples, _ = read_wave(path)
    loudest = sides[int(np.argmax(np.abs(sides)))]
    np.testing.assert_allclose(samples, word * loudest, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (b"RIFF", "is not a WAV or AIFF file"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
        (b"ffconcat version 1.0\nfile http://169.254.169.254/\n", "a playlist"),
        (b"[playlist]\nFile1=http://example.org/a.mp3\n", "a playlist"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a web page or XML"),
        (b"<?xml version='1.0'?><MPD/>", "a web page or XML"),
        (b"ID3\x04" + bytes(99), "an MP3 sound"),
        (b"OggS" + bytes(99), "is damaged"),
        (b"fLaC" + bytes(99), "is damaged"),
        (b"FORM" + bytes(4) + b"8SVX" + bytes(99), "another IFF file"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "an MP4 file"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "a WebM"),
        (b"RF64" + bytes(99), "is not a WAV or AIFF file"),
        (b"RF64" + bytes(4) + b"WAVE" + bytes(99), "holds no sound"),
        (b"FORM" + bytes(4) + b"AIFF" + bytes(99), "holds no sound"),
        (b"RIFF\0\0\0\0AVI " + bytes(99), "a film or another RIFF file"),
    ],
)
def test_something_else(path, data, what):
    refused(path, data, what)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (wav()[:-1], "ends early"),
        (wav()[:99], "ends early"),
        (wav(b""), "holds no sound"),
        (wav()[:36], "holds no sound"),
        (wav(before=(b"junk" + bytes(4)) * 70), "holds no sound"),
        (wav(before=b"junk" + b"\xff" * 4), "holds no sound"),
        (wav(tag=7, bits=16), "compressed"),
        (wav(tag=0x11, bits=4, frame=1), "compressed"),
        (wav(tag=0x55), "compressed"),
        (wav(bits=12), "damaged header"),
        (wav(bits=40), "odd type"),
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


@pytest.mark.parametrize("form", ["FLAC", "OGG"])
def test_packed_sounds_have_the_same_bounds(path, form):
    for seconds, rate, match in ((31, 8000, "lasts 31 seconds"), (1, 2000, "sampling rate of 2,")):
        soundfile.write(path, np.zeros(seconds * rate), rate, format=form)
        refused(path, path.read_bytes(), match)
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 9000), 8000, format=form)
    refused(path, path.read_bytes()[:60], "damaged|ends early")
    with path.open("ab") as file:
        file.truncate(65 * 2**20)
    refused(path, path.read_bytes(), "larger than any recording")


def test_nothing_else_decodes_sound():
    """libsndfile, and nothing that guesses formats or follows playlists; what strangers give it is
    judged in wave.py alone, the synthesisers read what they have just written."""
    readers = {"wave.py", "voices.py", "examples.py"}
    decoders = {"soundfile", "audioread", "pydub", "ffmpeg", "av", "torchaudio", "torchcodec"}
    for source in [*ROOT.glob("mckd/**/*.py"), *ROOT.glob("train/**/*.py"), ROOT / "app.py"]:
        text = source.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            names += [getattr(node, "module", None) or ""]
            found = {name.split(".")[0] for name in names} & decoders
            assert found <= ({"soundfile"} if source.name in readers else set()), source.name
        assert "librosa.load(" not in text
