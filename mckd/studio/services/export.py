"""What a visitor can take home of the case on their desk: a report, the figures, everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from mckd.studio.services import faults
from mckd.studio.services.compare import CompareService
from mckd.studio.services.line import Before, Line, Superseded, told
from mckd.studio.services.tumour import Desk, before_yours

if TYPE_CHECKING:
    from mckd.report.subject import Subject

KINDS = {
    "report": ("Report (PDF)", "Two or three pages to read or print"),
    "archive": ("Everything (ZIP)", "Masks as NIfTI, figures, pictures, report"),
    "csv": ("Figures (CSV)", "A line per subset and region"),
    "json": ("Figures (JSON)", "With geometry, model, versions"),
}
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


class ExportService:
    """Files made from all subsets of a case; one at a time, for they take seconds of work."""

    def __init__(self, compare: CompareService) -> None:
        self._compare = compare
        self._line = Line()

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
        if update.state != "complete":
            yield Export(problem=NOTHING if update.state == "empty" else UNREADY)
            return
        try:
            work = self._line.run(
                lambda report: _made(
                    self._compare.subject(update, date.today(), alias), kind, report
                ),
                lambda: desk.turn == turn,
            )
            name, data = yield from told(work, _stage)
            yield Export(name=name, data=data)
        except Superseded:
            return
        except Exception as error:
            faults.record(log, "An export failed.", error)
            yield Export(problem=FAILED)


def _stage(said: Before | str) -> Export:
    return Export(before_yours(said) if isinstance(said, Before) else said)


def _made(subject: Subject, kind: object, report: Callable[[Any], None]) -> tuple[str, bytes]:
    """Name and content of the file."""
    from mckd.report import archive, tables

    if kind == "csv":
        return f"{subject.name}_mckd.csv", tables.figures_csv(subject)
    if kind == "json":
        return f"{subject.name}_mckd.json", tables.figures_json(subject)
    report("Drawing the key slices…")
    if kind == "report":
        return f"{subject.name}_mckd.pdf", archive.report(subject)["report.pdf"]
    return archive.archive(subject)
