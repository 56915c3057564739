"""The Digits tab without its page: what goes in, what comes out, in which words."""

from __future__ import annotations

import base64
import copy
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw
from scipy.signal import resample_poly

from mckd.studio.tasks.digits import words
from mckd.studio.tasks.digits.service import DigitService, Inputs, decode_picture, decode_sound
from tests.patience import PATIENCE_S
from tests.sounds import written

ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "assets" / "digits" / "examples"


class Stub:
    """A classifier that answers what it is told and counts how often it encodes."""

    def __init__(self, sees: int = 3, hears: int = 5, p: float = 0.97) -> None:
        self.sees, self.hears, self.p = sees, hears, p
        self.encoded: list[str] = []
        self.importance = {"visual": 0.6, "audio": 0.4}
        self.about = {"data": "MNIST and FSDD"}
        self.words = 1
        self.unlike: set[str] = set()

    def see(self, image: np.ndarray) -> Any:
        self.encoded.append("see")
        if image.min() == image.max():
            raise ValueError("Nothing is drawn yet.")
        return SimpleNamespace(
            picture=np.eye(28, dtype=np.float32), vote=self.sees, unlike="picture" in self.unlike
        )

    def hear(self, sound: tuple[np.ndarray, int]) -> Any:
        self.encoded.append("hear")
        if np.abs(sound[0]).max() < 100:
            raise ValueError("The sound is silent.")
        return SimpleNamespace(
            log_mel=np.random.default_rng(0).normal(size=(40, 80)),
            mfcc=np.random.default_rng(0).normal(size=(20, 80)),
            start_s=0.25,
            end_s=0.75,
            words=self.words,
            vote=self.hears,
            unlike="voice" in self.unlike,
        )

    def decide(self, seen: Any = None, heard: Any = None) -> Any:
        probabilities = np.full(10, (1 - self.p) / 9)
        probabilities[(seen or heard).vote] = self.p
        return SimpleNamespace(probabilities=probabilities)


def service(model: Any = None) -> DigitService:
    ready = DigitService(lambda: model or Stub(), EXAMPLES)
    ready.warm()
    return ready


