"""Training, validation and test part of a set of samples; rows taken away at random."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from mckd.tables.data import Bools, Samples
from mckd.tables.predictor import PARTS
from mckd.tables.target import Target
from train.settings import SettingsError

Integers = npt.NDArray[np.int64]
BINS = 10
"""Parts are alike in the classes, or in so many ranges of a number."""
_SPLIT, _HIDE = 0x5B117, 0x41DE


def split(
    samples: Samples, target: Target, validation: float, test: float, seed: int
) -> dict[str, Integers]:
    """The rows of each part, a function of the seed and of the samples' order.

    Of each class, or range of a number, the same shares go into each part; what is left over goes
    where most is owed, so that a class of one sample is trained on.

    Raises:
        SettingsError: too few samples for three parts.
    """
    rng = np.random.default_rng([seed, _SPLIT])
    shares = np.array([1 - validation - test, validation, test])
    rows: list[list[int]] = [[], [], []]
    owed = np.zeros(3)
    for stratum in _strata(samples, target):
        order = rng.permutation(stratum)
        owed += shares * len(order)
        counts = np.zeros(3, int)
        for _ in order:
            # The first of a class to training, then to whom most is owed.
            k = 0 if not counts.any() else int(owed.argmax())
            counts[k] += 1
            owed[k] -= 1
        for part, mine in zip(rows, np.split(order, counts.cumsum()[:-1]), strict=True):
            part += mine.tolist()
    if not all(rows):
        raise SettingsError(
            f"{len(samples)} samples are too few for a training, a validation and a test part."
        )
    return {name: np.array(sorted(r), np.int64) for name, r in zip(PARTS, rows, strict=True)}


def hide(present: Bools, rate: float, seed: int) -> Bools:
    """(n, M): a share of the rows of each modality taken away; every sample keeps one at least.

    Where all rows of a sample would go, one of those that it has stays, drawn at random.
    """
    rng = np.random.default_rng([seed, _HIDE])
    order = np.where(present, rng.random(present.shape), np.inf)
    kept = present & (order >= rate)
    last = np.where(present, order, -1).argmax(1)
    kept[np.arange(len(kept)), last] |= ~kept.any(1)
    return kept


def _strata(samples: Samples, target: Target) -> list[Integers]:
    """Rows by class, rare ones first; or by range of a number."""
    found: dict[object, list[int]] = defaultdict(list)
    if target.is_number:
        order = target.encode(samples.labels).argsort().tolist()
        for place, row in enumerate(order):
            found[place * BINS // len(order)].append(row)
    else:
        for row, label in enumerate(samples.labels):
            found[label].append(row)
    return [np.array(rows, np.int64) for rows in sorted(found.values(), key=len)]
