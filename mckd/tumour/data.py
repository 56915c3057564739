"""Cases: up to four MRI sequences of one head on one grid, and the way back to that grid.

    case = read_case(folder)                          # or {"flair": path, "t1c": path, ...}
    inputs = case.prepared()                          # {sequence: (x, y, z) float32}, cropped
    mask = case.to_input_grid(found)                  # (..., x, y, z) to (..., X, Y, Z)

Inside a case every volume has the canonical orientation (see `geometry`), so files of the same
head in any of the 48 axis orders give the same arrays to the bit.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
import numpy.typing as npt

from mckd.files.names import plain_name
from mckd.tumour.background import without_background
from mckd.tumour.doubts import judge
from mckd.tumour.geometry import Bools, Box, Doubles, Grid, T, bounding_box
from mckd.tumour.layout import MSD_ORDER, Group
from mckd.tumour.metrics import dice
from mckd.tumour.naming import (
    IMAGE_FOLDERS,
    SEG,
    SEQUENCE_NAMES,
    SEQUENCES,
    STACK,
    CaseError,
    listed,
    slot_of,
    stem_of,
)
from mckd.tumour.nifti import Floats, Header, Image, read_header, read_image
from mckd.tumour.placing import (
    LEAST_OVERLAP,
    coarsened,
    difference,
    head_onto,
    near_place,
    not_alike,
    onto,
    require_alike,
    same_place,
    usual_grid,
)
from mckd.tumour.references import CORE, ENHANCING, Reference, understand, whole_numbers
from mckd.tumour.scope import out_of_scope
from mckd.tumour.survey import survey

Bytes = npt.NDArray[np.uint8]

MARGIN = 4
MOST_BESIDE = 0.05
"""Of a reference, where all images have air: some, for skulls are not taken off alike."""
MOST_OF_HEAD = 0.5
READERS = 2
"""Files that are unpacked at a time: decompression leaves Python's lock to others."""
AIR_FOUND = "is not exactly 0; it was found, and values are told from there."
FINE = "Voxels of {} mm are finer than those the model knows; it sees them at about 1 mm."


@dataclass(frozen=True, eq=False)
class Case:
    """One head. Every array is in canonical orientation, (X, Y, Z), not cropped.

    name: for people; the folder's or what the file names share.
    grid: `grid.canonical` is the one of the arrays here. That of the input files, unless their
        voxels are finer than the networks know.
    input_grid: of the input files: of the first one, where they differ.
    volumes: {sequence: float32 intensities as in the file, less that of the air}, in the order of
        SEQUENCES; at least one. 0 where there is air, see `background`, or no number.
    brain: the box around every voxel that is not 0 in some sequence, MARGIN voxels wider. It
        belongs to the files given, not to the switches of a visitor: one box for every subset.
    labels: reference, uint8: 0 none, 1 core without enhancement, 2 oedema, 3 or 4 enhancing; the
        numbers of the file, or what `references` makes of them. None without a reference.
    reference_regions: those that the reference can tell, so that may be scored.
    reference_notes: the warnings that tell how it was understood, or why it was left out.
    synthetic: whether an image was made by this project and shows no patient.
    sides_known: False if no file says what is left and right; then neither does any result.
    warnings: sentences for the user.
    given_mm: {sequence: distance of the voxels of its image as it was given, along the canonical
        axes}; that of `grid` differs where it was resampled.
    called: names of files that the sentences may say; they may be a person's.
    unlike_training: whether some of them say that the networks were not made for such images.
    misleading: {sequence: the one that says why it may mislead}, see `misleading`.
    """

    name: str
    grid: Grid
    input_grid: Grid
    volumes: Mapping[str, Floats]
    brain: Box
    labels: Bytes | None
    reference_regions: frozenset[str]
    reference_notes: tuple[str, ...]
    synthetic: bool
    sides_known: bool
    warnings: tuple[str, ...]
    given_mm: Mapping[str, tuple[float, float, float]]
    called: frozenset[str] = frozenset()
    unlike_training: bool = False
    misleading: Mapping[str, str] = field(default_factory=dict)

    @property
    def present(self) -> frozenset[str]:
        """The sequences that there are."""
        return frozenset(self.volumes)

    @property
    def affine(self) -> Doubles:
        """(4, 4): of the input grid, voxel index to RAS+ mm."""
        return self.input_grid.affine

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

        Zero outside the crop. A result that is not cropped is only turned back, and where the
        input grid is finer, repeated: each voxel has the value of the nearest.

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
        if self.grid is self.input_grid:
            return self.grid.from_canonical(volume)
        target = self.input_grid.canonical
        parts = volume.reshape(-1, *whole)
        moved = np.stack([onto(part, self.grid.canonical, target) for part in parts])
        return self.input_grid.from_canonical(moved.reshape(*volume.shape[:-3], *target.shape))