def png(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def seven() -> str:
    image = Image.new("RGBA", (160, 160), "white")
    ImageDraw.Draw(image).line([(40, 40), (115, 40), (70, 130)], fill="black", width=11)
    return png(image)


def hum(seconds: float = 0.8, rate: int = 16_000) -> dict[str, Any]:
    wave = (9000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype("<i2")
    return {"pcm": base64.b64encode(wave.tobytes()).decode(), "rate": rate}


def test_what_the_page_needs_stays_light() -> None:
    heavy = ("torch", "scipy", "librosa", "plotly", "matplotlib", "sklearn")
    code = f"import sys, mckd.studio.page; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# ---- answers


def test_nothing_given_asks_for_a_digit() -> None:
    answer = service().answer(Inputs(), True, True)
    assert answer["status"] == "empty"
    assert answer["headline"] == words.ASK
    assert "rows" not in answer


def test_picture_alone_voice_alone_and_both() -> None:
    digits, desk = service(), Inputs()
    digits.draw(desk, seven())
    answer = digits.answer(desk, True, True)
    assert (answer["headline"], answer["used"]) == ("Sure: 3", ["picture"])
    assert answer["summary"] == "From the picture alone; the voice is missing."
    assert list(answer["rows"]) == ["picture"]
    assert answer["heard"] is None

    digits.speak(desk, hum())
    answer = digits.answer(desk, True, True)
    assert answer["used"] == ["picture", "voice"]
    assert list(answer["rows"]) == ["picture", "voice", "both"]
    assert answer["heard"]["start_s"] == 0.25

    digits.draw(desk, None)
    answer = digits.answer(desk, True, True)
    assert (answer["digit"], answer["used"]) == (5, ["voice"])
    json.dumps(answer, allow_nan=False)


def test_disagreement_is_said_and_never_called_sure() -> None:
    digits, desk = service(Stub(sees=3, hears=5)), Inputs()
    digits.draw(desk, seven())
    digits.speak(desk, hum())
    answer = digits.answer(desk, True, True)
    said = "The picture says 3, the voice says 5; together the model decides 3."
    assert answer["summary"] == said
    assert answer["conflict"] is True
    assert answer["level"] != "sure"


def test_a_model_that_learns_no_importance_answers_too() -> None:
    """As ShaSpec's and others' are."""
    stub = Stub()
    stub.importance = {}
    digits, desk = service(stub), Inputs()
    digits.draw(desk, seven())
    answer = digits.answer(desk, True, True)
    assert answer["headline"] == "Sure: 3"
    assert "importance" not in answer


@pytest.mark.parametrize(
    ("unlike", "spoken", "headline", "level"),
    [
        ({"picture"}, False, "No digit? The nearest is 3", "unsure"),
        ({"picture", "voice"}, True, "No digit? The nearest is 3", "unsure"),
        ({"voice"}, True, "Probably 3", "probable"),
    ],
)
def test_what_is_like_no_digit_is_said_and_never_called_sure(
    unlike: set[str], spoken: bool, headline: str, level: str
) -> None:
    """However sure the network is. With an input that is like a digit the answer may still hold."""
    stub = Stub(sees=3, hears=3, p=0.999)
    digits, desk = service(stub), Inputs()
    stub.unlike = unlike
    digits.draw(desk, seven())
    if spoken:
        digits.speak(desk, hum())
    answer = digits.answer(desk, True, True)
    assert (answer["headline"], answer["level"]) == (headline, level)
    assert answer["unlike"] == sorted(unlike)
    assert answer["notes"] == [words.UNLIKE.format(name) for name in sorted(unlike)]


@pytest.mark.parametrize(
    ("header", "calibrated", "told"),
    [
        ({}, False, "Its probabilities are not calibrated."),
        (
            {
                "temperatures": {"visual": 0.5},
                "calibrated_on": "pictures that training did not see",
            },
            True,
            "Its probabilities are calibrated, measured on pictures that training did not see.",
        ),
    ],
)
def test_what_probabilities_are_worth_is_said(header: Any, calibrated: bool, told: str) -> None:
    stub = Stub()
    stub.about |= header
    about = service(stub).about()
    assert about["calibrated"] is calibrated
    assert about["model"] == f"Trained on MNIST and FSDD. {told}"


@pytest.mark.parametrize(
    ("row", "headline"),
    [
        ({7: 0.95}, "Sure: 7"),
        ({7: 0.70, 1: 0.18}, "Probably 7, perhaps 1"),
        ({7: 0.70}, "Probably 7"),
        ({7: 0.40, 1: 0.35}, "Not sure: 7 or 1?"),
        ({}, "Not sure"),
    ],
)
def test_confidence_in_words(row: dict[int, float], headline: str) -> None:
    probabilities = np.full(10, (1 - sum(row.values())) / (10 - len(row)))
    for digit, p in row.items():
        probabilities[digit] = p
    assert words.verdict({"picture": probabilities}, {"voice": True})["headline"].startswith(
        headline
    )


# ---- switches


def test_an_input_that_is_switched_off_is_never_read() -> None:
    model = Stub()
    digits, desk = service(model), Inputs()
    model.encoded.clear()
    digits.draw(desk, seven())
    digits.speak(desk, hum())
    answer = digits.answer(desk, True, False)
    assert answer["used"] == ["picture"]
    said = "From the picture alone; the voice is switched off and was not read."
    assert answer["summary"] == said
    assert model.encoded == ["see"]


def test_each_input_is_encoded_once() -> None:
    model = Stub()
    digits, desk = service(model), Inputs()
    model.encoded.clear()
    digits.draw(desk, seven())
    digits.speak(desk, hum())
    for on in [(True, True), (True, False), (False, True), (True, True)] * 3:
        digits.answer(desk, *on)
    assert sorted(model.encoded) == ["hear", "see"]
    digits.draw(desk, seven())
    digits.answer(desk, True, True)
    assert sorted(model.encoded) == ["hear", "see", "see"]


def test_both_switched_off_asks_for_one() -> None:
    digits, desk = service(), Inputs()
    digits.draw(desk, seven())
    assert digits.answer(desk, False, False)["notes"] == [words.BOTH_OFF]
    assert digits.answer(desk, None, "yes")["status"] == "empty"  # only True switches on


def test_given_but_switched_off_is_explained() -> None:
    digits, desk = service(), Inputs()
    digits.draw(desk, seven())
    (note,) = digits.answer(desk, False, True)["notes"]
    assert note == "The picture is switched off and nothing has been said yet."


# ---- problems become sentences


def test_a_problem_with_one_input_leaves_the_other() -> None:
    digits, desk = service(), Inputs()
    digits.draw(desk, seven())
    silent = {"pcm": base64.b64encode(bytes(32_000)).decode(), "rate": 16_000}
    digits.speak(desk, silent)
    answer = digits.answer(desk, True, True)
    assert answer["used"] == ["picture"]
    assert "The sound is silent." in answer["notes"]


def test_several_words_are_mentioned() -> None:
    model = Stub()
    model.words = 3
    digits, desk = service(model), Inputs()
    digits.speak(desk, hum())
    assert any("3 words" in note for note in digits.answer(desk, True, True)["notes"])


PREFIX = "data:image/png;base64,"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "/etc/passwd",
        "data:image/svg+xml;base64,PHN2Zy8+",
        PREFIX,
        PREFIX + "not base64 !",
        PREFIX + "ünï",
        PREFIX + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 50).decode(),
        PREFIX + base64.b64encode(b"GIF89a" + b"x" * 50).decode(),
        PREFIX + "A" * 1_600_000,
        png(Image.new("L", (600, 20))),
        seven()[: len(seven()) // 2 // 4 * 4 + 2],
        7,
        True,
        ["x"],
        {"png": 1},
        float("nan"),
    ],
)
def test_a_bad_picture_is_one_plain_sentence(sent: object) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z][^\n]*\.$"):
        decode_picture(sent)
    digits, desk = service(), Inputs()
    digits.draw(desk, sent)
    answer = digits.answer(desk, True, True)
    assert answer["status"] == "empty"
    assert len(answer["notes"]) == 1


