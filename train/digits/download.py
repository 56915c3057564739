"""Fetch Audiovision-MNIST from its public homes: `python -m train data avmnist --out DIR`."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

from mckd.digits.data import DataError
from mckd.files.atomic import write_atomically
from train.download import Source, fetch

MNIST_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FSDD_HOME = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/"
FSDD_RELEASE = "v1.0.10.tar.gz"

_RECORDING = re.compile(r"[^/]+/recordings/(\d_[a-z]+_\d+\.wav)")


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
        DownloadError: no connection, or a file that stays wrong.
        DataError: a damaged archive.
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
