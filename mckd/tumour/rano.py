"""RANO over a line of visits: progression against the smallest sum, response against the first.

    for found in assessed([2000.0, 800.0, 1100.0]):  # sums of products, mm2, in the order of time
        found.sign                                   # "response", then "progression"

A sum that is 25 % or more above the smallest one so far (the nadir, which may be the baseline) is
progression, one of 50 % or less of the baseline is response (Wen et al., J Clin Oncol 28, 2010, doi
10.1200/JCO.2009.26.3541; RANO 2.0, Wen et al., J Clin Oncol 41, 2023, doi 10.1200/JCO.23.01059,
keeps both). Progression goes before response: a tumour that grows again is still small against the
baseline. Here the first visit that is given is the baseline. Neither that a response must last four
weeks, nor steroids, nor the patient's state are looked at, so it is a sign and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROGRESSION, RESPONSE = "progression", "response"
GROWN_TO, SHRUNK_TO = 1.25, 0.5


@dataclass(frozen=True)
class Assessment:
    """Sums of products, mm2: of a visit, of the first one, the smallest of those before it."""

    sum_mm2: float
    baseline_mm2: float
    smallest_mm2: float

    @property
    def sign(self) -> str:
        """PROGRESSION, RESPONSE or "". Measurable tumour after none is progression."""
        if self.sum_mm2 and self.sum_mm2 >= GROWN_TO * self.smallest_mm2:
            return PROGRESSION
        if self.baseline_mm2 and self.sum_mm2 <= SHRUNK_TO * self.baseline_mm2:
            return RESPONSE
        return ""

    @property
    def words(self) -> str:
        """`sum of products 1100 mm²; smallest before 800 mm² (+38 %), baseline 2000 mm² (-45 %): a
        sign of progression`."""
        told = (
            f"sum of products {self.sum_mm2:.0f} mm²; smallest before {self.smallest_mm2:.0f} mm²"
            f"{self._against(self.smallest_mm2)}, baseline {self.baseline_mm2:.0f} mm²"
            f"{self._against(self.baseline_mm2)}"
        )
        return f"{told}: a sign of {self.sign}" if self.sign else told

    def _against(self, other_mm2: float) -> str:
        return f" ({100 * (self.sum_mm2 / other_mm2 - 1):+.0f} %)" if other_mm2 else ""


def assessed(sums_mm2: Sequence[float]) -> list[Assessment]:
    """Of every visit but the first, the baseline, in the order of time."""
    return [
        Assessment(sums_mm2[k], sums_mm2[0], min(sums_mm2[:k])) for k in range(1, len(sums_mm2))
    ]
