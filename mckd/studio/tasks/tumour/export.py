"""What a visitor can take home of the case on their desk: a report, the figures, everything."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults
from mckd.studio.services.line import Line, Superseded, Waiting, translated
from mckd.studio.tasks.tumour.compare import CompareService
from mckd.studio.tasks.tumour.desk import Desk
from mckd.studio.tasks.tumour.opened import Opened
from mckd.studio.tasks.tumour.segmentation import before_yours

if TYPE_CHECKING:
    from mckd.report.subject import Subject

KINDS = {
    "report": ("Report (PDF)", "Two or three pages to read or print"),
    "archive": ("Everything (ZIP)", "Masks as NIfTI, figures, pictures, report"),
    "csv": ("Figures (CSV)", "A line per subset and region"),
    "json": ("Figures (JSON)", "With geometry, model, versions"),
}
FIGURES = ("csv", "json")
Sign = tuple[str, date]
"""What a file depends on besides its case: what that is called, and the day."""
Kept = tuple[Sign, str, bytes]  # with the file's name and content
NOTHING = "There is no case to export yet. Open one in the Brain tumours tab."
UNREADY = "The model is not ready, so there is nothing to export yet."
FAILED = "The export could not be made; the log of the app has the details."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """How far an export is: a stage still going on, a problem, or the file."""

    stage: str = ""
    fraction: float | None = None
    problem: str = ""
    name: str = ""
    data: bytes = b""


@dataclass(frozen=True)
class Part:
    """What an export does next, with the share of it that is done."""

    what: str
    done: float


class ExportService:
    """Files made from all subsets of a case.

    Figures cost nothing and are made at once. What is drawn takes seconds: it is made one at a
    time, and kept as long as the case is open, so that asking again costs nothing.
    """

    def __init__(self, compare: CompareService) -> None:
        self._compare = compare
        self._line = Line()
        self._kept: dict[int, dict[str, Kept]] = {}  # by the id of the case, as long as it lives
        self._keeping = threading.Lock()

    def warm(self) -> None:
        """Import what draws. It takes seconds that nobody should wait for."""
        import mckd.report.document
        import mckd.report.pictures  # noqa: F401

    def make(self, desk: Desk, kind: object, alias: str | None = "") -> Iterator[Export]:
        """Compare what is not compared yet, then make the file. Ends early when superseded.

        alias: what the case is called in it; None: as its files are.
        """
        if not isinstance(kind, str) or kind not in KINDS:
            yield Export(problem="There is no such export.")
            return
        turn = desk.turn
        for update in self._compare.run(desk):
            if update.state != "running" or update.compared is None or update.opened is None:
                continue
            count, all_of = len(update.compared.rows), 2 ** len(update.opened.case.present) - 1
            yield Export(f"Comparing subsets: {count} of {all_of}", count / all_of)
        if desk.turn != turn:
            return
        if update.state != "complete" or update.opened is None:
            yield Export(problem=NOTHING if update.state == "empty" else UNREADY)
            return
        try:
            subject = self._compare.subject(update, date.today(), alias)
            if kind in FIGURES:
                name, data = _figures(subject, kind)
            else:
                kept, sign = self._shelf(update.opened), (subject.name, subject.day)
                work = self._line.run(
                    lambda report: _drawn(kept, sign, subject, kind, report),
                    lambda: desk.turn == turn,
                )
                name, data = yield from translated(work, _Watch().words)
            yield Export(name=name, data=data)
        except Superseded:
            return
        except Exception as error:
            faults.record(log, "An export failed.", error)
            yield Export(problem=FAILED)

    def _shelf(self, opened: Opened) -> dict[str, Kept]:
        """What was made of a case: the newest of each kind."""
        with self._keeping:
            if id(opened) not in self._kept:
                self._kept[id(opened)] = {}
                weakref.finalize(opened, self._kept.pop, id(opened), None)
            return self._kept[id(opened)]


class _Watch:
    """Words for how far an export is, with the time that is left by what was needed so far."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def words(self, said: Waiting | Part) -> Export:
        if isinstance(said, Waiting):
            return Export(before_yours(said))
        if self._begun is None:
            self._begun = time.monotonic()
        if not said.done:
            return Export(f"{said.what}…", said.done)
        left = (time.monotonic() - self._begun) * (1 / said.done - 1)
        return Export(f"{said.what}, about {max(1, round(left))} s left", said.done)


def _figures(subject: Subject, kind: str) -> tuple[str, bytes]:
    """Name and content of a table."""
    from mckd.report import tables

    made = tables.figures_csv if kind == "csv" else tables.figures_json
    return f"{subject.name}_mckd.{kind}", made(subject)


def _drawn(
    kept: dict[str, Kept], sign: Sign, subject: Subject, kind: str, report: Callable[[Any], None]
) -> tuple[str, bytes]:
    """Name and content of a file with pictures: as it was made before, or made now and kept."""
    from mckd.report import archive

    if kind in kept and kept[kind][0] == sign:
        return kept[kind][1:]

    def tell(what: str, done: float) -> None:
        report(Part(what, done))

    if kind == "report":
        name, data = f"{subject.name}_mckd.pdf", archive.report(subject, tell)["report.pdf"]
    else:
        name, data = archive.archive(subject, tell)
    kept[kind] = (sign, name, data)
    return name, data