def read_case(
    source: Path | str | Mapping[str, Path | str],
    name: str | None = None,
    reference: bool = True,
    shown: Mapping[str, str] | None = None,
    order: Sequence[str] = MSD_ORDER,
) -> Case:
    """Read a case.

    Args:
        source: a folder of one case; or one file, 4-D in the MSD order or a single sequence with
            its name; or {slot: path} with the slots of SEQUENCES, `seg` and `stack` (4-D).
        name: of the case, else the folder's.
        reference: whether to read the labels if there are some.
        shown: {slot: what people call the file}, where files lie under other names.
        order: of the volumes of a 4-D file.

    Raises:
        CaseError: nothing to read, files that are damaged, or whose grids are not alike. A
            reference raises none: what is wrong with it is among the warnings.
    """
    files, left = files_of(source)
    warnings = [f"{name}: {why}; it is left out." for name, why in left.items()]
    if not reference:
        files.pop(SEG, None)
    shown = {slot: path.name for slot, path in files.items()} | dict(shown or {})
    name = plain_name(name or _name(source, [shown[slot] for slot in files]))
    headers = {slot: read_header(path, shown[slot]) for slot, path in files.items() if slot != SEG}
    for slot, header in headers.items():
        _require_volumes(header, _held(slot, order))
    usual = usual_grid([*headers.values()])
    for header in headers.values():  # before any voxel is unpacked
        if not near_place(header.grid, usual.grid):
            require_alike(header, usual)
    grid = coarsened(usual.grid)
    volumes: dict[str, Floats] = {}
    lifted: list[str] = []

    def unpacked(slot: str) -> tuple[Image, dict[str, Floats], dict[str, Floats]]:
        image = read_image(headers[slot])
        given = _volumes(image, _held(slot, order))
        return image, given, {sequence: without_background(v) for sequence, v in given.items()}

    with ThreadPoolExecutor(READERS) as readers:
        for image, given, cleared in readers.map(unpacked, _first_the_usual(headers, usual)):
            lifted += [sequence for sequence, v in given.items() if cleared[sequence] is not v]
            placed, said = _placed(cleared, image.header, usual, grid, volumes)
            warnings += [*image.warnings, *said]
            volumes |= placed
    volumes = {sequence: volumes[sequence] for sequence in SEQUENCES if sequence in volumes}
    warnings += air_found(lifted)
    if grid is not usual.grid:
        warnings.append(FINE.format(" x ".join(f"{mm:.3g}" for mm in usual.grid.spacing_mm)))
    known: Reference | None = None
    notes: tuple[str, ...] = ()
    if SEG in files:
        try:
            known = _reference(
                read_header(files[SEG], shown[SEG]), usual, grid, volumes, STACK in files
            )
        except CaseError as error:  # the images are as good as without it
            notes = (f"{error} The reference is left out: nothing is scored.",)
        else:
            notes = known.notes
    return case_of(
        name,
        volumes,
        grid,
        usual.grid,
        given={
            sequence: header.grid
            for slot, header in headers.items()
            for sequence in _held(slot, order)
        },
        reference=known,
        reference_notes=notes,
        synthetic=any(header.synthetic for header in headers.values()),
        sides_known=all(header.sides_known for header in headers.values()),
        warnings=warnings,
        called=[shown[slot] for slot in files],
        left=left,
    )


