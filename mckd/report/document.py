"""The report as PDF, A4: findings and key slices, every subset, where subsets agree, the method."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from mckd.report.findings import findings
from mckd.report.preparation import preparation
from mckd.report.style import (
    ACCENT,
    BAND,
    FIRST_TOP,
    FOOT,
    HEADING,
    HEIGHT,
    LABEL,
    NONE,
    RULE,
    SIDE,
    SMALL,
    SOFT,
    TEXT,
    TOP,
    WARN,
    WIDTH,
    film,
    shortened,
)
from mckd.report.subject import PURPOSE, Subject
from mckd.report.subsets import subsets
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.labels import left_out
from mckd.tumour.naming import SEQUENCE_NAMES

TOTAL = "total"  # a form in the PDF: filled by the last page, shown by each

rl_config.useA85 = 0  # pictures as bytes: as text they take longer to write than to make


def document(subject: Subject, pictures: Mapping[str, bytes]) -> bytes:
    """The PDF. pictures: the PNGs of `pictures`, by the names they have in an export."""
    file = io.BytesIO()
    paper = BaseDocTemplate(
        file, pagesize=A4, invariant=1, title=f"Brain tumour segmentation, {subject.name}",
        author="MCKD Studio", subject=PURPOSE,
    )  # fmt: skip

    def first(canvas: Canvas, _: Any) -> None:
        _band(canvas, subject)
        _foot(canvas, subject)

    def later(canvas: Canvas, _: Any) -> None:
        _head(canvas, subject)
        _foot(canvas, subject)

    def frame(top: float) -> Frame:
        return Frame(SIDE, FOOT, TEXT, HEIGHT - top - FOOT, 0, 0, 0, 0)

    paper.addPageTemplates(
        [
            PageTemplate("first", frame(FIRST_TOP), onPage=first),
            PageTemplate("later", frame(TOP), onPage=later),
        ]
    )
    paper.build(
        [
            NextPageTemplate("later"),
            *findings(subject, pictures),
            PageBreak(),
            *subsets(subject),
            PageBreak(),
            *_prepared(subject, pictures),
            *_agreement(subject, pictures),
            *_method(subject),
            _LastPage(),
        ]
    )
    return file.getvalue()


class _LastPage(Flowable):
    """Takes no room; writes how many pages there are into the foot of all of them."""

    def draw(self) -> None:
        self.canv.beginForm(TOTAL)
        self.canv.setFillColor(SOFT)
        self.canv.setFont("Helvetica", 7.2)
        self.canv.drawString(0, 0, f"of {self.canv.getPageNumber()}")
        self.canv.endForm()


# ---- what every page has


def _band(canvas: Canvas, subject: Subject) -> None:
    """The head of the first page."""
    canvas.setFillColor(ACCENT)
    canvas.rect(0, HEIGHT - BAND, WIDTH, BAND, stroke=0, fill=1)
    canvas.setFillColor(HexColor("#ffffff"))
    canvas.setFont("Helvetica-Bold", 17)
    canvas.drawString(SIDE, HEIGHT - 13 * mm, "Brain tumour segmentation")
    canvas.setFont("Helvetica", 9)
    count = len(subject.subsets)
    subsets = "1 subset" if count == 1 else f"{count} subsets"
    canvas.drawString(
        SIDE, HEIGHT - 19.5 * mm, f"MCKD Studio  ·  {subsets} of the MRI sequences compared"
    )
    canvas.setFont("Helvetica-Bold", 11)
    canvas.drawRightString(WIDTH - SIDE, HEIGHT - 13 * mm, shortened(subject.name, 40))
    canvas.setFont("Helvetica", 9)
    canvas.drawRightString(WIDTH - SIDE, HEIGHT - 19.5 * mm, _spoken_day(subject))


def _head(canvas: Canvas, subject: Subject) -> None:
    """The head of the other pages."""
    base = HEIGHT - 15 * mm
    canvas.setFillColor(ACCENT)
    canvas.setFont("Helvetica-Bold", 9)
    canvas.drawString(SIDE, base, "Brain tumour segmentation")
    canvas.setFillColor(SOFT)
    canvas.setFont("Helvetica", 8.5)
    canvas.drawRightString(
        WIDTH - SIDE, base, f"{shortened(subject.name, 50)}  ·  {_spoken_day(subject)}"
    )
    canvas.setStrokeColor(ACCENT)
    canvas.setLineWidth(0.8)
    canvas.line(SIDE, base - 2.4 * mm, WIDTH - SIDE, base - 2.4 * mm)


def _foot(canvas: Canvas, subject: Subject) -> None:
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
    marks = ["synthetic case"] if subject.case.synthetic else []
    marks += filter(None, [TAGS[subject.seen]])
    canvas.setFont("Helvetica-Bold", 7.2)
    canvas.setFillColor(WARN)
    canvas.drawRightString(WIDTH - SIDE - 26 * mm, base, "  ·  ".join(marks).upper())


def _spoken_day(subject: Subject) -> str:
    months = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    )  # fmt: skip
    return f"{subject.day.day} {months[subject.day.month - 1]} {subject.day.year}"


# ---- the last page: where subsets agree, and how it was made


def _prepared(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    """A page of its own; none where the images were given prepared."""
    if subject.prepared is None:
        return []
    return [*preparation(subject.prepared, pictures), PageBreak()]


def _agreement(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    dashed = " Dashed: the reference." if subject.scored else ""
    return [
        Paragraph("One slice, every subset", HEADING),
        film(pictures["subsets.png"]),
        Paragraph("Where the subsets agree", HEADING),
        film(pictures["votes.png"]),
        Spacer(1, 1.5 * mm),
        Paragraph(
            f"The colour says how many of the subsets call a voxel by that name.{dashed}", SMALL
        ),
    ]


def _method(subject: Subject) -> list[Flowable]:
    model = subject.model
    weights = ", ".join(f"{SEQUENCE_NAMES[s]} {w:.2f}" for s, w in model["importance"].items())
    learned = weights and (
        "Learned weights (IWV, how strongly each sequence taught the others; together 1): "
        f"{weights}. "
    )
    digest = escape(str(model["sha256"] or NONE))
    facts = (
        (
            "Model",
            f"{escape(subject.model_line)} {learned}{left_out(model)} Its model card has the scores"
            " on unseen cases, and its limits.",
        ),
        ("Checkpoint", f"SHA-256 <font name='Courier'>{digest}</font>"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in subject.versions.items())),
    )
    table = Table(
        [[Paragraph(label, LABEL), Paragraph(words, SMALL)] for label, words in facts],
        colWidths=[20 * mm, TEXT - 20 * mm],
    )
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ]
    )
    return [Paragraph("How it was made", HEADING), table]
