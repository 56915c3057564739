"""The tumour task's settings and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from mckd.method import MethodOptions
from mckd.systems import fitting
from mckd.tumour.about import ABOUT
from mckd.tumour.designs import DESIGNS
from mckd.tumour.naming import SEQUENCES
from train.settings import SettingsError, TrainSettings


@dataclass(frozen=True)
class TumourSettings(TrainSettings):
    """What the tumour task adds.

    network: which one, of `mckd.tumour.designs`.
    crop: voxels per axis of a training sample; half of the samples have tumour in the middle. 0 is
        what the network sees at once in prediction: its window, or the whole brain.
    whole: share of the batches that are what prediction sees at once though `crop` is not 0.
    folds: the cases of --data are dealt into so many parts, alike in enhancing volume; visits of
        one patient (P1/week-000, P1_ses-2) into one.
    fold: the part for testing, from 0; the others are for training. -1 trains on all and tests on
        none.
    validation: cases kept from training for the meta step and the validation scores: of --mix if
        it is given, else of --data.
    mix_share: share of the training samples that are drawn from --mix.
    transplant: chance that a sample gets the tumour of another training case besides its own.
    deform: chance that a sample is turned, scaled and bent.
    change: chance of each change of intensities: contrast, bias field, noise, blur.
    vary: chance that the tumour's contrast in each sequence is changed.
    resident: cases lie in the memory of the GPU, where there is one, and are changed there; for
        data that fits.
    plain: scores are of plain outlines, of voxels more likely than not in a region, and not of
        what prediction draws; changes nothing in training.
    oracle: validation scores too what the decoder makes of the true features of all sequences, in
        the bottleneck or in the skips: the most that distillation could give.
    et_min_ml: volume in mL below which enhancing tumour is left out of a result; changes nothing in
        training.
    least_part: share of the largest part below which a part of the tumour is left out of a result;
        changes nothing in training.
    """

    FEATURES: ClassVar[str] = ABOUT.features
    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **TrainSettings.CHOICES,
        "system": fitting(ABOUT.features),
        "network": tuple(DESIGNS),
        "only": ("", *SEQUENCES),
    }

    network: str = "studio"
    crop: int = 0
    whole: float = 0.0
    folds: int = 5
    fold: int = 0
    validation: int = 5
    mix_share: float = 0.25
    transplant: float = 0.0
    deform: float = 0.3
    change: float = 0.3
    vary: float = 0.0
    resident: bool = False
    plain: bool = False
    oracle: bool = False
    et_min_ml: float = 0.0
    least_part: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple = DESIGNS[self.network].multiple
        if self.crop < 0 or self.crop % multiple:
            raise SettingsError(
                f"--crop must be a multiple of {multiple} for the network {self.network}, "
                f"or 0, not {self.crop}."
            )
        if self.folds < 2:
            raise SettingsError(f"--folds must be at least 2, not {self.folds}.")
        if not -1 <= self.fold < self.folds:
            raise SettingsError(
                f"--fold must be from 0 to {self.folds - 1}, or -1 for none, not {self.fold}."
            )
        if self.validation < 1:
            raise SettingsError("--validation must be at least 1: the meta step needs a case.")
        for name in ("whole", "mix_share", "transplant", "deform", "change", "vary", "least_part"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"--{name.replace('_', '-')} is a share from 0 to 1.")
        if self.et_min_ml < 0:
            raise SettingsError("--et-min-ml is a volume, 0 or more.")


def paper() -> TumourSettings:
    """The paper's protocol: 115,000 steps of two crops 160 x 160 x 80, for a GPU.

    With `--warmup-steps 80000` all sequences are there for the first 80,000 steps, as in the
    released code's two-stage training. The IWV's weight decay is the released code's.
    """
    return TumourSettings(
        network="paper",
        epochs=2300,
        batch_size=2,
        optimizer="sgd",
        lr=1e-2,
        weight_decay=0.0,
        schedule="cosine",
        bf16=True,
        validate_every=100,
        method=MethodOptions(meta_every=100),
    )


def studio() -> TumourSettings:
    """The app's model: whole brains at 1 mm, one per step; about 1.3 s a step on two CPU cores."""
    return TumourSettings(
        epochs=60,
        batch_size=1,
        optimizer="adamw",
        lr=2e-3,
        weight_decay=0.02,
        schedule="cosine",
        lr_warmup=0.03,
        clip_norm=2.0,
        ema=0.99,
        bf16=True,
        validate_every=10,
        method=MethodOptions(gating_scale="modalities", meta_every=10, iwv_lr=2e-2),
    )


def compact() -> TumourSettings:
    """The common ground of the compared systems: 2,500 steps of one crop of 96 voxels per axis.

    Crops are the windows in which the network is applied. A step of MCKD takes 0.6 s of one CPU
    core with one sequence and 1.3 s with four; other systems take up to twice as long.
    """
    return replace(studio(), network="compact", epochs=50)


def table() -> TumourSettings:
    """The recipe of Table 1, frozen in checkpoints/tables/recipe-tumour.md; for a GPU.

    `compact` with two crops a step, scored by plain outlines; MCKD gates the bottleneck alone.
    """
    base = compact()
    return replace(
        base,
        batch_size=2,
        fold=-1,
        validation=8,
        validate_every=base.epochs,
        resident=True,
        plain=True,
        oracle=True,
        method=replace(base.method, gate="bottleneck"),
    )


def table_real() -> TumourSettings:
    """Table 1 on real cases: 600 steps that go on from a run of `table`; mixed with its cases."""
    return replace(table(), epochs=12, validate_every=12, lr=1e-3, mix_share=0.35)


def tumour_synthetic() -> TumourSettings:
    """The first stage of `recipe tumour`: 3,000 steps of two samples, half whole brains."""
    base = studio()
    return replace(
        base,
        epochs=60,
        validate_every=30,
        batch_size=2,
        crop=112,
        whole=0.5,
        fold=-1,
        folds=3,
        validation=4,
        ema=0.995,
        transplant=0.5,
        vary=0.5,
        change=0.4,
        deform=0.5,
        resident=True,
        loaders=1,
        et_min_ml=0.5,
        least_part=0.5,
        method=replace(base.method, alpha=0.02, distil_scales="all", distil_norm="instance"),
    )


def tumour_real() -> TumourSettings:
    """The second stage of `recipe tumour`: 3,500 steps on real cases, mixed with synthetic."""
    return replace(
        tumour_synthetic(), epochs=70, validate_every=35, lr=1e-3, lr_warmup=0.05, mix_share=0.35
    )


def smoke() -> TumourSettings:
    """A look at a run: a small network in patches of 4 mm, on crops; a minute on two CPU cores."""
    return TumourSettings(
        network="smoke",
        crop=96,
        folds=3,
        epochs=6,
        batch_size=1,
        optimizer="adamw",
        lr=4e-3,
        schedule="cosine",
        lr_warmup=0.05,
        clip_norm=2.0,
        ema=0.98,
        validation=1,
        deform=0.0,
        validate_every=2,
        method=MethodOptions(gating_scale="modalities", meta_every=5, iwv_lr=5e-2),
    )


PRESETS: dict[str, Callable[[], TumourSettings]] = {
    "smoke": smoke,
    "paper": paper,
    "studio": studio,
    "compact": compact,
    "table": table,
    "table-real": table_real,
    "tumour-synthetic": tumour_synthetic,
    "tumour-real": tumour_real,
}
