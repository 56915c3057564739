"""What a study is, before and after its preparation.

    read -> Study (series as they came, each with a guessed role)
    prepare -> Prepared (one grid, brain only: a `Case`; and the way back to each series)

Affines are those of NIfTI: voxel index to RAS+ mm. Nothing here names a person: of a DICOM header
only `Facts` are kept, digests of whom it names, which can only be compared, and where its files
lie, so that results can refer to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import numpy.typing as npt

from mckd.tumour.data import Case
from mckd.tumour.geometry import Bools, Doubles, Grid
from mckd.tumour.naming import SEQUENCES
from mckd.tumour.nifti import Floats
from mckd.tumour.persons import NOBODY, Person


class StudyError(ValueError):
    """A folder or series that cannot be used: one sentence that says what to do."""


@dataclass(frozen=True)
class Facts:
    """What a header says of how a series was made; "" or None where it does not.

    Times in ms, angles in degrees, lengths in mm. order: of the series in time, from 0;
    the same for all that were computed from one acquisition; None where no header tells it.
    contrast: what ContrastBolusAgent holds, also that there was none. image_type: DICOM's values.
    """

    description: str = ""
    modality: str = "MR"
    sequence: tuple[str, ...] = ()  # ScanningSequence: SE, IR, GR, EP ...
    variant: tuple[str, ...] = ()  # SequenceVariant: SK, MP ...
    image_type: tuple[str, ...] = ()
    three_d: bool | None = None
    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    flip_deg: float | None = None
    b_value: float | None = None
    contrast: str = ""
    order: int | None = None
    thickness_mm: float | None = None
    pulse: str = ""  # SequenceName, as the vendor calls it: *tfl3d1
    body: str = ""  # BodyPartExamined


@dataclass(frozen=True)
class Role:
    """What a series is taken for.

    slot: flair, t1, t1c or t2; "" if it is none of them or cannot be told. sure: False if a person
    has to say. why: what speaks for it, or why it is set aside: words for people. doubt: where
    name, header and picture contradict each other.
    """

    slot: str = ""
    sure: bool = False
    why: str = ""
    doubt: str = ""

    @property
    def aside(self) -> bool:
        """Whether the series is none of the four."""
        return self.sure and not self.slot


class Voxels:
    """A field of voxels that are there, or are read whenever they are asked for and kept by nobody:
    all series of an examination need not lie in memory at once."""

    def __get__(self, series: Series | None, kind: type) -> Floats:
        if series is None:
            raise AttributeError("a series without voxels is none")  # so the field has no default
        held = series.__dict__["voxels"]
        return cast(Floats, held() if callable(held) else held)

    def __set__(self, series: Series, voxels: Floats | Callable[[], Floats]) -> None:
        series.__dict__["voxels"] = voxels


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """One series as a volume on its own grid.

    key: names it within its study, of letters and digits. name: for people. voxels: (X, Y, Z)
    float32, rescaled as the header says; made with them, or with what reads them, and then asking
    for them raises a StudyError if they are damaged. files: the files it was made of, slices in
    the order of the last axis where a file holds one slice. frames: of one file that holds all
    slices, the place of each in it, from 0. dicom: whether the files are DICOM. sides_known: False
    if a NIfTI file does not say what is left and right. synthetic: whether this project made the
    image. warnings: sentences about how it was read.
    """

    key: str
    name: str
    grid: Grid
    facts: Facts
    role: Role
    voxels: Voxels = Voxels()
    files: tuple[Path, ...] = ()
    dicom: bool = False
    frames: tuple[int, ...] = ()
    sides_known: bool = True
    synthetic: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Study:
    """The series of one examination of one person.

    series: every volume, in the order of time; one whose role is sure and no slot is set aside, and
    the role says why. chosen: {slot: key} that is proposed, the best candidate of each role. aside:
    {name of a series or file: why it makes no volume}. kept: the folder of an unpacked archive,
    which lasts as long as the study. day: of the examination; None where no header says it. person:
    whom the headers name, in digests. days: of all that the same files hold, this one among them,
    in the order in which `read_study` numbers them.
    """

    series: tuple[Series, ...]
    chosen: Mapping[str, str]
    aside: Mapping[str, str]
    kept: TemporaryDirectory[str] | None = field(default=None, repr=False)
    day: date | None = None
    person: Person = field(default=NOBODY, repr=False)
    days: tuple[date | None, ...] = ()

    def __getitem__(self, key: str) -> Series:
        return next(series for series in self.series if series.key == key)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a preparation, for people.

    kind: registration, resampling, brain. slot: of which sequence, "" of all. said: what was done.
    trouble: what is wrong with it, "" if nothing.
    """

    kind: str
    slot: str
    said: str
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study on one grid.

    case: what the networks take. head: {slot: (X, Y, Z) float32} on the case's canonical grid,
    before the skull was taken off: for the check views. brain: (X, Y, Z) bool on that grid. moved:
    {slot: (4, 4) rigid, from mm in the space of the case to mm in that of the series}. untouched:
    whether the images were prepared already and went through as they are.
    """

    study: Study
    case: Case
    head: Mapping[str, Floats] = field(repr=False)
    brain: Bools = field(repr=False)
    moved: Mapping[str, Doubles]
    steps: tuple[Step, ...]
    untouched: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """All of the study, used or not."""
        return self.study.series

    @property
    def used(self) -> dict[str, Series]:
        """{slot: the series that is this sequence of the case}, in the order of SEQUENCES."""
        chosen = self.study.chosen
        return {slot: self.study[chosen[slot]] for slot in SEQUENCES if slot in chosen}

    def without_voxels(self) -> Prepared:
        """The same without the voxels of its series, of which only a preparation needs any."""
        series = tuple(replace(one, voxels=_put_away) for one in self.study.series)
        return replace(self, study=replace(self.study, series=series))

    def native(self, regions: npt.NDArray[np.generic], slot: str) -> Bools:
        """Regions (R, X, Y, Z) on the canonical grid of the case as (R, x, y, z) bool on the grid
        of the series in that slot, in the axes of its files."""
        from mckd.clinic.native import to_series

        return to_series(self, regions, slot)


def _put_away() -> Floats:
    raise StudyError("The voxels of this series were put away. Read the study once more.")
