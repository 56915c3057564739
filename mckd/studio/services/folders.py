"""Files of visitors: a folder for each, under a name that cannot be guessed, gone when they are.

`sent` holds what was made for a visitor's browser; the web server gives it to whoever knows its
address, and the address holds 128 random bits that only this visitor was told. `given` holds what
they uploaded: each upload apart from every other, even from one of the same bytes, and known to
its browser by a ticket of 128 random bits; no address leads there. What a visitor calls a file is
kept in memory only: on the disk it lies under a random name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mckd.files.names import plain_name
from mckd.files.unpacking import numbered

LARGEST_BYTES = 2**29
"""Of the files one visitor has given; what they gave first goes when more comes."""

LARGEST_UNPACKED, MOST_UNPACKED = 2**30, 6000
"""Bytes and files of what is unpacked at once."""

DISK_FULL = "The disk of this computer is full. Please try again later."
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(ValueError):  # noqa: N818 - as people say it
    """A file that could not be written for want of room; the message is for the visitor."""


@dataclass(frozen=True)
class Upload:
    """A file that a visitor gave. name: what they call it, fit to be shown."""

    path: Path
    name: str


class Folders:
    """The folders of all visitors, who are told apart by a secret of their own: `owner`."""

    def __init__(self, root: Path | None = None) -> None:
        """root: a private folder; without one, a temporary one that goes with this object."""
        self._own = None if root else tempfile.TemporaryDirectory(prefix="mckd-studio-")
        self.root = Path(root or self._own.name).resolve()  # type: ignore[union-attr]
        self._names: dict[str, str] = {}  # of an owner's folders: not the secret itself
        self._touched: dict[str, float] = {}
        self._arrived: dict[str, tuple[str, Upload]] = {}  # ticket -> sender, file
        self._given: dict[str, dict[str, Upload]] = {}  # per owner, who opened them: ticket -> file
        self._senders: dict[str, str] = {}  # of what was opened: ticket -> sender
        self._unpacked: dict[str, Path] = {}  # per owner, the folder of the last that was
        self._lock, self._unpacking = threading.Lock(), threading.Lock()

    @property
    def given(self) -> Path:
        """Where uploads lie. Never to be served."""
        return self.root / "given"

    def send(self, owner: str, name: str, data: bytes) -> Path:
        """A file for the owner's browser; the same name and bytes are the same file.

        Raises:
            DiskFull: there is no room for it.
        """
        content = hashlib.blake2b(data, digest_size=16).hexdigest()
        with self._lock:
            path = self.root / "sent" / self._name(owner) / content / name
            if path.is_file():
                os.utime(path)  # Gradio deletes what has become old
            else:
                _write(path, lambda file: file.write(data))
        return path

    def receive(self, sender: str, name: str, file: BinaryIO) -> str:
        """Keep an upload. Returns the ticket that opens it; see `take`.

        Args:
            sender: whose it is until somebody opens it, a secret.
            name: as the sender says; only what people may see of it is kept.

        Raises:
            DiskFull: there is no room for it.
            FileNotFoundError: all of this sender was deleted while it came.
        """
        ticket = secrets.token_hex(16)
        with self._lock:
            upload = Upload(self._place(sender), plain_name(name))
        _write(upload.path, lambda kept: shutil.copyfileobj(file, kept))
        with self._lock:
            kept = upload.path.replace(self._place(sender))  # who was forgotten meanwhile is new
            self._arrived[ticket] = sender, Upload(kept, upload.name)
            self._make_room([u.path for s, u in self._arrived.values() if s == sender])
        return ticket

    def take(self, owner: str, ticket: str, sender: str = "") -> Upload:
        """The file of a ticket. Who opens it first keeps it; for anyone else it is gone.

        sender: the browser that asks. Where it is the one that sent the file, it may open it once
        more as another owner, as long as the first is here: a page that was loaded anew. Each then
        has the file, and what one of them deletes stays the other's.

        Raises:
            FileNotFoundError: there is none, it is another's, or it was deleted.
        """
        with self._lock:
            given = self._given.setdefault(owner, {})
            if ticket in self._arrived:
                self._senders[ticket], arrived = self._arrived.pop(ticket)
                given[ticket] = Upload(arrived.path.replace(self._place(owner)), arrived.name)
                self._make_room([upload.path for upload in given.values()])
            elif ticket not in given and sender and self._senders.get(ticket) == sender:
                opened = (files[ticket] for files in self._given.values() if ticket in files)
                if (first := next(opened, None)) and first.path.is_file():
                    given[ticket] = Upload(self._place(owner), first.name)
                    os.link(first.path, given[ticket].path)
                    self._make_room([upload.path for upload in given.values()])
            upload = given.get(ticket)
            if upload is None or not upload.path.is_file():
                raise FileNotFoundError
            return upload

    def unpack(self, owner: str, tickets: list[str], sender: str = "") -> Path:
        """The files of the archives of some tickets, see `take`, in a folder of their own.

        An owner has one such folder: what was unpacked before goes. All are unpacked one after the
        other, so the disk holds no more at a time.

        Raises:
            FileNotFoundError: an archive is not here (any more), or all was deleted meanwhile.
            UnpackError: one cannot be unpacked.
            DiskFull: there is no room for the files.
        """
        archives = [self.take(owner, ticket, sender).path for ticket in tickets]
        with self._unpacking:
            return self._unpack(owner, archives)

    def _unpack(self, owner: str, archives: list[Path]) -> Path:
        with self._lock:
            folder = self._place(owner)
        try:
            folder.mkdir()
            numbered(archives, folder, MOST_UNPACKED, LARGEST_UNPACKED)
            with self._lock:
                if self._names.get(owner) != folder.parent.name:  # deleted while it was written to
                    raise FileNotFoundError
                before = self._unpacked.get(owner)
                self._unpacked[owner] = folder
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise DiskFull(DISK_FULL) from error
            raise
        if before:
            shutil.rmtree(before, ignore_errors=True)
        return folder

    def forget(self, owner: str) -> None:
        """Delete everything of this owner."""
        with self._lock:
            for ticket in self._given.pop(owner, {}):
                if not any(ticket in files for files in self._given.values()):
                    self._senders.pop(ticket, None)
            for ticket in [t for t, (sender, _) in self._arrived.items() if sender == owner]:
                del self._arrived[ticket]
            self._touched.pop(owner, None)
            self._unpacked.pop(owner, None)
            name = self._names.pop(owner, None)
        if name:
            for part in ("sent", "given"):
                shutil.rmtree(self.root / part / name, ignore_errors=True)

    def forget_sender(self, sender: str) -> None:
        """Delete what this browser sent, and everything of the pages that opened it."""
        with self._lock:
            pages = [
                owner
                for owner, files in self._given.items()
                if any(self._senders.get(ticket) == sender for ticket in files)
            ]
        for owner in (sender, *pages):
            self.forget(owner)

    def expire(self, idle_s: float) -> None:
        """Delete everything of owners who neither sent nor were sent anything for so long."""
        oldest = time.monotonic() - idle_s
        with self._lock:
            gone = [owner for owner, touched in self._touched.items() if touched < oldest]
        for owner in gone:
            self.forget(owner)

    def _name(self, owner: str) -> str:
        self._touched[owner] = time.monotonic()
        return self._names.setdefault(owner, secrets.token_hex(16))

    def _place(self, owner: str) -> Path:
        """Where an upload is to lie; nobody else knows the name."""
        folder = self.given / self._name(owner)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / secrets.token_hex(16)

    @staticmethod
    def _make_room(files: list[Path]) -> None:
        """Keep the files that came last; never delete the very last."""
        total = 0
        for number, path in enumerate(reversed(files)):
            size = path.stat().st_size if path.is_file() else 0
            total += size
            if number and total > LARGEST_BYTES:
                path.unlink(missing_ok=True)


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """A new file, whole or not at all: what is found under its name may be sent.

    Raises:
        DiskFull: there is no room for it; nothing is left of the attempt.
    """
    half = path.with_name(secrets.token_hex(16))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("xb") as file:
            fill(file)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise DiskFull(DISK_FULL) from error
        raise
