"""Examinations as a scanner or an archive wrote them: which files are one, and how it is opened.

patients/P1/visit/s1/*   DICOM of any depth: the headers say what belongs to one examination
patients/P2.zip          an archive that is given by itself
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mckd.clinic.series import Series, Study, StudyError
from mckd.files.names import visible
from mckd.predict.opening import Opened, Reach, Wishes, Work, hashed, prepared_of, require_alike
from mckd.tumour.layout import FLAG_MAP, Rules
from mckd.tumour.naming import NONE, SEQUENCE_NAMES, SEQUENCES, listed
from mckd.tumour.persons import Person, apart

if TYPE_CHECKING:
    from mckd.clinic.headers import Frame


@dataclass(frozen=True)
class StudyWork(Work):
    """One examination.

    root: what `paths` lead from. rules: what somebody said of its series, by their names.
    """

    root: Path
    paths: tuple[str, ...]
    rules: Rules

    @property
    def source(self) -> str:
        return hashed(*map(str, self.given), "study", self.name)

    def open(self, wishes: Wishes, reach: Reach) -> Opened:
        from mckd.clinic.intake import read_study

        study = _as_said(read_study([self.root / path for path in self.paths]), self.rules)
        if study.others:
            raise StudyError(
                f"It holds {study.others + 1} examinations. Unpack it: each is then a case."
            )
        if not study.chosen:
            raise StudyError(_question(study))
        prepared = prepared_of(study, self.name, reach)
        require_alike(prepared.case, wishes.anyway)
        return Opened(prepared.case, prepared, tuple(_told(study)), tuple(self._series(study)))

    def rows(self) -> list[dict[str, str]]:
        return [
            {"results": self.source, "file": f"{folder}/*", "used_as": "dicom", "why": ""}
            for folder in dict.fromkeys(str(PurePosixPath(path).parent) for path in self.paths)
        ]

    def _series(self, study: Study) -> Iterator[dict[str, str]]:
        """What each series was used as, or why not."""
        slots = {key: slot for slot, key in study.chosen.items()}
        given = [(s.name, slots.get(s.key, ""), s.role.why) for s in study.series]
        aside = [(name, "", why) for name, why in study.aside.items()]
        for name, slot, why in [*given, *aside]:
            place = f"{self.name}: {visible(name)}"
            yield {"results": self.source, "file": place, "used_as": slot, "why": visible(why)}


def _as_said(study: Study, rules: Rules) -> Study:
    """With the roles that somebody gave to series by their names."""
    chosen = dict(study.chosen)
    for series in study.series:
        slot = rules.slot(series.name)
        if slot is None:
            continue
        chosen = {held: key for held, key in chosen.items() if key != series.key}
        if slot in SEQUENCES:
            chosen[slot] = series.key
    return replace(study, chosen=chosen)


def _question(study: Study) -> str:
    names = ", ".join(visible(series.name) for series in _open(study)[:6])
    if not names:
        return "There is no FLAIR, T1, T1c or T2 among its series."
    return (
        f"What its series are has to be said: {names}. Answer with {FLAG_MAP} "
        f"'PATTERN=SLOT', SLOT one of {', '.join((*SEQUENCES, NONE))}"
    )


def _open(study: Study) -> list[Series]:
    """The series that nobody can tell."""
    chosen = study.chosen.values()
    return [s for s in study.series if s.key not in chosen and not s.role.sure]


def _told(study: Study) -> Iterable[str]:
    """What each series was taken for, for the console."""
    slots = {key: slot for slot, key in study.chosen.items()}
    for series in study.series:
        if series.key in slots:
            doubt = f" But: {series.role.doubt}." if series.role.doubt else ""
            taken = SEQUENCE_NAMES[slots[series.key]]
            yield f"{visible(series.name)} is taken for {taken}: {series.role.why}.{doubt}"
    unclear = [visible(series.name) for series in _open(study)]
    if unclear:
        yield f"Left open, and not used: {listed(unclear)}. Say otherwise with {FLAG_MAP}."
    aside = [*study.aside, *(s.name for s in study.series if s.key not in slots and s.role.sure)]
    if aside:
        yield f"Set aside: {listed([*map(visible, aside)])}."


# ---- which files are one examination


@dataclass(frozen=True)
class _Scan:
    """A DICOM file. begun: its date and time, as DICOM writes them. person: whom it names."""

    path: str
    begun: tuple[str, str]
    person: Person


def studies_of(
    root: Path, given: tuple[Path, ...], top: str, dicom: Mapping[str, Sequence[str]], rules: Rules
) -> tuple[list[StudyWork], dict[str, str]]:
    """The examinations below a folder, the older first, and {folder/*: why} of what is none.

    Args:
        root: what the paths of `dicom` lead from: {folder or archive: its files}. top: what root is
            called.
    """
    left: dict[str, str] = {}
    held: list[tuple[tuple[str, str], tuple[str, ...]]] = []
    folders = dict(dicom)
    for name, paths in dicom.items():
        if name.lower().endswith(".zip") and [*paths] == [name]:  # it is unpacked when it is opened
            held.append((("", ""), tuple(folders.pop(name))))
    for scans in _examinations(root, folders, left):
        held.append((min(scan.begun for scan in scans), tuple(scan.path for scan in scans)))
    named = sorted((_place(paths) or top or "study", begun, paths) for begun, paths in held)
    several = Counter(place for place, _, _ in named)
    count: Counter[str] = Counter()
    works = []
    for place, _, paths in named:
        count[place] += 1
        name = f"{place}/study-{count[place]}" if several[place] > 1 else place
        works.append(StudyWork(name, given, root, paths, rules))
    return works, left


def _place(paths: Iterable[str]) -> str:
    """The folder around all of them; "" for the root."""
    return posixpath.commonpath([PurePosixPath(path).parent.as_posix() for path in paths])


def _examinations(
    root: Path, folders: Mapping[str, Sequence[str]], left: dict[str, str]
) -> Iterator[list[_Scan]]:
    """The files of each examination; `left` is told of folders without an image.

    Every header is read, for in a folder the files of several may lie in any order.
    """
    held: dict[str, list[_Scan]] = defaultdict(list)
    for folder, paths in folders.items():
        frames = {path: _first_frame(root / path) for path in paths}
        images = {path: frame for path, frame in frames.items() if frame}
        if not images:
            left[f"{folder}/*"] = "DICOM: no image among them"
            continue
        first = next(iter(images.values()))
        for path, frame in frames.items():
            frame = frame or first  # it is named there as set aside
            held[frame.study].append(_Scan(path, (frame.date, frame.time), frame.person))
    for scans in held.values():
        for persons in apart(scan.person for scan in scans):
            yield [scan for scan in scans if scan.person in persons]


def _first_frame(path: Path) -> Frame | None:
    """None if the file holds no image."""
    from mckd.clinic.headers import read_frames

    try:
        return read_frames(path)[0]
    except StudyError:
        return None
