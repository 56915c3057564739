"""What systems build their networks from: the parts of a design (`mckd.tumour.network.DESIGNS`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from mckd.method import MissingModalityNetwork
from mckd.systems.system import MapDecoder
from mckd.tumour.designs import Design
from mckd.tumour.geometry import Triple
from mckd.tumour.naming import REGIONS, SEQUENCES
from mckd.tumour.network import Encoder, TumourNetwork

USUAL: Triple = (96, 96, 96)
"""Voxels of a crop, where the design does not say what is seen at once."""


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

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(n // self.design.multiple for n in self.design.window or USUAL)

    @property
    def inputs(self) -> int:
        return 1

    @property
    def outputs(self) -> int:
        return len(REGIONS)

    def network(self) -> MissingModalityNetwork:
        return TumourNetwork(self.design, self.modalities)

    def encoder(self, modality: int, channels: int) -> nn.Module:
        """An encoder of the design's form, each scale as much narrower as the deepest."""
        share = channels / self.channels
        widths = [max(1, round(share * c)) for c in self.design.channels[:-1]]
        return _Deepest(replace(self.design, channels=(*widths, channels), conditional=False), 1)

    def pyramid(self, modality: int, widths: Sequence[int]) -> nn.Module:
        return Encoder(self._of(widths), 1)

    def decoder(
        self, widths: Sequence[int] | None = None, outputs: int | None = None
    ) -> MapDecoder:
        return _Decoding(self._of(widths or self.widths), outputs or self.outputs)

    def _of(self, widths: Sequence[int]) -> Design:
        """The design with other widths, deepest first, and one affine for all sequences."""
        return replace(self.design, channels=(*reversed(widths),), conditional=False)


class _Deepest(Encoder):
    """(B, 1, x, y, z) to the deepest feature alone."""

    def forward(self, volume: Tensor, sequence: int = 0) -> Tensor:  # type: ignore[override]
        return super().forward(volume, sequence)[0]


class _Decoding(TumourNetwork, MapDecoder):
    """A network that decodes one map per scale; it has no encoder."""

    def __init__(self, design: Design, outputs: int) -> None:
        super().__init__(design, ("fused",), outputs)
        del self.encoder

    def maps(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        pairs = zip(self.decoder.merges, features, strict=True)
        return self.decoder.maps([merge(f) for merge, f in pairs])

    def read(self, finest: Tensor) -> Tensor:
        return self.decoder.read(finest)
