"""Which cases there are to segment: of a folder, or of files given one by one."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mckd.files.names import visible
from mckd.tumour.data import Case, read_case
from mckd.tumour.layout import FLAG_MAP, Group, Layout, Rules, flag_for, layout_of
from mckd.tumour.naming import IMAGE_FOLDERS, SEG, SEQUENCES, CaseError
from mckd.tumour.survey import NO_TARGET, survey

MOST_TOLD = 3


class UsageError(ValueError):
    """What was asked for cannot be begun: one sentence."""


class UnlikeError(CaseError):
    """The images are unlike those of the training, and nobody said to segment them anyway."""


@dataclass(frozen=True)
class Work:
    """A case to segment.

    name: its path below what was given. root: what the paths of `group` and `left` lead from.
    given: what was given, a folder or files; with the name it tells the case from all others.
    """

    name: str
    root: Path
    group: Group
    left: Mapping[str, str]
    given: tuple[Path, ...]

    @property
    def source(self) -> str:
        return hashed(*map(str, self.given), self.group.name)

    @property
    def label(self) -> str:
        """The name as it may be printed."""
        return visible(self.name)

    @property
    def files(self) -> dict[str, Path]:
        return {slot: self.root / path for path, slot in self.group.slots.items()}

    def read(self, anyway: bool) -> Case:
        """The case with a note on what was left out of its folder.

        Raises:
            CaseError: it cannot be read, or something has to be answered first.
            UnlikeError: the app would not segment it unasked.
        """
        group = self.group
        if group.question:
            raise CaseError(f"{group.question} Answer with {' '.join(group.flags)}")
        case = read_case(self.files, order=group.order)
        if case.unlike_training and not anyway:
            doubts = " ".join(case.warnings)
            raise UnlikeError(f"held back. {doubts} Segment it all the same with --anyway.")
        if not self.left:
            return case
        reasons = "; ".join(dict.fromkeys(self.left.values()))
        count = "1 file" if len(self.left) == 1 else f"{len(self.left)} files"
        note = f"Left out of the case's folder: {count} ({reasons})."
        return replace(case, warnings=(*case.warnings, note))

    def asides(self) -> list[str]:
        """What the console says of single files, by their names, which no result may hold."""
        broken = (path for path, why in self.left.items() if why == NO_TARGET)
        lines = [f"{visible(path)} points to nothing." for path in broken]
        for path, verdict in self.group.spare.items():
            open_ = f"{visible(path)} is left out: its name leaves open {verdict.why}."
            lines.append(f"{open_} Say otherwise with {flag_for(path, verdict)}")
        return lines


def hashed(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def works_of(arguments: argparse.Namespace) -> tuple[Layout, list[Work]]:
    """What is left out, and the cases to segment: of a folder, or of files given one by one."""
    single = {slot: getattr(arguments, slot) for slot in (*SEQUENCES, SEG)}
    given = {slot: path for slot, path in single.items() if path is not None}
    if given:
        return Layout((), {}), [_of_files(given)]
    return _of_folder(arguments.folder, arguments.out, _rules(arguments))


def _rules(arguments: argparse.Namespace) -> Rules:
    return Rules(tuple(arguments.map or ()), tuple(arguments.order or ()))


def _of_files(given: Mapping[str, Path]) -> Work:
    for slot, path in given.items():
        if not path.is_file():
            raise UsageError(f"There is no file {path}, given as --{slot}.")
    paths = {str(path.resolve()): slot for slot, path in given.items()}
    folders = {Path(path).parent for path in paths}
    name = folders.pop().name if len(folders) == 1 else ""
    whole = tuple(map(Path, sorted(paths)))
    return Work(name or "case", Path("/"), Group("", paths), {}, whole)


def _of_folder(folder: Path, out: Path, rules: Rules) -> tuple[Layout, list[Work]]:
    if not folder.exists():
        raise UsageError(f"There is no {folder}. Give a folder with a case, or with folders of it.")
    root, layout = _layout(folder, out, rules)
    _require_used(rules, layout)
    if not layout.cases:
        told = [f"{visible(path)}: {why}." for path, why in sorted(layout.left.items())]
        raise UsageError(
            " ".join(
                [f"{folder} holds no NIfTI file (.nii or .nii.gz) to segment.", *told[:MOST_TOLD]]
            )
        )
    given = folder.resolve()
    top = given.name if folder.is_dir() else given.name.partition(".")[0]
    return layout, [
        Work(group.name or top or "case", root, group, _left_of(group, layout), (given,))
        for group in layout.cases
    ]


def _layout(folder: Path, out: Path, rules: Rules) -> tuple[Path, Layout]:
    """What lies below a folder, or is one file, and what its paths lead from.

    Labels of MSD and nnU-Net lie beside the folder of images.
    """
    whole = folder.resolve()
    images = whole if folder.is_dir() else whole.parent
    if images.name not in IMAGE_FOLDERS:
        if folder.is_dir():
            return folder, survey(folder, rules, skip=out).layout
        return images, layout_of([whole.name], rules, folder=images.name)
    root = images.parent
    found = survey(root, rules, skip=out).layout
    mine = f"{images.name}/" if folder.is_dir() else f"{images.name}/{whole.name}"
    cases = tuple(
        case
        for case in found.cases
        if any(path.startswith(mine) for path in (*case.slots, *case.asks))
    )
    return root, Layout(cases, {p: why for p, why in found.left.items() if p.startswith(mine)})


def _require_used(rules: Rules, layout: Layout) -> None:
    """A pattern that fits nothing is a slip of the pen, not to be passed over."""
    paths = [path for group in layout.cases for path in (*group.slots, *group.asks)]
    paths += layout.left
    for pattern, slot in rules.maps:
        if not any(Rules(((pattern, slot),)).slot(path) for path in paths):
            raise UsageError(f"{FLAG_MAP} {pattern}={slot} fits none of the files.")


def _left_of(group: Group, layout: Layout) -> dict[str, str]:
    """{path: why} of the files left out that lie nearest to this case."""
    names = {other.name for other in layout.cases}
    found = {}
    for path, why in layout.left.items():
        above = [str(folder).removeprefix(".") for folder in PurePosixPath(path).parents]
        if next((folder for folder in above if folder in names), None) == group.name:
            found[path] = why
    return found
