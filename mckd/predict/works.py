"""Which cases there are to segment: of a folder, or of files given one by one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mckd.clinic.series import StudyError
from mckd.files.names import visible
from mckd.predict.opening import (
    AUTO,
    Opened,
    Reach,
    Wishes,
    Work,
    hashed,
    prepared_of,
    require_alike,
    with_note,
)
from mckd.tumour.data import read_case
from mckd.tumour.layout import Group, Layout, Rules, flag_for, layout_of
from mckd.tumour.naming import IMAGE_FOLDERS, SEG, SEQUENCES, STACK, CaseError
from mckd.tumour.placing import ApartError
from mckd.tumour.references import WITHOUT_REFERENCE
from mckd.tumour.survey import NO_TARGET, Survey, is_dicom, survey

if TYPE_CHECKING:
    from mckd.predict.studies import StudyWork

MOST_TOLD = 3
ZIP = ".zip"


class UsageError(ValueError):
    """What was asked for cannot be begun: one sentence."""


@dataclass(frozen=True)
class FilesWork(Work):
    """A case of NIfTI files.

    root: what the paths of `group` and `left`, {path: why it is left out}, lead from.
    """

    root: Path
    group: Group
    left: Mapping[str, str]

    @property
    def source(self) -> str:
        return hashed(*map(str, self.given), self.group.name)

    @property
    def files(self) -> dict[str, Path]:
        return {slot: self.root / path for path, slot in self.group.slots.items()}

    def open(self, wishes: Wishes, reach: Reach) -> Opened:
        if self.group.question:
            raise CaseError(f"{self.group.question} Answer with {' '.join(self.group.flags)}")
        opened = self._open(wishes, reach)
        return replace(opened, case=with_note(opened.case, self.left), said=self._asides())

    def _open(self, wishes: Wishes, reach: Reach) -> Opened:
        may_prepare = wishes.prepare == AUTO and STACK not in self.files
        try:
            case = read_case(self.files, order=self.group.order)
        except ApartError:
            if not may_prepare:
                raise
            return self._prepared(wishes, reach)
        if not case.unlike_training or wishes.anyway or not may_prepare:
            require_alike(case, wishes.anyway)
            return Opened(case)
        try:
            return self._prepared(wishes, reach)
        except StudyError as error:
            require_alike(case, False, f"It cannot be prepared: {error}")
            raise

    def _prepared(self, wishes: Wishes, reach: Reach) -> Opened:
        """Of images that are no case yet.

        Raises:
            StudyError: they cannot be prepared.
        """
        from mckd.clinic.preparation import study_of

        images = {slot: path for slot, path in self.files.items() if slot != SEG}
        prepared = prepared_of(study_of(images), self.name, reach)
        case = prepared.case
        if SEG in self.files:
            case = replace(case, warnings=(*case.warnings, WITHOUT_REFERENCE))
        require_alike(case, wishes.anyway)
        return Opened(case, replace(prepared, case=case))

    def rows(self) -> list[dict[str, str]]:
        rows = []
        for path, slot in self.group.slots.items():
            used = {"used_as": "", "why": "has to be asked about"} if self.group.question else {}
            rows.append({"results": self.source, "file": path, "used_as": slot, "why": ""} | used)
        rows += [
            {"results": "", "file": path, "used_as": "", "why": f"unclear: {verdict.why}"}
            for path, verdict in self.group.asks.items()
        ]
        return rows

    def _asides(self) -> tuple[str, ...]:
        broken = (path for path, why in self.left.items() if why == NO_TARGET)
        lines = [f"{visible(path)} points to nothing." for path in broken]
        for path, verdict in self.group.spare.items():
            open_ = f"{visible(path)} is left out: its name leaves open {verdict.why}."
            lines.append(f"{open_} Say otherwise with {flag_for(path, verdict)}")
        return tuple(lines)


def works_of(arguments: argparse.Namespace) -> tuple[Layout, list[Work]]:
    """What is left out, and the cases to segment: of a folder, or of files given one by one."""
    single = {slot: getattr(arguments, slot) for slot in (*SEQUENCES, SEG)}
    given = {slot: path for slot, path in single.items() if path is not None}
    if given:
        return Layout((), {}), [_of_files(given)]
    prepare = arguments.prepare == AUTO
    return _of_folder(arguments.folder, arguments.out, _rules(arguments), prepare)


def _rules(arguments: argparse.Namespace) -> Rules:
    return Rules(tuple(arguments.map or ()), tuple(arguments.order or ()))


def _of_files(given: Mapping[str, Path]) -> FilesWork:
    for slot, path in given.items():
        if not path.is_file():
            raise UsageError(f"There is no file {path}, given as --{slot}.")
    paths = {str(path.resolve()): slot for slot, path in given.items()}
    folders = {Path(path).parent for path in paths}
    name = folders.pop().name if len(folders) == 1 else ""
    whole = tuple(map(Path, sorted(paths)))
    return FilesWork(name or "case", whole, Path("/"), Group("", paths), {})


def _of_folder(folder: Path, out: Path, rules: Rules, prepare: bool) -> tuple[Layout, list[Work]]:
    if not folder.exists():
        raise UsageError(f"There is no {folder}. Give a folder with a case, or with folders of it.")
    found = _survey(folder, out, rules)
    whole = folder.resolve()
    top = whole.name if folder.is_dir() else whole.name.partition(".")[0]
    studies: list[StudyWork] = []
    layout = found.layout
    if prepare:
        studies, layout = _studies(found, (whole,), top, rules)
    _require_used(rules, layout, studies)
    if not layout.cases and not studies:
        told = [f"{visible(path)}: {why}." for path, why in sorted(layout.left.items())]
        kinds = "no NIfTI file (.nii or .nii.gz)" + " and no DICOM image" * prepare
        raise UsageError(" ".join([f"{folder} holds {kinds} to segment.", *told[:MOST_TOLD]]))
    return layout, [
        *(
            FilesWork(
                group.name or top or "case", (whole,), found.root, group, _left_of(group, layout)
            )
            for group in layout.cases
        ),
        *studies,
    ]


def _studies(
    found: Survey, given: tuple[Path, ...], top: str, rules: Rules
) -> tuple[list[StudyWork], Layout]:
    """The examinations in DICOM, and the layout without their files."""
    if not found.dicom:
        return [], found.layout
    from mckd.predict.studies import studies_of

    works, unread = studies_of(found.root, given, top, found.dicom, rules)
    seen = {f"{folder}/*" for folder in found.dicom}
    left = {path: why for path, why in found.layout.left.items() if path not in seen}
    return works, Layout(found.layout.cases, {**left, **unread})


def _survey(folder: Path, out: Path, rules: Rules) -> Survey:
    """What lies below a folder, or is one file or archive.

    Labels of MSD and nnU-Net lie beside the folder of images.
    """
    whole = folder.resolve()
    images = whole if folder.is_dir() else whole.parent
    if images.name not in IMAGE_FOLDERS:
        if folder.is_dir():
            return survey(folder, rules, skip=out)
        if whole.suffix.lower() == ZIP or is_dicom(whole):
            return Survey(images, Layout((), {}), {whole.name: (whole.name,)})
        return Survey(images, layout_of([whole.name], rules, folder=images.name))
    root = images.parent
    found = survey(root, rules, skip=out).layout
    mine = f"{images.name}/" if folder.is_dir() else f"{images.name}/{whole.name}"
    cases = tuple(
        case
        for case in found.cases
        if any(path.startswith(mine) for path in (*case.slots, *case.asks))
    )
    left = {path: why for path, why in found.left.items() if path.startswith(mine)}
    return Survey(root, Layout(cases, left))


def _require_used(rules: Rules, layout: Layout, studies: Sequence[StudyWork]) -> None:
    """That every pattern fits a file or a series; of an archive that is seen when it is opened."""
    if not all(study.titles for study in studies):
        return
    names = [path for group in layout.cases for path in (*group.slots, *group.asks)]
    names += layout.left
    names += {name for study in studies for name in study.names}
    if unused := rules.unused(names):
        raise UsageError(unused)


def _left_of(group: Group, layout: Layout) -> dict[str, str]:
    """{path: why} of the files left out that lie nearest to this case."""
    names = {other.name for other in layout.cases}
    found = {}
    for path, why in layout.left.items():
        above = [str(folder).removeprefix(".") for folder in PurePosixPath(path).parents]
        if next((folder for folder in above if folder in names), None) == group.name:
            found[path] = why
    return found
