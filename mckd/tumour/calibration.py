"""How far a volume may be off, and what a probability is worth, by what was measured beforehand.

    calibration = Calibration.beside(Path("checkpoints/tumour.safetensors"), sha256)
    calibration.interval({"t1", "t2"}, "wt", found.signs["wt"], synthetic=False)   # mL

`python -m train calibrate` measures a checkpoint on cases that it did not see, and writes a file of
its own beside it. Without that file, or with one of other weights, there is no interval.

A region's interval is split conformal (see `mckd.conformal`): around the volume drawn, in units of
the error to be expected from what the prediction itself says of how sure it is (`features`). Its
ends come from cases that have the region. Whether the region is there at all is a question of its
own: 0 is in the interval unless what is drawn looks surer than in nine of ten cases without the
region, and surer than in the least sure tenth of those with it. So it is meant to hold the truth in
90 % of the cases that have the region and of those that have not, as long as a case is like those
of the calibration; how often it did is in the card. Synthetic and real cases are not alike: where
real ones were measured, by folds, a real case has ends and curves of its own (`Calibration.real`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from mckd.files.checkpoint import CheckpointError, confirmed
from mckd.tumour.advice import Step, Steps
from mckd.tumour.naming import REGIONS, key_of
from mckd.tumour.nifti import Floats
from mckd.tumour.signs import SMALLEST, Signs

LEVEL = 0.9
"""How many of the intervals hold the truth."""
SUFFIX = ".calibration.json"
NEAR_ML = 0.5
"""Errors below it count as this much where the scale of errors is learned."""

Interval = tuple[float, float]


def features(signs: Signs) -> tuple[float, ...]:
    """What the scale of an error is learned from, and told by: logarithms of mL, and certainty."""
    return (
        1.0,
        math.log(signs.volume_ml + 1),
        math.log(signs.mass_ml + 1),
        math.log(signs.entropy_ml + 1),
        signs.certainty,
    )


def scale_of(weights: Iterable[float], signs: Signs) -> float:
    """The error to be expected, mL: exp(weights . features)."""
    return math.exp(sum(w * x for w, x in zip(weights, features(signs), strict=True)))


@dataclass(frozen=True)
class Curve:
    """Beta calibration (Kull, Silva Filho, Flach 2017): logit q = a ln p - b ln(1 - p) + c."""

    a: float
    b: float
    c: float

    def __call__(self, p: Floats) -> Floats:
        """Calibrated probabilities, float32 of the same shape."""
        q = np.clip(p, SMALLEST, 1 - SMALLEST)
        logit = self.a * np.log(q) - self.b * np.log1p(-q) + self.c
        return np.asarray(expit(logit), np.float32)


PLAIN = Curve(1.0, 1.0, 0.0)
"""It changes nothing."""


@dataclass(frozen=True)
class Told:
    """What was measured of one region from one subset.

    low, high: the ends of the interval in units of the scale, low <= 0 <= high. certain: what is
    drawn has to look surer than this (see `Signs.certainty`), or 0 is in the interval. curve: of
    the probabilities.
    """

    low: float
    high: float
    certain: float
    curve: Curve


@dataclass(frozen=True)
class Calibration:
    """Of one checkpoint.

    about: what it was measured on, in a sentence. weights: {region: of `scale_of`}. told: {subset:
    {region: what was measured}}. shift: how real cases differ, in a sentence, "" where none was
    measured. steps: what adding a sequence does, see `mckd.tumour.advice`. real: as told, but of
    real cases by folds; counts for them instead of told. Empty where there were no folds.
    """

    about: str
    weights: Mapping[str, tuple[float, ...]]
    told: Mapping[frozenset[str], Mapping[str, Told]]
    shift: str = ""
    steps: Steps = field(default_factory=dict)
    real: Mapping[frozenset[str], Mapping[str, Told]] = field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What has to stand beside the intervals."""
        return (
            "The range of a volume, from and to in mL, holds the true volume in 90 % of cases like "
            f"those it was measured on: {self.about}. {self.shift}"
        ).strip()

    def interval(
        self, subset: Iterable[str], region: str, signs: Signs, synthetic: bool
    ) -> Interval:
        """The volume in mL, from and to, at LEVEL. The volume drawn is always in it.

        synthetic: whether the case is one; a real one has ends of its own where real ones were
        measured.
        """
        told = self.measured(subset, synthetic)[region]
        scale = scale_of(self.weights[region], signs)
        volume = signs.volume_ml
        low = max(0.0, volume + scale * told.low) if signs.certainty > told.certain else 0.0
        return low, volume + scale * told.high

    def probabilities(self, subset: Iterable[str], p: Floats, synthetic: bool) -> Floats:
        """(3, ...) probabilities of ET, TC, WT as often right as they say, each as its curve has
        it; synthetic as of `interval`."""
        told = self.measured(subset, synthetic)
        return np.stack([told[region].curve(p[k]) for k, region in enumerate(REGIONS)])

    def measured(self, subset: Iterable[str], synthetic: bool) -> Mapping[str, Told]:
        """{region: what counts for a case that is synthetic, or real}."""
        counts = self.told if synthetic or not self.real else self.real
        return counts[frozenset(subset)]

    @classmethod
    def beside(cls, checkpoint: Path, sha256: str) -> Calibration | None:
        """That of a checkpoint with this hash; None where there is none, or one of other weights.

        Raises:
            CheckpointError: a file that the manifest beside it does not confirm.
        """
        path = beside(checkpoint)
        if not path.is_file():
            return None
        data = confirmed(path)
        try:
            return read(json.loads(data), sha256)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path.name} is no calibration. Make it anew: python -m train calibrate."
            ) from error


