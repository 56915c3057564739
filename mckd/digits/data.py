"""Audiovision-MNIST: pictures and spoken words of digits, read from one folder.

    images-idx3-ubyte.gz, labels-idx1-ubyte.gz      one set of pictures, or both of
    train-images-idx3-ubyte.gz, ...                 MNIST's training set and
    t10k-images-idx3-ubyte.gz, ...                  MNIST's test set
    recordings/{digit}_{speaker}_{index}.wav        Free Spoken Digit Dataset

The pairing is the one of SMIL (Ma et al., AAAI 2021), which the paper uses: within a digit,
recordings in the order speaker, index meet pictures in an order (`picture_order`), the first for
training, the last for test. Of n recordings per digit and speaker the first 30 % are test, the
next 10 % validation, the rest training: for n = 50 and three speakers 450, 150 and 900 pairs.
Speakers are the same in all three.
"""

from __future__ import annotations

import gzip
import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

MODALITIES = ("visual", "audio")
SYNTHETIC = "synthetic-"
"""Speakers of the bundled set are named so; nothing trained on them may pass for real."""

PAPER_SPEAKERS = ("jackson", "nicolas", "theo")
MFCC_SIZE = 20


class DataError(ValueError):
    """Data that is missing or damaged; the message names the file and what to do."""


@dataclass(frozen=True)
class Pictures:
    """images (n, 28, 28) uint8, white on black; labels (n,); index (n,) position in the file."""

    images: Bytes
    labels: Integers
    index: Integers


@dataclass(frozen=True, order=True)
class Recording:
    """One spoken digit: `{digit}_{speaker}_{index}.wav`."""

    digit: int
    speaker: str
    index: int
    path: Path


@dataclass(frozen=True)
class Pairs:
    """n pairs: images (n, 28, 28) uint8, their index in the file, recordings, labels (n,)."""

    images: Bytes
    image_index: Integers
    recordings: tuple[Recording, ...]
    labels: Integers

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Split:
    """The protocol's three parts."""

    train: Pairs
    validation: Pairs
    test: Pairs


def read_pictures(folder: Path) -> tuple[Pictures, Pictures]:
    """The pictures to train and to test on.

    With MNIST's two files these are the two; with one file both are that file, and `split_pairs`
    takes the first pictures of each digit for training and the last for test.

    Raises:
        DataError: no pictures, or a damaged file.
    """
    folder = Path(folder)
    if (folder / "train-images-idx3-ubyte.gz").is_file():
        return _read_idx_pair(folder, "train-"), _read_idx_pair(folder, "t10k-")
    pictures = _read_idx_pair(folder, "")
    return pictures, pictures


def read_recordings(folder: Path) -> list[Recording]:
    """Every recording below `folder/recordings`, sorted by digit, speaker, index.

    Raises:
        DataError: none there.
    """
    found = []
    for path in (Path(folder) / "recordings").glob("*.wav"):
        digit, _, rest = path.stem.partition("_")
        speaker, _, index = rest.rpartition("_")
        if digit.isdigit() and len(digit) == 1 and speaker and index.isdigit():
            found.append(Recording(int(digit), speaker, int(index), path))
    if not found:
        raise DataError(
            "There are no recordings named digit_speaker_index.wav in the folder 'recordings'. "
            "Fetch them with: python -m train data avmnist"
        )
    return sorted(found)


def picture_order(count: int, order: str = "file", draw: int = 0) -> Integers:
    """In which order pictures are taken: (count,) positions in their file.

    `file` is the file's own. `smil` is that of SMIL's folder, where every picture is a PNG named
    by its position and names are sorted as text: 0, 1, 10, 100, 1000, 1001, ... A draw above 0 is
    another sample of the pictures: an order at random, by this number.

    Raises:
        DataError: another name.
    """
    if order not in ("file", "smil"):
        raise DataError(f"Pictures are taken in the order 'file' or 'smil', not {order!r}.")
    if draw:
        return np.random.default_rng([draw, 0xD4A3]).permutation(count)
    return np.array(sorted(range(count), key=str) if order == "smil" else range(count), np.int64)


