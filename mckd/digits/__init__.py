"""Digits from a picture and a spoken word, with either missing.

The classifier (PyTorch) is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mckd.digits.predictor import DigitClassifier, Heard, Prediction, Seen

__all__ = ["DigitClassifier", "Heard", "Prediction", "Seen"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
