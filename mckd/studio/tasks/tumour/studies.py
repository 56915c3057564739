"""An examination as the page shows it: its series, what was done to them, and pictures to check it.

Pictures lie as in `mckd.tumour.planes`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_erosion

from mckd.clinic import NEEDS
from mckd.progress import clock
from mckd.studio.tasks.tumour.opened import CaseFiles, Choice, Reading
from mckd.tumour.geometry import Bools, Box, T, bounding_box
from mckd.tumour.naming import SEQUENCE_NAMES, SEQUENCES
from mckd.tumour.nifti import Floats
from mckd.tumour.planes import ACROSS, looked_at

if TYPE_CHECKING:
    from mckd.clinic.series import Prepared, Series, Study

Bytes = npt.NDArray[np.uint8]

FINDING = "Looking through the series…"
DOING = {
    "registration": "Moving {} onto the reference",
    "resampling": "Resampling to 1 mm",
    "brain": "Finding the brain",
}
ASKS = "Say of at least one series whether it is FLAIR, T1, T1c or T2; its name and header do not."
OFFER = (
    "These images do not lie on one grid, still show the skull, or have thick slices. They can be "
    "prepared: moved onto each other, resampled to 1 mm, the skull taken off."
)
TOLD_FROM = 0.05  # of the work: before, its pace says nothing
THUMBNAIL = 88  # pixels
TILE = 220
AXIAL_AT = (0.25, 0.4, 0.5, 0.6, 0.75)  # of the brain's height
CORONAL_AT, SAGITTAL_AT = 0.5, 0.42  # of its depth, of its width: a little beside the midline
WINDOW = (1.0, 99.5)  # percentiles of the values above the mean of all: the head
TILES = [*["axial"] * len(AXIAL_AT), "coronal", "sagittal"]
OUTLINE, FAINT = (94, 234, 212, 255), 90  # of 255: what is left of a line after it was made smaller
OUTLINE_SHEET = "outline"
THICK = 1.5  # slices that many times further apart than their pixels are no 3-D acquisition


Send = Callable[[str, bytes], dict[str, Any]]
"""Makes a file of that name that the visitor's browser may fetch."""


@dataclass(frozen=True)
class Examination:
    """What people are shown of a study; no volume.

    series: a row each, see `_row`. pictures: {key: PNG of its middle slice}, of what may be used:
    the voxels of what is set aside are not read. days: of all examinations in the same files, the
    newest first, "" where no header says it. study: which of them it is. asks: what a person has to
    say before it goes on. steps, checks: of its preparation; checks are {slot: PNG} with the
    outline of the brain under OUTLINE_SHEET, empty where nothing was prepared.
    """

    series: tuple[dict[str, Any], ...]
    pictures: Mapping[str, bytes] = field(repr=False)
    aside: Mapping[str, str]
    days: tuple[str, ...]
    study: int = 0
    asks: str = ""
    untouched: bool = False
    steps: tuple[dict[str, str], ...] = ()
    checks: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, study: Study) -> Examination:
        used = {key: slot for slot, key in study.chosen.items()}
        rows, pictures = [], {}
        for series in study.series:
            across = int(np.argmax(series.grid.canonical.spacing_mm))
            rows.append(_row(series, across, used.get(series.key, "")))
            if not series.role.aside:
                pictures[series.key] = _png(_greys(_middle(series, across)))
        days = (day.isoformat() if day else "" for day in study.days)
        return cls(tuple(rows), pictures, dict(study.aside), tuple(days))

    def prepared(self, found: Prepared) -> Examination:
        """The same, with what was done to it."""
        steps = tuple(
            {
                "kind": step.kind,
                "slot": SEQUENCE_NAMES.get(step.slot, ""),
                "said": step.said,
                "trouble": step.trouble,
            }
            for step in found.steps
        )
        checks = {} if found.untouched else _checks(found)
        return replace(self, untouched=found.untouched, steps=steps, checks=checks)

    def view(self, send: Send) -> dict[str, Any]:
        """What study.js shows."""
        shown = {name: send(f"{name}.png", data) for name, data in self.checks.items()}
        outline = shown.pop(OUTLINE_SHEET, None)
        return {
            "series": [
                {**row, "picture": picture and send("series.png", picture)}
                for row in self.series
                for picture in [self.pictures.get(row["key"])]
            ],
            "aside": [[name, why] for name, why in self.aside.items()],
            "days": [*self.days],
            "study": self.study,
            "asks": self.asks,
            "untouched": self.untouched,
            "steps": [*self.steps],
            "checks": {"planes": TILES, "sheets": shown, "outline": outline} if shown else None,
        }