def beside(checkpoint: Path) -> Path:
    """Where the calibration of a checkpoint lies: `tumour.calibration.json`."""
    return checkpoint.with_name(checkpoint.stem + SUFFIX)


def read(whole: Mapping[str, Any], sha256: str) -> Calibration | None:
    """From JSON as `written` makes it; None if it is of other weights."""
    if whole["checkpoint"] != sha256:
        return None
    weights = {region: tuple(values) for region, values in whole["weights"].items()}
    steps = {
        frozenset(key.split("+")): {
            sequence: {
                region: Step(tuple(step["gain"]), tuple(step["shrink"]))
                for region, step in of_regions.items()
            }
            for sequence, of_regions in of_sequences.items()
        }
        for key, of_sequences in whole.get("steps", {}).items()
    }
    told, real = _read_told(whole["subsets"]), _read_told(whole.get("real", {}))
    shift = whole["shift"] if real else ""  # files of old promise wider ranges there
    return Calibration(whole["about"], weights, told, shift, steps, real)


def _read_told(subsets: Mapping[str, Any]) -> dict[frozenset[str], dict[str, Told]]:
    return {
        frozenset(key.split("+")): {
            region: Told(one["low"], one["high"], one["certain"], Curve(*one["curve"]))
            for region, one in of_regions.items()
        }
        for key, of_regions in subsets.items()
    }


def written(calibration: Calibration, sha256: str) -> dict[str, Any]:
    """As JSON, readable by eye."""
    return {
        "checkpoint": sha256,
        "level": LEVEL,
        "about": calibration.about,
        "shift": calibration.shift,
        "weights": {region: list(w) for region, w in calibration.weights.items()},
        "subsets": _written_told(calibration.told),
        "real": _written_told(calibration.real),
        "steps": {
            key_of(subset): {
                sequence: {region: asdict(step) for region, step in of_regions.items()}
                for sequence, of_regions in of_sequences.items()
            }
            for subset, of_sequences in calibration.steps.items()
        },
    }


def _written_told(told: Mapping[frozenset[str], Mapping[str, Told]]) -> dict[str, Any]:
    return {
        key_of(subset): {
            region: asdict(one) | {"curve": list(astuple(one.curve))}
            for region, one in of_regions.items()
        }
        for subset, of_regions in told.items()
    }
