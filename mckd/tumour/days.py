"""The day of a visit, from what a header or a name says."""

from __future__ import annotations

import re
from datetime import date

_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")


def day_in(words: str) -> date | None:
    """The first date in words that is written from the year down: `20240131`, `2024-01-31`.

    None where there is none, or none that exists. Dates that begin with the day or the month are
    not read: nobody can tell which.
    """
    for year, _, month, day in _DAY.findall(words):
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None