@dataclass(frozen=True, eq=False)
class Looked:
    """Series that were looked through, as they are shown. reference: a slot, "" for the best."""

    study: Study
    shown: Examination
    reference: str


def look_through(source: CaseFiles, report: Callable[[Reading], None]) -> Looked:
    """Read the series of a scanner, used as the visitor chose or as is proposed.

    Raises:
        ValueError: nothing in it can be used, or a person has to say which series is what.
    """
    choice = source.choice or Choice()
    study = _study(source, lambda share: report(Reading(FINDING, share, source.examination)))
    if choice.slots:
        study = replace(study, chosen=_chosen(choice, study))
    shown = replace(Examination.of(study), study=choice.study)
    if not study.chosen:
        report(Reading(FINDING, None, replace(shown, asks=ASKS)))
        raise ValueError(ASKS)
    return Looked(study, shown, choice.reference)


def prepare_examination(
    looked: Looked, report: Callable[[Reading], None]
) -> tuple[Prepared, Examination]:
    """Make a case of the series that were looked through.

    Raises:
        ValueError: it cannot be prepared.
    """
    step, started = "", 0.0

    def progress(kind: str, slot: str, share: float) -> None:
        nonlocal step, started
        said = DOING[kind].format(SEQUENCE_NAMES.get(slot, ""))
        if said != step:
            step, started = said, time.monotonic()
        left = _left(time.monotonic() - started, share)
        report(Reading(f"{said}{left}…", share, looked.shown))

    from mckd.clinic.preparation import prepare  # now that it is known to be installed

    found = prepare(looked.study, reference=looked.reference, progress=progress)
    return found.without_voxels(), looked.shown.prepared(found)


def offered(source: CaseFiles) -> Examination | None:
    """A visitor's NIfTI files as an examination that can be prepared; None if they are none."""
    if not isinstance(source.files, dict) or not set(source.files) & set(SEQUENCES):
        return None
    try:
        return replace(Examination.of(_study(source)), asks=OFFER)
    except ValueError:
        return None


def _study(source: CaseFiles, tick: Callable[[float], None] = lambda share: None) -> Study:
    """What a visitor gave, as a study. tick: told how far its headers are read.

    Raises:
        ValueError: nothing in it can be used, or what reads it is not installed.
    """
    try:
        from mckd.clinic.intake import read_study
        from mckd.clinic.preparation import study_of
    except ModuleNotFoundError:
        raise ValueError(NEEDS) from None
    if isinstance(source.files, Path):
        return read_study(source.files, source.choice.study if source.choice else 0, tick)
    return study_of({s: path for s, path in source.files.items() if s in SEQUENCES}, source.names)


def _left(passed_s: float, share: float) -> str:
    """How long the rest will take, once that can be told."""
    if share < TOLD_FROM:
        return ""
    seconds = passed_s * (1 - share) / share
    return f", about {clock(seconds)} left" if seconds >= 1 else ""


def _chosen(choice: Choice, study: Study) -> dict[str, str]:
    """The visitor's series by slot.

    Raises:
        ValueError: none, a series that is not there, or one that is to be two sequences.
    """
    known, said = {series.key for series in study.series}, [*choice.slots.values()]
    if not said or not set(said) <= known or len(set(said)) < len(said):
        raise ValueError(ASKS)
    return dict(choice.slots)


