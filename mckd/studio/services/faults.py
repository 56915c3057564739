"""Faults in the log: of which kind and where in the code, never what they say.

The message of an exception may quote a path, a file name or the header of a visitor's image.
"""

from __future__ import annotations

import logging
from pathlib import Path
from traceback import walk_tb

ROOT = Path(__file__).parents[3]
DEEPEST = 6  # places named of one exception
EARLIEST = 3  # exceptions named of those that led to one another


def record(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log that `what` happened (a sentence), and why as far as it names no visitor's data."""
    log.error("%s %s", what, trail(error))


def trail(error: BaseException, named: int = 1) -> str:
    """`OSError in nifti.py:88 read_image, tumour.py:402 _read; after ...`, innermost first.

    named: how many exceptions were named with this one.
    """
    frames = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)][-DEEPEST:]
    places = ", ".join(
        place(code.co_filename, line, code.co_name) for code, line in reversed(frames)
    )
    said = f"{type(error).__name__} in {places}" if places else type(error).__name__
    inner = getattr(error, "exceptions", ())  # of a group: the first tells for all
    cause = inner[0] if inner else error.__cause__ or error.__context__
    return f"{said}; after {trail(cause, named + 1)}" if cause and named < EARLIEST else said


def place(filename: str, line: int, function: str) -> str:
    """`gradio/queueing.py:88 push`: where in the code, without this computer's folders."""
    path = Path(filename)
    if "site-packages" in path.parts:
        short = Path(*path.parts[path.parts.index("site-packages") + 1 :])
    else:
        short = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    return f"{short}:{line} {function}"
