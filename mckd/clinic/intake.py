"""From a folder of a scanner or a PACS, an archive or single files, to a study.

    study = read_study(folder)                  # the newest examination
    study.series, study.chosen, study.aside
    read_study(folder, study=1)                 # the one before it

Headers are read at once, pixels when they are needed: to tell what a series shows, to draw it, to
prepare it. Of what a header says only `Facts` outlive the reading, and digests of whom it names.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

from mckd.clinic.choosing import chosen_of
from mckd.clinic.headers import Frame, read_frames
from mckd.clinic.looks import compared, look_at
from mckd.clinic.pixels import read_voxels, without_copies
from mckd.clinic.roles import Guess, by_verdict, in_time
from mckd.clinic.series import Facts, Series, Study, StudyError
from mckd.clinic.sources import Given, files_of
from mckd.clinic.stacks import (
    Stack,
    placed,
    slices_elsewhere,
    stacked,
    too_little,
    volumes_of,
)
from mckd.clinic.steps import Tick, silent
from mckd.files.names import plain_name
from mckd.tumour.days import day_in
from mckd.tumour.geometry import Grid
from mckd.tumour.layout import Group, layout_of
from mckd.tumour.naming import SEG, STACK, CaseError, Verdict, stem_of
from mckd.tumour.nifti import Floats, Header, read_header, read_image
from mckd.tumour.persons import NOBODY, by_person
from mckd.tumour.survey import is_dicom, other_form

MOST_SLICES = 50_000  # of all that was given
READING_S = 300
MOST_PERSONS = 500  # under one UID of a study
MOST_ALIKE = 3  # files named one by one that are left out for the same reason
MOST_VOXELS = 2**30
"""Of all series that may be used: 80 of 256 x 256 x 200, 20 of 512 x 512 x 200."""
KEPT_BYTES = 2**30

NOTHING = (
    "There is no MRI series here. Give the folder that the scanner or the archive wrote, or NIfTI "
    "files named after their sequence."
)
MORE = "{} further slices of its series lie between or beyond these, taken in another way"
MIXED = "its slices are of several image types, and their brightness may differ:"


@dataclass(frozen=True)
class _Found:
    """What makes one study: frames of DICOM files, and NIfTI files with what their names say."""

    frames: tuple[Frame, ...] = ()
    images: Mapping[Given, Verdict] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Draft:
    """A series before it was looked at.

    guess: by header and name. doubt: why it may be less than its series. read: its voxels, and
    sentences about how they were read. warnings: those that the header gives rise to. Other fields
    as in `Series`.
    """

    key: str
    name: str
    grid: Grid
    facts: Facts
    guess: Guess
    read: Callable[[], tuple[Floats, tuple[str, ...]]]
    files: tuple[Path, ...]
    frames: tuple[int, ...] = ()
    dicom: bool = False
    sides_known: bool = True
    synthetic: bool = False
    warnings: tuple[str, ...] = ()
    doubt: str = ""

    def again(self) -> Floats:
        """Its voxels, read when they are asked for.

        Raises:
            StudyError: a whole sentence, with its name.
        """
        try:
            return self.read()[0]
        except StudyError as error:
            raise StudyError(f"{self.name}: {error}." if self.dicom else str(error)) from None

    def series(
        self, guess: Guess, voxels: Floats | Callable[[], Floats], warnings: tuple[str, ...]
    ) -> Series:
        return Series(
            key=self.key,
            name=self.name,
            grid=self.grid,
            facts=self.facts,
            role=guess.role,
            voxels=voxels,
            files=self.files,
            frames=self.frames,
            dicom=self.dicom,
            sides_known=self.sides_known,
            synthetic=self.synthetic,
            warnings=warnings,
        )


def read_study(
    source: Path | str | Sequence[Path | str], study: int = 0, tick: Tick = silent
) -> Study:
    """Read one examination.

    Args:
        source: a folder, a ZIP archive, a file, or several of these; DICOM, NIfTI or both.
        study: which one, where there are several: 0 is the newest.
        tick: told the share of the headers that are read; what it raises ends the reading.

    Raises:
        StudyError: nothing that can be used, or no such study.
    """
    files = files_of(source)
    frames, images, aside = _looked_through(files.given, tick)
    studies = _studies(frames, images)
    if not studies:
        reason = next(iter(aside.items()), None)
        raise StudyError(NOTHING + (f" {reason[0]}: {reason[1]}." if reason else ""))
    if not 0 <= study < len(studies):
        raise StudyError(
            f"There is no study number {study} here: there are {len(studies)}, from 0, the newest."
        )
    held, days = studies[study], tuple(_day(some.frames) for some in studies)
    drafts, left = _of_frames(held.frames)
    beside, unread = _of_images(held.images, taken=[*left, *(d.name for d in drafts)])
    series, damaged = _looked_at([*drafts, *beside])
    return Study(
        series=tuple(series),
        chosen=chosen_of(series),
        aside={**aside, **left, **unread, **damaged},
        kept=files.kept,
        day=days[study],
        person=max((f.person for f in held.frames), key=lambda p: p.says, default=NOBODY),
        days=days,
    )


# ---- which files make a study


def _looked_through(
    given: Sequence[Given], tick: Tick
) -> tuple[list[Frame], list[Given], dict[str, str]]:
    """The frames of all DICOM files, the NIfTI files, and {name: why} of what cannot be read."""
    frames: list[Frame] = []
    images: list[Given] = []
    bad: dict[str, list[str]] = defaultdict(list)
    late = time.monotonic() + READING_S
    for number, file in enumerate(given):
        tick(number / len(given))
        if stem_of(file.shown) is not None:
            images.append(file)
        elif is_dicom(file.path):
            try:
                frames += read_frames(file.path)
            except StudyError as error:
                bad[str(error)].append(plain_name(file.shown))
            if len(frames) > MOST_SLICES or time.monotonic() > late:
                raise StudyError(
                    f"There are more than {MOST_SLICES:,} slices here, or their headers take more "
                    f"than {READING_S // 60} minutes to read. Give one examination."
                )
        elif why := other_form(file.shown):
            bad[why].append(plain_name(file.shown))
    aside: dict[str, str] = {}
    for why, names in bad.items():
        aside |= dict.fromkeys(names[:MOST_ALIKE], why)
        if len(names) > MOST_ALIKE:
            aside[f"{len(names) - MOST_ALIKE:,} more files"] = why
    return frames, images, aside


def _studies(frames: Iterable[Frame], images: Sequence[Given]) -> list[_Found]:
    """DICOM studies, the newest first, then cases of NIfTI files; of one of each, both together."""
    held: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        held[frame.study].append(frame)
    newest = sorted(
        (part for some in held.values() for part in _by_person(some)),
        key=lambda some: max((f.date, f.time) for f in some),
        reverse=True,
    )
    paths = {file.shown: file for file in images}
    cases = [
        {paths[path]: verdict for path, verdict in _verdicts(group).items()}
        for group in layout_of(paths).cases
    ]
    if len(newest) == len(cases) == 1:
        return [_Found(tuple(newest[0]), cases[0])]
    return [*(_Found(tuple(some)) for some in newest), *(_Found((), case) for case in cases)]


def _by_person(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The frames of one study, apart where they name different persons: careless anonymisation
    gives one UID to all.

    Raises:
        StudyError: they name more than MOST_PERSONS.
    """
    if len({frame.person for frame in frames}) > MOST_PERSONS:
        raise StudyError(f"More than {MOST_PERSONS} people are named here. Give one examination.")
    return by_person(frames)


