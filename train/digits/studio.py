"""The app's model as a task: any picture of a digit meets any voice that says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mckd.digits.data import (
    Pictures,
    Recording,
    is_synthetic,
    read_pictures,
    read_recordings,
    recording_parts,
)
from mckd.digits.drawing import prepare_picture
from mckd.digits.parts import parts
from mckd.digits.sound import FRAMES, N_MELS, WINDOW_SAMPLES, find_voice, log_mel
from mckd.digits.wave import read_wave
from mckd.method import Batch, MissingModalityNetwork
from train.digits import augment_picture as pictures_of
from train.digits import augment_voice as voices_of
from train.digits.protocol import Part, accuracy, content_of_digits
from train.digits.settings import DigitSettings
from train.task import generator

STEPS_PER_EPOCH = 25
REAL_SHARE = 0.625
"""Share of real voices in a batch; the rest is synthesised."""

LABEL_SMOOTHING = 0.1
NOISE_SNR_DB = 10.0
_TRAIN, _META, _NOISE = 1, 2, 3
_PARTS = ("train", "validation", "test")


class StudioTask:
    """Pictures and recordings of `data`, and optionally synthesised voices, for training.

    Test parts are the last 15 % of each digit's pictures (or MNIST's own test file) and
    recordings 0-14; validation the 5 % before and recordings 15-19. A speaker left out is in
    neither training nor validation and is tested as `left_out`.
    """

    steps_per_epoch = STEPS_PER_EPOCH
    start = None
    parts = parts("studio")

    def __init__(self, settings: DigitSettings, data: Path, voices: Path | None) -> None:
        self.settings = settings
        pictures = _split_pictures(data)
        self._pictures = [_by_label(*_picture_tensors(part)) for part in pictures]
        recordings = read_recordings(data)
        left_out = [r for r in recordings if r.speaker == settings.leave_out]
        known = [r for r in recordings if r.speaker != settings.leave_out]
        if settings.leave_out and not left_out:
            raise ValueError(f"There are no recordings of a speaker named {settings.leave_out!r}.")
        part_of = recording_parts(known)
        # By speaker, then digit: the noise of the noisy test part is drawn in this order.
        known.sort(key=lambda r: (r.speaker, r.digit, r.index))
        parts = [[r for r in known if part_of[r] == name] for name in _PARTS]
        self._voices = [_by_label(*_voice_tensors(part)) for part in parts]
        synthesised = read_recordings(voices) if voices else []
        self._synthesised = _by_label(*_voice_tensors(synthesised)) if synthesised else None
        self._validation = Exam(self._pictures[1], self._voices[1])
        self._test = Exam(self._pictures[2], self._voices[2])
        self._noisy = _voices_only(_by_label(*_voice_tensors(parts[2], NOISE_SNR_DB)))
        self._left_out = _voices_only(_by_label(*_voice_tensors(left_out))) if left_out else None
        speakers = sorted({r.speaker for r in known})
        machines = len({r.speaker for r in synthesised})
        seen, heard = len(pictures[0].labels), len(parts[0])
        self.header: dict[str, Any] = {
            "network": "studio",
            "data": (
                f"{seen:,} synthetic pictures and {heard:,} synthetic recordings only"
                if is_synthetic(known)
                else f"{seen:,} MNIST pictures, {heard:,} recordings of {len(speakers)} speakers "
                "(Free Spoken Digit Dataset)"
            )
            + (f" and {machines} synthesised voices" if machines else ""),
        }
        self.keeps: dict[str, Tensor] = {}
        self.provenance: dict[str, Any] = {
            "data": self.header["data"],
            "content": content_of_digits(
                (part.images for part in pictures), [*recordings, *synthesised]
            ),
            "pictures": dict(zip(_PARTS, (len(p.labels) for p in pictures), strict=True)),
            "recordings": dict(zip(_PARTS, (len(p) for p in parts), strict=True)),
            "speakers": speakers,
            "left_out": settings.leave_out,
            "synthesised_voices": machines,
            "synthesised_recordings": len(synthesised),
        }

    def training_batch(self, step: int, rank: int, world: int) -> Batch:
        return self._batch(step, rank, world, part=0, stream=_TRAIN)

    def meta_batch(self, step: int, rank: int, world: int) -> Batch:
        """Validation samples, changed like training ones: unchanged they are too easy to weigh."""
        return self._batch(step, rank, world, part=1, stream=_META)

    def loss(self, output: Tensor, target: Tensor, twice: bool = False) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=LABEL_SMOOTHING)

    def validate(self, network: MissingModalityNetwork) -> dict[str, float]:
        return self._validation.scores(network)

    def test(self, network: MissingModalityNetwork) -> dict[str, float]:
        scores = self._test.scores(network)
        scores["audio_snr_10dB"] = accuracy(network, self._noisy)["audio"]
        if self._left_out is not None:
            scores["left_out"] = accuracy(network, self._left_out)["audio"]
        return scores

    def _batch(self, step: int, rank: int, world: int, part: int, stream: int) -> Batch:
        g = generator(self.settings.seed, stream, step, rank)
        count = self.settings.batch_size // world
        labels = torch.randint(10, (count,), generator=g)
        drawn = _draw(self._pictures[part], labels, g)
        spoken = _draw(self._voices[part], labels, g)
        if part == 0 and self._synthesised is not None:
            machine = _draw(self._synthesised, labels, g)
            real = torch.rand(count, generator=g) < REAL_SHARE
            spoken = torch.where(real[:, None], spoken, machine)
        inputs = (changed_pictures(drawn, g), _changed_voices(spoken, g))
        return Batch(inputs, torch.ones(count, 2, dtype=torch.bool), labels)


class Exam:
    """parts: by subset, each picture alone, each voice alone, each once; and both in pairs."""

    def __init__(self, pictures: list[Tensor], waves: list[Tensor]) -> None:
        self.parts = {
            "visual": _pair(pictures, [torch.zeros(1, WINDOW_SAMPLES)] * 10),
            "audio": _voices_only(waves),
            "both": _pair(pictures, waves),
        }

    def scores(self, network: MissingModalityNetwork) -> dict[str, float]:
        return {subset: accuracy(network, part)[subset] for subset, part in self.parts.items()}


def unheard(data: Path, speakers: Sequence[str]) -> list[Exam]:
    """For each speaker: all that they said, and the pictures of the validation and test parts.

    Raises:
        ValueError: there is no such speaker.
    """
    unseen = [_picture_tensors(part) for part in _split_pictures(data)[1:]]
    pictures = _by_label(*(torch.cat(x) for x in zip(*unseen, strict=True)))
    recordings = read_recordings(data)
    exams = []
    for speaker in speakers:
        said = [r for r in recordings if r.speaker == speaker]
        if not said:
            raise ValueError(f"There are no recordings of a speaker named {speaker!r}.")
        exams.append(Exam(pictures, _by_label(*_voice_tensors(said))))
    return exams


def learned(data: Path, left_out: str, modality: str) -> tuple[Tensor, Tensor]:
    """What training saw of a modality, without changes or synthesised voices: inputs of its
    encoder, labels.

    left_out: the speaker who was left out of it; "" for none.
    """
    if modality == "visual":
        return _picture_tensors(_split_pictures(data)[0])
    known = [r for r in read_recordings(data) if r.speaker != left_out]
    part_of = recording_parts(known)
    waves, spoken = _voice_tensors([r for r in known if part_of[r] == "train"])
    return log_mel(waves), spoken


def changed_pictures(pictures: Tensor, g: torch.Generator) -> Tensor:
    """(n, 1, 28, 28) as training sees them: by other hands, with other pens."""
    pictures = pictures_of.apply_hand(pictures, pictures_of.sample_hand(len(pictures), g))
    return pictures_of.apply_pen(pictures, pictures_of.sample_pen(len(pictures), g))


def _changed_voices(waves: Tensor, g: torch.Generator) -> Tensor:
    change = voices_of.sample_voice_change(len(waves), WINDOW_SAMPLES, g)
    spectrogram = log_mel(voices_of.apply_voice_change(waves, change), change.warp)
    return voices_of.apply_smear(spectrogram, voices_of.sample_smear(len(waves), N_MELS, FRAMES, g))


def _split_pictures(folder: Path) -> tuple[Pictures, Pictures, Pictures]:
    """Training, validation and test pictures, per digit in file order 80, 5 and 15 %."""
    for_training, for_test = read_pictures(folder)
    shares = (0.8, 0.85) if for_training is for_test else (0.95, 1.0)
    rows: list[list[int]] = [[], [], []]
    for digit in range(10):
        of_digit = np.flatnonzero(for_training.labels == digit)
        a, b = (int(share * len(of_digit)) for share in shares)
        for part, chosen in zip(rows, (of_digit[:a], of_digit[a:b], of_digit[b:]), strict=True):
            part.extend(chosen.tolist())
    parts = [
        Pictures(for_training.images[r], for_training.labels[r], for_training.index[r])
        for r in rows
    ]
    return parts[0], parts[1], parts[2] if for_training is for_test else for_test


def _picture_tensors(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """(n, 1, 28, 28) prepared as the app prepares them, and labels."""
    prepared = np.stack([prepare_picture(image) for image in pictures.images])
    return torch.from_numpy(prepared)[:, None], torch.from_numpy(pictures.labels)


def _voice_tensors(
    recordings: Sequence[Recording], snr_db: float | None = None
) -> tuple[Tensor, Tensor]:
    """Windows (n, WINDOW_SAMPLES) prepared as the app prepares them, and labels."""
    rng = np.random.default_rng(_NOISE)
    windows = []
    for recording in recordings:
        samples, rate = read_wave(recording.path)
        if snr_db is not None:
            level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
            samples = samples + level * rng.standard_normal(len(samples)).astype(np.float32)
        windows.append(find_voice(samples, rate).window)
    labels = torch.tensor([r.digit for r in recordings])
    return torch.from_numpy(np.stack(windows)), labels


def _by_label(inputs: Tensor, labels: Tensor) -> list[Tensor]:
    """One tensor of inputs per digit."""
    groups = [inputs[labels == digit] for digit in range(10)]
    for digit, group in enumerate(groups):
        if not len(group):
            raise ValueError(f"The data holds no sample of the digit {digit}.")
    return groups


def _draw(groups: list[Tensor], labels: Tensor, g: torch.Generator) -> Tensor:
    """A random input for each label, (B, ...)."""
    place = torch.rand(len(labels), generator=g)
    chosen = [
        groups[int(digit)][int(p * len(groups[int(digit)]))]
        for digit, p in zip(labels, place, strict=True)
    ]
    return torch.stack(chosen)


def _pair(pictures: list[Tensor], waves: list[Tensor]) -> Part:
    """Every picture and every voice of a part at least once; the shorter list goes round."""
    rows = [max(len(p), len(w)) for p, w in zip(pictures, waves, strict=True)]
    seen = [p[torch.arange(n) % len(p)] for p, n in zip(pictures, rows, strict=True)]
    heard = [w[torch.arange(n) % len(w)] for w, n in zip(waves, rows, strict=True)]
    labels = torch.cat([torch.full((n,), digit) for digit, n in enumerate(rows)])
    present = torch.ones(len(labels), 2, dtype=torch.bool)
    return Part((torch.cat(seen), log_mel(torch.cat(heard))), present, labels)


def _voices_only(waves: list[Tensor]) -> Part:
    """Voices with blank pictures that nobody is to look at."""
    return _pair([torch.zeros(1, 1, 28, 28)] * 10, waves)
