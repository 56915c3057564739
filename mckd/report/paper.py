"""The paper of a report: A4, a band on the first page, head, foot and page numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, NextPageTemplate, PageTemplate

from mckd.report.style import (
    ACCENT,
    BAND,
    FIRST_TOP,
    FOOT,
    HEIGHT,
    RULE,
    SIDE,
    SOFT,
    TEXT,
    TOP,
    WARN,
    WIDTH,
    shortened,
)
from mckd.report.subject import PURPOSE

TOTAL = "total"  # a form in the PDF: filled by the last page, shown by each
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

rl_config.useA85 = 0  # pictures as bytes: as text they take longer to write than to make


@dataclass(frozen=True)
class Paper:
    """title, beneath: in the band of the first page. name: of what is reported on. day: of the
    report. marks: what nobody may overlook, in the foot of every page."""

    title: str
    beneath: str
    name: str
    day: date
    marks: tuple[str, ...] = ()

    def printed(self, story: Sequence[Flowable]) -> bytes:
        """The PDF; the same story gives the same bytes."""
        file = io.BytesIO()
        paper = BaseDocTemplate(
            file, pagesize=A4, invariant=1, title=f"{self.title}, {self.name}",
            author="MCKD Studio", subject=PURPOSE,
        )  # fmt: skip

        def first(canvas: Canvas, _: Any) -> None:
            self._band(canvas)
            self._foot(canvas)

        def later(canvas: Canvas, _: Any) -> None:
            self._head(canvas)
            self._foot(canvas)

        def frame(top: float) -> Frame:
            return Frame(SIDE, FOOT, TEXT, HEIGHT - top - FOOT, 0, 0, 0, 0)

        paper.addPageTemplates(
            [
                PageTemplate("first", frame(FIRST_TOP), onPage=first),
                PageTemplate("later", frame(TOP), onPage=later),
            ]
        )
        paper.build([NextPageTemplate("later"), *story, _LastPage()])
        return file.getvalue()

    def _band(self, canvas: Canvas) -> None:
        """The head of the first page."""
        canvas.setFillColor(ACCENT)
        canvas.rect(0, HEIGHT - BAND, WIDTH, BAND, stroke=0, fill=1)
        canvas.setFillColor(HexColor("#ffffff"))
        canvas.setFont("Helvetica-Bold", 17)
        canvas.drawString(SIDE, HEIGHT - 13 * mm, self.title)
        canvas.setFont("Helvetica", 9)
        canvas.drawString(SIDE, HEIGHT - 19.5 * mm, f"MCKD Studio  ·  {self.beneath}")
        canvas.setFont("Helvetica-Bold", 11)
        canvas.drawRightString(WIDTH - SIDE, HEIGHT - 13 * mm, shortened(self.name, 40))
        canvas.setFont("Helvetica", 9)
        canvas.drawRightString(WIDTH - SIDE, HEIGHT - 19.5 * mm, spoken_day(self.day))

    def _head(self, canvas: Canvas) -> None:
        """The head of the other pages."""
        base = HEIGHT - 15 * mm
        canvas.setFillColor(ACCENT)
        canvas.setFont("Helvetica-Bold", 9)
        canvas.drawString(SIDE, base, self.title)
        canvas.setFillColor(SOFT)
        canvas.setFont("Helvetica", 8.5)
        canvas.drawRightString(
            WIDTH - SIDE, base, f"{shortened(self.name, 50)}  ·  {spoken_day(self.day)}"
        )
        canvas.setStrokeColor(ACCENT)
        canvas.setLineWidth(0.8)
        canvas.line(SIDE, base - 2.4 * mm, WIDTH - SIDE, base - 2.4 * mm)

    def _foot(self, canvas: Canvas) -> None:
        base = 8.5 * mm
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        canvas.line(SIDE, base + 3.2 * mm, WIDTH - SIDE, base + 3.2 * mm)
        canvas.setFillColor(SOFT)
        canvas.setFont("Helvetica", 7.2)
        canvas.drawString(SIDE, base, PURPOSE)
        room = 6.4 * mm  # for the total
        canvas.drawRightString(WIDTH - SIDE - room, base, f"Page {canvas.getPageNumber()}")
        canvas.saveState()
        canvas.translate(WIDTH - SIDE - room + 2, base)
        canvas.doForm(TOTAL)
        canvas.restoreState()
        canvas.setFont("Helvetica-Bold", 7.2)
        canvas.setFillColor(WARN)
        canvas.drawRightString(WIDTH - SIDE - 26 * mm, base, "  ·  ".join(self.marks).upper())


class _LastPage(Flowable):
    """Takes no room; writes how many pages there are into the foot of all of them."""

    def draw(self) -> None:
        self.canv.beginForm(TOTAL)
        self.canv.setFillColor(SOFT)
        self.canv.setFont("Helvetica", 7.2)
        self.canv.drawString(0, 0, f"of {self.canv.getPageNumber()}")
        self.canv.endForm()


def spoken_day(day: date) -> str:
    """`2 November 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
