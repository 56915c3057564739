"""Files that are either the old one or the new one, whenever the process is killed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_HALF_WRITTEN = re.compile(r"\..+\.(\d{1,10})")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`; a reader, or a crash, sees the old or the new content whole.

    Raises:
        OSError: it cannot be written; nothing is left of the attempt.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sweep(folder: Path, *, alone: bool = False) -> None:
    """Delete what killed processes left half-written in `folder`.

    alone: nobody else writes there now, so that a process that now has a dead one's number keeps
        nothing from being deleted.
    """
    with suppress(OSError):
        for path in folder.iterdir():
            half = _HALF_WRITTEN.fullmatch(path.name)
            if half and (alone or not _is_running(int(half[1]))):
                with suppress(OSError):
                    path.unlink()


def _is_running(pid: int) -> bool:
    """Whether there is such a process; True where that cannot be asked without harm."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
