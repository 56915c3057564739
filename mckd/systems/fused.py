"""What systems for segmentation share: an encoder per modality, and maps that are fused to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mckd.method import MissingModalityNetwork, encode_available
from mckd.precision import conv3d
from mckd.systems.system import MapParts, Parts


class Conv3d(nn.Conv3d):
    """Of odd size with zeros around, by `conv3d`."""

    def forward(self, x: Tensor) -> Tensor:
        return conv3d(x, self.weight, self.bias)


CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: Conv3d}
"""By the axes of space."""


def maps_of(parts: Parts) -> MapParts:
    """The same parts, of a task whose features are maps.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(parts, MapParts):
        raise ValueError("This system needs maps at several scales: it is for segmentation.")
    return parts


class FusedNetwork(MissingModalityNetwork):
    """An encoder of its own for each modality at half the trunk's width; at every scale the maps
    of a subset are fused to one, of the trunk's width, which the task's own decoder decodes.

    A subclass says how, in `fuse`. Four encoders of half the width hold about as many weights as
    one that all share.

    Raises:
        ValueError: the features of the task are no maps.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        parts = maps_of(parts)
        self.modalities = parts.modalities
        self.widths = parts.widths
        self.narrow = [max(1, width // 2) for width in parts.widths]
        """Of the encoders: channels of each scale, deepest first."""
        count = range(len(parts.modalities))
        self.encoders = nn.ModuleList(parts.pyramid(m, self.narrow) for m in count)
        self.decoder = parts.decoder()

    @property
    def trunk(self) -> MissingModalityNetwork:
        return self.decoder

    def encode(self, inputs: Sequence[Tensor], present: Tensor) -> tuple[Tensor, ...]:
        return encode_available(list(self.encoders), inputs, present)

    def encode_one(self, x: Tensor, modality: int) -> tuple[Tensor, ...]:
        maps: tuple[Tensor, ...] = self.encoders[modality](x)
        return maps

    def fuse(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        """Features as `encode` gives them to one map (B, C, ...) per scale.

        Reads `features[s][b, m]` only where `present[b, m]`.
        """
        raise NotImplementedError  # pragma: no cover - abstract

    def complete(self, features: tuple[Tensor, ...], present: Tensor) -> tuple[Tensor, ...]:
        """The fused maps, (B, 1, C, ...) per scale."""
        return tuple(fused.unsqueeze(1) for fused in self.fuse(features, present))

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        return self.decoder.decode(features)

    def of_subset(self, features: Mapping[int, tuple[Tensor, ...]]) -> list[dict[int, Tensor]]:
        some = next(iter(features.values()))
        none = tuple(torch.zeros_like(f) for f in some)
        columns = [features.get(m, none) for m in range(len(self.modalities))]
        stacked = tuple(torch.stack(scale, 1) for scale in zip(*columns, strict=True))
        given = [m in features for m in range(len(self.modalities))]
        present = torch.tensor(given, device=some[0].device).expand(len(some[0]), -1)
        return [{0: fused} for fused in self.fuse(stacked, present)]


class Mix(nn.Linear):
    """A convolution of one place, (B, C, ...) to (B, D, ...), whatever the axes of space."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def of_present(features: Tensor, present: Tensor) -> Tensor:
    """(B, M, C, ...) with zeros for what is absent, whatever lies there."""
    here = present.view(*present.shape, *[1] * (features.ndim - 2))
    return torch.where(here, features, torch.zeros((), dtype=features.dtype, device=here.device))
