"""The second page of the report: every subset, and what each sequence changes."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Line, Rect
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Spacer, Table

from mckd.report.style import (
    FAINT,
    GOOD,
    HEADING,
    INK,
    ITEM,
    NONE,
    RULE,
    SMALL,
    SOFT,
    TABLE,
    TEXT,
    TINTS,
    blend,
    dot,
    number,
    plain,
    signed,
    text,
)
from mckd.report.subject import EMPTY, Subject
from mckd.tumour.comparison import MEANING, Contribution, RegionRow, Row
from mckd.tumour.evidence import LEGEND, SIGNS, caution
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES


def subsets(subject: Subject) -> list[Flowable]:
    scored = subject.scored
    measure = "agreement: Dice with the result from all sequences"
    if scored:
        measure = f"Dice{' and HD95 in mm' if subject.distances else ''} against the reference"
    story = [
        Paragraph("Every subset of the sequences", HEADING),
        _subset_table(subject, scored),
        Spacer(1, 1.5 * mm),
        Paragraph(
            f"Filled: the sequence was used. mL: volume; ±: change against all sequences; "
            f"{measure}. The deeper the tint, the nearer to 1. {NONE}: does not exist. "
            f"{EMPTY if scored else ''} {LEGEND}",
            SMALL,
        ),
    ]
    if subject.compared.complete:
        story += _contributions(subject)
    if subject.notes:
        story.append(Paragraph("Notes on the data", HEADING))
        story += [Paragraph(escape(note), ITEM, bulletText="•") for note in subject.notes]
    return story


def _subset_table(subject: Subject, scored: bool) -> Table:
    sequences = subject.sequences
    n = len(sequences)
    heads = ["mL", "±", "Dice" if scored else "agreement"]
    if subject.distances:
        heads.append("HD95")
    each = len(heads)
    above: list[Any] = [""] * n
    for region in REGIONS:
        above += [REGION_NAMES[region], *[""] * (each - 1)]
    lines = [above, [*(SEQUENCE_NAMES[s] for s in sequences), *heads * len(REGIONS)]]
    style: list[Any] = [
        *TABLE,
        ("FONT", (0, 1), (-1, 1), "Helvetica-Bold", 7),
        ("LINEABOVE", (0, 2), (-1, 2), 0.6, SOFT),
        ("LINEBELOW", (0, 0), (-1, 0), 0, HexColor("#ffffff")),
        ("FONTSIZE", (0, 2), (-1, -1), 7.6),
        ("ALIGN", (0, 0), (n - 1, -1), "CENTER"),
        ("ALIGN", (n, 1), (-1, -1), "RIGHT"),
        ("LEFTPADDING", (0, 0), (-1, -1), 1),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
    for k, region in enumerate(REGIONS):
        first = n + k * each
        style += [
            ("SPAN", (first, 0), (first + each - 1, 0)),
            ("ALIGN", (first, 0), (first, 0), "CENTER"),
            ("TEXTCOLOR", (first, 0), (first, 0), INK),
            ("LINEBELOW", (first, 0), (first + each - 1, 0), 1.6, TINTS[region]),
            ("LINEBEFORE", (first, 0), (first, -1), 0.5, RULE),
        ]
    for y, row in enumerate(subject.compared.rows, start=2):
        lines.append([*(dot(s in row.subset) for s in sequences), *_cells(row, subject, scored)])
        for k, found in enumerate(row.regions):
            value = _likeness(found, scored)
            if value is not None:
                at = n + k * each + 2
                style.append(("BACKGROUND", (at, y), (at, y), blend(GOOD, value)))
        if row.subset == subject.case.present:
            style.append(("FONTNAME", (0, y), (-1, y), "Helvetica-Bold"))
        elif len(row.subset) < len(subject.compared.rows[y - 1].subset):
            style.append(("LINEBELOW", (0, y), (-1, y), 0.6, FAINT))
    dots = 9.5 * mm
    rest = (TEXT - n * dots) / (each * len(REGIONS))
    heights = [5.4 * mm, 4.8 * mm] + [6 * mm] * len(subject.subsets)
    table = Table(lines, colWidths=[dots] * n + [rest] * (each * len(REGIONS)), rowHeights=heights)
    table.setStyle(style)
    return table


def _likeness(found: RegionRow, scored: bool) -> float | None:
    """What the tables tint: Dice with the reference where the case has one, else agreement."""
    if not scored:
        return found.agreement
    return found.score.dice if found.score else None


def _cells(row: Row, subject: Subject, scored: bool) -> list[str]:
    cells = []
    for found in row.regions:
        mark = SIGNS[caution(subject.about, row.subset, found.region)]
        cells += [f"{mark} {found.volume_ml:.1f}".strip(), signed(found.change_ml, 1)]
        cells.append(number(_likeness(found, scored), 2))
        if subject.distances:
            cells.append(number(found.score.hd95_mm if found.score else None, 1))
    return cells


def _contributions(subject: Subject) -> list[Flowable]:
    found = subject.compared.contributions()
    return [
        KeepTogether(
            [
                Paragraph("What each sequence changes", HEADING),
                Table(
                    [[_chart(found[region]) for region in REGIONS]],
                    colWidths=[TEXT / 3] * 3,
                    style=[
                        ("LEFTPADDING", (0, 0), (-1, -1), 0),
                        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                    ],
                ),
                *(Paragraph(found[region].sentence, ITEM, bulletText="•") for region in REGIONS),
                Spacer(1, 1.5 * mm),
                Paragraph(MEANING, SMALL),
            ]
        )
    ]


def _chart(found: Contribution) -> Drawing:
    """A bar per sequence from the zero line, its mL, and its share of the Dice."""
    width, row, top = TEXT / 3, 7 * mm, 9 * mm
    chart = Drawing(width, top + row * len(found.volume_ml) + 2 * mm)
    height = chart.height
    name, left, right = REGION_NAMES[found.region], 12 * mm, width - 27 * mm
    low, high = min(0.0, *found.volume_ml.values()), max(0.0, *found.volume_ml.values())
    scale = (right - left) / ((high - low) or 1.0)
    zero = left - low * scale
    chart.add(Rect(0, height - 8, 7, 7, fillColor=TINTS[found.region], strokeColor=None, rx=1.5))
    chart.add(text(11, height - 7.5, f"{name}, {found.total_ml:.1f} mL", 8, INK, bold=True))
    if found.dice is not None:
        chart.add(text(width - 4 * mm, height - top + 1 * mm, "Dice", 6.5, FAINT, "end"))
    for k, (sequence, ml) in enumerate(found.volume_ml.items()):
        y = height - top - (k + 1) * row
        middle = y + row / 2 - 2.6
        length = ml * scale
        chart.add(text(0, middle, SEQUENCE_NAMES[sequence], 7.6, SOFT))
        chart.add(
            Rect(
                min(zero, zero + length), y + row * 0.2, max(abs(length), 0.3), row * 0.6,
                fillColor=TINTS[found.region] if ml >= 0 else FAINT, strokeColor=None,
            )
        )  # fmt: skip
        chart.add(text(max(zero, zero + length) + 3, middle, f"{plain(ml, 1)} mL", 7.2, INK))
        if found.dice is not None:
            share = signed(found.dice[sequence], 2)
            chart.add(text(width - 4 * mm, middle, share, 7.2, SOFT, "end"))
    foot = height - top - row * len(found.volume_ml)
    chart.add(Line(zero, foot, zero, height - top, strokeColor=SOFT, strokeWidth=0.6))
    return chart
