"""Fetch MSD Task01_BrainTumour from its public home: `python -m train data msd --out DIR`.

484 labelled cases in the layout that `mckd.tumour.read_case` knows: 4-D images (FLAIR, T1w, T1gd,
T2w) in imagesTr, labels in labelsTr. The 266 unlabelled test cases stay in the archive.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from mckd.files.atomic import write_atomically
from train.download import DownloadError, Source, fetch

TASK = "Task01_BrainTumour"
CASES = 484
# The MD5 is the one that MONAI publishes for this archive; there is no SHA-256 of it.
MSD = Source(
    f"https://msd-for-monai.s3-us-west-2.amazonaws.com/{TASK}.tar",
    sha256=None,
    md5="240a19d752f0d9e9101544901065d872",
)
NEEDED_BYTES = 13 * 10**9  # 7.6 GB of archive and what it holds

_MEMBER = re.compile(
    rf"(?:\./)?{TASK}/((?:imagesTr|labelsTr)/BRATS_\d{{3}}\.nii\.gz|dataset\.json)"
)


def fetch_msd(
    out: Path,
    source: Source = MSD,
    cases: int = CASES,
    needed_bytes: int = NEEDED_BYTES,
    say: Callable[[str], None] = print,
) -> None:
    """Fetch the archive and unpack its training cases into `out`/Task01_BrainTumour.

    Raises:
        DownloadError: no connection, a file that stays wrong, too little space, or an archive
            that does not hold what it should.
    """
    folder = out / TASK
    if _complete(folder, cases):
        say(f"{TASK}: already there")
        return
    out.mkdir(parents=True, exist_ok=True)
    archive = out / source.name
    _require_space(out, archive, needed_bytes)
    fetch(source, archive, say)
    unpack_cases(archive, folder, say)
    archive.unlink()
    if not _complete(folder, cases):
        raise DownloadError(f"{source.name} does not hold {cases} cases. Run the command again.")
    say(
        f"Done: {cases} cases. Medical Segmentation Decathlon (Antonelli et al. 2022), Task01, "
        "from BraTS 2016 and 2017; CC BY-SA 4.0."
    )


def unpack_cases(archive: Path, folder: Path, say: Callable[[str], None]) -> None:
    """The training cases of the archive, by name only: no path of it is trusted.

    Raises:
        DownloadError: a damaged archive; it is deleted.
    """
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                match = _MEMBER.fullmatch(member.name)
                content = tar.extractfile(member) if match and member.isfile() else None
                if match is None or content is None:
                    continue
                write_atomically(folder / match[1], content.read())
                count += 1
                if count % 100 == 0:
                    say(f"{count} files unpacked")
    except (tarfile.TarError, EOFError) as error:
        archive.unlink(missing_ok=True)
        raise DownloadError(f"{archive.name} arrived damaged. Run the command again.") from error


def _complete(folder: Path, cases: int) -> bool:
    images, labels = (
        {path.name for path in (folder / part).glob("BRATS_*.nii.gz")}
        for part in ("imagesTr", "labelsTr")
    )
    return len(images) == cases and images == labels


def _require_space(out: Path, archive: Path, needed_bytes: int) -> None:
    part = archive.with_name(archive.name + ".part")
    have = sum(path.stat().st_size for path in (archive, part) if path.is_file())
    free = shutil.disk_usage(out).free
    if free + have < needed_bytes:
        raise DownloadError(
            f"The disk has {free / 1e9:.1f} GB free, {(needed_bytes - have) / 1e9:.1f} GB are "
            "needed. Make space or choose another folder with --out."
        )
