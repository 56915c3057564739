"""Tables: one modality is one file of rows, any of which may be missing.

What needs PyTorch or pyarrow is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mckd.tables.data import Samples, read_folder
    from mckd.tables.files import TableError
    from mckd.tables.predictor import Prediction, TableClassifier

__all__ = ["Prediction", "Samples", "TableClassifier", "TableError", "read_folder"]

_HOMES = {
    "Prediction": "predictor",
    "Samples": "data",
    "TableClassifier": "predictor",
    "TableError": "files",
    "read_folder": "data",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
