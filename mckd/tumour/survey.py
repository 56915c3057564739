"""What lies below a folder: the cases, and every other image-like file with why it is left out.

Links are followed; a folder that is reached twice is taken once. Of what is no NIfTI by its name
the first bytes are read, for DICOM has any name; beside that only the dataset.json of MSD and
nnU-Net is opened.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mckd.tumour.layout import Layout, Rules, layout_of
from mckd.tumour.naming import ASK, IMAGE_FOLDERS, NONE, judge, stem_of

DATA_SET = "dataset.json"
LARGEST_JSON = 4_000_000
NO_TARGET = "the link points to nothing"

_CONVERT = {
    (".hdr", ".img", ".hdr.gz", ".img.gz"): "half of an Analyze or NIfTI pair: convert it to "
    "one .nii.gz, for example with nibabel or fslchfiletype",
    (".mgz", ".mgh"): "FreeSurfer: convert it with mri_convert X.mgz X.nii.gz",
    (".nrrd", ".nhdr", ".mha", ".mhd", ".mnc", ".par", ".rec"): "another format: convert it to "
    ".nii.gz, for example with 3D Slicer or SimpleITK",
    (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar"): "an archive: unpack it first",
    (".dcm", ".ima", ".dicom"): "named as DICOM is, but it does not begin so: export it again",
}
_CONVERT_DICOM = "DICOM: convert it with dcm2niix -z y"


@dataclass(frozen=True)
class Survey:
    """root: what was looked through. layout: cases, and {relative path: why} of all else. dicom:
    {folder: its DICOM files}, relative paths; of a folder's the layout has one line, `FOLDER/*`.
    """

    root: Path
    layout: Layout
    dicom: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def survey(root: Path, rules: Rules | None = None, skip: Path | None = None) -> Survey:
    """Look through a folder, but for `skip`."""
    images: list[str] = []
    left: dict[str, str] = {}
    dicom: dict[str, list[str]] = defaultdict(list)
    for path, why in _walk(root, skip):
        relative = path.relative_to(root).as_posix()
        if why:
            left[relative] = why
        elif stem_of(path.name) is not None:
            images.append(relative)
        elif is_dicom(path):
            dicom[path.parent.relative_to(root).as_posix()].append(relative)
        elif why := other_form(path.name):
            left[relative] = why
    for folder, held in dicom.items():
        files = "1 file" if len(held) == 1 else f"{len(held)} files"
        left[f"{folder}/*"] = f"{_CONVERT_DICOM} ({files})"
    layout = layout_of(images, rules, _channels(root, images), root.resolve().name)
    scans = {folder: tuple(held) for folder, held in dicom.items()}
    return Survey(root, Layout(layout.cases, {**layout.left, **left}), scans)


def _walk(root: Path, skip: Path | None) -> Iterator[tuple[Path, str]]:
    """(file, "") for every file, and (path, why) for what cannot be followed; folders in order.

    Folders that are links come last, so that the folder itself is taken where both lie here.
    """
    seen: set[tuple[int, int]] = set()
    away = skip.resolve() if skip else None
    folders: list[Path] = [root]
    links: list[Path] = []
    while folders or links:
        linked = not folders
        folder = (links if linked else folders).pop(0)
        try:
            place = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield folder, f"cannot be opened ({error.strerror})"
            continue
        if folder.resolve() == away:
            continue
        if (place.st_dev, place.st_ino) in seen:
            yield folder, "a link to a folder that is taken already"
            continue
        seen.add((place.st_dev, place.st_ino))
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                if stem_of(entry.name) is not None:
                    yield path, "a hidden file"
            elif entry.is_symlink() and not path.exists():
                if stem_of(entry.name) is not None or not path.suffix:
                    yield path, NO_TARGET
            elif entry.is_dir():
                (links if entry.is_symlink() else folders).append(path)
            elif entry.is_file():
                yield path, ""


def other_form(name: str) -> str:
    """Why a file that is neither NIfTI nor begins as DICOM does is not read; "" of what by its name
    is no image."""
    return next((why for ends, why in _CONVERT.items() if name.lower().endswith(ends)), "")


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do, whatever it is called, and is no index of others."""
    try:
        with path.open("rb") as file:
            return path.name != "DICOMDIR" and begins_dicom(file.read(132))
    except OSError:
        return False


def begins_dicom(start: bytes) -> bool:
    """Whether the first 132 bytes are those of a DICOM file: after a preamble or, as before there
    was one, an element of group 2 or 8 with a type of two capitals or a length below 2^16."""
    bare = start[:2] in (b"\2\0", b"\x08\0") and start[3:4] == b"\0" and len(start) >= 132
    typed = start[4:6].isalpha() and start[4:6].isupper()
    return start[128:132] == b"DICM" or (bare and (typed or start[6:8] == b"\0\0"))


def _channels(root: Path, images: list[str]) -> dict[str, tuple[str, ...]]:
    """{folder: what its numbered files or volumes hold}, where a dataset.json says so."""
    found = {}
    for folder in sorted({path.rpartition("/")[0] for path in images}):
        here = root / folder
        about = here.parent if here.name in IMAGE_FOLDERS else here
        order = _order_in(about / DATA_SET)
        if order:
            found[folder] = order
    return found


def _order_in(path: Path) -> tuple[str, ...]:
    """The slots that a dataset.json names for its channels; () if it names another image."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            return ()
        about = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ()
    names = about.get("channel_names") or about.get("modality") if isinstance(about, dict) else None
    if not isinstance(names, Mapping):
        return ()
    listed = [judge(f"{names.get(str(place))}.nii") for place in range(len(names))]
    return () if ASK in listed or NONE in listed else tuple(listed)
