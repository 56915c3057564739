"""What an error of the operating system means for a folder that is written to, in one sentence."""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


def in_words(error: OSError, folder: Path, again: str = "run the same command again") -> str:
    """What went wrong in `folder`, and what to do; `again`: how to go on once there is room."""
    if error.errno in _FULL:
        return f"The disk of {folder.name} is full. Free some space, then {again}."
    if error.errno == errno.EFBIG:
        return (
            f"A file of {folder.name} would be larger than this system allows (ulimit -f, or the "
            f"kind of disk). Raise the limit, then {again}."
        )
    if error.errno in _CLOSED:
        return f"{folder.name} cannot be written to. Choose another --out, or change its rights."
    if error.errno in _NO_FOLDER:
        return f"There is a file where the folder {folder.name} should be. Choose another --out."
    what = Path(str(error.filename)).name if error.filename else folder.name
    return f"{what} could not be read or written: {error.strerror or error}."
