"""Names of files as people may see them."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath

LONGEST_NAME = 60

# Unicode's categories: control, format, surrogate, private, unassigned, separators of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain_name(filename: str) -> str:
    """A file's name as people may see it: no folder, one line, at most LONGEST_NAME characters.

    Characters that are not seen but change how others are (control, direction, unassigned) become
    `?`; of a long name the beginning and the end are kept.
    """
    return short(PurePath(filename.replace("\\", "/")).name)


def short(text: str) -> str:
    """The same of what is no path: a `/` in it is kept."""
    seen = visible(text)
    if len(seen) > LONGEST_NAME:
        seen = f"{seen[: LONGEST_NAME - 21]}…{seen[-20:]}"
    return seen or "?"


def visible(text: str) -> str:
    """With `?` for every character that is not seen but changes how others are."""
    return "".join("?" if unicodedata.category(c) in _UNSEEN else c for c in text)