def air_found(sequences: Collection[str]) -> list[str]:
    """The sentence about sequences whose air was not 0 and is now; none about none."""
    if not sequences:
        return []
    names = listed(SEQUENCE_NAMES[s] for s in SEQUENCES if s in sequences)
    return [f"The air in {names} {AIR_FOUND}"]


def case_of(
    name: str,
    volumes: Mapping[str, Floats],
    grid: Grid,
    input_grid: Grid,
    *,
    given: Mapping[str, Grid] | None = None,
    reference: Reference | None = None,
    reference_notes: Sequence[str] = (),
    synthetic: bool = False,
    sides_known: bool = True,
    warnings: Sequence[str] = (),
    called: Sequence[str] = (),
    left: Collection[str] = (),
) -> Case:
    """A case of volumes that lie on one grid, with what there is to doubt about it.

    Args:
        name, volumes, grid, input_grid, synthetic, sides_known: as in `Case`.
        given: {sequence: the grid of its image as it was given}; None where all are `input_grid`.
        reference: on the same grid. reference_notes: sentences about it.
        warnings: sentences for the user that come before those of the judgement.
        called: what people call the files. left: those that were left out.
    """
    brain = _brain(volumes)
    case = Case(
        name=name,
        grid=grid,
        input_grid=input_grid,
        volumes=volumes,
        brain=bounding_box(brain, MARGIN),
        labels=reference.labels if reference else None,
        reference_regions=reference.regions if reference else frozenset(),
        synthetic=synthetic,
        sides_known=sides_known,
        reference_notes=tuple(reference_notes),
        warnings=(*warnings, *reference_notes),
        called=frozenset(map(plain_name, (*called, *left))),
        given_mm={
            sequence: (given[sequence] if given else input_grid).canonical.spacing_mm
            for sequence in volumes
        },
    )
    judged = judge(case, brain)
    return replace(
        case,
        warnings=(*case.warnings, *out_of_scope([name, *called]), *judged.sentences),
        unlike_training=bool(judged.unlike_training),
        misleading=judged.misleading,
    )


def find_cases(folder: Path | str) -> list[Path]:
    """Every case at or below a folder, sorted: what `read_case` takes.

    A case is the folder that its files lie in or below, or one file in the `imagesTr` or
    `imagesTs` of an MSD folder. Whether it can be read, `read_case` says.
    """
    root = Path(folder)
    return sorted({root / _place(group) for group in survey(root).layout.cases})


def _place(group: Group) -> str:
    """Where the files of a case lie: one file of an images folder, or the folder around all."""
    paths = [PurePosixPath(path) for path in (*group.slots, *group.asks)]
    if paths[0].parent.name in IMAGE_FOLDERS and group.slots.get(str(paths[0])) == STACK:
        return str(paths[0])
    return posixpath.commonpath([path.parent for path in paths])


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


def files_of(
    source: Path | str | Mapping[str, Path | str],
) -> tuple[dict[str, Path], dict[str, str]]:
    """What `read_case` reads: {slot: path} with at least one image, and {name: why it is left out}.

    Raises:
        CaseError: no image, several cases, or files that do not fit together.
    """
    left: dict[str, str] = {}
    if isinstance(source, Mapping):
        files = {slot: Path(path) for slot, path in source.items()}
        unknown = sorted(set(files) - {*SEQUENCES, SEG, STACK})
        if unknown:
            raise CaseError(
                f"{plain_name(unknown[0])!r} is no sequence. Known are {', '.join(SEQUENCES)}, "
                f"{SEG} for reference labels and {STACK} for a 4-D file."
            )
    elif Path(source).is_dir():
        files, left = _files_of_folder(Path(source))
    else:
        files = _files_of_one(Path(source))
    if STACK in files and any(sequence in files for sequence in SEQUENCES):
        raise CaseError("Give either one 4-D file or single sequences, not both.")
    if not set(files) - {SEG}:
        raise CaseError("The case has no image. Give at least one of FLAIR, T1, T1c and T2.")
    ordered = {slot: files[slot] for slot in (*SEQUENCES, STACK, SEG) if slot in files}
    return ordered, left


