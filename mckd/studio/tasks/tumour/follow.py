"""What the follow-up asks for: visits that a visitor keeps, what has changed, what is taken home.

A kept visit is numbers: volumes, ranges and diameters from every subset of the sequences that were
switched on; and a rough pattern of the brain, by which other people's visits are told. It lies on
the visitor's desk and goes with it; the images may be put away before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults
from mckd.studio.services.line import Superseded
from mckd.studio.tasks.tumour.cases import CaseService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.opened import Answer, CaseFiles, Opened, now, spoken
from mckd.studio.tasks.tumour.volumes import unpack_bits
from mckd.tumour.days import day_in, day_named, day_of
from mckd.tumour.evidence import ranged
from mckd.tumour.labels import bits_to_regions
from mckd.tumour.naming import REGION_NAMES, SEQUENCE_NAMES, SEQUENCES

if TYPE_CHECKING:
    from mckd.report.followup import Followed
    from mckd.tumour.comparison import Subset
    from mckd.tumour.followup import Change, FollowUp, Step, Visit

MOST = 12
KINDS = {
    "report": ("Report (PDF)", "A page or two to read or print"),
    "csv": ("Changes (CSV)", "A line per step and region"),
    "json": ("Everything (JSON)", "With what it means"),
}
FULL = f"There are {MOST} visits, as many as can be kept. Remove one first."
TWICE = "This visit is kept already, from the same sequences."
NOTHING = "Open a case first: there is no segmentation to keep."
TOO_FEW = "A follow-up needs two visits."
NO_KIND = f"There is no such file. Choose one of: {', '.join(KINDS)}."
OTHER = "Another case was opened, so this visit was not kept."
MOVED = "The visits have changed. Please look again."
NO_EXAMPLE = "There are no bundled visits."
FAILED = "Something went wrong while this visit was read; the log of the app has the details."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """How far keeping a visit is: a stage still going on, or a problem; neither: done."""

    stage: str = ""
    fraction: float | None = None
    problem: str = ""


class FollowService:
    """The visits on a desk."""

    def __init__(self, cases: CaseService, examples: Path) -> None:
        """examples: a folder of bundled visits of one head, each called by its date."""
        self._cases, self._examples = cases, examples

    @property
    def has_example(self) -> bool:
        return len(self._bundled()) > 1

    def keep(self, desk: Desk, into: Desk | None = None, day: date | None = None) -> Iterator[Kept]:
        """Keep what is on screen as a visit: the open case with the sequences switched on.

        into: the desk that gets it, where that is another one. day: as headers say, if it is not
        given, else as the name does and that of no other visit.
        """
        into = into or desk
        if len(into.visits) >= MOST:
            yield Kept(problem=FULL)
            return
        turn = desk.turn
        try:
            opened, answer = self._cases.on_screen(desk)
        except ValueError:
            yield Kept(problem=NOTHING)
            return
        day = day or (opened.prepared.study.day if opened.prepared else None)
        yield from self._keep(into, desk, turn, opened, answer, day)

    def example(self, desk: Desk) -> Iterator[Kept]:
        """Keep the bundled visits in place of those that there are."""
        folders = self._bundled()
        if len(folders) < 2:
            yield Kept(problem=NO_EXAMPLE)
            return
        desk.visits, desk.removed = (), None
        for number, folder in enumerate(folders, start=1):
            yield Kept(f"Reading visit {number} of {len(folders)}…")
            beside = Desk()  # what the visitor has open stays
            try:
                source = CaseFiles(f"visit/{folder.name}", folder)
                *_, update = self._cases.open(beside, source)
                if update.opened is None or update.answer is None:
                    yield Kept(problem=update.problem or FAILED)
                    return
                yield from self._keep(
                    desk, beside, beside.turn, update.opened, update.answer, day_in(folder.name)
                )
            finally:
                self._cases.close(beside)

    def set_day(self, desk: Desk, number: object, words: object) -> str:
        """Give a visit another date, or with "" none; a sentence if that cannot be."""
        place = _place(number, desk)
        try:
            day = day_of(str(words)) if words else None
        except ValueError as problem:
            return str(problem)
        if place is None:
            return MOVED
        visits = [*desk.visits]
        visits[place] = replace(visits[place], day=day, by_name=False)
        desk.removed = None  # undone, it would take the new date back too
        _set(desk, visits)
        return ""

    def remove(self, desk: Desk, number: object) -> str:
        """Take a visit away; a sentence if there is none of that number."""
        place = _place(number, desk)
        if place is None:
            return MOVED
        desk.removed = desk.visits
        _set(desk, [*desk.visits[:place], *desk.visits[place + 1 :]])
        return ""

    def vouch(self, desk: Desk) -> None:
        """All visits that are there now are of one patient, as the visitor says."""
        desk.visits = tuple(replace(visit, vouched=True) for visit in desk.visits)
        desk.removed = None  # undone, it would take that back too

    def undo(self, desk: Desk) -> None:
        """Bring back the visit that was taken away last."""
        if desk.removed is not None:
            desk.visits, desk.removed = desk.removed, None

    def file(self, desk: Desk, kind: object) -> tuple[str, bytes]:
        """Name and content of what is taken home.

        Raises:
            ValueError: too few visits, or no such kind; a sentence.
        """
        from mckd.report.followup import changes_csv, followup_json
        from mckd.report.followup_document import followup_document

        require_kind(kind)
        if len(desk.visits) < 2:
            raise ValueError(TOO_FEW)
        made = {"report": followup_document, "csv": changes_csv, "json": followup_json}
        name = "followup_mckd." + str(kind).replace("report", "pdf")
        return name, made[str(kind)](self._followed(desk))

    # ---- keeping

    def _keep(
        self,
        desk: Desk,
        beside: Desk,
        turn: int,
        opened: Opened,
        answer: Answer,
        day: date | None,
    ) -> Iterator[Kept]:
        """Read a case from every subset of an answer's sequences, and put it on a desk.

        beside: the desk that it is open on; it goes on as long as that has this turn. day: None:
            as its name says.
        """
        from mckd.tumour.followup import Visit
        from mckd.tumour.heads import Head
        from mckd.tumour.persons import NOBODY

        def wanted() -> bool:
            return beside.turn == turn

        case, readings = opened.case, {}
        name = spoken(case.name) if case.synthetic else case.name
        try:
            for _ in self._cases.segmentation.encode(opened, wanted):  # if it was put away
                pass
            subsets = _subsets(answer.used)
            for done, subset in enumerate(subsets):
                told = f"{name}: subset {done + 1} of {len(subsets)}…"
                yield Kept(told, done / len(subsets))
                readings[subset] = self._reading(opened, subset, wanted)
        except Superseded:
            yield Kept(problem=OTHER)
            return
        except Exception as error:
            faults.record(log, "A visit could not be kept.", error)
            yield Kept(problem=FAILED)
            return
        person = opened.prepared.study.person if opened.prepared else NOBODY
        visit = Visit(
            name,
            answer.used,
            readings,
            day,
            case.synthetic,
            Head.of(case),
            person,
            by_name=day is None,
        )
        if not wanted():
            yield Kept(problem=OTHER)
        elif any(visit.repeats(other) for other in desk.visits):
            yield Kept(problem=TWICE)
        else:
            desk.removed = None
            _set(desk, [*desk.visits, visit])
            yield Kept()

    def _reading(self, opened: Opened, subset: Subset, wanted: Callable[[], bool]) -> Any:
        from mckd.tumour.followup import Reading

        answer = self._cases.answer(opened, subset, wanted)
        case = opened.case
        whole = unpack_bits(answer.labels, case.grid.canonical.shape)
        masks = bits_to_regions(case.brain.crop(whole))
        return Reading.of(subset, masks, case, answer.intervals)

    def _bundled(self) -> list[Path]:
        if not self._examples.is_dir():
            return []
        return sorted(path for path in self._examples.iterdir() if path.is_dir())

    def _followed(self, desk: Desk) -> Followed:
        from mckd.report.followup import Followed
        from mckd.tumour.followup import FollowUp

        about, _ = self._cases.segmentation.header()
        return Followed(FollowUp(desk.visits), about, date.today())

    # ---- what followup.js shows

    def view(self, desk: Desk) -> dict[str, Any]:
        """The visits of a desk and what has changed between them."""
        shown: dict[str, Any] = {"stamp": now(), "visits": [], "steps": [], "line": None}
        shown |= {"full": len(desk.visits) >= MOST, "undo": desk.removed is not None}
        if not desk.visits:
            return shown
        from mckd.tumour.followup import DIAMETERS, MEANING

        followed = self._followed(desk)
        return shown | {
            "visits": [_visit(visit, desk.visits) for visit in desk.visits],
            "steps": [self._step(followed, step) for step in followed.steps],
            "line": _line(followed.visits),
            "meaning": [MEANING, followed.intervals, DIAMETERS],
        }

    def _step(self, followed: Followed, step: Step) -> dict[str, Any]:
        return {
            "from": followed.number(step.earlier),
            "to": followed.number(step.later),
            "span": step.span,
            "same": step.same,
            "common": _names(step.common),
            "sentence": step.sentence,
            "doubt": bool(step.doubt),
            "rano": step.rano,
            "regions": {
                region: _change(step, change) | {"caution": followed.caution(step.common, region)}
                for region, change in step.changes.items()
            },
        }


def require_kind(kind: object) -> None:
    """
    Raises:
        ValueError: there is no such kind of file; a sentence.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(NO_KIND)


