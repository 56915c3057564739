"""What a difference between two systems is worth: intervals and tests for the tables.

Scores are arrays (S, U): S seeds of training by U units of the test part (cases, pictures). All
seeds score the same units; two systems compared have the same seeds and units in the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

REPLICATES = 10_000
_AT_ONCE = 500


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    scores: Array, *, level: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Percentile interval of the mean score, by a hierarchical bootstrap over seeds, then units.

    Each replicate draws S seeds and then U units, both with replacement. The units are drawn once
    for all its seeds, as all seeds meet the same test part: a hard unit is hard for every one.
    Scores of one seed give an interval over units alone. For a difference give the differences.

    Args:
        scores: (S, U), finite.

    Raises:
        ValueError: no score, or one that is no number.
    """
    values = _checked(scores)
    rng = np.random.default_rng(seed)
    seeds, units = values.shape
    means = []
    for start in range(0, replicates, _AT_ONCE):
        count = min(_AT_ONCE, replicates - start)
        # How often each is drawn, as shares that sum to 1.
        s = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count) / seeds
        u = rng.multinomial(units, np.full(units, 1 / units), count) / units
        means.append(((s @ values) * u).sum(1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def wilcoxon(first: Array, second: Array) -> float:
    """Two-sided p of Wilcoxon's signed-rank test over units, each the mean over its seeds.

    Units without a difference are left out (Wilcoxon's own rule); 1 if no unit differs.

    Args:
        first, second: (S, U) of two systems.
    """
    from scipy.stats import wilcoxon as signed_rank

    differences = _checked(first).mean(0) - _checked(second).mean(0)
    return float(signed_rank(differences).pvalue) if differences.any() else 1.0


def mcnemar(first: Array, second: Array) -> float:
    """Two-sided p of McNemar's test for clustered pairs (Durkalski et al., Stat. Med. 2003).

    A unit is a cluster: its answers by several seeds are no independent samples. Of unit k, b_k
    seeds are right in the first system only and c_k in the second only;

        chi2 = (sum_k (b_k - c_k))^2 / sum_k (b_k - c_k)^2,    one degree of freedom.

    With one seed it is McNemar's own (b - c)^2 / (b + c). 1 if the two never differ.

    Args:
        first, second: (S, U) bool of two systems: who is right.
    """
    from scipy.stats import chi2

    difference = (_checked(first) - _checked(second)).sum(0)
    spread = np.square(difference).sum()
    return float(chi2.sf(difference.sum() ** 2 / spread, 1)) if spread else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p, in the order given: what is below .05 is significant at a
    family-wise error of 5 %."""
    adjusted, worst = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = worst
    return adjusted


def _checked(scores: Array) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError("Scores are a table of seeds by units, without gaps.")
    return values
