"""Files of visitors: a folder for each, under a name that cannot be guessed, gone when they are.

`sent` holds what was made for a visitor's browser; the web server gives it to whoever knows its
address, and the address holds 128 random bits that only this visitor was told. `given` holds the
files they opened; no address leads there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path

LARGEST_BYTES = 2**29
"""Of the files one visitor has given; what they gave first goes when more comes."""


class Folders:
    """The folders of all visitors, who are told apart by a secret of their own: `owner`."""

    def __init__(self, root: Path | None = None) -> None:
        """root: a private folder; without one, a temporary one that goes with this object."""
        self._own = None if root else tempfile.TemporaryDirectory(prefix="mckd-studio-")
        self.root = Path(root or self._own.name).resolve()  # type: ignore[union-attr]
        self._names: dict[str, str] = {}  # of an owner's folders: not the secret itself
        self._touched: dict[str, float] = {}
        self._taken: dict[str, dict[str, Path]] = {}  # per owner: upload -> where it lies now
        self._lock = threading.Lock()

    @property
    def given(self) -> Path:
        """Where uploads lie once they are opened. Never to be served."""
        return self.root / "given"

    def send(self, owner: str, name: str, data: bytes) -> Path:
        """A file for the owner's browser; the same name and bytes are the same file."""
        content = hashlib.blake2b(data, digest_size=16).hexdigest()
        with self._lock:
            path = self.root / "sent" / self._name(owner) / content / name
            if path.is_file():
                os.utime(path)  # Gradio deletes what has become old
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return path

    def take(self, owner: str, upload: Path) -> Path:
        """Move an upload into the owner's folder; where it lies, also if it was taken before.

        Raises:
            FileNotFoundError: it is neither where it was sent nor in this owner's folder.
        """
        with self._lock:
            taken = self._taken.setdefault(owner, {})
            if upload.is_file():
                path = self.given / self._name(owner) / secrets.token_hex(8) / upload.name
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(upload, path)
                _remove_empty(upload.parent)
                taken[str(upload)] = path
                self._make_room(taken)
            path = taken.get(str(upload), upload)
            if not path.is_file():
                raise FileNotFoundError
            return path

    def forget(self, owner: str) -> None:
        """Delete everything of this owner."""
        with self._lock:
            self._taken.pop(owner, None)
            self._touched.pop(owner, None)
            name = self._names.pop(owner, None)
        if name:
            for part in ("sent", "given"):
                shutil.rmtree(self.root / part / name, ignore_errors=True)

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

    @staticmethod
    def _make_room(taken: dict[str, Path]) -> None:
        """Keep the files that came last; never delete the very last."""
        total = 0
        for number, path in enumerate(reversed(taken.values())):
            size = path.stat().st_size if path.is_file() else 0
            total += size
            if number and total > LARGEST_BYTES:
                path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # something else lies there too
        return
