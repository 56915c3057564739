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

from mckd.clinic.series import Series, Study, StudyError
from mckd.files.names import visible
from mckd.predict.opening import Opened, Reach, Wishes, Work, hashed, prepared_of, require_alike
from mckd.tumour.layout import FLAG_MAP, Rules
from mckd.tumour.naming import NONE, SEQUENCE_NAMES, SEQUENCES, listed


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
    if study.others:
        yield f"{study.others} more in the same files, not segmented: give folders of their own."


# ---- which files are one examination


def studies_of(
    root: Path, given: tuple[Path, ...], top: str, dicom: Mapping[str, Sequence[str]], rules: Rules
) -> tuple[list[StudyWork], dict[str, str]]:
    """The examinations below a folder, the older first, and {folder/*: why} of what is none.

    Args:
        root: what the paths of `dicom` lead from: {folder or archive: its files}. top: what root is
            called.
    """
    held: dict[str, list[str]] = defaultdict(list)
    begun: dict[str, tuple[str, str]] = {}
    left: dict[str, str] = {}
    for folder, paths in dicom.items():
        if folder.lower().endswith(".zip"):  # it is unpacked when it is opened
            held[folder], begun[folder] = [*paths], ("", "")
            continue
        try:
            parts, times = _by_study(root, paths)
        except StudyError as error:
            left[f"{folder}/*"] = f"DICOM: {error}"
            continue
        for study, some in parts.items():
            held[study] += some
            begun[study] = min(times[study], begun.get(study, times[study]))
    places = {study: _place(paths) or top or "study" for study, paths in held.items()}
    several = Counter(places.values())
    count: Counter[str] = Counter()
    works = []
    for study in sorted(held, key=lambda study: (places[study], begun[study], study)):
        name = places[study]
        if several[name] > 1:
            count[name] += 1
            name = f"{name}/study-{count[name]}"
        works.append(StudyWork(name, given, root, tuple(held[study]), rules))
    return works, left


def _place(paths: Iterable[str]) -> str:
    """The folder around all of them; "" for the root."""
    return posixpath.commonpath([PurePosixPath(path).parent.as_posix() for path in paths])


def _by_study(
    root: Path, paths: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, tuple[str, str]]]:
    """The files of one folder by examination, and when each of these began.

    A folder whose first and last file are of one examination is taken for all of it; what else
    hides between is found, and left out, when the examination is read.

    Raises:
        StudyError: none of them is an image.
    """
    first, last = _study(root / paths[0]), _study(root / paths[-1])
    if first and last and first[0] == last[0]:
        return {first[0]: [*paths]}, {first[0]: min(first[1:], last[1:])}
    parts: dict[str, list[str]] = defaultdict(list)
    times: dict[str, tuple[str, str]] = {}
    unread = []
    for path in paths:
        found = _study(root / path)
        if found is None:
            unread.append(path)
            continue
        study, *time = found
        parts[study].append(path)
        times[study] = min((time[0], time[1]), times.get(study, (time[0], time[1])))
    if not parts:
        raise StudyError("no image among them")
    next(iter(parts.values())).extend(unread)  # so that they are named as set aside
    return parts, times


def _study(path: Path) -> tuple[str, str, str] | None:
    """UID, date and time of the examination that a file belongs to; None if it is no image."""
    from mckd.clinic.headers import read_frames

    try:
        frame = read_frames(path)[0]
    except StudyError:
        return None
    return frame.study, frame.date, frame.time
