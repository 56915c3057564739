"""The tables task's settings and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from mckd.method import MethodOptions
from train.settings import SettingsError, TrainSettings, flag


@dataclass(frozen=True)
class TableSettings(TrainSettings):
    """What the tables task adds.

    target: the column of labels.csv that is predicted, where it has several.
    problem: what the labels are; auto takes numbers for classes if they are whole and few.
    balanced: every class counts as much, in the loss and in the scores, however rare it is.
    validation: share of the samples that settings are chosen by and the IWV is learned on.
    test: share of the samples that are scored once, at the end.
    missing_rate: share of the training rows of each modality that are taken away at random.
    hidden: units of the hidden layer of each encoder.
    width: units of a feature.
    dropout: share of hidden units left out in training.
    smoothing: of the labels, in the cross-entropy.
    noise: standard deviation of what is added to the standardised values in training.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **TrainSettings.CHOICES,
        "problem": ("auto", "classification", "regression"),
    }

    target: str = ""
    problem: str = "auto"
    balanced: bool = False
    validation: float = 0.15
    test: float = 0.15
    missing_rate: float = 0.0
    hidden: int = 256
    width: int = 128
    dropout: float = 0.3
    smoothing: float = 0.05
    noise: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} is a share above 0 and below 1.")
        if self.validation + self.test >= 1:
            raise SettingsError("--validation and --test leave nothing to train on.")
        for name in ("missing_rate", "dropout", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} is a share from 0 to below 1.")
        for name in ("hidden", "width"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{flag(name)} must be at least 1, not {getattr(self, name)}.")
        if not 0 <= self.noise < 10:
            raise SettingsError(f"--noise is from 0 to 10, not {self.noise}.")


def paper() -> TableSettings:
    """The paper's options, its optimiser and 60 epochs, as for the digits: half a minute for 1,600
    samples on one CPU core. The weight decay is chosen on the validation part, as there."""
    return TableSettings(weight_decay=1e-4)


def studio() -> TableSettings:
    """The app's model: a moving average of the weights, and a learning rate that rises and falls.

    About a minute for 1,600 samples on one CPU core.
    """
    return TableSettings(
        epochs=60,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.02,
        schedule="cosine",
        lr_warmup=0.05,
        ema=0.99,
        validate_every=2,
        method=MethodOptions(gating_scale="modalities", meta_every=5),
    )


def smoke() -> TableSettings:
    """A look at a run: 10 epochs, some seconds."""
    return TableSettings(epochs=10, lr=3e-3, weight_decay=1e-4, validate_every=2)


PRESETS: dict[str, Callable[[], TableSettings]] = {
    "smoke": smoke,
    "paper": paper,
    "studio": studio,
}
