"""`python -m mckd follow`: the visits of one patient, from their images to the tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mckd.clinic.series import StudyError
from mckd.files.atomic import write_atomically
from mckd.predict.opening import Wishes, Work
from mckd.predict.run import segmenter_of
from mckd.predict.works import UsageError, works_of
from mckd.progress import Progress
from mckd.tumour.comparison import title_of
from mckd.tumour.days import day_named
from mckd.tumour.evidence import ranged
from mckd.tumour.naming import SEQUENCES, CaseError
from mckd.tumour.persons import NOBODY

if TYPE_CHECKING:
    from mckd.report.followup import Followed
    from mckd.tumour import TumourSegmenter
    from mckd.tumour.followup import Step, Visit

MOST_VISITS = 50
FILES = ("changes.csv", "visits.csv", "followup.json", "followup.pdf")


def follow(arguments: argparse.Namespace) -> int:
    """Compare the visits that were asked for, and write what has changed; the exit status.

    Raises:
        UsageError: fewer than two visits, dates that are not theirs, one that cannot be read, or
            is there twice; a folder that cannot be written to.
    """
    from mckd.report.followup import Followed
    from mckd.tumour.followup import FollowUp

    works = [work for folder in arguments.visits for work in _works(folder, arguments)]
    _require_visits(works, arguments.dates)
    _require_room(arguments.out, arguments.replace)
    segmenter = segmenter_of(arguments.checkpoint, arguments.threads)
    progress, wishes = Progress(len(works)), Wishes(arguments.prepare, arguments.anyway)
    days = arguments.dates or [None] * len(works)
    names = [names_of(work, works) for work in works]
    visits: list[Visit] = []
    for place, (work, day) in enumerate(zip(works, days, strict=True)):
        others = [name for of in (*names[:place], *names[place + 1 :]) for name in of]
        named = day_named(names[place], others)
        visit = _visit(work, day, named, segmenter, wishes, progress)
        _require_other(visit, visits)
        visits.append(replace(visit, vouched=arguments.one_patient))
    followed = Followed(FollowUp.of(visits), segmenter.about, date.today())
    _write(followed, arguments.out)
    for step in followed.steps:
        print(told(step))
    return 0


def _works(folder: Path, arguments: argparse.Namespace) -> list[Work]:
    """The cases below a folder, as `predict` finds them."""
    alone = dict.fromkeys((*SEQUENCES, "seg"))
    given = argparse.Namespace(**{**vars(arguments), **alone, "folder": folder})
    return works_of(given)[1]


def _require_visits(works: Sequence[Work], dates: Sequence[date] | None) -> None:
    names = ", ".join(work.label for work in works)
    if len(works) < 2:
        raise UsageError(f"There is only one visit, {names}. Give two or more of one patient.")
    if len(works) > MOST_VISITS:
        raise UsageError(f"{len(works)} cases are too many visits: give those of one patient.")
    if dates is not None and len(dates) != len(works):
        raise UsageError(
            f"--dates has {len(dates)} dates, but there are {len(works)} visits: {names}."
        )


def _require_other(visit: Visit, before: Sequence[Visit]) -> None:
    """A copy would be told as a tumour that has not changed."""
    for other in before:
        if visit.repeats(other):
            raise UsageError(
                f"{other.name} and {visit.name} are the same images: give each visit once."
            )


def _visit(
    work: Work,
    day: date | None,
    named: tuple[date | None, str],
    segmenter: TumourSegmenter,
    wishes: Wishes,
    progress: Progress,
) -> Visit:
    """One visit, read, prepared if need be, and segmented from every subset.

    day: as somebody said; None: as headers or names say. named: what names say, see `day_named`.

    Raises:
        UsageError: it cannot be.
    """
    from mckd.tumour.followup import read_visit

    progress.begin(work.label)
    try:
        opened = work.open(wishes, partial(progress.reach, 0))
    except (CaseError, StudyError) as error:
        raise UsageError(f"{work.label}: {error}") from error
    except OSError as error:
        raise UsageError(f"{work.label} cannot be read ({error.strerror}).") from error
    for line in (*opened.said, *opened.case.warnings):
        progress.note(f"{work.label}: {line}")
    study = opened.prepared.study if opened.prepared else None
    by_name, why = named
    day = day or (study and study.day) or by_name
    if why and not day:
        progress.note(f"{work.label}: {why}")
    person = study.person if study else NOBODY
    visit = read_visit(segmenter, opened.case, day, work.label, _steps(progress), person)
    own = "  ".join(
        f"{region.upper()} {ml:.1f} mL" + (f" ({r})" if (r := ranged(ranges.get(region))) else "")
        for ranges in [visit.own.intervals_ml]
        for region, ml in visit.own.volumes_ml.items()
    )
    progress.end(f"{work.label} {day or 'without a date'}, {title_of(visit.present)}: {own}")
    return visit


def _steps(progress: Progress) -> Callable[[float], None]:
    return lambda share: progress.reach(2, share, "every subset")


def names_of(work: Work, works: Sequence[Work]) -> list[str]:
    """What may name the day of a visit: the case's name, its deepest folder first, then what was
    given; not where several cases were found in that, for a date in its name is of all of them, as
    that of a birth is."""
    alone = sum(work.given == other.given for other in works) == 1
    return [*reversed(work.name.split("/")), *(path.name for path in work.given if alone)]


def _require_room(out: Path, replace: bool) -> None:
    """Before anything is read, which takes minutes."""
    if there := [name for name in FILES if (out / name).exists() and not replace]:
        raise UsageError(f"{out / there[0]} is there already. --replace replaces it.")
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not above.is_dir():
        raise UsageError(f"{above} is no folder, so no results can be written to {out}.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"Nothing may be written to {above}. Give another folder as --out.")


def _write(followed: Followed, out: Path) -> None:
    """The tables and the report into a folder, which is made if it is not there.

    Raises:
        UsageError: they cannot be written.
    """
    from mckd.report.followup import changes_csv, followup_json, visits_csv
    from mckd.report.followup_document import followup_document

    makers = changes_csv, visits_csv, followup_json, followup_document
    made = [make(followed) for make in makers]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in zip(FILES, made, strict=True):
            write_atomically(out / name, data)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}).") from error


def told(step: Step) -> str:
    """A step in lines for the console."""
    days = step.span and f", {step.span}"
    lines = [f"{step.earlier.name} to {step.later.name}{days}: {step.sentence}"]
    for region, change in step.changes.items():
        spread = change.growth_range_ml
        lines.append(
            f"  {region.upper()}  growth {change.growth_ml:+.1f} mL"
            + (f" ({spread[0]:+.1f} to {spread[1]:+.1f})" if spread else "")
            + f", change of protocol {change.protocol_ml:+.1f} mL: {change.verdict}"
            + "; so rough that the plain difference is likely nearer" * change.blurred
        )
    if step.rano:
        lines.append(f"  {step.rano}")
    return "\n".join(lines)