def split_pairs(folder: Path, order: str = "file", draw: int = 0) -> Split:
    """Read `folder` and pair it as the paper does: its three speakers, or all if they are absent.

    Args:
        order, draw: which pictures, as `picture_order` says.

    Raises:
        DataError: a digit lacks recordings or pictures.
    """
    for_training, for_test = read_pictures(folder)
    recordings = read_recordings(folder)
    present = {r.speaker for r in recordings}
    speakers = PAPER_SPEAKERS if present.issuperset(PAPER_SPEAKERS) else sorted(present)
    recordings = [r for r in recordings if r.speaker in speakers]
    part_of = recording_parts(recordings)
    train_order = picture_order(len(for_training.labels), order, draw)
    test_order = picture_order(len(for_test.labels), order, draw)
    parts: dict[str, list[tuple[int, Recording, Pictures]]] = {
        "train": [],
        "validation": [],
        "test": [],
    }
    for digit in range(10):
        of_digit = [r for r in recordings if r.digit == digit]
        for speaker in speakers:
            _require_enough(of_digit, speaker, digit)
        tests = [r for r in of_digit if part_of[r] == "test"]
        others = [r for r in of_digit if part_of[r] != "test"]
        first = train_order[for_training.labels[train_order] == digit][: len(others)]
        last = test_order[for_test.labels[test_order] == digit][-len(tests) :]
        overlap = for_training is for_test and set(first) & set(last)
        if len(first) < len(others) or len(last) < len(tests) or overlap:
            raise DataError(
                f"There are too few pictures of the digit {digit} for its {len(of_digit)} "
                "recordings. Fetch the full set with: python -m train data avmnist"
            )
        for i, r in zip(first, others, strict=True):
            parts[part_of[r]].append((int(i), r, for_training))
        for i, r in zip(last, tests, strict=True):
            parts["test"].append((int(i), r, for_test))
    return Split(_pairs(parts["train"]), _pairs(parts["validation"]), _pairs(parts["test"]))


def recording_parts(recordings: Sequence[Recording]) -> dict[Recording, str]:
    """`train`, `validation` or `test` for each recording.

    Of each speaker's n recordings of a digit, in the order of their index, the first 30 % are
    test, the next 10 % (at least one) validation, the rest training.
    """
    groups: dict[tuple[str, int], list[Recording]] = {}
    for recording in sorted(recordings):
        groups.setdefault((recording.speaker, recording.digit), []).append(recording)
    part_of: dict[Recording, str] = {}
    for mine in groups.values():
        tests, validations = len(mine) * 3 // 10, max(1, len(mine) // 10)
        names = ["test"] * tests + ["validation"] * validations
        names += ["train"] * (len(mine) - len(names))
        part_of.update(zip(mine, names, strict=True))
    return part_of


