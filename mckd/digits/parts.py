"""What systems build their networks from: SMIL's encoders (`paper`) or the app's (`studio`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from mckd.digits.data import MODALITIES
from mckd.digits.network import (
    PAPER_ENCODERS,
    STUDIO_ENCODERS,
    PaperNetwork,
    StudioNetwork,
    UnimodalNetwork,
)
from mckd.method import MissingModalityNetwork


@dataclass(frozen=True)
class DigitParts:
    """Picture and sound differ in shape, so each modality has an encoder of its own."""

    modalities: tuple[str, ...]
    channels: int
    encoders: dict[str, Callable[[int], nn.Module]]
    whole: Callable[[], MissingModalityNetwork]

    def network(self) -> MissingModalityNetwork:
        if self.modalities == MODALITIES:
            return self.whole()
        (alone,) = self.modalities
        return UnimodalNetwork(alone)

    def encoder(self, modality: int, channels: int) -> nn.Module:
        return self.encoders[self.modalities[modality]](channels)


def parts(network: str, modalities: tuple[str, ...] = MODALITIES) -> DigitParts:
    """The parts of `paper` or `studio`; a lower bound is of one modality of the paper's.

    Raises:
        ValueError: another name.
    """
    if network == "paper":
        return DigitParts(modalities, PaperNetwork.width, PAPER_ENCODERS, PaperNetwork)
    if network == "studio" and modalities == MODALITIES:
        return DigitParts(modalities, StudioNetwork.width, STUDIO_ENCODERS, StudioNetwork)
    raise ValueError(f"There are no parts {network!r} for {', '.join(modalities)}.")
