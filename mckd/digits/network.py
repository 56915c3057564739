"""The networks of the digits task.

`PaperNetwork` is built from SMIL's encoders (Ma et al., AAAI 2021), as the paper says;
`UnimodalNetwork` is its lower bound; `StudioNetwork` is what the app uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mckd.digits.data import MODALITIES
from mckd.method import MissingModalityNetwork, encode_available, one_scale

CLASSES = 10
IMAGE_FEATURES = 160
SOUND_FEATURES = 320

IMAGE_ENCODERS = ("smil", "channels")
"""Readings of SMIL's image encoder. Its code drops single elements and sees pictures in -1..1;
`channels` drops whole channels and sees 0..1, as this project did before it knew that code."""

Encoders = Mapping[str, Callable[[int], nn.Module]]
"""By modality: an encoder to a feature of a width."""


class LeNetEncoder(nn.Sequential):
    """SMIL's image encoder: a picture (B, 1, 28, 28) in 0..1 to (B, 160).

    reading: one of IMAGE_ENCODERS. Both have the same weights by the same names.

    Raises:
        ValueError: another reading.
    """

    def __init__(self, reading: str = "smil") -> None:
        if reading not in IMAGE_ENCODERS:
            listed = ", ".join(IMAGE_ENCODERS)
            raise ValueError(f"The image encoder is one of {listed}, not {reading!r}.")
        super().__init__(
            nn.Conv2d(1, 5, 5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(5, 10, 5),
            nn.Dropout(0.5) if reading == "smil" else nn.Dropout2d(0.5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.smil = reading == "smil"

    def forward(self, pictures: Tensor) -> Tensor:
        features: Tensor = super().forward(2 * pictures - 1 if self.smil else pictures)
        return features


class SoundNetEncoder(nn.Sequential):
    """SMIL's sound encoder: MFCC (B, 1, 20, 20) to (B, 320). Its pooling skips every other cell."""

    def __init__(self) -> None:
        super().__init__(
            *_conv_bn_relu(1, 32, kernel=2),
            *_conv_bn_relu(32, 48, kernel=2),
            *_conv_bn_relu(48, 20, kernel=2),
            nn.MaxPool2d(2, stride=4),
            nn.Dropout(0.25),
            nn.Flatten(),
        )


