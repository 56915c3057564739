"""Brain tumours in MRI, with any of four sequences missing.

The reader (nibabel) and the segmenter (PyTorch) are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mckd.tumour.naming import REGIONS, SEQUENCES, CaseError, match_sequences

if TYPE_CHECKING:
    from mckd.tumour.data import Case, find_cases, read_case, regions
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


_HOMES = {
    **dict.fromkeys(("Case", "find_cases", "read_case", "regions"), "data"),
    **dict.fromkeys(("Encoded", "Prediction", "TumourSegmenter"), "predictor"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
