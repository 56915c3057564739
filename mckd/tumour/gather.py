"""Which of many files make one case: by their relative paths alone; no file is opened.

P1/week-000/P1_flair.nii.gz ...      a folder for each case
P1/FLAIR/image.nii.gz ...            a folder for each sequence: the case is the one above
P1_flair.nii.gz P2_flair.nii.gz ...  cases side by side, told apart by what stands before the
                                     word of the sequence
imagesTr/BRATS_001 labelsTr/BRATS_001  MSD
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from mckd.tumour.naming import IMAGE_FOLDERS, LABEL_FOLDERS, SEG, slot_of, stem_of

_SAYS_NOTHING = re.compile(r"(?:image|img|scan|volume|vol|data|brain|series|file|\d|[ _.-])+")


@dataclass(frozen=True)
class Group:
    """The files of one case: its name, and {path: slot}; "" where the name leaves it open."""

    name: str
    slots: dict[str, str]

    @property
    def has_image(self) -> bool:
        return any(slot and slot != SEG for slot in self.slots.values())

    @property
    def is_clear(self) -> bool:
        """Whether no two of its files are the same sequence."""
        known = [slot for slot in self.slots.values() if slot]
        return len(known) == len(set(known))


def group(paths: Iterable[str]) -> tuple[list[Group], list[str]]:
    """The cases among relative paths of NIfTI files, in the order of their names.

    Returns:
        The cases, and the paths that belong to none. A case has at least one sequence by its
        name; where no file at all has, every folder is one.
    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        by_folder[_folder_of(path)].append(path)
    found = [one for folder, held in by_folder.items() for one in _apart(folder, held)]
    cases = [one for one in found if one.has_image] or found
    left = [path for one in found if one not in cases for path in one.slots]
    return sorted(cases, key=lambda one: _natural(one.name)), sorted(left)


def slot_in(path: str) -> str:
    """What a file is by its name, or by its folder where the name says nothing; "" if neither."""
    folder = PurePosixPath(path).parent.name
    says_nothing = _SAYS_NOTHING.fullmatch((stem_of(path) or "").lower())
    return slot_of(path) or (slot_of(f"{folder}.nii") if says_nothing else None) or ""


def _folder_of(path: str) -> str:
    """The folder of the case that a file belongs to."""
    folder = PurePosixPath(path).parent
    of_sequence = folder.name and slot_of(f"{folder.name}.nii")
    of_msd = folder.name in (*IMAGE_FOLDERS, *LABEL_FOLDERS)
    return str(folder.parent if of_sequence or of_msd else folder)


def _apart(folder: str, paths: list[str]) -> list[Group]:
    """The files of a folder as one case, or as several where that tells like ones apart."""
    name = "" if folder == "." else folder
    whole = Group(name, {path: slot_in(path) for path in sorted(paths)})
    if whole.is_clear:
        return [whole]
    return _split(whole, _subject_of) or _split(whole, _stem_of) or [whole]


def _split(whole: Group, key: Callable[[str], str]) -> list[Group]:
    """A group by subjects; empty if its files cannot be told apart so."""
    by_subject: dict[str, dict[str, str]] = defaultdict(dict)
    for path, slot in whole.slots.items():
        if slot:
            by_subject[key(path)][path] = slot
    for path, slot in whole.slots.items():
        if not slot:
            stem = _stem_of(path)
            nearest = max((s for s in by_subject if stem.startswith(s)), key=len, default=stem)
            by_subject[nearest][path] = ""
    under = f"{whole.name}/" if whole.name else ""
    parts = [Group(f"{under}{subject}", slots) for subject, slots in by_subject.items()]
    return parts if "" not in by_subject and all(part.is_clear for part in parts) else []


def _stem_of(path: str) -> str:
    return stem_of(path) or path


def _subject_of(path: str) -> str:
    """What stands before the words of the sequence: `P1` of P1_T1_post.nii.gz."""
    stem, slot = _stem_of(path), slot_of(path)
    starts = [match.end() for match in re.finditer(r"[ _.-]+", stem)]
    last = max((at for at in starts if slot_of(f"{stem[at:]}.nii") == slot), default=0)
    return stem[:last].rstrip(" _.-")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """For sorting: 2 before 10."""
    return [(0, int(w), "") if w.isdecimal() else (1, 0, w) for w in re.split(r"(\d+)", name)]
