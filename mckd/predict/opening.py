"""A case to segment, opened: as it is, or prepared from what a scanner gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from mckd.files.names import visible
from mckd.tumour.data import Case
from mckd.tumour.naming import SEQUENCE_NAMES, CaseError

if TYPE_CHECKING:
    from mckd.clinic.series import Prepared, Study

AUTO = "auto"
Reach = Callable[[float, str], None]
"""Told how much of the opening is done, and what is being done."""


class UnlikeError(CaseError):
    """The images are unlike those of the training, and nobody said to segment them anyway."""


@dataclass(frozen=True)
class Wishes:
    """prepare: AUTO, or `never`. anyway: images unlike those of the training too, as they are."""

    prepare: str = AUTO
    anyway: bool = False


@dataclass(frozen=True, eq=False)
class Opened:
    """prepared: None where the images were given prepared. said: for the console, as it may name
    single files and series, which no result may hold. series: what each series of an examination
    was used as, rows for `Results.list_files`."""

    case: Case
    prepared: Prepared | None = None
    said: tuple[str, ...] = ()
    series: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Work(ABC):
    """A case to segment.

    name: its path below what was given. given: what was given, a folder or files.
    """

    name: str
    given: tuple[Path, ...]

    @property
    def label(self) -> str:
        """The name as it may be printed."""
        return visible(self.name)

    @property
    @abstractmethod
    def source(self) -> str:
        """Tells the case from all others, in later runs too."""

    @abstractmethod
    def open(self, wishes: Wishes, reach: Reach) -> Opened:
        """Read the case, and prepare it if need be.

        Raises:
            CaseError, StudyError: it cannot be read, or something has to be answered first.
            UnlikeError: the app would not segment it unasked.
        """

    @abstractmethod
    def rows(self) -> list[dict[str, str]]:
        """What each of its files was used as: rows for `Results.list_files`."""


def hashed(*words: str) -> str:
    """16 hexadecimal digits that tell these words, in their order, from all others."""
    return sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def require_alike(case: Case, anyway: bool, more: str = "") -> None:
    """Hold back images unlike those of the training. more: a sentence after the reasons.

    Raises:
        UnlikeError: they are, and `anyway` is not said.
    """
    if case.unlike_training and not anyway:
        doubts = " ".join(filter(None, [*case.warnings, more]))
        raise UnlikeError(f"held back. {doubts} Segment it all the same with --anyway.")


def prepared_of(study: Study, name: str, reach: Reach) -> Prepared:
    """A study as a case, told step by step.

    Raises:
        StudyError: it cannot be prepared.
    """
    from mckd.clinic.preparation import prepare

    steps = {"registration": (0.0, 0.5), "brain": (0.5, 0.4), "resampling": (0.9, 0.1)}

    def told(kind: str, slot: str, share: float) -> None:
        begun, part = steps[kind]
        reach(begun + part * share, f"{kind} {SEQUENCE_NAMES.get(slot, '')}".rstrip())

    return prepare(study, progress=told, name=name)


def with_note(case: Case, left: Mapping[str, str]) -> Case:
    """The case with a note on what was left out of its folder: {path: why}."""
    if not left:
        return case
    reasons = "; ".join(dict.fromkeys(left.values()))
    count = "1 file" if len(left) == 1 else f"{len(left)} files"
    note = f"Left out of the case's folder: {count} ({reasons})."
    return replace(case, warnings=(*case.warnings, note))
