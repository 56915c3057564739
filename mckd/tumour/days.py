"""The day of a visit, from what somebody says, or a header or a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")

NO_DAY = "That is no date. Write it like 2024-01-31."
FUTURE = "That date lies in the future. Give the day of the examination."
TOO_EARLY = "There was no MRI then. Give the day of the examination."
SHARED = (
    "The date in its name is in that of another visit too, so it may be that of a birth and is "
    "taken for none. Give each visit its own date."
)
FIRST = date(1980, 1, 1)
"""No patient had an MRI before. What is older in a name is a day of birth."""
AHEAD = timedelta(days=1)  # somewhere it is tomorrow already


def day_of(words: str) -> date:
    """The day that somebody gives.

    Raises:
        ValueError: no date like 2024-01-31, or one of the future or before FIRST; a sentence.
    """
    try:
        day = date.fromisoformat(words)
    except ValueError:
        raise ValueError(NO_DAY) from None
    if _to_come(day):
        raise ValueError(FUTURE)
    if day < FIRST:
        raise ValueError(TOO_EARLY)
    return day


def day_in(words: str) -> date | None:
    """The first date in words that is written from the year down: `20240131`, `2024-01-31`.

    None where there is none, or none that exists and has come; days before FIRST are none. Dates
    that begin with the day or the month are not read: nobody can tell which.
    """
    return next(_days_in(words), None)


def day_named(names: Iterable[str], others: Iterable[str]) -> tuple[date | None, str]:
    """The day of a visit by its names, and why there is none although they hold one, or "".

    names: the first that holds a day tells. others: names of the other visits. A date that they
    hold too is that of no visit: patients who were born later than FIRST have it in all.
    """
    elsewhere = {day for name in others for day in _days_in(name)}
    own = [day for name in names for day in _days_in(name)]
    found = next((day for day in own if day not in elsewhere), None)
    return found, SHARED if own and found is None else ""


def _days_in(words: str) -> Iterator[date]:
    for year, _, month, day in _DAY.findall(words):
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if found >= FIRST and not _to_come(found):
            yield found


def _to_come(day: date) -> bool:
    return day > date.today() + AHEAD
