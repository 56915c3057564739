"""Fetch Audiovision-MNIST from its public homes: `python -m train data avmnist --out DIR`.

Each file has a known SHA-256; a file that is already there and right is not fetched again, and an
interrupted one goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mckd.digits.data import DataError
from mckd.files.atomic import write_atomically
from train.loop import clock

MNIST_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FSDD_HOME = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/"
FSDD_RELEASE = "v1.0.10.tar.gz"

_BLOCK = 1 << 16
_PATIENCE_S = 30
_TRIES = 3
_RECORDING = re.compile(r"[^/]+/recordings/(\d_[a-z]+_\d+\.wav)")


@dataclass(frozen=True)
class Source:
    """A file to fetch. sha256 is None where its home gives no lasting one (archives made anew)."""

    url: str
    sha256: str | None

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


MNIST = (
    Source(
        MNIST_HOME + "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    Source(
        MNIST_HOME + "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    Source(
        MNIST_HOME + "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    Source(
        MNIST_HOME + "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
FSDD = Source(FSDD_HOME + FSDD_RELEASE, None)

# SHA-256 over (name, NUL, SHA-256 of the file) of a speaker's 500 recordings, sorted by name. The
# project's figures were measured on recordings with these sums.
SPEAKERS = {
    "george": "b2a62f61303cffa05862210ea4493a02148b48bbbd37d3fe0faeddd233661a63",
    "jackson": "b3b8c4803eff63ccd4aa7121483871d468642c96af81d8a20d68327c308a4391",
    "nicolas": "8dbcc9733288fb288227a9ea7ed7eb386b246db4c6793db644029d34b6a5bcb8",
    "theo": "59ffef0a9585bfd1b30cf51167016b4625386ea06c73a7166aedf5398f683312",
}


def fetch_avmnist(
    out: Path,
    pictures: tuple[Source, ...] = MNIST,
    recordings: Source = FSDD,
    say: Callable[[str], None] = print,
) -> None:
    """Fetch MNIST and the recordings of four speakers into `out`.

    Raises:
        DataError: no connection, or a file that stays wrong.
    """
    out.mkdir(parents=True, exist_ok=True)
    for source in pictures:
        fetch(source, out / source.name, say)
    if all(speaker_digest(out, name) == digest for name, digest in SPEAKERS.items()):
        say("recordings: already there")
    else:
        archive = out / recordings.name
        fetch(recordings, archive, say)
        unpack_recordings(archive, out)
        archive.unlink()
        for name, digest in SPEAKERS.items():
            if speaker_digest(out, name) != digest:
                say(
                    f"Warning: the recordings of {name} differ from those that this project's "
                    "figures were measured on."
                )
    say(
        "Done. MNIST: Yann LeCun and Corinna Cortes, CC BY-SA 3.0. Free Spoken Digit Dataset: "
        "Zohar Jackson et al., CC BY-SA 4.0."
    )


def fetch(source: Source, path: Path, say: Callable[[str], None]) -> None:
    """Fetch one file; resumes `path`.part where the server allows it."""
    if path.is_file() and source.sha256 in (None, sha256(path)):
        say(f"{source.name}: already there")
        return
    part = path.with_name(path.name + ".part")
    for attempt in range(1, _TRIES + 1):
        try:
            _download(source, part, say)
        except (urllib.error.URLError, OSError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            if attempt == _TRIES:
                raise DataError(
                    f"{source.name} could not be fetched ({reason}). Check the connection and run "
                    "the command again: it goes on where it stopped."
                ) from error
            say(f"{source.name}: {reason}; trying again")
            time.sleep(attempt)
            continue
        if source.sha256 in (None, sha256(part)):
            part.replace(path)
            return
        part.unlink()
        say(f"{source.name}: the checksum is wrong; fetching it anew")
    raise DataError(f"{source.name} arrives with a wrong checksum. Try again later.")


def unpack_recordings(archive: Path, out: Path) -> None:
    """The known speakers' WAV files of the archive, by name only: no path of it is trusted."""
    folder = out / "recordings"
    folder.mkdir(exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                match = _RECORDING.fullmatch(member.name)
                if not match or not member.isfile() or match[1].split("_")[1] not in SPEAKERS:
                    continue
                content = tar.extractfile(member)
                if content is not None:
                    write_atomically(folder / match[1], content.read())
    except (tarfile.TarError, EOFError, OSError) as error:
        archive.unlink(missing_ok=True)
        raise DataError(f"{archive.name} arrived damaged. Run the command again.") from error


def speaker_digest(out: Path, speaker: str) -> str:
    """See SPEAKERS."""
    digest = hashlib.sha256()
    for path in sorted((out / "recordings").glob(f"*_{speaker}_*.wav")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
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
