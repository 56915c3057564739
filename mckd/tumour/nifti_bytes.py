"""The bytes of an image file, unpacked where they are gzip, and no more than are asked for."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from mckd.tumour.naming import CaseError

LARGEST_BYTES = 2**29
"""Of a file as it lies on the disk."""
MOST_TRAILING = 2**20
"""Bytes after the last voxel that are forgiven."""
MOST_MEMBERS = 2**14
"""Of a gzip file: enough for blocked gzip (64 kB each) of the largest image."""
GREATEST_RATIO = 1032
"""Of gzip: no byte becomes more than that many."""
GZIP = b"\x1f\x8b"
PIECE = 2**18
"""Voxels or bytes handled at a time: memory stays flat whatever a file claims."""


class Source:
    """The bytes of a file, unpacked if they are gzip, from the first to the last.

    zlib itself reads the gzip headers and compares the checksums, so no loop in Python runs over
    what a stranger made long.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name

    def __enter__(self) -> Source:
        try:
            if self._path.exists() and not self._path.is_file():
                raise OSError(0, "it is no file")
            self._file: BinaryIO = self._path.open("rb")
        except FileNotFoundError:
            raise CaseError(f"{self._name} is missing. Check the name and the folder.") from None
        except OSError as error:
            raise CaseError(
                f"{self._name} cannot be opened ({error.strerror}). Check the file and its "
                "permissions."
            ) from error
        self._size = self._path.stat().st_size
        if self._size > LARGEST_BYTES:
            self._file.close()
            raise CaseError(
                f"{self._name} is larger than {LARGEST_BYTES // 2**20} MB, more than any scan of a "
                "head. Give the scan itself, cropped to the head."
            )
        self._packed = self._file.read(len(GZIP)) == GZIP
        self._file.seek(0)
        self._bytes: Any = io.BufferedReader(_Gunzip(self._file)) if self._packed else self._file
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def at_most(self, size: int) -> bytes:
        """The next bytes, fewer only where the file ends."""
        try:
            return bytes(self._bytes.read(size))
        except EOFError:
            raise cut_short(self._name) from None
        except (OSError, zlib.error) as error:
            raise CaseError(
                f"{self._name} is damaged (its gzip data is corrupt). Copy or export it again."
            ) from error

    def take(self, size: int) -> bytes:
        """Exactly the next bytes."""
        taken = self.at_most(size)
        if len(taken) < size:
            raise cut_short(self._name)
        return taken

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.take(min(size, PIECE)))

    def require_room_for(self, size: int) -> None:
        """Refuse a file that cannot hold as much, or if it is not packed, holds much more."""
        if self._size * (GREATEST_RATIO if self._packed else 1) < size:
            raise cut_short(self._name)
        if not self._packed:
            self._require_end(self._size - size)

    def finish(self) -> None:
        """Read to the end, where gzip keeps its checksum; it must be near."""
        left = 0
        while (piece := self.at_most(PIECE)) and left <= MOST_TRAILING:
            left += len(piece)
        self._require_end(left)

    def _require_end(self, left: int) -> None:
        if left > MOST_TRAILING:
            raise CaseError(
                f"{self._name} goes on long after the image that its header describes, so one of "
                "the two is wrong. Export it again from its source."
            )


class _Gunzip(io.RawIOBase):
    """The content of a gzip file of any number of members, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members = 0
        self._left = b""
        self._next_member(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Unpack into a buffer; 0 at the end.

        Raises:
            EOFError: the file ends within a member.
            zlib.error: it is no gzip, or a checksum is wrong.
        """
        while True:
            if self._member.eof and not self._next_member(self._member.unused_data):
                return 0
            packed = self._left or self._file.read(PIECE)
            piece = self._member.decompress(packed, len(buffer))
            self._left = self._member.unconsumed_tail
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)
            if not packed and not self._member.eof:
                raise EOFError

    def _next_member(self, rest: bytes) -> bool:
        """Begin the next member, if there is one.

        Zeros between members are padding. What else follows, as after a copy that added the end
        of a line, is no member and not read.
        """
        while len(start := rest.lstrip(b"\0")) < len(GZIP):
            more = self._file.read(PIECE)
            if not more:
                return False
            rest = start + more
        if not start.startswith(GZIP):
            return False
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise zlib.error("too many members")
        self._left = start
        self._member = zlib.decompressobj(wbits=31)  # 31: gzip, with its checksum
        return True


def cut_short(name: str) -> CaseError:
    """What to say of a file that ends before its image does."""
    return CaseError(
        f"{name} ends early, as after a broken copy or upload. Copy or export it again."
    )
