"""A task of its own for systems: two modalities whose features are small maps."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from mckd.method import Batch, MissingModalityNetwork, encode_available, one_scale
from mckd.systems import Moment, Trainer
from mckd.systems.system import MapDecoder

MODALITIES = ("a", "b", "c")
CHANNELS = 4
CLASSES = 2


class Encoder(nn.Module):
    """(B, 2, 4, 4) to two scales, deepest first."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(2, 3, 3, padding=1)
        self.deep = nn.Conv2d(3, CHANNELS, 2, stride=2)

    def forward(self, x):
        fine = torch.tanh(self.fine(x))
        return self.deep(fine), fine


class Network(MissingModalityNetwork):
    def __init__(self, modalities) -> None:
        super().__init__()
        self.modalities = modalities
        self.encoders = nn.ModuleList(Encoder() for _ in modalities)
        self.head = nn.Linear(len(modalities) * (CHANNELS + 3), 2)

    def encode(self, inputs, present):
        return encode_available(list(self.encoders), inputs, present)

    def decode(self, features):
        return self.head(torch.cat([f.flatten(3).mean(3).flatten(1) for f in features], 1))


@dataclass(frozen=True)
class Parts:
    modalities: tuple = MODALITIES
    channels: int = CHANNELS

    def network(self):
        return Network(self.modalities)

    def encoder(self, modality, channels):
        return nn.Conv2d(2, channels, 2, stride=2)


class VectorNetwork(Network):
    """Of features that are vectors (B, M, C), at one scale."""

    def __init__(self, parts) -> None:
        MissingModalityNetwork.__init__(self)
        self.modalities = parts.modalities
        count = len(parts.modalities)
        self.encoders = nn.ModuleList(parts.encoder(m, parts.channels) for m in range(count))
        self.head = nn.Linear(count * parts.channels, CLASSES)

    def encode(self, inputs, present):
        return encode_available([one_scale(encoder) for encoder in self.encoders], inputs, present)

    def decode(self, features):
        return self.head(features[0].flatten(1))


@dataclass(frozen=True)
class VectorParts(Parts):
    """The same inputs and answers; features that are vectors, as those of digits are."""

    def network(self):
        return VectorNetwork(self)

    def encoder(self, modality, channels):
        return nn.Sequential(nn.Flatten(), nn.Linear(32, channels), nn.Tanh())


class Pyramid(nn.Module):
    """(B, 2, 4, 4) to maps (B, deep, 2, 2) and (B, fine, 4, 4)."""

    def __init__(self, deep, fine) -> None:
        super().__init__()
        self.fine = nn.Conv2d(2, fine, 3, padding=1)
        self.deep = nn.Conv2d(fine, deep, 2, stride=2)

    def forward(self, x):
        fine = torch.tanh(self.fine(x))
        return self.deep(fine), fine


class Decoder(MapDecoder):
    """One map per scale to logits (B, outputs, 4, 4)."""

    modalities = ("fused",)

    def __init__(self, widths, outputs) -> None:
        super().__init__()
        deep, fine = widths
        self.up = nn.ConvTranspose2d(deep, fine, 2, stride=2)
        self.head = nn.Conv2d(fine, outputs, 1)

    def decode(self, features):
        return self.read(self.maps(features)[-1])

    def maps(self, features):
        deep, fine = (f[:, 0] for f in features)
        return [deep, torch.tanh(fine + self.up(deep))]

    def read(self, finest):
        return self.head(finest)


class MapNetwork(MissingModalityNetwork):
    """The mean of all modalities' maps, decoded."""

    def __init__(self, modalities, widths) -> None:
        super().__init__()
        self.modalities = modalities
        self.encoders = nn.ModuleList(Pyramid(*widths) for _ in modalities)
        self.decoder = Decoder(widths, CLASSES)

    def encode(self, inputs, present):
        return encode_available(list(self.encoders), inputs, present)

    def decode(self, features):
        return self.decoder.decode(tuple(f.mean(1, keepdim=True) for f in features))


@dataclass(frozen=True)
class MapParts(Parts):
    """The same inputs; an answer for each of their places, as in segmentation."""

    widths: tuple = (CHANNELS, 2)
    grid: tuple = (2, 2)
    inputs: int = 2
    outputs: int = CLASSES

    def network(self):
        return MapNetwork(self.modalities, self.widths)

    def pyramid(self, modality, widths):
        return Pyramid(*widths)

    def decoder(self, widths=None, outputs=None):
        return Decoder(widths or self.widths, outputs or self.outputs)


def trainer(**changes) -> Trainer:
    return Trainer(
        **{
            "task_loss": F.cross_entropy,
            "optimizer": lambda parameters: torch.optim.Adam(parameters, 0.01),
            "device": torch.device("cpu"),
            "accumulate": 1,
            "autocast": nullcontext,
            "synchronise": lambda gradients: None,
            "average": lambda gradients: None,
            "complete": lambda: batch(500, count=12),
        }
        | changes
    )


def batch(seed=0, count=6, present=None) -> Batch:
    g = torch.Generator().manual_seed(seed)
    inputs = tuple(torch.randn(count, 2, 4, 4, generator=g) for _ in MODALITIES)
    everything = torch.ones(count, len(MODALITIES), dtype=torch.bool)
    target = torch.randint(2, (count,), generator=g)
    return Batch(inputs, everything if present is None else present, target)


def moment(step=0, **changes) -> Moment:
    return Moment(step, 0.01, batch(step, **changes), lambda n: batch(1000 + n))


def mixed() -> torch.Tensor:
    """Rows with every number of modalities."""
    rows = [[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1], [1, 0, 1], [1, 1, 0]]
    return torch.tensor(rows).bool()
