"""Brain tumours in MRI, with any of four sequences missing.

Reading cases needs no PyTorch; it is imported when the segmenter is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mckd.tumour.data import Case, find_cases, read_case, regions
from mckd.tumour.naming import REGIONS, SEQUENCES, CaseError, match_sequences

if TYPE_CHECKING:
    from mckd.tumour.predictor import Encoded, Prediction, TumourSegmenter

__all__ = [
    "REGIONS",
    "SEQUENCES",
    "Case",
    "CaseError",
    "Encoded",
    "Prediction",
    "TumourSegmenter",
    "find_cases",
    "match_sequences",
    "read_case",
    "regions",
]


def __getattr__(name: str) -> Any:
    if name in ("Encoded", "Prediction", "TumourSegmenter"):
        from mckd.tumour import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