def _verdicts(group: Group) -> dict[str, Verdict]:
    told = {path: Verdict(slot) for path, slot in group.slots.items()}
    return {**told, **group.asks, **group.spare}


# ---- series


def _of_frames(frames: Iterable[Frame]) -> tuple[list[_Draft], dict[str, str]]:
    """The volumes of a study in the order of time, and {name: why} of what makes none."""
    held: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        held[frame.series].append(frame)
    parts = [part for whole in held.values() for part in volumes_of(whole)]
    times = sorted({_begun(part) for part in parts})
    # None at all, or one for all, as anonymisers leave it: then the numbers say more.
    timed = len(times) > 1 and all(time for _, time in times)
    parts.sort(key=lambda part: (_begun(part)[: 2 if timed else 1], part[0].number or 0))
    strongest = {uid: max(f.facts.b_value or 0 for f in whole) for uid, whole in held.items()}
    places = {uid: placed(whole) for uid, whole in held.items()}
    facts = [  # the image without diffusion weighting of a diffusion series is of one, too
        replace(
            part[0].facts,
            order=times.index(_begun(part)) if timed else None,
            b_value=strongest[part[0].series] or None,
        )
        for part in parts
    ]
    drafts: list[_Draft] = []
    left: dict[str, str] = {}
    for place, guess in enumerate(in_time(facts)):
        part = parts[place]
        name = _unlike(part[0].title, [*left, *(draft.name for draft in drafts)])
        try:
            stack = stacked(without_copies(part))
        except StudyError as error:
            left[name] = guess.why if guess.aside else str(error)
        else:
            draft = _of_stack(f"s{place}", name, stack, facts[place], guess)
            whole = part[0].series
            more = slices_elsewhere(stack, places[whole]) if len(part) < len(held[whole]) else 0
            drafts.append(replace(draft, doubt=MORE.format(more) if more else ""))
    return drafts, left


