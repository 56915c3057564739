"""What the Digits tab asks for, as plain Python: no Gradio here, and torch only once warm.

One visitor has one `Inputs`. Handlers put a picture or a sound on it (`draw`, `speak`) and ask for
the `answer`; the expensive part, encoding, runs once per input and only while its switch is on.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mckd.digits.about import ABOUT
from mckd.studio.services import faults
from mckd.studio.services.folders import Folders, Upload
from mckd.studio.services.model import Model, model_line
from mckd.studio.tasks.digits import words

LONGEST_PICTURE = 1_500_000  # characters of a data URL: the worst PNG of the largest side
LARGEST_SIDE = 512  # pixels a side the pad may send; it sends 160
LONGEST_SOUND_S = 10.0
SOUND_RATES = range(8_000, 48_001)
RECORDER_RATE = 16_000
PNG_PREFIX = "data:image/png;base64,"

log = logging.getLogger(__name__)


@dataclass
class Slot:
    """One input on the inputs: as it came, as the model encoded it, or why it could not."""

    raw: Any = None
    encoded: Any = None
    problem: str = ""

    def put(self, raw: Any, problem: str = "") -> None:
        self.raw, self.encoded, self.problem = raw, None, problem


class Inputs:
    """What one visitor has put in front of the model. A copy is a fresh, empty inputs."""

    def __init__(self) -> None:
        self.picture = Slot()
        self.voice = Slot()
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Inputs:
        return Inputs()


class DigitService:
    """The bundled classifier, loaded in the background, and the answers it gives."""

    def __init__(
        self, load: Callable[[], Any], examples: Path, folders: Folders | None = None
    ) -> None:
        """load: returns a DigitClassifier; called once, by `warm`, in whatever thread calls it.

        examples: the folder with examples.json and its sounds. folders: where uploads lie.
        """
        self._examples = examples
        self._folders = folders or Folders()
        self.model = Model("digit", lambda: warmed(load()), words.model_unavailable)
        self._model_lock = threading.Lock()  # one forward pass at a time: two cores, many visitors

    @classmethod
    def from_checkpoint(
        cls, path: Path, examples: Path, folders: Folders | None = None
    ) -> DigitService:
        def load() -> Any:
            from mckd.digits.predictor import DigitClassifier

            return DigitClassifier.load(path)

        return cls(load, examples, folders)

    @property
    def status(self) -> str:
        """Of the model: loading, ready or unavailable."""
        return self.model.status

    def warm(self) -> None:
        """Load the model and run it once, so that the first visitor does not wait."""
        self.model.load()

    def close(self, inputs: Inputs) -> None:
        """The visitor has left, or wants it so: forget what they drew and said."""
        with inputs.lock:
            inputs.picture.put(None)
            inputs.voice.put(None)

    def draw(self, inputs: Inputs, data_url: object) -> None:
        """Put the pad's picture (a PNG data URL, None when the pad is blank) on the inputs."""
        self._put(inputs, inputs.picture, decode_picture, data_url)

    def speak(self, inputs: Inputs, sound: object) -> None:
        """Put the recorder's sound ({"pcm": base64 int16, "rate": Hz}, or None) on the inputs."""
        self._put(inputs, inputs.voice, decode_sound, sound)

    @staticmethod
    def _put(inputs: Inputs, slot: Slot, decode: Callable[[object], Any], sent: object) -> None:
        """What was sent, decoded, or why it cannot be."""
        try:
            decoded, problem = decode(sent), ""
        except ValueError as error:
            decoded, problem = None, str(error)
        with inputs.lock:
            slot.put(decoded, problem)

    def read_sound(self, ticket: object) -> dict[str, Any]:
        """A sound file that the browser could not read, uploaded: what its recorder would send.

        {"pcm", "rate"} as for `speak`, or {"problem": a sentence}. The file is deleted.
        """
        from mckd.digits.wave import read_wave

        try:
            with self._taken(ticket) as upload:
                samples, rate = read_wave(upload.path, upload.name, packed=False)
                return encode_sound(samples, rate)
        except FileNotFoundError:
            return {"problem": words.FILE_GONE}
        except ValueError as problem:  # DataError: its sentences are made for users
            return {"problem": str(problem)}
        except Exception as error:
            faults.record(log, "A sound could not be read.", error)
            return {"problem": words.FILE_GONE}

    def read_picture(self, ticket: object) -> str:
        """A PNG file, uploaded: what the pad would send. The file is deleted.

        Raises:
            ValueError: it is not here; a sentence.
        """
        try:
            with self._taken(ticket) as upload, upload.path.open("rb") as file:
                data = file.read(LONGEST_PICTURE)  # in base64 that is too long already
        except OSError:
            raise ValueError(words.FILE_GONE) from None
        return PNG_PREFIX + base64.b64encode(data).decode("ascii")

    @contextmanager
    def _taken(self, ticket: object) -> Iterator[Upload]:
        """An upload, which is deleted when the block ends.

        Raises:
            FileNotFoundError: it is not here.
        """
        reader = secrets.token_hex(16)
        try:
            yield self._folders.take(reader, str(ticket))
        finally:
            self._folders.forget(reader)

    def answer(self, inputs: Inputs, picture_on: object, voice_on: object) -> dict[str, Any]:
        """What the verdict shows for the inputs that are on the inputs and switched on."""
        with inputs.lock:
            waiting = self.status == "loading"
            try:
                verdict = self._verdict(inputs, picture_on is True, voice_on is True)
            except Exception as error:  # the visitor gets a sentence, the log its kind and place
                faults.record(log, "The digit model failed.", error)
                verdict = {"status": "empty", "headline": words.FAILED, "notes": [words.TRY_AGAIN]}
            # The browser drops an answer that is older than the one on screen (microseconds).
            return {"stamp": time.time_ns() // 1000, "waiting": waiting, **verdict}

    def about(self) -> dict[str, Any]:
        """Importance of each modality, if the model learns it, where the model comes from, and
        whether its probabilities are calibrated; empty until it is loaded."""
        if self.status != "ready":
            return {}
        weights, about = self.model.loaded.importance, dict(self.model.loaded.about)
        names = {"visual": "picture", "audio": "voice"}
        learned = {names[m]: round(float(w), 4) for m, w in weights.items()}
        return {
            **({"importance": learned} if learned else {}),
            "model": f"{model_line(about)} {words.worth(about.get('calibrated_on'))}",
            "calibrated": bool(about.get("temperatures")),
        }

    def examples(self) -> list[dict[str, Any]]:
        """The bundled examples: name, caption, strokes as polylines on a 280 x 280 sheet, word."""
        try:
            listed = json.loads((self._examples / "examples.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            log.warning("The examples could not be read: %s", error)
            return []
        return list(listed)

    def example_sound(self, name: object) -> str:
        """The WAV of one example in base64; "" when there is none of that name."""
        spoken = [example["name"] for example in self.examples() if example.get("says")]
        if name not in spoken:
            return ""
        try:
            return base64.b64encode((self._examples / f"{name}.wav").read_bytes()).decode("ascii")
        except OSError:
            return ""

    def _verdict(self, inputs: Inputs, picture_on: bool, voice_on: bool) -> dict[str, Any]:
        given = [s for s, on in ((inputs.picture, picture_on), (inputs.voice, voice_on)) if on]
        if self.status == "unavailable":
            return {"status": "unavailable", "headline": "No model", "notes": [self.model.reason]}
        if not (picture_on or voice_on):
            return {"status": "empty", "headline": words.ASK, "notes": [words.BOTH_OFF]}
        if self.status == "loading":
            if any(slot.raw is not None for slot in given):
                return {"status": "loading", "headline": words.LOADING, "notes": []}
            return {"status": "empty", "headline": words.ASK, "notes": [words.HOW_TO_START]}

        seen = self._encoded(inputs.picture, self.model.loaded.see) if picture_on else None
        heard = self._encoded(inputs.voice, self.model.loaded.hear) if voice_on else None
        notes = [slot.problem for slot in given if slot.problem]
        if seen is None and heard is None:
            notes = notes or [words.nothing_given(inputs.picture.raw, inputs.voice.raw)]
            return {"status": "empty", "headline": words.ASK, "notes": notes, **self.about()}
        rows = self._rows(seen, heard)
        unlike = words.unlike(seen, heard)
        return {
            "status": "answer",
            **words.verdict(rows, {"picture": picture_on, "voice": voice_on}, unlike),
            "unlike": unlike,
            "notes": notes + words.remarks(unlike, heard),
            "rows": {name: [round(float(p), 5) for p in row] for name, row in rows.items()},
            "seen": None if seen is None else _pixels(seen.picture, 0.0, 1.0),
            "heard": None if heard is None else _pictures_of_sound(heard),
            **self.about(),
        }

    def _encoded(self, slot: Slot, encode: Callable[[Any], Any]) -> Any:
        if slot.encoded is None and slot.raw is not None and not slot.problem:
            try:
                with self._model_lock:
                    slot.encoded = encode(slot.raw)
            except ValueError as error:
                slot.problem = str(error)
        return slot.encoded

    def _rows(self, seen: Any, heard: Any) -> dict[str, np.ndarray]:
        """Ten probabilities from each input alone and, where both are given, from both together."""
        with self._model_lock:
            rows = {}
            if seen is not None:
                rows["picture"] = self.model.loaded.decide(seen=seen).probabilities
            if heard is not None:
                rows["voice"] = self.model.loaded.decide(heard=heard).probabilities
            if seen is not None and heard is not None:
                rows["both"] = self.model.loaded.decide(seen, heard).probabilities
        return rows

    def tend(self) -> None:
        """Nothing is kept that nobody asked for."""


def open_service(root: Path, folders: Folders, runs: Path) -> DigitService:
    """The service of the bundled model and examples below the project folder."""
    return DigitService.from_checkpoint(
        ABOUT.checkpoint(root), examples=ABOUT.assets(root) / "examples", folders=folders
    )


def warmed(model: Any) -> Any:
    """A DigitClassifier that has answered once: its first answer takes longer."""
    stroke = np.full((64, 64), 255, np.uint8)
    stroke[10:54, 28:36] = 0
    hum = (8000 * np.sin(np.arange(8000) * 0.3) * np.hanning(8000)).astype(np.int16)
    model.decide(model.see(stroke), model.hear((hum, 16000)))
    return model


def decode_picture(data_url: object) -> np.ndarray | None:
    """The pad's PNG as (H, W) or (H, W, 4) uint8, None for a blank pad."""
    from PIL import Image

    if data_url is None:
        return None
    if not isinstance(data_url, str) or not data_url.startswith(PNG_PREFIX):
        raise ValueError("The drawing did not arrive as a picture. Please draw it again.")
    if len(data_url) > LONGEST_PICTURE:
        raise ValueError("The picture is too large. Please draw or load a smaller one.")
    picture = None
    try:
        with Image.open(io.BytesIO(_base64(data_url[len(PNG_PREFIX) :])), formats=["PNG"]) as png:
            if max(png.size) <= LARGEST_SIDE:  # known from the header, before any pixel is decoded
                picture = np.asarray(png.convert("RGBA" if "A" in png.getbands() else "L"))
    except Image.DecompressionBombError:
        pass  # Pillow's own limit on the size in the header, far above ours
    except Exception as error:  # what Pillow raises for damaged files is not one family
        raise ValueError("The picture is damaged. Please draw it again.") from error
    if picture is None:
        raise ValueError(f"The picture may have at most {LARGEST_SIDE} pixels a side.")
    return picture


def decode_sound(sound: object) -> tuple[np.ndarray, int] | None:
    """The recorder's sound as (int16 samples, rate in Hz), None when there is none."""
    if sound is None:
        return None
    rate = sound.get("rate") if isinstance(sound, dict) else None
    pcm = sound.get("pcm") if isinstance(sound, dict) else None
    if not isinstance(pcm, str) or type(rate) is not int or rate not in SOUND_RATES:
        raise ValueError("The sound did not arrive as a recording. Please record it again.")
    if len(pcm) > LONGEST_SOUND_S * rate * 2 * 4 / 3 + 8:
        raise ValueError(f"The sound is too long. At most {LONGEST_SOUND_S:.0f} seconds, please.")
    try:
        data = _base64(pcm)
    except binascii.Error as error:
        raise ValueError("The sound is damaged. Please record it again.") from error
    if len(data) < 2 or len(data) % 2:
        raise ValueError("The sound is empty. Please record it again.")
    return np.frombuffer(data, dtype="<i2"), rate


def encode_sound(samples: np.ndarray, rate: int) -> dict[str, Any]:
    """Mono samples as the recorder sends them: at 16 kHz, of 16 bits, a little over its limit."""
    from mckd.digits.sound import resample

    wave = resample(samples[: int((LONGEST_SOUND_S + 0.1) * rate)], rate, RECORDER_RATE)
    loudest = max(1.0, float(np.abs(wave).max()))  # floats may go beyond full scale
    pcm = np.rint(wave / loudest * (2**15 - 1)).astype("<i2")
    return {"pcm": base64.b64encode(pcm.tobytes()).decode("ascii"), "rate": RECORDER_RATE}


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # also raised for characters outside ASCII
        raise binascii.Error(str(error)) from error


def _pictures_of_sound(heard: Any) -> dict[str, Any]:
    mel = np.asarray(heard.log_mel, dtype=np.float32)
    mfcc = np.asarray(heard.mfcc, dtype=np.float32)
    # The first coefficient is much larger than the rest: every row is shown on its own scale.
    mfcc = (mfcc - mfcc.mean(axis=1, keepdims=True)) / (mfcc.std(axis=1, keepdims=True) + 1e-6)
    return {
        "log_mel": _pixels(mel[::-1], float(mel.min()), float(mel.max())),
        "mfcc": _pixels(mfcc[::-1], -2.5, 2.5),
        "start_s": round(float(heard.start_s), 3),
        "end_s": round(float(heard.end_s), 3),
    }


def _pixels(values: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """An array as base64 bytes for a small canvas: 0 at `low`, 255 at `high`, first row on top."""
    scaled = (np.asarray(values, dtype=np.float32) - low) / max(high - low, 1e-6)
    data = (np.clip(np.nan_to_num(scaled), 0, 1) * 255).round().astype(np.uint8)
    return {
        "height": int(data.shape[0]),
        "width": int(data.shape[1]),
        "data": base64.b64encode(data.tobytes()).decode("ascii"),
    }
