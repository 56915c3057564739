"""What probabilities are worth: reliability diagrams and the expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BARS = 10


@dataclass(frozen=True)
class Bar:
    """One bar of a reliability diagram: what was promised, what came, of how many."""

    promised: float
    came: float
    count: float


def bars(q: Array, counts: Array, true: Array) -> list[Bar]:
    """The diagram of probabilities in BARS equal parts of 0..1; empty ones are left out.

    Args:
        q: (n,) probabilities. counts: (n,) how often each was said. true: how often rightly.
    """
    place = np.minimum((q * BARS).astype(int), BARS - 1)
    found = []
    for bar in range(BARS):
        n = counts[place == bar].sum()
        if n:
            promised = float((q * counts)[place == bar].sum() / n)
            found.append(Bar(promised, float(true[place == bar].sum() / n), float(n)))
    return found


def expected_error(diagram: Sequence[Bar]) -> float:
    """ECE (Naeini et al. 2015): the mean of |promised - came|, each bar by its count."""
    total = sum(bar.count for bar in diagram)
    return sum(abs(bar.promised - bar.came) * bar.count for bar in diagram) / total