class DigitNetwork(MissingModalityNetwork):
    """One encoder per modality, features of one width (B, M, C), a head on all of them."""

    def __init__(self, encoders: dict[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        self.encoders = nn.ModuleDict(encoders)
        self.head = head

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        return encode_available(
            [one_scale(encoder) for encoder in self.encoders.values()], inputs, present
        )

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        feature: Tensor = self.encoders[self.modalities[modality]](x)
        return (feature,)

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        logits: Tensor = self.head(features[0].flatten(1))
        return logits


class PaperNetwork(DigitNetwork):
    """SMIL's encoders, projected to one width, then two fully connected layers with dropout.

    The paper distils "the layer before the FC layers" and does not say how 160 and 320 features
    are compared; the projection is ours.

    Inputs: image (B, 1, 28, 28) in 0..1, MFCC (B, 1, 20, 20). Output: logits (B, 10).
    """

    width = 160

    def __init__(self, encoders: Encoders | None = None) -> None:
        encoders = encoders or paper_encoders()
        super().__init__(
            {name: encoder(self.width) for name, encoder in encoders.items()},
            head=_head([2 * self.width, 64], dropout=[0.5]),
        )


class UnimodalNetwork(DigitNetwork):
    """The lower bound: one of SMIL's encoders with its own head, trained on one modality."""

    def __init__(self, modality: str, image_encoder: str = "smil") -> None:
        if modality == "visual":
            encoder: nn.Module = LeNetEncoder(image_encoder)
            head = _head([IMAGE_FEATURES, 32], dropout=[0.0])
        elif modality == "audio":
            encoder = SoundNetEncoder()
            head = _head([SOUND_FEATURES, 160, 32], dropout=[0.25, 0.4])
        else:
            raise ValueError(f"Unknown modality {modality!r}. Known: {', '.join(MODALITIES)}.")
        super().__init__({modality: encoder}, head)


class StudioNetwork(DigitNetwork):
    """What the app uses: residual encoders for a drawn picture and a spoken word.

    Inputs: picture (B, 1, 28, 28) in 0..1, log-mel spectrogram (B, 1, 40, 80) of
    `mckd.digits.sound.log_mel`. Output: logits (B, 10).
    """

    width = 128

    def __init__(self) -> None:
        super().__init__(
            {name: encoder(self.width) for name, encoder in STUDIO_ENCODERS.items()},
            head=_head([2 * self.width, self.width], dropout=[0.3]),
        )
        # On CPUs with bfloat16 this layout makes training several times faster.
        for weights in self.parameters():
            if weights.ndim == 4:
                weights.data = weights.data.contiguous(memory_format=torch.channels_last)


class PictureEncoder(nn.Sequential):
    """Picture (B, 1, 28, 28) to features (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__(
            *_conv_bn_relu(1, 24, kernel=5, stride=2, padding=2),
            ResidualBlock(24),
            *_conv_bn_relu(24, 48, kernel=3, stride=2, padding=1),
            ResidualBlock(48),
            *_conv_bn_relu(48, 40, kernel=3, stride=2, padding=1),
            nn.Flatten(),
            nn.Linear(40 * 4 * 4, width),
            nn.ReLU(),
        )


class VoiceEncoder(nn.Module):
    """Log-mel spectrogram (B, 1, 40, frames) to features (B, width).

    Pooling over time makes the features independent of where in the window the word lies; the
    frequency axis is kept up to the last layer, for there position says which formant is heard.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            *_conv_bn_relu(1, 24, kernel=5, stride=2, padding=2),
            ResidualBlock(24),
            *_conv_bn_relu(24, 48, kernel=3, stride=2, padding=1),
            ResidualBlock(48),
            *_conv_bn_relu(48, 64, kernel=3, stride=2, padding=1),
            ResidualBlock(64),
        )
        # Covers all five remaining frequency rows and three time steps.
        self.collapse = nn.Sequential(*_conv_bn_relu(64, 88, kernel=(5, 3), padding=(0, 1)))
        self.features = nn.Linear(2 * 88, width)

    def forward(self, spectrogram: Tensor) -> Tensor:
        sequence = self.collapse(self.maps(spectrogram)).squeeze(2)
        pooled = torch.cat([sequence.mean(2), sequence.amax(2)], 1)
        return torch.relu(self.features(pooled))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an identity path; keeps (B, channels, height, width)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, norm, relu = _conv_bn_relu(channels, channels, kernel=3, padding=1)
        second, norm_2, _ = _conv_bn_relu(channels, channels, kernel=3, padding=1)
        self.body = nn.Sequential(first, norm, relu, second, norm_2)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(maps + self.body(maps))


def paper_encoders(image_encoder: str = "smil") -> Encoders:
    """SMIL's encoders, each projected to the width asked for."""
    return {
        "visual": partial(_projected, partial(LeNetEncoder, image_encoder), IMAGE_FEATURES),
        "audio": partial(_projected, SoundNetEncoder, SOUND_FEATURES),
    }


def _projected(encoder: Callable[[], nn.Module], features: int, width: int) -> nn.Module:
    return nn.Sequential(encoder(), nn.Linear(features, width))


STUDIO_ENCODERS: Encoders = {"visual": PictureEncoder, "audio": VoiceEncoder}


def _conv_bn_relu(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def _head(widths: list[int], dropout: list[float]) -> nn.Sequential:
    """Fully connected layers through `widths`, each with ReLU and dropout, then the classes."""
    layers: list[nn.Module] = []
    for a, b, rate in zip(widths[:-1], widths[1:], dropout, strict=True):
        layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(rate)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))
