"""Which sequence next: what each absent one would most likely add, from what is there.

    segmenter.advise({"t1", "t2"})    # best first; empty where nothing is worth it

What a sequence changes for a case is not known before it was acquired. What is known are the
calibration cases, segmented from every subset: how much the Dice of a region rose and its range
narrowed when a sequence was added to these. That is predicted by a linear model from what the
prediction says of itself (`features`), one for each subset, sequence and region.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from mckd.tumour.evidence import short
from mckd.tumour.naming import REGIONS, SEQUENCE_NAMES, SEQUENCES

if TYPE_CHECKING:
    from mckd.tumour.signs import Signs

WORTH = 0.02
"""The rise of the Dice, in the mean of the regions, from which a sequence is worth naming."""
SHOWN_ML = 1.0
"""What a range has to narrow by to be mentioned."""


EXPECTED = (
    "It is judged by what sequences added in calibration cases; of this case it can only be "
    "expected. In synthetic cases such advice was hardly better than a fixed order, T1c first; in "
    "15 real ones it was worse (card of the bundled model)."
)
"""What has to stand beside advice."""


@dataclass(frozen=True)
class Step:
    """A sequence is added to a subset; weights of `features`.

    gain: of the rise of the Dice. shrink: of ln(width after / width before) of the range.
    """

    gain: tuple[float, ...]
    shrink: tuple[float, ...]


Steps = Mapping[frozenset[str], Mapping[str, Mapping[str, Step]]]
"""{subset: {sequence to add: {region: step}}}."""


@dataclass(frozen=True)
class Advice:
    """One absent sequence: {region: expected rise of the Dice}, {region: mL by which the range of
    its volume is expected to narrow}; negative where things are expected to get worse."""

    sequence: str
    dice_gain: dict[str, float]
    narrowing_ml: dict[str, float]

    @property
    def worth(self) -> float:
        """The mean rise over the regions."""
        return fmean(self.dice_gain.values())


def features(signs: Mapping[str, Signs]) -> tuple[float, ...]:
    """1, and of each region the logarithms of volume and entropy, and the certainty."""
    values = [1.0]
    for region in REGIONS:
        one = signs[region]
        values += [math.log(one.volume_ml + 1), math.log(one.entropy_ml + 1), one.certainty]
    return tuple(values)


def advise(
    steps: Steps, subset: Iterable[str], signs: Mapping[str, Signs], widths: Mapping[str, float]
) -> list[Advice]:
    """What each absent sequence would add, best first; those that are worth it.

    widths: {region: mL, of the range of its volume}.
    """
    x = features(signs)
    found = []
    for sequence, of_regions in steps.get(frozenset(subset), {}).items():
        gain = {r: _dot(step.gain, x) for r, step in of_regions.items()}
        narrowing = {
            r: widths[r] * (1 - math.exp(_dot(step.shrink, x))) for r, step in of_regions.items()
        }
        found.append(Advice(sequence, gain, narrowing))
    worth = [one for one in found if one.worth >= WORTH]
    return sorted(worth, key=lambda one: -one.worth)


def sentence(advice: Iterable[Advice], subset: Iterable[str]) -> str:
    """What to say beside the switches; "" where no sequence is absent."""
    used = frozenset(subset)
    named = list(advice)
    others = [s for s in SEQUENCES if s not in used and s not in {a.sequence for a in named}]
    if not named and not others:
        return ""
    if not named:
        return "No other sequence is expected to change much."
    said = [_words(one) for one in named]
    little = " and ".join(SEQUENCE_NAMES[s] for s in others)
    verb = "add" if len(others) > 1 else "adds"
    tail = [f"{little} {verb} little"] if others else []
    return "; ".join([*said, *tail]) + "."


def _words(one: Advice) -> str:
    """`T1c would most likely raise the Dice of ET by .31 and narrow its range by 12 mL`."""
    region = max(one.dice_gain, key=lambda r: one.dice_gain[r])
    gain = short(one.dice_gain[region])
    said = f"{SEQUENCE_NAMES[one.sequence]} would most likely raise the Dice of {region.upper()} by"
    narrower = one.narrowing_ml[region]
    told = f" and narrow its range by {narrower:.0f} mL" if narrower >= SHOWN_ML else ""
    return f"{said} {gain}{told}"


def _dot(weights: Iterable[float], x: Iterable[float]) -> float:
    return sum(w * v for w, v in zip(weights, x, strict=True))
