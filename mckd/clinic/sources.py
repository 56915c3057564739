"""The files that somebody gave: a folder, a ZIP archive, single files, or several of these.

An archive is unpacked to numbered files in numbered folders, so no name in it is ever a place on
this disk; what is neither DICOM nor NIfTI, archives within it too, stays packed.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mckd.clinic.series import StudyError
from mckd.files.names import plain_name
from mckd.files.unpacking import ENTRY_BYTES, PACKED, listed_bytes, of_the_disk
from mckd.tumour.naming import SUFFIXES
from mckd.tumour.survey import begins_dicom

MOST_FILES = 20_000
LARGEST_ARCHIVE = 2**32
_PIECE = 2**20


@dataclass(frozen=True)
class Given:
    """A file: where it lies, and its relative path as people know it."""

    path: Path
    shown: str


@dataclass(frozen=True, eq=False)
class Files:
    """kept: the folder of what was unpacked; it goes when nobody refers to it any more."""

    given: tuple[Given, ...]
    kept: TemporaryDirectory[str] | None = None


def files_of(source: Path | str | Sequence[Path | str]) -> Files:
    """Every file that may be an image, in the order of their relative paths.

    Raises:
        StudyError: a file that is not there, more files than one examination has, an archive that
            cannot be read or is too large.
    """
    several = [source] if isinstance(source, (str, Path)) else [*source]
    found: list[Given] = []
    kept: TemporaryDirectory[str] | None = None
    for path in map(Path, several):
        if path.is_dir():
            found += _below(path, MOST_FILES - len(found))
        elif not path.is_file():
            raise StudyError(f"{plain_name(path.name)} is missing. Check the name and the folder.")
        elif path.suffix.lower() == ".zip":
            kept = kept or TemporaryDirectory(prefix="mckd-study-", ignore_cleanup_errors=True)
            found += _unpacked(path, Path(kept.name), len(found))
        else:
            found.append(Given(path, path.name))
    return Files(tuple(found), kept)


def _below(root: Path, most: int) -> list[Given]:
    """The files of a folder and of those in it; hidden ones and links are left alone."""
    found: list[Given] = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if name.startswith(".") or not path.is_file():
                continue
            if len(found) == most:
                raise too_many(root.name)
            found.append(Given(path, path.relative_to(root).as_posix()))
    return found


def too_many(name: str) -> StudyError:
    """The refusal of a folder or archive of that name with more files than MOST_FILES."""
    return StudyError(
        f"{plain_name(name)} holds more than {MOST_FILES:,} files. Give the folder of one "
        "examination."
    )


def _unpacked(archive: Path, folder: Path, count: int) -> list[Given]:
    """The images of an archive as files FOLDER/NUMBER/NUMBER; those of one of its folders lie in
    one. count: of the files that there are."""
    name = plain_name(archive.name)
    try:
        if listed_bytes(archive) > MOST_FILES * ENTRY_BYTES:
            raise too_many(name)
        with zipfile.ZipFile(archive) as opened:
            return [*_entries(opened, folder, name, count)]
    except StudyError:
        raise
    except RuntimeError:  # what zipfile says of a password
        raise StudyError(f"{name} is locked with a password. Pack it without one.") from None
    except Exception as error:  # of a damaged archive zipfile raises whatever its parts do
        if of_the_disk(error):
            raise StudyError(f"{name} cannot be unpacked ({error.strerror}).") from None
        raise StudyError(f"{name} is no ZIP archive that can be read. Pack it again.") from None


def _entries(archive: zipfile.ZipFile, folder: Path, name: str, count: int) -> Iterator[Given]:
    left = LARGEST_ARCHIVE
    folders: dict[tuple[str, ...], Path] = {}
    for entry in archive.infolist():
        parts = [part for part in entry.filename.replace("\\", "/").split("/") if part]
        if entry.is_dir() or "__MACOSX" in parts or not parts or parts[-1].startswith("."):
            continue
        if ".." in parts:
            raise StudyError(f"{name} names places outside itself. Pack it again.")
        suffix = next((end for end in SUFFIXES if parts[-1].lower().endswith(end)), "")
        if entry.compress_type not in PACKED:
            raise StudyError(f"{name} is packed in a way that is not read. Pack it as plain ZIP.")
        with archive.open(entry) as packed:
            start = packed.read(_PIECE)
            if not (suffix or begins_dicom(start)):
                continue
            if count >= MOST_FILES:
                raise too_many(name)
            inner = folders.setdefault((*parts[:-1],), folder / f"{count:05d}")
            inner.mkdir(exist_ok=True)
            target = inner / f"{count:05d}{suffix}"
            with target.open("wb") as file:
                while start:  # an entry may be longer than it says
                    left -= len(start)
                    if left < 0:
                        raise StudyError(
                            f"{name} holds more than {LARGEST_ARCHIVE >> 30} GB. Give one "
                            "examination."
                        )
                    file.write(start)
                    start = packed.read(_PIECE)
        yield Given(target, "/".join(parts))
        count += 1
