"""ZIP archives of strangers, unpacked within bounds."""

from __future__ import annotations

import errno
import os
import re
import struct
import zipfile
from pathlib import Path
from typing import TypeGuard

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How a file may be packed: other ways ask for memory as they like."""
ENTRY_BYTES = 512
"""Of a file in the list at the end of an archive; names of usual length need far less."""
_CHUNK = 2**20
_ENDS = ((b"PK\5\6", 22, 12, "<L"), (b"PK\6\6", 56, 40, "<Q"))
"""What ends a list: how it begins, its bytes, where in them its length stands, and how."""
_LONGEST_END = 22 + 2**16 + 20 + 56  # with a comment, and what ZIP64 puts before it
_NO_PLACE = (None, errno.EINVAL)  # what an archive sends its reader to
DAMAGED = "An archive is damaged. Please send the files again."


class UnpackError(ValueError):
    """An archive that is not unpacked; one sentence."""


def listed_bytes(archive: Path) -> int:
    """How long the list at the end of a ZIP archive says that it is; 0 where there is none.

    zipfile reads it as a whole, so a long one has to be refused before. Whatever could be taken for
    an end counts, the longest of all; beyond 65,535 files or 4 GB an end says 2**32 - 1.

    Raises:
        OSError: the archive cannot be read.
    """
    with archive.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_END))
        tail = file.read()
    return max(
        (
            struct.unpack_from(how, tail, found.start() + place)[0]
            for begin, size, place, how in _ENDS
            for found in re.finditer(begin, tail)
            if found.start() + size <= len(tail)
        ),
        default=0,
    )


def of_the_disk(error: Exception) -> TypeGuard[OSError]:
    """Whether unpacking failed for the disk, and not for what the archive holds."""
    return isinstance(error, OSError) and error.errno not in _NO_PLACE


def numbered(archives: list[Path], folder: Path, most_files: int, most_bytes: int) -> int:
    """The files of some archives into a folder, with numbers for names; returns how many.

    What an entry is called decides nothing, so that no name leads out of the folder, takes the
    place of another or tells a person's. An entry may be longer than it says: bytes are counted.

    Raises:
        UnpackError: no ZIP archive, damaged, locked, or more than the bounds.
        OSError: the folder cannot be written to.
    """
    count = total = 0
    for archive in archives:
        if listed_bytes(archive) > most_files * ENTRY_BYTES:
            raise UnpackError(_many(most_files))
        try:
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    if entry.is_dir():
                        continue
                    if count == most_files:
                        raise UnpackError(_many(most_files))
                    if entry.compress_type not in PACKED:
                        raise UnpackError(DAMAGED)
                    with opened.open(entry) as packed, (folder / str(count)).open("xb") as file:
                        while data := packed.read(_CHUNK):
                            total += len(data)
                            if total > most_bytes:
                                raise UnpackError(_large(most_bytes))
                            file.write(data)
                    count += 1
        except UnpackError:
            raise
        except Exception as error:  # of a damaged archive zipfile raises whatever its parts do
            if of_the_disk(error):
                raise
            raise UnpackError(DAMAGED) from None
    return count


def _many(most_files: int) -> str:
    return f"More than {most_files:,} files at once are not read."


def _large(most_bytes: int) -> str:
    return f"More than {most_bytes / 2**30:.3g} GB at once are not read; give less at a time."
