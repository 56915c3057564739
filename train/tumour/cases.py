"""Cases made ready for training: read once, standardised, kept in memory, on disk or on a GPU."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mckd.files.atomic import sweep, write_atomically
from mckd.tumour import SEQUENCES, CaseError, find_cases, read_case
from mckd.tumour.data import Case, files_of
from mckd.tumour.fingerprint import fingerprints
from mckd.tumour.geometry import Box, Grid, Triple
from mckd.tumour.naming import SEG, stem_of
from mckd.tumour.references import ENHANCING, EVERY
from train.pool import pool
from train.task import content_of

READER = 3
"""Of cached arrays: raised when cases are read in another way."""


_VISIT = re.compile(
    r"""(^|[-_. ])(ses|session|visit|vis|day|week|month|year|timepoint|tp|fu|fup|followup|baseline)
        ([-_. ]?\d+[a-z]?|[-_. ]\w+)?$
    | (?<=^brats-[a-z]{3}-\d{5})-\d{3}$""",  # BraTS-GLI-00005-100
    re.IGNORECASE | re.VERBOSE,
)
"""In a case's name: that it is of a visit, as in week-000, P1_ses-2 or BraTS-GLI-00005-100."""


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """A case as the network sees it, cropped to the brain.

    images: (4, x, y, z) float16, standardised, zero where a sequence is missing. labels: (x, y, z)
    uint8 as in `mckd.tumour.data.Case`. present: (4,) bool. synthetic: made by this project.
    enhancing: voxels of ET. prints: (4, SIZE) uint8, its `mckd.tumour.fingerprint.fingerprints`.
    grid: of the whole image in canonical orientation. brain: the box of it that was cropped.
    patient: what visits of one head have in common, as their places say.
    """

    name: str
    images: Tensor
    labels: Tensor
    present: Tensor
    synthetic: bool
    enhancing: int
    prints: Tensor
    grid: Grid
    brain: Box
    patient: str

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.grid.voxel_ml

    def to(self, device: torch.device) -> TrainingCase:
        """Its images and labels there; the rest says which they are and stays."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def load_cases(folder: Path, cache: Path | None = None) -> list[TrainingCase]:
    """Every case with a reference at or below `folder`, sorted by name.

    A case is called as its folder; where several are, by its place below `folder`.

    With `cache` the prepared volumes are kept there and read through memory maps, so that data
    larger than memory can be trained on and a second start is immediate.

    Raises:
        CaseError: a case that cannot be read, or none with a reference that tells every region.
    """
    found = find_cases(folder)
    if cache:
        sweep(cache)
    cases: dict[str, TrainingCase] = {}
    for number, path in enumerate(found, 1):
        if sys.stderr.isatty():
            print(f"\rReading case {number} of {len(found)}", end="", file=sys.stderr)
        case = _from_cache(path, cache) if cache else _prepare(path)
        if case is not None:
            place = path.relative_to(folder).as_posix() if path != folder else path.name
            cases[place] = replace(case, patient=patient_of(place))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if not cases:
        raise CaseError(
            f"{folder.name} holds no case with reference labels to train on. Make some with "
            "'python -m train data phantoms'."
        )
    called = Counter(case.name for case in cases.values())
    return [
        case if called[case.name] == 1 else replace(case, name=place)
        for place, case in cases.items()
    ]


def patient_of(place: str) -> str:
    """The patient whose case lies there, below a folder of cases: `P1` of `P1/week-000`.

    Where a name does not say that it is of a visit, its case is taken to be the patient's only one.
    """
    path = PurePosixPath(place)
    if path.name == "anat" and path.parent.name:  # of BIDS: sub-X/ses-Y/anat
        path = path.parent
    stem = stem_of(path.name) or path.name
    visit = _VISIT.search(stem)
    if not visit:
        return str(path)
    return str(path.with_name(stem[: visit.start()]) if visit.start() else path.parent)


def content_of_cases(folder: Path) -> str:
    """What tells a folder of cases from others, wherever it lies: places and references of cases.

    Raises:
        CaseError: a case that cannot be read.
    """

    def parts() -> Iterator[bytes]:
        for path in find_cases(folder):
            yield path.relative_to(folder).as_posix().encode()
            if reference := files_of(path)[0].get(SEG):
                yield reference.read_bytes()

    return content_of(parts())


def fill_cache(folders: Sequence[Path], cache: Path, jobs: int) -> None:
    """Prepare every case at or below `folders` that `cache` does not hold, `jobs` at a time.

    Raises:
        CaseError: a case that cannot be read.
    """
    found = [path for folder in folders for path in find_cases(folder)]
    with pool(jobs) as workers:
        for _ in workers.map(partial(_store, cache=cache), found):
            pass


def deal(cases: Sequence[TrainingCase], folds: int) -> list[list[TrainingCase]]:
    """Cases in `folds` parts that are alike in enhancing volume, a patient's visits in one of them.

    A function of volumes and names alone: patients take turns, those with the least ET first.
    """
    patients: dict[str, list[TrainingCase]] = {}
    for case in sorted(cases, key=lambda case: (case.enhancing, case.name)):
        patients.setdefault(case.patient, []).append(case)
    visits = [*patients.values()]
    return [[case for theirs in visits[k::folds] for case in theirs] for k in range(folds)]


def crop(case: TrainingCase, size: Triple, g: torch.Generator, seek: bool) -> tuple[Tensor, Tensor]:
    """Cut `size` voxels out of a case, zero where it does not reach.

    An axis that fits is centred. Of a longer one a random part is taken; with `seek`, half of the
    time one that has a random tumour voxel in its middle.

    Returns:
        images (4, *size) float32, labels (*size) uint8.
    """
    space = case.labels.shape
    aim = None
    if seek and bool(torch.rand(1, generator=g) < 0.5):
        tumour = case.labels.flatten().nonzero()
        if len(tumour):
            chosen = int(tumour[int(torch.randint(len(tumour), (1,), generator=g))])
            aim = np.unravel_index(chosen, tuple(space))
    device = case.images.device
    images = torch.zeros(len(case.images), *size, device=device)
    labels = torch.zeros(size, dtype=torch.uint8, device=device)
    source, target = [], []
    for axis, (have, want) in enumerate(zip(space, size, strict=True)):
        spare = have - want
        if spare <= 0:
            start = -spare // 2
            source.append(slice(0, have))
            target.append(slice(start, start + have))
            continue
        start = int(torch.randint(spare + 1, (1,), generator=g))
        if aim is not None:
            start = min(max(int(aim[axis]) - want // 2, 0), spare)
        source.append(slice(start, start + want))
        target.append(slice(0, want))
    images[(slice(None), *target)] = case.images[(slice(None), *source)].float()
    labels[tuple(target)] = case.labels[tuple(source)]
    return images, labels


def _prepare(path: Path) -> TrainingCase | None:
    case = _teaching(path)
    return None if case is None else _training_case(path, _arrays(case))


def _teaching(path: Path) -> Case | None:
    """A case, if its reference tells every region; else why it is left out is printed."""
    case = read_case(path)
    if case.reference_regions == EVERY:
        return case
    why = [f"Left out: {path.name}:", *case.reference_notes]
    if len(why) > 1:
        print(" ".join(why), file=sys.stderr)
    return None


def _from_cache(path: Path, cache: Path) -> TrainingCase | None:
    """As `_prepare`, through files of the cache."""
    stored = _store(path, cache)
    if stored is None:
        return None
    # Copy on write: torch wants arrays it may write to, and the files must stay as they are.
    return _training_case(path, _Arrays(*(np.load(f, mmap_mode="c") for f in stored)))


def _store(path: Path, cache: Path) -> list[Path] | None:
    """The files of a case in the cache, named by what lies in its folder; written if need be."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file())
    else:  # its reference lies in another folder
        files = [*files_of(path)[0].values()]
    stamp = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(repr((READER, str(path.resolve()), stamp)).encode()).hexdigest()[:24]
    stored = [cache / f"{key}-{name}.npy" for name in _Arrays._fields]
    if not all(file.exists() for file in stored):
        case = _teaching(path)
        if case is None:
            return None
        cache.mkdir(parents=True, exist_ok=True)
        for file, array in zip(stored, _arrays(case), strict=True):
            buffer = io.BytesIO()
            np.save(buffer, array)
            write_atomically(file, buffer.getvalue())
    return stored


