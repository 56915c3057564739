"""What systems build their networks from: SMIL's encoders (`paper`) or the app's (`studio`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from mckd.digits.data import MODALITIES
from mckd.digits.network import (
    STUDIO_ENCODERS,
    Encoders,
    PaperNetwork,
    StudioNetwork,
    UnimodalNetwork,
    paper_encoders,
)
from mckd.method import MissingModalityNetwork

FIRST_IMAGE_ENCODER = "channels"
"""The image encoder of checkpoints from before there was another; they name none."""


@dataclass(frozen=True)
class DigitParts:
    """Picture and sound differ in shape, so each modality has an encoder of its own."""

    modalities: tuple[str, ...]
    channels: int
    encoders: Encoders
    network: Callable[[], MissingModalityNetwork]

    def encoder(self, modality: int, channels: int) -> nn.Module:
        return self.encoders[self.modalities[modality]](channels)


def parts(
    network: str, modalities: tuple[str, ...] = MODALITIES, image_encoder: str = "smil"
) -> DigitParts:
    """The parts of `paper` or `studio`; a lower bound is of one modality of the paper's.

    Args:
        image_encoder: the paper's: one of `mckd.digits.network.IMAGE_ENCODERS`.

    Raises:
        ValueError: another name.
    """
    if network == "paper":
        return paper_parts(modalities, paper_encoders(image_encoder), image_encoder)
    if network == "studio" and modalities == MODALITIES:
        return DigitParts(modalities, StudioNetwork.width, STUDIO_ENCODERS, StudioNetwork)
    raise ValueError(f"There are no parts {network!r} for {', '.join(modalities)}.")


def paper_parts(
    modalities: tuple[str, ...], encoders: Encoders, image_encoder: str = "smil"
) -> DigitParts:
    """The paper's parts with these encoders."""
    whole: Callable[[], MissingModalityNetwork] = partial(PaperNetwork, encoders)
    if modalities != MODALITIES:
        (alone,) = modalities
        whole = partial(UnimodalNetwork, alone, image_encoder)
    return DigitParts(modalities, PaperNetwork.width, encoders, whole)


def parts_of(header: Mapping[str, Any]) -> DigitParts:
    """The parts that a checkpoint's header names.

    Raises:
        ValueError: parts that this version does not know.
    """
    image_encoder = header.get("image_encoder", FIRST_IMAGE_ENCODER)
    return parts(header.get("network", ""), tuple(header["modalities"]), image_encoder)