def _files_of_folder(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    found = survey(folder).layout
    groups = [g for g in found.cases if not g.name] or list(found.cases)
    if len(groups) > 1:
        names = ", ".join(plain_name(group.name) for group in groups[:4])
        raise CaseError(
            f"{plain_name(folder.name)} holds {len(groups)} cases ({names}). Give one of them."
        )
    if not groups or not groups[0].has_image:
        unclear = [path for group in groups for path in group.asks] or sorted(found.left)
        seen = f" There is {', '.join(map(plain_name, unclear[:4]))}." if unclear else ""
        raise CaseError(
            f"{plain_name(folder.name)} has no NIfTI file with a sequence in its name.{seen} Name "
            "the files like case_flair, case_t1, case_t1ce, case_t2, ending in .nii.gz."
        )
    if groups[0].question:
        raise CaseError(groups[0].question)
    left = {plain_name(path): why for path, why in found.left.items()}
    return {slot: folder / path for path, slot in groups[0].slots.items()}, left


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


def _held(slot: str, order: Sequence[str]) -> tuple[str, ...]:
    """What the volumes of a file are, in their order."""
    return tuple(order) if slot == STACK else (slot,)


def _require_volumes(header: Header, wanted: tuple[str, ...]) -> None:
    """As many volumes in the file as it is to hold: one, or the four of an MSD file."""
    if header.volumes == len(wanted):
        return
    if len(wanted) == 1:
        raise CaseError(
            f"{header.name} holds {header.volumes} volumes, one is wanted. Split it into 3-D "
            "files, one per sequence."
        )
    usual = wanted == MSD_ORDER
    asked = f"{len(wanted)} asked for ({', '.join(wanted)})"
    meant = "four of MSD Task01 (FLAIR, T1w, T1gd, T2w)" if usual else asked
    what = f"{header.volumes} volumes" if header.volumes > 1 else "one volume"
    raise CaseError(
        f"{header.name} holds {what}, not the {meant}. Give one 3-D file per sequence, named "
        "after it."
    )


def _volumes(image: Image, sequences: tuple[str, ...]) -> dict[str, Floats]:
    """{sequence: (X, Y, Z), canonical} of a file that holds these, none of them a mask."""
    volumes = {}
    for place, sequence in enumerate(sequences):
        voxels = image.voxels if image.voxels.ndim == 3 else image.voxels[..., place]
        _require_no_mask(voxels, image.name)
        volumes[sequence] = image.grid.to_canonical(voxels)
    return volumes


def _first_the_usual(headers: Mapping[str, Header], usual: Header) -> list[str]:
    """The slots, those on the usual grid first: others are compared with them."""
    return sorted(headers, key=lambda slot: not near_place(headers[slot].grid, usual.grid))


def _placed(
    heads: dict[str, Floats],
    header: Header,
    usual: Header,
    grid: Grid,
    others: Mapping[str, Floats],
) -> tuple[dict[str, Floats], list[str]]:
    """The heads of a file, its air 0, on `grid`, and what had to be done for it.

    Args:
        grid: the usual one, or one with coarser voxels over the same place.
        others: heads that lie on `grid`, of files on the usual one.

    Raises:
        CaseError: they lie elsewhere in any way.
    """
    own, target = header.grid.canonical, grid.canonical
    if near_place(header.grid, usual.grid):
        notes = []
        if not same_place(header.grid, usual.grid):
            apart = own.apart_mm(usual.grid.canonical)
            notes = [
                f"{header.name}: its affine lies up to {apart:.2g} mm off that of {usual.name}; "
                "taken as one grid."
            ]
        return _all_onto(heads, usual.grid.canonical, target), notes
    there = _brain(others)
    ways = {f"it was resampled onto that of {usual.name}.": _all_onto(heads, own, target)}
    if own.shape == usual.grid.canonical.shape:
        as_it_is = _all_onto(heads, usual.grid.canonical, target)
        ways["its head lies on that of the others as it is, so they are taken as one."] = as_it_is
    overlaps = {way: dice(_brain(moved), there) or 0.0 for way, moved in ways.items()}
    best = max(ways, key=lambda way: overlaps[way])
    if overlaps[best] < LEAST_OVERLAP:
        raise not_alike(header, usual)
    return ways[best], [
        f"{header.name} lies on another grid ({difference(header.grid, usual.grid)}); {best}"
    ]


def _all_onto(heads: dict[str, Floats], source: Grid, target: Grid) -> dict[str, Floats]:
    if source.same_as(target):
        return heads
    return {sequence: head_onto(head, source, target) for sequence, head in heads.items()}


def _reference(
    header: Header, usual: Header, grid: Grid, volumes: Mapping[str, Floats], msd: bool
) -> Reference:
    """The labels of a file on `grid`, canonical, and what they are good for.

    Raises:
        CaseError: it cannot be read or understood, lies elsewhere, or outlines no tumour of these
            images.
    """
    _require_volumes(header, _held(SEG, ()))
    notes = []
    own = header.grid.canonical
    if near_place(header.grid, usual.grid):
        own = usual.grid.canonical
    else:
        require_alike(header, usual)
        notes = [
            f"{header.name} lies on another grid ({difference(header.grid, usual.grid)}); it was "
            f"resampled onto that of {usual.name}."
        ]
    image = read_image(header, may_be_blank=True)
    whole, scaled = whole_numbers(image.voxels, header.name)
    numbers = header.grid.to_canonical(whole)
    if not own.same_as(grid.canonical):
        numbers = onto(numbers, own, grid.canonical)
    _require_of_tumour(numbers, _brain(volumes), header.name)
    reference = understand(numbers, header.name, volumes.get("t1c"), msd)
    return replace(reference, notes=(*image.warnings, *notes, *scaled, *reference.notes))


def _require_of_tumour(labels: Bytes, brain: Bools, name: str) -> None:
    """Refuse labels beside the head, or of most of it. In 15 cases of BraTS 2021 no voxel is
    beside the head, and at most .16 of the head is labelled."""
    labelled = np.count_nonzero(labels)
    within = np.count_nonzero(brain & (labels != 0))
    if labelled - within > MOST_BESIDE * labelled:
        raise CaseError(
            f"{name} labels {(labelled - within) / labelled:.0%} of its voxels where the images "
            "show nothing, so it belongs to other images or was moved or mirrored."
        )
    if within > MOST_OF_HEAD * np.count_nonzero(brain):
        raise CaseError(
            f"{name} labels {within / np.count_nonzero(brain):.0%} of the head, so it outlines "
            "something else than a tumour, such as the brain."
        )


def _require_no_mask(volume: Floats, name: str) -> None:
    """Refuse a volume of 0 and one other value; that it has two values is known."""
    values = [float(volume.min()), float(volume.max())]
    if 0 in values and all(np.isin(plane, values).all() for plane in volume.T):
        raise CaseError(
            f"{name} holds only 0 and {sum(values):g}, like a mask. Give the image itself, or "
            "leave the sequence out."
        )


def _brain(volumes: Mapping[str, Floats]) -> Bools:
    """Where any sequence is not 0."""
    mask = np.zeros(next(iter(volumes.values())).shape, bool)
    for volume in volumes.values():
        mask |= volume != 0
    return mask
