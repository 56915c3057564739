"""Cases: up to four MRI sequences of one head on one grid, and the way back to that grid.

    case = read_case(folder)                          # or {"flair": path, "t1c": path, ...}
    inputs = case.prepared()                          # {sequence: (x, y, z) float32}, cropped
    mask = case.to_input_grid(found)                  # (..., x, y, z) to (..., X, Y, Z)

Inside a case every volume has the canonical orientation (see `geometry`), so files of the same
head in any of the 48 axis orders give the same arrays to the bit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt

from mckd.tumour.background import without_background
from mckd.tumour.doubts import judge
from mckd.tumour.geometry import Bools, Box, Doubles, Grid, T, bounding_box
from mckd.tumour.naming import (
    IMAGE_FOLDERS,
    LABEL_FOLDERS,
    SEG,
    SEQUENCES,
    STACK,
    CaseError,
    match_sequences,
    plain_name,
    slot_of,
    stem_of,
    unrecognised,
)
from mckd.tumour.nifti import Floats, Header, Image, read_header, read_image

Bytes = npt.NDArray[np.uint8]

CORE, OEDEMA, ENHANCING = 1, 2, (3, 4)
MSD_ORDER = ("flair", "t1", "t1c", "t2")
# MSD Task01 calls oedema 1 and the core without enhancement 2; BraTS calls them 2 and 1.
MSD_LABELS = np.array([0, OEDEMA, CORE, 3, 4], np.uint8)
LABEL_TOLERANCE = 1e-3
MOST_LABELS_NAMED = 8
MARGIN = 4
AIR_FOUND = "is not exactly 0; it was found, and values are told from there."


@dataclass(frozen=True, eq=False)
class Case:
    """One head. Every array is in canonical orientation, (X, Y, Z), not cropped.

    name: for people; the folder's or what the file names share.
    grid: of the input files; `grid.canonical` is the one of the arrays here.
    volumes: {sequence: float32 intensities as in the file, less that of the air}, in the order of
        SEQUENCES; at least one. 0 where there is air, see `background`, or no number.
    brain: the box around every voxel that is not 0 in some sequence, MARGIN voxels wider. It
        belongs to the files given, not to the switches of a visitor: one box for every subset.
    labels: reference, uint8: 0 none, 1 core without enhancement, 2 oedema, 3 or 4 enhancing; the
        numbers of the file (MSD's turned into these). None without a reference.
    synthetic: whether an image was made by this project and shows no patient.
    sides_known: False if no file says what is left and right; then neither does any result.
    warnings: sentences for the user.
    unlike_training: whether some of them say that the networks were not made for such images.
    """

    name: str
    grid: Grid
    volumes: Mapping[str, Floats]
    brain: Box
    labels: Bytes | None
    synthetic: bool
    sides_known: bool
    warnings: tuple[str, ...]
    unlike_training: bool = False

    @property
    def present(self) -> frozenset[str]:
        """The sequences that there are."""
        return frozenset(self.volumes)

    @property
    def affine(self) -> Doubles:
        """(4, 4): of the input grid, voxel index to RAS+ mm."""
        return self.grid.affine

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of the canonical axes: right, front, up."""
        return self.grid.canonical.spacing_mm

    @property
    def voxel_ml(self) -> float:
        return self.grid.voxel_ml

    def prepared(self) -> dict[str, Floats]:
        """What a network sees: each sequence cropped to the brain and standardised.

        {sequence: (x, y, z) float32}; x, y, z as `brain.shape`. The same bits at every call.
        """
        return {s: standardise(self.brain.crop(v)) for s, v in self.volumes.items()}

    def to_input_grid(self, volume: npt.NDArray[T]) -> npt.NDArray[T]:
        """A result (..., x, y, z) of the cropped brain as (..., X, Y, Z) on the input grid.

        Zero outside the crop. A result that is not cropped is only turned back.

        Raises:
            ValueError: neither the shape of the crop nor that of the whole.
        """
        whole = self.grid.canonical.shape
        if volume.shape[-3:] == self.brain.shape:
            volume = self.brain.uncrop(volume, whole)
        elif volume.shape[-3:] != whole:
            raise ValueError(
                f"The last three axes of a result of {self.name} are {self.brain.shape} when "
                f"cropped, {whole} when not; this one is {volume.shape}."
            )
        return self.grid.from_canonical(volume)


def read_case(
    source: Path | str | Mapping[str, Path | str],
    name: str | None = None,
    reference: bool = True,
    shown: Mapping[str, str] | None = None,
) -> Case:
    """Read a case.

    Args:
        source: a folder of one case; or one file, 4-D in the MSD order or a single sequence with
            its name; or {slot: path} with the slots of SEQUENCES, `seg` and `stack` (4-D).
        name: of the case, else the folder's.
        reference: whether to read the labels if there are some.
        shown: {slot: what people call the file}, where files lie under other names.

    Raises:
        CaseError: nothing to read, files that are damaged, or that do not share one grid.
    """
    files, warnings = _files(source)
    if not reference:
        files.pop(SEG, None)
    shown = {slot: path.name for slot, path in files.items()} | dict(shown or {})
    name = plain_name(name or _name(source, [shown[slot] for slot in files]))
    headers = {slot: read_header(path, shown[slot]) for slot, path in files.items()}
    for slot, header in headers.items():
        _require_volumes(header, _held(slot))
    _require_one_grid(list(headers.values()))  # before any voxel is unpacked
    grid = next(iter(headers.values())).grid
    volumes: dict[str, Floats] = {}
    labels = None
    lifted: list[str] = []
    for slot, header in headers.items():
        image = read_image(header, may_be_blank=slot == SEG)
        warnings += image.warnings
        if slot == SEG:
            labels = grid.to_canonical(_checked_labels(image, msd=STACK in files))
        else:
            given = _volumes(image, _held(slot), grid)
            volumes |= {sequence: without_background(v) for sequence, v in given.items()}
            lifted += [sequence for sequence, v in given.items() if volumes[sequence] is not v]
    if lifted:
        warnings.append(f"The air in {', '.join(lifted)} {AIR_FOUND}")
    brain = _brain(volumes)
    images = [header for slot, header in headers.items() if slot != SEG]
    case = Case(
        name=name,
        grid=grid,
        volumes=volumes,
        brain=bounding_box(brain, MARGIN),
        labels=labels,
        synthetic=any(header.synthetic for header in images),
        sides_known=all(header.sides_known for header in images),
        warnings=tuple(warnings),
    )
    judged = judge(case, brain)
    return replace(
        case,
        warnings=(*case.warnings, *judged.sentences),
        unlike_training=bool(judged.unlike_training),
    )


def find_cases(folder: Path | str) -> list[Path]:
    """Every case at or below a folder, sorted: what `read_case` takes.

    A case is a folder that holds NIfTI files, or one file in the `imagesTr` or `imagesTs` of an
    MSD folder. Whether it can be read, `read_case` says.
    """
    found: set[Path] = set()
    root = Path(folder)
    for path in root.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if hidden or stem_of(path.name) is None or not path.is_file():
            continue
        if path.parent.name in IMAGE_FOLDERS:
            found.add(path)
        elif path.parent.name not in LABEL_FOLDERS:
            found.add(path.parent)
    return sorted(found)


def regions(labels: Bytes) -> Bools:
    """(..., X, Y, Z) labels to (3, ..., X, Y, Z): ET, TC, WT, each within the next.

    ET is enhancing (3 or 4), TC all but oedema, WT all.
    """
    enhancing = (labels == ENHANCING[0]) | (labels == ENHANCING[1])
    return np.stack([enhancing, enhancing | (labels == CORE), labels != 0])


def standardise(volume: Floats) -> Floats:
    """Mean 0 and deviation 1 over the voxels that are not 0; those that are 0 stay 0.

    (X, Y, Z) float32. Sums in float64 and in the order of the axes, so the same volume gives the
    same bits. A volume with fewer than two values is only centred.
    """
    inside = volume != 0
    values = volume[inside].astype(np.float64)
    out = np.zeros(volume.shape, np.float32)
    if len(values):
        centred = values - values.mean()
        deviation = np.sqrt(np.mean(centred * centred))
        out[inside] = centred / (deviation or 1.0)
    return out


def _files(source: Path | str | Mapping[str, Path | str]) -> tuple[dict[str, Path], list[str]]:
    """{slot: path} with at least one image, and warnings about files left out."""
    warnings: list[str] = []
    if isinstance(source, Mapping):
        files = {slot: Path(path) for slot, path in source.items()}
        unknown = sorted(set(files) - {*SEQUENCES, SEG, STACK})
        if unknown:
            raise CaseError(
                f"{plain_name(unknown[0])!r} is no sequence. Known are {', '.join(SEQUENCES)}, "
                f"{SEG} for reference labels and {STACK} for a 4-D file."
            )
    elif Path(source).is_dir():
        files, warnings = _files_of_folder(Path(source))
    else:
        files = _files_of_one(Path(source))
    if STACK in files and any(sequence in files for sequence in SEQUENCES):
        raise CaseError("Give either one 4-D file or single sequences, not both.")
    if not set(files) - {SEG}:
        raise CaseError("The case has no image. Give at least one of FLAIR, T1, T1c and T2.")
    ordered = {slot: files[slot] for slot in (*SEQUENCES, STACK, SEG) if slot in files}
    return ordered, warnings


def _files_of_folder(folder: Path) -> tuple[dict[str, Path], list[str]]:
    names = [p.name for p in sorted(folder.iterdir()) if p.is_file() and p.name[0] != "."]
    if not any(stem_of(n) for n in names) and (folder / "anat").is_dir():
        return _files_of_folder(folder / "anat")  # a subject's folder in BIDS
    match = match_sequences(names)
    unknown = unrecognised(names)
    if not set(match) - {SEG}:
        seen = f" There is {', '.join(map(plain_name, unknown[:4]))}." if unknown else ""
        raise CaseError(
            f"{plain_name(folder.name)} has no NIfTI file with a sequence in its name.{seen} Name "
            "the files like case_flair, case_t1, case_t1ce, case_t2, ending in .nii.gz."
        )
    warnings = [
        f"{plain_name(n)}: its name fits no sequence or more than one; it is left out."
        for n in unknown
    ]
    return {slot: folder / n for slot, n in match.items()}, warnings


def _files_of_one(path: Path) -> dict[str, Path]:
    slot = slot_of(path.name)
    if path.parent.name not in IMAGE_FOLDERS:
        return {slot if slot in SEQUENCES else STACK: path}
    labels = path.parent.with_name(path.parent.name.replace("images", "labels")) / path.name
    return {STACK: path, **({SEG: labels} if labels.is_file() else {})}


def _name(source: Path | str | Mapping[str, Path | str], names: list[str]) -> str:
    if isinstance(source, Mapping):
        return _shared_words([stem_of(name) or PurePath(name).stem for name in names])
    path = Path(source)
    if path.is_dir():
        folder = path.resolve()
        if folder.name == "anat":  # of BIDS: sub-X/anat or sub-X/ses-Y/anat
            folder = folder.parent
        if folder.name.startswith("ses-"):
            return f"{folder.parent.name}_{folder.name}"
        return folder.name
    return stem_of(path.name) or path.stem


def _shared_words(stems: list[str]) -> str:
    """The whole words that names begin with alike: of `X-000-t1c` and `X-000-t2w` it is `X-000`."""
    alike = [len(set(letters)) == 1 for letters in zip(*stems, strict=False)]
    shared = stems[0][: [*alike, False].index(False)]
    if any(stem[len(shared) :][:1].isalnum() for stem in stems):
        shared = re.sub(r"[^\W_]+$", "", shared)
    return shared.strip("_-. ") or "case"


def _held(slot: str) -> tuple[str, ...]:
    """What the volumes of a file are, in their order."""
    return MSD_ORDER if slot == STACK else (slot,)


def _require_volumes(header: Header, wanted: tuple[str, ...]) -> None:
    """As many volumes in the file as it is to hold: one, or the four of an MSD file."""
    if header.volumes == len(wanted):
        return
    if len(wanted) == 1:
        raise CaseError(
            f"{header.name} holds {header.volumes} volumes, one is wanted. Split it into 3-D "
            "files, one per sequence."
        )
    what = f"{header.volumes} volumes" if header.volumes > 1 else "one volume"
    raise CaseError(
        f"{header.name} holds {what}, not the four of MSD Task01 (FLAIR, T1w, T1gd, T2w). Give one "
        "3-D file per sequence, named after it."
    )


def _volumes(image: Image, sequences: tuple[str, ...], grid: Grid) -> dict[str, Floats]:
    """{sequence: (X, Y, Z), canonical} of a file that holds these, none of them a mask."""
    volumes = {}
    for place, sequence in enumerate(sequences):
        voxels = image.voxels if image.voxels.ndim == 3 else image.voxels[..., place]
        _require_no_mask(voxels, image.name)
        volumes[sequence] = grid.to_canonical(voxels)
    return volumes


def _require_one_grid(images: list[Header]) -> None:
    """All share one grid, or the odd one is named: it agrees with the fewest."""
    agree = [sum(a.grid.same_as(b.grid) for b in images) for a in images]
    if max(agree) == len(images):
        return
    odd = images[agree.index(min(agree))]
    usual = images[agree.index(max(agree))]
    if odd.grid.same_as(usual.grid):  # two camps: any of the other one will do
        odd = next(image for image in images if not image.grid.same_as(usual.grid))
    raise CaseError(
        f"{odd.name} does not lie on the same grid as {usual.name}: "
        f"{_difference(odd.grid, usual.grid)}. Register and resample all files to one grid first."
    )


def _difference(odd: Grid, usual: Grid) -> str:
    if odd.shape != usual.shape:
        a, b = (" x ".join(map(str, grid.shape)) for grid in (odd, usual))
        return f"it has {a} voxels, not {b}"
    if odd.axes != usual.axes:
        return f"its axes point to {odd.axes}, not {usual.axes}"
    if not np.allclose(odd.spacing_mm, usual.spacing_mm, rtol=1e-3):
        a, b = (" x ".join(f"{s:.4g}" for s in grid.spacing_mm) for grid in (odd, usual))
        return f"its voxels measure {a} mm, not {b} mm"
    return f"its affine puts voxels up to {odd.apart_mm(usual):.2g} mm elsewhere"


def _require_no_mask(volume: Floats, name: str) -> None:
    """Refuse a volume of 0 and one other value; that it has two values is known."""
    values = [float(volume.min()), float(volume.max())]
    if 0 in values and all(np.isin(plane, values).all() for plane in volume.T):
        raise CaseError(
            f"{name} holds only 0 and {sum(values):g}, like a mask. Give the image itself, or "
            "leave the sequence out."
        )


def _checked_labels(image: Image, msd: bool) -> Bytes:
    """Whole labels of one convention, in the file's axis order; plane by plane, to save memory."""
    labels = np.empty(image.voxels.shape, np.uint8)
    present: set[int] = set()
    for plane, out in zip(image.voxels.T, labels.T, strict=True):
        rounded = np.rint(plane)
        if float(np.abs(plane - rounded).max()) > LABEL_TOLERANCE:
            raise CaseError(
                f"{image.name} holds values between whole numbers, so it is no label file "
                "(perhaps probabilities, or labels after interpolation). Give the labels as drawn."
            )
        present |= {int(label) for label in np.unique(rounded[rounded != 0])}
        if len(present) > MOST_LABELS_NAMED:
            break
        out[:] = np.clip(rounded, 0, 255)
    if not (present <= {1, 2, 3} or present <= {1, 2, 4}):
        seen = [f"{label:.6g}" for label in sorted(present)[:MOST_LABELS_NAMED]]
        more = ["..."] if len(present) > MOST_LABELS_NAMED else []
        raise CaseError(
            f"{image.name} has the labels {', '.join(seen + more)}; wanted are 1, 2 and 4 (BraTS "
            "to 2021) or 1, 2 and 3 (from 2023). Renumber them."
        )
    return np.asarray(MSD_LABELS[labels] if msd else labels)


def _brain(volumes: Mapping[str, Floats]) -> Bools:
    """Where any sequence is not 0."""
    mask = np.zeros(next(iter(volumes.values())).shape, bool)
    for volume in volumes.values():
        mask |= volume != 0
    return mask
