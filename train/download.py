"""Fetch a file from its public home: checked, and resumed where it broke off.

A file that is already there and right is not fetched again, and an interrupted one goes on where
it stopped.
"""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mckd.progress import clock

_BLOCK = 1 << 16
_PATIENCE_S = 30
_TRIES = 3


class DownloadError(RuntimeError):
    """A file that does not arrive; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A file to fetch. sha256 is None where its home gives no lasting one (archives made anew).

    md5 is for homes that publish nothing better: it finds damage, not malice.
    """

    url: str
    sha256: str | None
    md5: str | None = None

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]

    def is_right(self, path: Path) -> bool:
        """Whether a file has the checksums that are known."""
        return (self.sha256 is None or self.sha256 == checksum(path, "sha256")) and (
            self.md5 is None or self.md5 == checksum(path, "md5")
        )


def fetch(source: Source, path: Path, say: Callable[[str], None]) -> None:
    """Fetch one file; resumes `path`.part where the server allows it.

    Raises:
        DownloadError: no connection, or a file that stays wrong.
    """
    if path.is_file() and source.is_right(path):
        say(f"{source.name}: already there")
        return
    part = path.with_name(path.name + ".part")
    for attempt in range(1, _TRIES + 1):
        try:
            _download(source, part, say)
        except (urllib.error.URLError, OSError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            if attempt == _TRIES:
                raise DownloadError(
                    f"{source.name} could not be fetched ({reason}). Check the connection and run "
                    "the command again: it goes on where it stopped."
                ) from error
            say(f"{source.name}: {reason}; trying again")
            time.sleep(attempt)
            continue
        if source.is_right(part):
            part.replace(path)
            return
        part.unlink()
        say(f"{source.name}: the checksum is wrong; fetching it anew")
    raise DownloadError(f"{source.name} arrives with a wrong checksum. Try again later.")


def checksum(path: Path, kind: str) -> str:
    """Of a file, in hexadecimal; kind as in hashlib."""
    with path.open("rb") as file:
        digest = hashlib.new(kind)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(source: Source, part: Path, say: Callable[[str], None]) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(source.url, headers={"Range": f"bytes={have}-"})
    try:
        response = urllib.request.urlopen(request, timeout=_PATIENCE_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch: the part is whole
            return
        raise
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        done, started, told = have, time.monotonic(), 0.0
        while block := response.read(_BLOCK):
            file.write(block)
            done += len(block)
            if time.monotonic() - told > 1:
                told = time.monotonic()
                say(_progress(source.name, done, total, (done - have) / (told - started + 1e-6)))
        if total and done < total:
            raise ConnectionError("the connection broke off")
    say(_progress(source.name, done, total, 0))


def _progress(name: str, done: int, total: int, speed: float) -> str:
    if not total:
        return f"{name}: {done / 1e6:.1f} MB"
    left = f", {clock((total - done) / speed)} left" if speed else ""
    return f"{name}: {done / 1e6:.1f} of {total / 1e6:.1f} MB{left}"
