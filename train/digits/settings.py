"""The digits task's settings and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from mckd.method import MethodOptions
from train.settings import SettingsError, TrainSettings, flag


@dataclass(frozen=True)
class DigitSettings(TrainSettings):
    """What the digits task adds.

    network: `paper` (SMIL's encoders on the paper's protocol) or `studio` (the app's).
    image_encoder: of the paper's network: `smil` (drops single elements, pictures in -1..1) or
        `channels` (drops whole channels, pictures in 0..1: as checkpoints that name none).
    pretrain: train each encoder of the paper's network alone first, as SMIL does.
    order: in which the paper's protocol takes pictures: `file` or `smil` (names sorted as text).
    draw: which pictures it takes: 0 is the first in that order, any other number a random draw.
    features: MFCC variant of the paper's protocol: `paper` (every third sample) or `mfcc`.
    audio_rate: share of the training pairs that keep their sound, above 0, at most 1.
    visual_rate: share of the training pairs that keep their picture, above 0, at most 1.
    leave_out: a speaker kept out of training altogether (studio).
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **TrainSettings.CHOICES,
        "network": ("paper", "studio"),
        "only": ("", "visual", "audio"),
        "image_encoder": ("smil", "channels"),
        "order": ("file", "smil"),
        "features": ("paper", "mfcc"),
    }

    network: str = "paper"
    image_encoder: str = "smil"
    pretrain: bool = False
    order: str = "file"
    draw: int = 0
    features: str = "paper"
    audio_rate: float = 1.0
    visual_rate: float = 1.0
    leave_out: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("audio_rate", "visual_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise SettingsError(f"{flag(name)} is a share above 0, at most 1 (0.10 is 10 %).")
        if self.only and self.network != "paper":
            raise SettingsError("--only goes with --network paper.")
        if self.pretrain and (self.only or self.network != "paper"):
            raise SettingsError("--pretrain goes with --network paper and both modalities.")
        if not 0 <= self.draw < 2**31:
            raise SettingsError(f"--draw must be from 0 to 2147483647, not {self.draw}.")
        if self.audio_rate < 1 and self.visual_rate < 1:
            raise SettingsError("Only one of --audio-rate and --visual-rate can be below 1.")


def paper() -> DigitSettings:
    """The paper's protocol: 900 pairs, 60 epochs, Adam 1e-3, last checkpoint; 20 s on 2 cores.

    Batch size, weight decay and the IWV's rates are not in the paper; these are SMIL's and
    ShaSpec's. One pass of the 150 validation pairs trains the IWV in each epoch.
    """
    return DigitSettings()


def studio() -> DigitSettings:
    """The app's model: any picture with any voice of its digit, both strongly changed.

    1,200 steps of 128: about 8 minutes on one CPU core with bfloat16 instructions.
    """
    return DigitSettings(
        network="studio",
        bf16=True,
        epochs=48,
        batch_size=128,
        optimizer="adamw",
        lr=3e-3,
        weight_decay=0.02,
        schedule="cosine",
        lr_warmup=0.15,
        clip_norm=2.0,
        ema=0.997,
        validate_every=2,
        method=MethodOptions(gating_scale="modalities", meta_every=10, iwv_weight_decay=1e-2),
    )


def smoke() -> DigitSettings:
    """A look at a run: the paper's protocol, shorter and faster; half a minute on a CPU.

    With MFCC of the whole word: from the paper's, of every third sample, nothing can be learned of
    the dozen voices that a rate of 10 % leaves of the bundled set.
    """
    return DigitSettings(epochs=30, batch_size=16, lr=3e-3, weight_decay=1e-4, features="mfcc")


PRESETS: dict[str, Callable[[], DigitSettings]] = {
    "smoke": smoke,
    "paper": paper,
    "studio": studio,
}