def _set(desk: Desk, visits: list[Visit]) -> None:
    """In the order of time; what names say of it is judged anew, for each of them by all."""
    from mckd.tumour.followup import FollowUp

    dated = [
        replace(visit, day=_named(visit, visits)[0]) if visit.by_name else visit for visit in visits
    ]
    desk.visits = FollowUp.of(dated).visits


def _named(visit: Visit, visits: Iterable[Visit]) -> tuple[date | None, str]:
    """The day that a visit's name tells beside those of the others, and why it does not."""
    others = [other.name for other in visits if not visit.of_one_scan(other)]
    return day_named([visit.name], others)


def _subsets(used: Subset) -> list[Subset]:
    from mckd.method import subsets

    return subsets([s for s in SEQUENCES if s in used])


def _place(number: object, desk: Desk) -> int | None:
    """Of a visit's number, from 1, as a browser sent it."""
    if not isinstance(number, int) or isinstance(number, bool):  # true is 1 to Python
        return None
    return number - 1 if 1 <= number <= len(desk.visits) else None


def _names(subset: Subset) -> list[str]:
    return [SEQUENCE_NAMES[s] for s in SEQUENCES if s in subset]


def _visit(visit: Visit, visits: Iterable[Visit]) -> dict[str, Any]:
    """One of the visits. undated: why its name tells no day although one is in it, or ""."""
    own = visit.own
    return {
        "name": visit.name,
        "synthetic": visit.synthetic,
        "day": visit.day.isoformat() if visit.day else "",
        "undated": _named(visit, visits)[1] if visit.by_name else "",
        "used": _names(visit.present),
        "regions": {
            region: _volume(own.volumes_ml[region], own.intervals_ml.get(region))
            for region in REGION_NAMES
        },
    }


def _volume(ml: float, interval: tuple[float, float] | None) -> dict[str, Any]:
    return {"ml": round(ml, 2), "ends": interval, "range": ranged(interval)}


def _change(step: Step, change: Change) -> dict[str, Any]:
    ranges = change.ranges_ml or (None, None)
    own = [visit.own.intervals_ml.get(change.region) for visit in (step.earlier, step.later)]
    return {
        "own": [_volume(ml, r) for ml, r in zip(change.own_ml, own, strict=True)],
        "common": [_volume(ml, r) for ml, r in zip(change.common_ml, ranges, strict=True)],
        "growth": round(change.growth_ml, 2),
        "range": change.growth_range_ml,
        "plain": change.plain_range_ml,
        "blurred": change.blurred,
        "protocol": round(change.protocol_ml, 2),
        "verdict": change.verdict,
    }


def _line(visits: FollowUp) -> dict[str, Any] | None:
    """Each region at every visit, from the sequences that all have; None where there are none."""
    if len(visits.visits) < 2 or not visits.common:
        return None
    return {
        "common": _names(visits.common),
        "regions": {
            region: [_volume(ml, interval) for ml, interval in visits.line(region)]
            for region in REGION_NAMES
        },
    }