def _row(series: Series, across: int, slot: str) -> dict[str, Any]:
    """A series in words. across: the axis that its slices lie along. slot: what it is used as."""
    mm = sorted(series.grid.spacing_mm)
    return {
        "key": series.key,
        "name": series.name,
        "slot": slot,
        "sure": series.role.sure,
        "why": series.role.why,
        "doubt": series.role.doubt,
        "plane": ACROSS[across] if mm[2] > THICK * mm[1] else "3-D",
        "spacing": " × ".join(f"{v:.2g}" for v in mm),
        "slices": int(series.grid.canonical.shape[across]),
    }


def _middle(series: Series, across: int) -> Floats:
    """The middle slice of a series across an axis, with square pixels, as it is looked at."""
    grid = series.grid.canonical
    volume = series.grid.to_canonical(series.voxels)
    picture = looked_at(volume, across, grid.shape[across] // 2).astype(np.float32)
    mm = [grid.spacing_mm[a] for a in range(3) if a != across][::-1]  # of rows, of columns
    return _fitted(picture, (mm[0], mm[1]), THUMBNAIL)


def _fitted(picture: npt.NDArray[T], mm: tuple[float, float], size: int) -> npt.NDArray[T]:
    """A picture whose longer side has `size` pixels, pixels square."""
    height, width = (n * d for n, d in zip(picture.shape, mm, strict=True))
    scale = size / max(height, width)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(target, Image.Resampling.BILINEAR))


def _greys(picture: Floats, window: tuple[float, float] | None = None) -> Bytes:
    """Values as greys from 0 to 255, between the ends of a window or of its own."""
    low, high = window or _window(picture)
    greys: Bytes = np.clip((picture - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    return greys


def _window(values: Floats) -> tuple[float, float]:
    """What is black and what is white in a head, by WINDOW; air is black."""
    head = values[values > values.mean()]
    if not head.size:
        return 0.0, 1.0
    low, high = np.percentile(head, WINDOW)
    return min(0.0, float(low)), float(high)


def _checks(prepared: Prepared) -> dict[str, bytes]:
    """The sheets of each sequence and of the brain's outline: the same tiles, side by side."""
    cuts = _cuts(bounding_box(prepared.brain))
    outline = prepared.brain & ~binary_erosion(prepared.brain)
    sheets = {}
    for slot, head in prepared.head.items():
        window = _window(head[::2, ::2, ::2])
        tiles = [_tile(_greys(looked_at(head, a, at), window)) for a, at in cuts]
        sheets[slot] = _png(np.hstack(tiles))
    lines = np.hstack([_tile(_line(outline, a, at)) for a, at in cuts])
    coloured = np.where(lines[..., None] > FAINT, np.array(OUTLINE, np.uint8), np.uint8(0))
    return {**sheets, OUTLINE_SHEET: _png(coloured)}


def _cuts(box: Box) -> list[tuple[int, int]]:
    """(axis, index) of each tile, in the order of TILES."""
    places = [*((2, share) for share in AXIAL_AT), (1, CORONAL_AT), (0, SAGITTAL_AT)]
    return [
        (axis, int(box.start[axis] + share * (box.stop[axis] - box.start[axis])))
        for axis, share in places
    ]


def _line(outline: Bools, axis: int, at: int) -> Bytes:
    """A slice of the outline (X, Y, Z), 255 where it is."""
    return looked_at(outline, axis, at).astype(np.uint8) * 255


def _tile(picture: Bytes) -> Bytes:
    """A square of TILE pixels with the picture in its middle."""
    resized = _fitted(picture, (1.0, 1.0), TILE)
    square = np.zeros((TILE, TILE), np.uint8)
    top, left = (TILE - resized.shape[0]) // 2, (TILE - resized.shape[1]) // 2
    square[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return square


def _png(picture: Bytes) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()