def _begun(part: Iterable[Frame]) -> tuple[str, str]:
    """When it was acquired; what was computed from a series has the time of its source."""
    return min((frame.date, frame.time) for frame in part)


def _day(frames: Sequence[Frame]) -> date | None:
    return day_in(_begun(frames)[0]) if frames else None


def _of_stack(key: str, name: str, stack: Stack, facts: Facts, guess: Guess) -> _Draft:
    kinds = sorted({" ".join(frame.facts.image_type) for frame in stack.frames})
    said = (f"{name}: {MIXED} {'; '.join(kinds)}.",) if len(kinds) > 1 else ()
    read = partial(_pixels, stack, said)
    files = tuple(dict.fromkeys(frame.path for frame in stack.frames))
    places = tuple(frame.place for frame in stack.frames) if len(files) == 1 else ()
    return _Draft(
        key, name, stack.grid, facts, guess, read, files, places, dicom=True, warnings=said
    )


def _pixels(stack: Stack, said: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
    return read_voxels(stack), said


def _of_images(
    images: Mapping[Given, Verdict], taken: Sequence[str]
) -> tuple[list[_Draft], dict[str, str]]:
    """The same of NIfTI files. taken: names that there are already."""
    drafts: list[_Draft] = []
    left: dict[str, str] = {}
    for place, (file, verdict) in enumerate(images.items()):
        name = _unlike(plain_name(file.shown), [*taken, *left, *(d.name for d in drafts)])
        if verdict.answer in (SEG, STACK):
            left[name] = "labels or a 4-D file: open it as a prepared case"
            continue
        try:
            header = read_header(file.path, name)
        except CaseError as error:
            left[name] = str(error)
            continue
        if header.volumes != 1:
            left[name] = f"it holds {header.volumes} volumes; give one file for each"
            continue
        if why := too_little(header.grid):
            left[name] = why
            continue
        facts = Facts(description=stem_of(file.shown) or "")
        read = partial(_unpacked, header)
        guess = by_verdict(verdict)
        drafts.append(
            _Draft(
                key=f"n{place}",
                name=name,
                grid=header.grid,
                facts=facts,
                guess=guess,
                read=read,
                files=(file.path,),
                sides_known=header.sides_known,
                synthetic=header.synthetic,
                warnings=header.warnings,
            )
        )
    return drafts, left


def _unpacked(header: Header) -> tuple[Floats, tuple[str, ...]]:
    try:
        image = read_image(header)
        return image.voxels, image.warnings
    except CaseError as error:
        raise StudyError(str(error)) from None


def _unlike(name: str, taken: Sequence[str]) -> str:
    """A name that no other series has."""
    unlike, place = name, 1
    while unlike in taken:
        place += 1
        unlike = f"{name} ({place})"
    return unlike


def _looked_at(drafts: Sequence[_Draft]) -> tuple[list[Series], dict[str, str]]:
    """Every series with its role, compared with its picture; {name: why} of damaged ones.

    What had to be read for that is kept as long as there is room; the rest is read again when it is
    asked for.

    Raises:
        StudyError: by their headers they hold more than MOST_VOXELS.
    """
    voxels_of_all = sum(math.prod(draft.grid.shape) for draft in drafts if not draft.guess.aside)
    if voxels_of_all > MOST_VOXELS:
        raise StudyError(
            f"Its series hold {voxels_of_all / 1e6:,.0f} million voxels, and up to "
            f"{MOST_VOXELS / 1e6:,.0f} million are read. Give fewer of its series."
        )
    series: list[Series] = []
    damaged: dict[str, str] = {}
    room = KEPT_BYTES
    for draft in drafts:
        if draft.guess.aside:
            series.append(draft.series(draft.guess, draft.again, draft.warnings))
            continue
        try:
            voxels, warnings = draft.read()
        except StudyError as error:
            damaged[draft.name] = str(error)
            continue
        room -= voxels.nbytes
        guess = compared(draft.guess, look_at(voxels, draft.grid))
        if not guess.aside:
            guess = replace(guess, doubt=guess.doubt or draft.doubt)
        series.append(draft.series(guess, voxels if room >= 0 else draft.again, warnings))
    return series, damaged
