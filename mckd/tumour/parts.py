"""What systems build their networks from: the parts of a design (`mckd.tumour.network.DESIGNS`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from mckd.method import MissingModalityNetwork
from mckd.tumour.designs import Design
from mckd.tumour.naming import SEQUENCES
from mckd.tumour.network import Encoder, TumourNetwork


@dataclass(frozen=True)
class TumourParts:
    """All sequences share one encoder, as in the paper."""

    design: Design
    modalities: tuple[str, ...] = SEQUENCES

    @property
    def channels(self) -> int:
        return self.design.channels[-1]

    @property
    def widths(self) -> tuple[int, ...]:
        return self.design.channels[::-1]

    def network(self) -> MissingModalityNetwork:
        return TumourNetwork(self.design, self.modalities)

    def encoder(self, modality: int, channels: int) -> nn.Module:
        """An encoder of the design's form, each scale as much narrower as the deepest."""
        share = channels / self.channels
        widths = [max(1, round(share * c)) for c in self.design.channels[:-1]]
        return _Deepest(replace(self.design, channels=(*widths, channels), told=False), 1)

    def pyramid(self, modality: int, widths: Sequence[int]) -> nn.Module:
        return Encoder(replace(self.design, channels=(*reversed(widths),), told=False), 1)

    def decoder(self) -> MissingModalityNetwork:
        return _Decoding(self.design)


class _Deepest(Encoder):
    """(B, 1, x, y, z) to the deepest feature alone."""

    def forward(self, volume: Tensor, sequence: int = 0) -> Tensor:  # type: ignore[override]
        return super().forward(volume, sequence)[0]


class _Decoding(TumourNetwork):
    """A network that decodes one map per scale; it has no encoder."""

    def __init__(self, design: Design) -> None:
        super().__init__(design, ("fused",))
        del self.encoder