def keep_rate(pairs: Pairs, rate: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which training samples keep a modality at `rate`: (n,) bool.

    Per digit round(rate * count), half rounded up, spread over the speakers as evenly as whole
    numbers allow, chosen at random. 5, 10, 15, 20 % of 90 per digit are 5, 9, 14 and 18.

    Raises:
        DataError: no rate, or one that keeps nothing of so few samples.
    """
    if not 0 < rate <= 1:
        raise DataError(f"A rate is a share above 0 and at most 1, not {rate}.")
    rng = np.random.default_rng([seed, 0x5A7E])
    kept = np.zeros(len(pairs), dtype=bool)
    speakers = sorted({r.speaker for r in pairs.recordings})
    speaker_of = np.array([speakers.index(r.speaker) for r in pairs.recordings])
    for digit in range(10):
        rows = np.flatnonzero(pairs.labels == digit)
        count = int(rate * len(rows) + 0.5)
        # Speakers take turns: each one's recordings in random order, speakers in random order.
        turn = np.empty(len(rows))
        for s, place in enumerate(rng.permutation(len(speakers))):
            mine = np.flatnonzero(speaker_of[rows] == s)
            turn[rng.permutation(mine)] = np.arange(len(mine)) + place / len(speakers)
        kept[rows[np.argsort(turn)[:count]]] = True
    if not kept.any():
        most = np.bincount(pairs.labels).max()
        least = math.ceil(500 / most) / 1000  # the half of one sample that is rounded up to it
        raise DataError(
            f"A rate of {rate:g} keeps none of the {len(pairs)} training samples, of which a digit "
            f"has {most}. The smallest rate that keeps something is {least:g}."
        )
    return kept


def is_synthetic(recordings: Sequence[Recording]) -> bool:
    """Whether these come from the bundled synthetic set."""
    return any(r.speaker.startswith(SYNTHETIC) for r in recordings)


def paper_mfcc(samples: Floats) -> Floats:
    """SMIL's sound input, (20, 20): coefficients x frames.

    Every third sample is kept and still called 8 kHz, so a clip of half a second fills about 3
    of the 20 frames; the rest is zero. Then (x - 0.5) / 0.5, as its image-style transform does.
    The paper's audio modality is this weak by construction.
    """
    import librosa

    with warnings.catch_warnings():
        # Clips this short do not fill one window; that is the protocol, not a mistake.
        warnings.filterwarnings("ignore", "n_fft=2048 is too large")
        coefficients = librosa.feature.mfcc(y=samples[::3], sr=8000, n_mfcc=MFCC_SIZE)
    frames = min(coefficients.shape[1], MFCC_SIZE)
    padded = np.zeros((MFCC_SIZE, MFCC_SIZE))
    padded[:, :frames] = coefficients[:, :frames]
    return ((padded - 0.5) / 0.5).astype(np.float32)


def whole_clip_mfcc(samples: Floats) -> Floats:
    """A sane variant, (20, 20): the whole clip at 8 kHz on 20 frames, standardised per clip."""
    import librosa

    hop = max(1, len(samples) // (MFCC_SIZE - 1))
    coefficients = librosa.feature.mfcc(
        y=samples, sr=8000, n_mfcc=MFCC_SIZE, n_fft=512, hop_length=hop, n_mels=40
    )[:, :MFCC_SIZE]
    padded = np.pad(coefficients, ((0, 0), (0, MFCC_SIZE - coefficients.shape[1])), mode="edge")
    standardised = (padded - padded.mean()) / (padded.std() + 1e-6)
    return np.asarray(standardised, np.float32)


def _require_enough(of_digit: Sequence[Recording], speaker: str, digit: int) -> None:
    """The protocol's shares need at least 10 recordings of each speaker and digit."""
    count = sum(r.speaker == speaker for r in of_digit)
    if count < 10:
        raise DataError(
            f"There are {count} recordings of {speaker} saying {digit}; at least 10 are "
            "needed. Fetch the full set with: python -m train data avmnist"
        )


def _pairs(rows: list[tuple[int, Recording, Pictures]]) -> Pairs:
    return Pairs(
        images=np.stack([pictures.images[i] for i, _, pictures in rows]),
        image_index=np.array([pictures.index[i] for i, _, pictures in rows]),
        recordings=tuple(r for _, r, _ in rows),
        labels=np.array([r.digit for _, r, _ in rows]),
    )


def _read_idx_pair(folder: Path, prefix: str) -> Pictures:
    images = _read_idx(folder / f"{prefix}images-idx3-ubyte.gz", dimensions=3)
    labels = _read_idx(folder / f"{prefix}labels-idx1-ubyte.gz", dimensions=1).astype(np.int64)
    if len(images) != len(labels):
        raise DataError(
            f"{prefix}images holds {len(images)} pictures but {prefix}labels {len(labels)} labels. "
            "Fetch both again with: python -m train data avmnist"
        )
    return Pictures(images, labels, np.arange(len(labels)))


def _read_idx(path: Path, dimensions: int) -> Bytes:
    """A gzipped idx file of unsigned bytes."""
    try:
        with gzip.open(path) as file:
            data = file.read()
    except FileNotFoundError:
        raise DataError(
            f"{path.name} is missing. Fetch it with: python -m train data avmnist"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is damaged ({error}). Fetch it again.") from error
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(f"{path.name} is not an idx file of {dimensions}-D unsigned bytes.")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != int(np.prod(shape)):
        raise DataError(f"{path.name} holds {len(data) - header} values, its header says {shape}.")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
