"""Examinations as a scanner or an archive wrote them: which files are one, and how it is opened.

patients/P1/visit/s1/*   DICOM of any depth: the headers say what belongs to one examination
patients/P2.zip          an archive that is given by itself
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mckd.clinic.series import Series, Study, StudyError
from mckd.files.names import visible
from mckd.predict.opening import Opened, Reach, Wishes, Work, hashed, prepared_of, require_alike
from mckd.tumour.layout import FLAG_MAP, Rules
from mckd.tumour.naming import NONE, SEQUENCE_NAMES, SEQUENCES, listed
from mckd.tumour.persons import Person, by_person

if TYPE_CHECKING:
    from mckd.clinic.headers import Frame


MOST_EQUAL = 100  # volumes of one series, and series of one title


@dataclass(frozen=True)
class StudyWork(Work):
    """One examination.

    root: what `paths` lead from. rules: what somebody said of its series, by their names. titles:
    these names, but for the numbers of equal ones; none of an archive, which is opened later.
    """

    root: Path
    paths: tuple[str, ...]
    rules: Rules
    titles: frozenset[str] = frozenset()

    @property
    def names(self) -> Iterator[str]:
        """What its series may be called: of equal titles all but the first are numbered."""
        for title in self.titles:
            yield title
            yield from (f"{title} ({number})" for number in range(2, MOST_EQUAL))

    @property
    def source(self) -> str:
        return hashed(*map(str, self.given), "study", self.name)

    def open(self, wishes: Wishes, reach: Reach) -> Opened:
        from mckd.clinic.intake import read_study

        study = read_study([self.root / path for path in self.paths])
        if len(study.days) > 1:
            raise StudyError(
                f"It holds {len(study.days)} examinations. Unpack it: each is then a case."
            )
        if not self.titles:
            names = [*(series.name for series in study.series), *study.aside]
            if unused := self.rules.unused(names):
                raise StudyError(unused)
        study = _as_said(study, self.rules)
        if not study.chosen:
            raise StudyError(_question(study, self.rules))
        prepared = prepared_of(study, self.name, reach)
        require_alike(prepared.case, wishes.anyway)
        said = tuple(_told(study, self.rules))
        return Opened(prepared.case, prepared, said, tuple(self._series(study)))

    def rows(self) -> list[dict[str, str]]:
        return [
            {"results": self.source, "file": f"{folder}/*", "used_as": "dicom", "why": ""}
            for folder in dict.fromkeys(str(PurePosixPath(path).parent) for path in self.paths)
        ]

    def _series(self, study: Study) -> Iterator[dict[str, str]]:
        """What each series was used as, or why not."""
        slots = {key: slot for slot, key in study.chosen.items()}
        given = [(s.name, slots.get(s.key, ""), _why(s, self.rules)) for s in study.series]
        aside = [(name, "", why) for name, why in study.aside.items()]
        for name, slot, why in [*given, *aside]:
            place = f"{self.name}: {visible(name)}"
            yield {"results": self.source, "file": place, "used_as": slot, "why": visible(why)}


def _as_said(study: Study, rules: Rules) -> Study:
    """With the roles that somebody gave to series by their names.

    Raises:
        StudyError: one role to several.
    """
    said = {series.key: rules.slot(series.name) for series in study.series}
    chosen = {slot: key for slot, key in study.chosen.items() if said[key] is None}
    for slot in SEQUENCES:
        claimed = [key for key, wanted in said.items() if wanted == slot]
        if len(claimed) > 1:
            names = listed(visible(study[key].name) for key in claimed)
            raise StudyError(
                f"{names} are all said to be {SEQUENCE_NAMES[slot]}. Give a {FLAG_MAP} that fits "
                f"one of them, or first one of {NONE} for the others."
            )
        if claimed:
            chosen[slot] = claimed[0]
    return replace(study, chosen=chosen)


def _why(series: Series, rules: Rules) -> str:
    return series.role.why if rules.slot(series.name) is None else f"{FLAG_MAP} says so"


def _question(study: Study, rules: Rules) -> str:
    names = ", ".join(visible(series.name) for series in _open(study, rules)[:6])
    if not names:
        return "There is no FLAIR, T1, T1c or T2 among its series."
    return (
        f"What its series are has to be said: {names}. Answer with {FLAG_MAP} "
        f"'PATTERN=SLOT', SLOT one of {', '.join((*SEQUENCES, NONE))}"
    )


def _open(study: Study, rules: Rules) -> list[Series]:
    """The series that nobody can tell, and of which nobody said anything."""
    chosen = study.chosen.values()
    unsure = (s for s in study.series if s.key not in chosen and not s.role.sure)
    return [series for series in unsure if rules.slot(series.name) is None]


def _told(study: Study, rules: Rules) -> Iterable[str]:
    """What each series was taken for, for the console."""
    slots = {key: slot for slot, key in study.chosen.items()}
    for series in study.series:
        if slot := slots.get(series.key):
            doubted = series.role.doubt and series.role.slot == slot
            doubt = f" But: {series.role.doubt}." if doubted else ""
            taken = SEQUENCE_NAMES[slot]
            yield f"{visible(series.name)} is taken for {taken}: {_why(series, rules)}.{doubt}"
    unclear = _open(study, rules)
    if unclear:
        names = listed(visible(series.name) for series in unclear)
        yield f"Left open, and not used: {names}. Say otherwise with {FLAG_MAP}."
    unused = (s for s in study.series if s.key not in slots and s not in unclear)
    aside = [*study.aside, *(series.name for series in unused)]
    if aside:
        yield f"Set aside: {listed([*map(visible, aside)])}."


# ---- which files are one examination


@dataclass(frozen=True)
class _Scan:
    """A DICOM file. title: of its series. begun: its date and time, as DICOM writes them. person:
    whom it names."""

    path: str
    title: str
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
    folders = dict(dicom)
    works = []
    for name, paths in dicom.items():
        if name.lower().endswith(".zip") and [*paths] == [name]:  # it is unpacked when it is opened
            works.append(StudyWork(top or "study", given, root, tuple(folders.pop(name)), rules))
    found = defaultdict(list)
    for scans in _examinations(root, folders, left):
        found[_place(scans) or top or "study"].append(scans)
    for place, several in sorted(found.items()):
        for number, scans in enumerate(sorted(several, key=_begun), 1):
            name = f"{place}/study-{number}" if len(several) > 1 else place
            paths = tuple(scan.path for scan in scans)
            titles = frozenset(scan.title for scan in scans)
            works.append(StudyWork(name, given, root, paths, rules, titles))
    return works, left


def _place(scans: Iterable[_Scan]) -> str:
    """The folder around all of them; "" for the root."""
    return posixpath.commonpath([PurePosixPath(scan.path).parent.as_posix() for scan in scans])


def _begun(scans: Iterable[_Scan]) -> tuple[tuple[str, str], str]:
    return min((scan.begun, scan.path) for scan in scans)


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
            begun = frame.date, frame.time
            held[frame.study].append(_Scan(path, frame.title, begun, frame.person))
    for scans in held.values():
        yield from by_person(scans)


def _first_frame(path: Path) -> Frame | None:
    """None if the file holds no image."""
    from mckd.clinic.headers import read_frames

    try:
        return read_frames(path)[0]
    except StudyError:
        return None