class _Arrays(NamedTuple):
    """images (4, x, y, z) float16, labels (x, y, z) uint8, flags (5,): present, synthetic;
    prints (4, SIZE) uint8; affine (4, 4) of the canonical image; places (3, 3): its shape, where
    the brain's box starts and stops.
    """

    images: np.ndarray
    labels: np.ndarray
    flags: np.ndarray
    prints: np.ndarray
    affine: np.ndarray
    places: np.ndarray


def _arrays(case: Case) -> _Arrays:
    assert case.labels is not None
    prepared = case.prepared()
    images = np.zeros((len(SEQUENCES), *case.brain.shape), np.float16)
    for m, sequence in enumerate(SEQUENCES):
        if sequence in prepared:
            images[m] = prepared[sequence]
    labels = np.ascontiguousarray(case.brain.crop(case.labels))
    flags = [*(s in case.present for s in SEQUENCES), case.synthetic]
    prints = fingerprints({s: case.brain.crop(v) for s, v in case.volumes.items()})
    grid = case.grid.canonical
    places = np.array([grid.shape, case.brain.start, case.brain.stop])
    return _Arrays(images, labels, np.array(flags), prints, grid.affine, places)


def _training_case(path: Path, arrays: _Arrays) -> TrainingCase:
    *present, synthetic = arrays.flags.tolist()
    shape, start, stop = (tuple(place) for place in arrays.places.tolist())
    return TrainingCase(
        stem_of(path.name) or path.name,
        torch.from_numpy(arrays.images),
        torch.from_numpy(arrays.labels),
        torch.tensor(present),
        bool(synthetic),
        int(np.count_nonzero(arrays.labels >= ENHANCING[0])),
        torch.from_numpy(arrays.prints),
        Grid(shape, np.array(arrays.affine)),
        Box(start, stop),
        patient="",
    )
