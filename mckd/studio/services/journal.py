"""What the app writes about itself: short lines, few a minute, and never a value of a call.

Gradio and the server below it print what went wrong with everything that was in it, a visitor's
words and a whole body of 4 MB alike. So nothing in this process prints by itself: `begin` puts
itself where logging, `print`, warnings and tracebacks end. Of what this project says the sentence
is kept, and `faults` sees to it that it names no visitor's data; of all else only where in the
code it was said and which kind of exception was at hand.
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

from mckd.studio.services.faults import ROOT, place, trail

LONGEST = 600  # characters of a line
AT_ONCE, PER_S = 100, 1 / 6  # lines
FILE_BYTES, OLDER_FILES = 2**20, 3  # a file is put aside when full, and at most so many are kept

_OURS = (str(ROOT / "mckd") + os.sep, str(ROOT / "train") + os.sep, str(ROOT / "app.py"))
_STANDARD = str(Path(os.__file__).parent) + os.sep  # the standard library
_SAME_S = 1.0  # what one place writes within this is one event, as the lines of a traceback are


def begin(file: Path | None = None) -> None:
    """From now on all that this process says about itself goes to a file, else standard error.

    Raises:
        OSError: the file cannot be written.
    """
    lines = Lines(file)
    logging.setLogRecordFactory(_record)
    logging.raiseExceptions = False  # else a line that cannot be written is printed, arguments too
    logging.getLogger().addHandler(_Through(lines))
    sys.excepthook = lambda kind, error, at: lines.fault("The app ended.", error)
    sys.unraisablehook = lambda given: lines.fault("A fault was passed over.", given.exc_value)
    threading.excepthook = lambda given: lines.fault("A thread ended.", given.exc_value)
    sys.stdout, sys.stderr = Instead(sys.stdout, lines), Instead(sys.stderr, lines)


class Lines:
    """Where the lines end: cut to size, so many at once and no more than so many a minute."""

    def __init__(self, file: Path | None = None) -> None:
        self._handler: logging.Handler = (
            logging.handlers.RotatingFileHandler(
                file, maxBytes=FILE_BYTES, backupCount=OLDER_FILES, encoding="utf-8"
            )
            if file
            else logging.StreamHandler(sys.stderr)
        )
        self._allowed, self._left_out, self._at = float(AT_ONCE), 0, time.monotonic()
        self._lock = threading.RLock()

    def write(self, said: str) -> None:
        """One line, with the time before it; or only counted, if there were too many."""
        with self._lock:
            now = time.monotonic()
            self._allowed = min(AT_ONCE, self._allowed + (now - self._at) * PER_S)
            self._at = now
            if self._allowed < 1:
                self._left_out += 1
                return
            self._allowed -= 1
            whole = " ".join("".join(c if c.isprintable() else " " for c in said[:LONGEST]).split())
            if self._left_out:
                whole += f" ({self._left_out:,} lines before this one were left out)"
                self._left_out = 0
            stamped = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {whole}"
            self._handler.handle(logging.makeLogRecord({"msg": stamped}))

    def fault(self, what: str, error: BaseException | None) -> None:
        self.write(f"{what} {trail(error)}" if error else what)


class _Through(logging.Handler):
    """From logging to the lines."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.write(f"{record.levelname} {record.name}: {record.getMessage()}")


class Instead(io.TextIOBase):
    """Stands for standard output or error. What this project prints goes on as it is."""

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        self._stream, self._lines = stream, lines
        self._last: tuple[str, int, int] = ("", 0, 0)
        self._until = 0.0

    def write(self, text: str) -> int:
        caller = sys._getframe(1)
        if _is_ours(caller.f_code.co_filename):
            self._stream.write(text)
        elif caller.f_code.co_filename == logging.__file__:  # another handler's line of a record
            self._lines.write(text)
        else:
            self._tell(caller)
        return len(text)

    def _tell(self, caller: FrameType) -> None:
        """That something was printed, where, and which exception is being handled there."""
        where, error = _beyond_the_standard_library(caller), sys.exc_info()[1]
        file, line = where.f_code.co_filename, where.f_lineno
        event, now = (file, line, id(error)), time.monotonic()
        if event == self._last and now < self._until:
            return
        self._last, self._until = event, now + _SAME_S
        self._lines.fault(f"Printed by {place(file, line, where.f_code.co_name)}.", error)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding


_MADE_BY_LOGGING = logging.getLogRecordFactory()


def _record(
    name: str,
    level: int,
    path: str,
    line: int,
    message: object,
    args: Any,
    error: tuple[type[BaseException], BaseException, TracebackType | None] | None,
    function: str | None = None,
    stack: str | None = None,
    **more: Any,
) -> logging.LogRecord:
    """A record of logging, without what a library says and without a traceback."""
    if not _is_ours(path):
        message, args = place(path, line, function or ""), ()
    if error and error[1]:
        message = f"{message} {trail(error[1])}"
    return _MADE_BY_LOGGING(name, level, path, line, message, args, None, function, None, **more)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def _beyond_the_standard_library(frame: FrameType) -> FrameType:
    """The first frame, going outwards, that is not of the standard library."""
    found: FrameType | None = frame
    while found is not None:
        name = found.f_code.co_filename
        if "site-packages" in name or not name.startswith((_STANDARD, "<frozen")):
            return found
        found = found.f_back
    return frame
