"""A folder of tables that came as a ZIP archive."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mckd.files.unpacking import ENTRY_BYTES, PACKED, listed_bytes, of_the_disk
from mckd.tables.files import LARGEST_BYTES, TableError, modality_of

MOST_ENTRIES = 1000
_CHUNK = 2**20


@contextmanager
def unpacked(archive: Path, shown: str) -> Iterator[Path]:
    """A temporary folder with the tables of an archive, wherever in it they lie.

    Only files that are tables are unpacked, under their own names without a folder.

    Args:
        shown: what people call the archive.

    Raises:
        TableError: no ZIP archive, damaged, locked, too large, without a table, or with two of one
            name.
    """
    with TemporaryDirectory(prefix="mckd-tables-") as folder:
        if listed_bytes(archive) > MOST_ENTRIES * ENTRY_BYTES:
            raise TableError(f"{shown} holds more than {MOST_ENTRIES:,} files; no more are read.")
        try:
            with zipfile.ZipFile(archive) as opened:
                _unpack(opened, Path(folder), shown)
        except TableError:
            raise
        except Exception as error:  # of a damaged archive zipfile raises whatever its parts do
            if of_the_disk(error):
                raise
            if type(error) is RuntimeError:  # what zipfile says of a password
                why = "is locked with a password. Pack it without one"
            else:
                why = "is no ZIP archive that can be read. Pack it again"
            raise TableError(f"{shown} {why}.") from None
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, folder: Path, shown: str) -> None:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise TableError(
            f"{shown} holds {len(entries):,} files; at most {MOST_ENTRIES:,} are read."
        )
    left = LARGEST_BYTES
    for entry in entries:
        place = PurePosixPath(entry.filename.replace("\\", "/"))
        if entry.is_dir() or "__MACOSX" in place.parts or not modality_of(place.name):
            continue
        if entry.compress_type not in PACKED:
            raise TableError(f"{shown} is packed in a way that is not read. Pack it as plain ZIP.")
        target = folder / place.name
        if target.exists():
            raise TableError(f"{shown} holds two files called {place.name}. Keep one of them.")
        with archive.open(entry) as packed, target.open("wb") as file:
            while data := packed.read(_CHUNK):  # an entry may be longer than it says
                left -= len(data)
                if left < 0:
                    raise TableError(
                        f"{shown} is too large: its tables may have {LARGEST_BYTES >> 20} MiB "
                        "unpacked."
                    )
                file.write(data)
    if not any(folder.iterdir()):
        raise TableError(f"{shown} holds no table. Tables are files that end in .csv or .parquet.")
