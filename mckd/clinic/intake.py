"""From a folder of a scanner or a PACS, an archive or single files, to a study.

study = read_study(folder)                  # the newest examination
study.series, study.chosen, study.aside
read_study(folder, study=1)                 # the one before it
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mckd.clinic.headers import Frame, is_dicom, read_frames
from mckd.clinic.pixels import read_voxels
from mckd.clinic.roles import in_time
from mckd.clinic.series import Facts, Role, Series, Study, StudyError
from mckd.clinic.stacks import Stack, stacked, volumes_of
from mckd.files.names import plain_name
from mckd.tumour.naming import SEQUENCES

MOST_FILES = 20_000


def read_study(source: Path | str | Sequence[Path | str], study: int = 0) -> Study:
    """Read one examination.

    Args:
        source: a folder, or files.
        study: which one, where there are several; 0 is the newest.

    Raises:
        StudyError: nothing to read, or no such study.
    """
    frames: list[Frame] = []
    aside: dict[str, str] = {}
    for path in _files(source):
        if not is_dicom(path):
            continue
        try:
            frames += read_frames(path)
        except StudyError as error:
            aside[plain_name(path.name)] = str(error)
    studies = _by_study(frames)
    if not studies:
        raise StudyError("There is no MR series here. Give the folder that the scanner wrote.")
    if not 0 <= study < len(studies):
        raise StudyError(f"There are {len(studies)} studies here; there is no number {study}.")
    series, more = _series(studies[study])
    return Study(tuple(series), _chosen(series), {**aside, **more}, others=len(studies) - 1)


def _files(source: Path | str | Sequence[Path | str]) -> list[Path]:
    given = [Path(source)] if isinstance(source, (str, Path)) else [Path(path) for path in source]
    found: list[Path] = []
    for path in given:
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if len(found) > MOST_FILES:
        raise StudyError(f"There are more than {MOST_FILES:,} files here. Give one examination.")
    return found


def _by_study(frames: Iterable[Frame]) -> list[list[Frame]]:
    """The frames of each examination, the newest first."""
    studies: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        studies[frame.study].append(frame)
    return sorted(
        studies.values(),
        key=lambda held: max((frame.date, frame.time) for frame in held),
        reverse=True,
    )


def _series(frames: Iterable[Frame]) -> tuple[list[Series], dict[str, str]]:
    """The volumes of a study in the order of time, and {name: why} of what makes none."""
    held: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        held[frame.series].append(frame)
    parts = [part for whole in held.values() for part in volumes_of(whole)]
    parts.sort(key=lambda part: min((f.date, f.time, f.number or 0) for f in part))
    facts = [replace(part[0].facts, order=order) for order, part in enumerate(parts)]
    roles = in_time(facts)
    series: list[Series] = []
    aside: dict[str, str] = {}
    for place, (part, said, role) in enumerate(zip(parts, facts, roles, strict=True)):
        name = _name(part[0], aside, series)
        if role.sure and not role.slot:
            aside[name] = role.why
            continue
        try:
            stack = stacked(part)
        except StudyError as error:
            aside[name] = str(error)
        else:
            series.append(_one(f"s{place}", name, stack, said, role))
    return series, aside


def _one(key: str, name: str, stack: Stack, facts: Facts, role: Role) -> Series:
    files = tuple(dict.fromkeys(frame.path for frame in stack.frames))
    return Series(
        key=key,
        name=name,
        voxels=partial(read_voxels, stack),
        grid=stack.grid,
        facts=facts,
        role=role,
        files=files,
        frames=tuple(frame.place for frame in stack.frames) if len(files) == 1 else (),
        dicom=True,
    )


def _name(frame: Frame, aside: Iterable[str], series: Iterable[Series]) -> str:
    """What people call it: the number of the series and its description."""
    number = "" if frame.number is None else f"{frame.number} "
    name = plain_name(f"{number}{frame.facts.description or 'without a description'}")
    taken = Counter([*aside, *(one.name for one in series)])
    place, unique = 1, name
    while unique in taken:
        place += 1
        unique = f"{name} ({place})"
    return unique


def _chosen(series: Sequence[Series]) -> dict[str, str]:
    """{slot: key} of the best candidate of each role."""
    found: dict[str, str] = {}
    for slot in SEQUENCES:
        candidates = [one for one in series if one.role.slot == slot and one.role.sure]
        if candidates:
            found[slot] = min(candidates, key=lambda one: max(one.grid.spacing_mm)).key
    return found
