"""ZIP archives of strangers, unpacked within bounds."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

_CHUNK = 2**20
DAMAGED = "An archive is damaged. Please send the files again."


class UnpackError(ValueError):
    """An archive that is not unpacked; one sentence."""


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
        try:
            with zipfile.ZipFile(archive) as opened:
                for entry in opened.infolist():
                    if entry.is_dir():
                        continue
                    if count == most_files:
                        raise UnpackError(f"More than {most_files:,} files at once are not read.")
                    with opened.open(entry) as packed, (folder / str(count)).open("xb") as file:
                        while data := packed.read(_CHUNK):
                            total += len(data)
                            if total > most_bytes:
                                raise UnpackError(_large(most_bytes))
                            file.write(data)
                    count += 1
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise UnpackError(DAMAGED) from None  # RuntimeError: locked with a password
    return count


def _large(most_bytes: int) -> str:
    return f"More than {most_bytes / 2**30:.3g} GB at once are not read; give less at a time."
