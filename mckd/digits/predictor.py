"""Recognise a digit from a picture, a spoken word, or both.

Each input is encoded once (`see`, `hear`); deciding for any subset of them is then nearly free
(`decide`), as one model serves them all.

Where the checkpoint's header has `temperatures` (`python -m train calibrate-digits`), probabilities
are softmax(logits / T) with one T each for a picture, a voice and both (Guo et al., ICML 2017): as
often right as they say, on samples like those that T was fitted to. T changes no answer. The same
command lets a model tell what is unlike any digit (see `likeness`), of which probabilities say
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mckd.digits.data import MODALITIES
from mckd.digits.drawing import prepare_picture
from mckd.digits.likeness import Likeness, likenesses
from mckd.digits.parts import parts
from mckd.digits.sound import find_voice, log_mel, mfcc
from mckd.files.checkpoint import CheckpointError, load_checkpoint
from mckd.files.hub import Pretrained
from mckd.method import MissingModalityNetwork
from mckd.systems import rebuild

Floats = npt.NDArray[np.floating[Any]]
Sound = tuple[npt.NDArray[Any], int]


@dataclass(frozen=True)
class Seen:
    """A picture as the network read it: picture (28, 28) in 0..1, white on black.

    unlike: it is like no digit that the model learned.
    """

    picture: Floats
    features: Tensor
    unlike: bool


@dataclass(frozen=True)
class Heard:
    """A word as the network read it.

    wave (8000,) at 8 kHz; log_mel (40, 80); mfcc (20, 80); start_s and end_s, where the word lies
    in the recording; words, how many the recording seems to hold (the loudest was used); unlike,
    it is like no digit that the model learned.
    """

    wave: Floats
    log_mel: Floats
    mfcc: Floats
    start_s: float
    end_s: float
    words: int
    features: Tensor
    unlike: bool


@dataclass(frozen=True)
class Prediction:
    """label 0..9, probabilities (10,) that sum to 1, present: the modalities it rests on.

    calibrated: whether the probabilities are, see the module. unlike: those of `present` that are
    like no digit, so that the probabilities mean little; never any of a model that was not
    calibrated.
    """

    label: int
    probabilities: Floats
    present: frozenset[str]
    calibrated: bool = False
    unlike: frozenset[str] = frozenset()


class DigitClassifier(Pretrained):
    """The app's model. Safe to share between threads: nothing is kept between calls."""

    def __init__(
        self,
        network: MissingModalityNetwork,
        importance: dict[str, float] | None,
        about: dict[str, Any],
        likenesses: Mapping[str, Likeness] = MappingProxyType({}),
    ) -> None:
        """importance: of each modality, the IWV; nothing of a system that learns none."""
        self._network = network.eval()
        self.about = about
        self.importance = importance or {}
        self.temperatures: dict[str, float] = about.get("temperatures", {})
        self._likenesses = likenesses

    @classmethod
    def load(cls, path: Path | str) -> DigitClassifier:
        """Load a checkpoint that the manifest beside it confirms.

        Raises:
            CheckpointError: missing, damaged, or made for another network.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path)
        header = checkpoint.header
        if header.get("network") != "studio" or tuple(header["modalities"]) != MODALITIES:
            raise CheckpointError(f"{path.name} does not hold a network that the app can use.")
        network, weights = rebuild(checkpoint, parts("studio"))
        about = header | {"sha256": checkpoint.sha256}
        return cls(network, weights, about, likenesses(checkpoint))

    def see(self, image: npt.NDArray[Any]) -> Seen:
        """Encode a picture: uint8 (H, W), (H, W, 3) or (H, W, 4), dark on light or light on dark.

        Raises:
            ValueError: nothing is drawn, or the array is no picture.
        """
        picture = prepare_picture(image)
        features = self._encode("visual", torch.from_numpy(picture)[None, None])
        return Seen(picture, features, self._unlike("visual", features))

    def hear(self, sound: Sound) -> Heard:
        """Encode a spoken word: (samples (n,) or (n, channels), sampling rate in Hz).

        Raises:
            ValueError: silence, too short, too long, or no sound at all.
        """
        voice = find_voice(*sound)
        spectrogram = log_mel(torch.from_numpy(voice.window)[None])
        features = self._encode("audio", spectrogram)
        return Heard(
            wave=voice.window,
            log_mel=spectrogram[0, 0].numpy(),
            mfcc=mfcc(spectrogram)[0].numpy(),
            start_s=voice.start_s,
            end_s=voice.end_s,
            words=voice.words,
            features=features,
            unlike=self._unlike("audio", features),
        )

    @torch.inference_mode()
    def decide(self, seen: Seen | None = None, heard: Heard | None = None) -> Prediction:
        """Decide from what is there; a missing feature is filled by Eq. 2.

        Raises:
            ValueError: neither is given.
        """
        given = {"visual": seen, "audio": heard}
        features = [x.features if x else None for x in given.values()]
        available = [f for f in features if f is not None]
        if not available:
            raise ValueError("Draw a digit or say one: at least one of the two is needed.")
        blank = torch.zeros_like(available[0])
        stacked = torch.stack([blank if f is None else f for f in features], 1)
        present = torch.tensor([[f is not None for f in features]])
        logits = self._network.answer((stacked,), present)
        names = frozenset(name for name, x in given.items() if x is not None)
        temperature = self.temperatures.get("both" if len(names) > 1 else min(names))
        probabilities = (logits.double() / (temperature or 1.0)).softmax(1)[0].numpy()
        label = int(probabilities.argmax())
        unlike = frozenset(name for name, x in given.items() if x is not None and x.unlike)
        return Prediction(label, probabilities, names, temperature is not None, unlike)

    def predict(
        self, image: npt.NDArray[Any] | None = None, audio: Sound | None = None
    ) -> Prediction:
        """`see`, `hear` and `decide` in one call.

        Raises:
            ValueError: both are None, the picture is blank, or the sound is silent.
        """
        seen = None if image is None else self.see(image)
        heard = None if audio is None else self.hear(audio)
        return self.decide(seen, heard)

    @torch.inference_mode()
    def _encode(self, modality: str, x: Tensor) -> Tensor:
        """The feature (1, C) of one input."""
        (features,) = self._network.encode_one(x, self._network.modalities.index(modality))
        return features

    def _unlike(self, modality: str, features: Tensor) -> bool:
        known = self._likenesses.get(modality)
        return known is not None and bool(known.unlike(features))
