"""Faults in the log: of which kind and where in the code, never what they say.

The message of an exception may quote a path, a file name or the header of a visitor's image.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[3]
DEEPEST = 6  # places named of one exception


def record(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log that `what` happened (a sentence), and why as far as it names no visitor's data."""
    log.error("%s %s", what, trail(error))


def trail(error: BaseException) -> str:
    """`OSError in nifti.py:88 open_image, tumour.py:402 _read; caused by ...`, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST:]
    places = ", ".join(f"{_short(f.filename)}:{f.lineno} {f.name}" for f in reversed(frames))
    said = f"{type(error).__name__} in {places}" if places else type(error).__name__
    cause = error.__cause__ or error.__context__
    return f"{said}; after {trail(cause)}" if cause is not None else said


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
