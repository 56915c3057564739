"""Which cases can be opened: the bundled ones, and what a visitor has uploaded."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mckd.studio.services import faults
from mckd.studio.services.folders import Folders
from mckd.studio.tasks.tumour.opened import UNREADABLE, CaseFiles, spoken
from mckd.tumour.naming import SEG, SEQUENCE_NAMES, STACK

MOST_NAMES = 400  # of files that are sorted at once
LONGEST_PATH = 300
SLOTS = {**SEQUENCE_NAMES, STACK: "All four (4-D, MSD)", SEG: "Reference"}

DROPPED = "A file is no longer here. Please drop the files again."
LEFT = "Your files were deleted when the page was gone, as promised. Please open them again."

log = logging.getLogger(__name__)


class Sources:
    """The bundled cases below a folder, and the uploads of visitors."""

    def __init__(self, cases: Path, folders: Folders) -> None:
        self._cases, self._folders = cases, folders

    def listed(self) -> list[dict[str, str]]:
        """The bundled cases: key, name and one line about each, in the order of their names."""
        if not self._cases.is_dir():
            return []
        folders = sorted(p for p in self._cases.iterdir() if p.is_dir() and any(p.glob("*.nii*")))
        return [
            {"key": folder.name, "name": spoken(folder.name), "about": _about(folder)}
            for folder in folders
        ]

    def bundled(self, key: object) -> CaseFiles:
        """The bundled case of that key.

        Raises:
            ValueError: none is called so.
        """
        if key not in [case["key"] for case in self.listed()]:
            raise ValueError("There is no such bundled case. Choose one of the list.")
        return CaseFiles(f"bundled:{key}", self._cases / str(key))

    def own(
        self, owner: str, tickets: Mapping[str, str], browser: str = "", again: bool = False
    ) -> CaseFiles:
        """A visitor's uploads, {slot: ticket}; from now on only they can open them.

        owner: of the desk, a secret. browser: theirs, another. again: their page was loaded anew
        and asks for what it had.

        Raises:
            ValueError: no image among them, a slot that does not exist, a file that is not here.
        """
        if not tickets or set(tickets) <= {"seg"}:
            raise ValueError("Say of at least one file that it is FLAIR, T1, T1c or T2.")
        if not set(tickets) <= set(SLOTS):
            raise ValueError(f"That is no sequence. There are: {', '.join(SLOTS)}.")
        try:
            taken = {
                slot: self._folders.take(owner, ticket, browser) for slot, ticket in tickets.items()
            }
        except FileNotFoundError:
            raise ValueError(LEFT if again else DROPPED) from None
        except OSError as error:
            faults.record(log, "An upload could not be kept.", error)
            raise ValueError(UNREADABLE) from None
        return CaseFiles(
            own_key(),
            {slot: upload.path for slot, upload in taken.items()},
            {slot: upload.name for slot, upload in taken.items()},
        )

    def examination(
        self, owner: str, tickets: list[str], browser: str = "", again: bool = False
    ) -> CaseFiles:
        """A visitor's DICOM files, archives of them; see `own`.

        Raises:
            ValueError: there are none, one is damaged or not here.
        """
        if not tickets:
            raise ValueError(DROPPED)
        try:
            folder = self._folders.unpack(owner, tickets, browser)
        except FileNotFoundError:
            raise ValueError(LEFT if again else DROPPED) from None
        except OSError as error:
            faults.record(log, "An upload could not be kept.", error)
            raise ValueError(UNREADABLE) from None
        return CaseFiles(own_key(), folder, raw=True)


def own_key() -> str:
    """Of a case among the open ones; nobody else has it."""
    return f"own:{secrets.token_hex(16)}"


def sort(paths: object) -> dict[str, Any]:
    """The cases among files, by their relative paths, as intake.js lists them.

    Each case has a name and the slot of each of its files, "" where a name leaves it open;
    `left` says why of the files that belong to no case.
    """
    from mckd.tumour.gather import group

    listed = paths[:MOST_NAMES] if isinstance(paths, list) else []
    cases, left = group(path for path in map(str, listed) if len(path) <= LONGEST_PATH)
    return {
        "cases": [{"name": case.name, "slots": case.slots} for case in cases],
        "left": left,
    }


def _about(folder: Path) -> str:
    """The first line of a bundled case's about.txt, if it has one."""
    try:
        return (folder / "about.txt").read_text(encoding="utf-8").strip().splitlines()[0]
    except (OSError, IndexError):
        return ""