def test_the_worst_picture_of_the_largest_side_is_taken() -> None:
    """Noise does not get smaller in a PNG."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 4)).astype(np.uint8)
    assert np.array_equal(decode_picture(png(Image.fromarray(noise))), noise)


def test_a_png_bomb_is_refused_from_its_header() -> None:
    bomb = png(Image.new("1", (30_000, 1000)))
    assert len(bomb) < 300_000
    with pytest.raises(ValueError, match="512"):
        decode_picture(bomb)


@pytest.mark.parametrize(
    "sent",
    [
        "sound.wav",
        {},
        {"pcm": "AAAA"},
        {"rate": 16_000},
        {"pcm": "", "rate": 16_000},
        {"pcm": "AA==", "rate": 16_000},
        {"pcm": "AAAA", "rate": 16_000},
        {"pcm": "?" * 40, "rate": 16_000},
        {"pcm": "AAAAAAAA", "rate": 1},
        {"pcm": "AAAAAAAA", "rate": 16_000.0},
        {"pcm": "AAAAAAAA", "rate": True},
        {"pcm": "AAAAAAAA", "rate": 10**30},
        {"pcm": ["A"], "rate": 16_000},
        hum(seconds=10.5),
        [1, 2],
        0,
    ],
)
def test_a_bad_sound_is_one_plain_sentence(sent: object) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z][^\n]*\.$"):
        decode_sound(sent)


def test_sound_and_picture_arrive_unchanged() -> None:
    samples, rate = decode_sound(hum()) or (None, 0)
    assert rate == 16_000
    assert samples is not None
    assert samples.dtype == np.int16
    assert len(samples) == 12_800
    picture = decode_picture(png(Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28))))
    assert picture is not None
    np.testing.assert_array_equal(picture.ravel(), np.arange(784) % 256)
    assert decode_picture(None) is None
    assert decode_sound(None) is None


# ---- loading, and a model that cannot be loaded


def test_an_input_given_too_early_waits_for_the_model() -> None:
    gate = threading.Event()

    def load() -> Any:
        gate.wait(PATIENCE_S)
        return Stub()

    digits, desk = DigitService(load, EXAMPLES), Inputs()
    loader = threading.Thread(target=digits.warm)
    loader.start()
    digits.draw(desk, seven())
    early = digits.answer(desk, True, True)
    assert early["status"] == "loading"
    assert early["headline"] == words.LOADING
    assert early["waiting"] is True
    gate.set()
    loader.join()
    late = digits.answer(desk, True, True)
    assert (late["headline"], late["waiting"]) == ("Sure: 3", False)
    assert late["stamp"] > early["stamp"]


@pytest.mark.parametrize(
    "error", [FileNotFoundError("x"), ValueError("It is damaged."), KeyError(1)]
)
def test_a_missing_or_damaged_model_is_said_with_what_to_do(error: Exception) -> None:
    def load() -> Any:
        raise error

    digits, desk = DigitService(load, EXAMPLES), Inputs()
    digits.warm()
    digits.draw(desk, seven())
    answer = digits.answer(desk, True, True)
    assert answer["status"] == "unavailable"
    assert "git checkout checkpoints" in answer["notes"][0]


def test_a_real_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    digits = DigitService.from_checkpoint(tmp_path / "digits.safetensors", EXAMPLES)
    digits.warm()
    assert digits.status == "unavailable"
    assert "digits.safetensors" in digits.model.reason
    assert str(tmp_path) not in digits.model.reason


def test_a_fault_inside_the_model_is_no_traceback_for_the_visitor() -> None:
    model = Stub()
    digits, desk = service(model), Inputs()
    model.decide = lambda **_: 1 / 0
    digits.draw(desk, seven())
    assert digits.answer(desk, True, True)["headline"] == words.FAILED


# ---- visitors


def test_a_copied_desk_is_empty_and_separate() -> None:
    digits, first = service(), Inputs()
    digits.draw(first, seven())
    second = copy.deepcopy(first)
    assert digits.answer(second, True, True)["status"] == "empty"
    assert digits.answer(first, True, True)["status"] == "answer"


# ---- examples


def test_every_example_is_complete() -> None:
    digits = service()
    listed = digits.examples()
    assert {e["name"] for e in listed} >= {"drawn", "spoken", "both", "disagree", "messy"}
    for example in listed:
        assert example.get("strokes") or example.get("says")
        for stroke in example.get("strokes", []):
            assert np.asarray(stroke).min() >= 0
            assert np.asarray(stroke).max() <= 280
        if example.get("says"):
            wav = base64.b64decode(digits.example_sound(example["name"]))
            assert wav[:4] == b"RIFF"
            assert len(wav) < 60_000


@pytest.mark.parametrize("name", ["", "drawn", "../../etc/passwd", None, 3, ["both"]])
def test_no_other_file_is_read_as_an_example(name: object) -> None:
    assert service().example_sound(name) == ""


# ---- sound files that a browser cannot read


def sent(digits: DigitService, path: Path) -> str:
    with path.open("rb") as file:
        return digits._folders.receive("a browser", path.name, file)


def test_a_file_that_the_browser_cannot_read_comes_back_as_a_recording(tmp_path: Path) -> None:
    samples, rate = soundfile.read(EXAMPLES / "spoken.wav", dtype="float32")
    digits, desk = service(), Inputs()
    wanted = resample_poly(samples, 16_000, rate)
    for odd, path in written(tmp_path, samples, rate).items():
        said = digits.read_sound(sent(digits, path))
        assert set(said) == {"pcm", "rate"}, (odd, said)
        sound = decode_sound(said)
        assert sound is not None
        heard = sound[0] / 2**15
        coarse = 0.05 if odd == "mu-law" else 0.01
        assert min(np.abs(heard - s * wanted).max() for s in (1, -1)) < coarse, odd
        digits.speak(desk, said)
        assert desk.voice.problem == ""
    assert [path for path in digits._folders.root.rglob("*") if path.is_file()] == []


def test_what_is_no_sound_comes_back_as_a_sentence_and_is_deleted(tmp_path: Path) -> None:
    digits = service()
    (tmp_path / "Mueller.wav").write_bytes(b"RIFF" + bytes(99))
    said = digits.read_sound(sent(digits, tmp_path / "Mueller.wav"))
    assert said["problem"].startswith("Mueller.wav is not a WAV or AIFF file")
    soundfile.write(tmp_path / "x.flac", np.zeros(8000), 8000)
    said = digits.read_sound(sent(digits, tmp_path / "x.flac"))  # no decoder for strangers' files
    assert said["problem"].startswith("x.flac is not a WAV or AIFF file")
    assert [path for path in digits._folders.root.rglob("*") if path.is_file()] == []
    for ticket in (None, 7, "x", "../../etc/passwd", ["x"]):
        assert digits.read_sound(ticket) == {"problem": words.FILE_GONE}


def test_a_long_or_loud_file_is_cut_and_turned_down(tmp_path: Path) -> None:
    digits = service()
    hum = np.sin(np.arange(96_000 * 20) / 50)
    soundfile.write(tmp_path / "x.wav", hum * 30_000, 96_000, "DOUBLE")
    said = digits.read_sound(sent(digits, tmp_path / "x.wav"))
    samples = np.frombuffer(base64.b64decode(said["pcm"]), "<i2")
    assert 10 * 16_000 < len(samples) < 10.2 * 16_000
    assert np.abs(samples).max() > 32_000
