"""The first page of the report: the case, the result from all its sequences, key slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from mckd.report.style import (
    BODY,
    FIRST_TOP,
    FOOT,
    HEADING,
    HEIGHT,
    LABEL,
    NONE,
    SMALL,
    TABLE,
    TEXT,
    WARN,
    boxed,
    film,
    height_of,
    in_points,
    number,
    swatch,
)
from mckd.report.subject import Subject
from mckd.tumour.advice import EXPECTED
from mckd.tumour.evidence import ranged
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES, SEQUENCES, listed


def findings(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    """pictures: the PNGs by the names they have in an export."""
    marks = subject.marks
    if not subject.case.sides_known:
        marks.append("The files do not tell which side is left: left and right are unknown.")
    names = ", ".join(SEQUENCE_NAMES[s] for s in subject.sequences)
    story = [
        _facts(subject),
        Spacer(1, 3 * mm),
        boxed("<br/>".join(marks)),
        Paragraph(
            f"Result from {'all sequences: ' if len(subject.sequences) > 1 else ''}{names}", HEADING
        ),
        _result(subject),
        *_cautions(subject),
        Spacer(1, 4 * mm),
    ]
    room = HEIGHT - FIRST_TOP - FOOT - sum(map(height_of, story)) - 2 * mm
    return [*story, film(pictures["key_slices.png"], room)]


def _facts(subject: Subject) -> Table:
    """What the case is, in two columns."""
    geometry = subject.geometry
    size = " x ".join(map(str, geometry["shape"]))
    spacing = " x ".join(f"{n:.3g}" for n in geometry["spacing_mm"])
    sides = "left and right " + ("known from the files" if geometry["sides_known"] else "unknown")
    missing = [SEQUENCE_NAMES[s] for s in SEQUENCES if s not in subject.case.present]
    names = ", ".join(SEQUENCE_NAMES[s] for s in subject.sequences)
    facts = (
        ("Sequences", names + (f" (not there: {', '.join(missing)})" if missing else "")),
        ("Reference", _reference(subject)),
        ("Grid", f"{size} voxels of {spacing} mm"),
        ("Orientation", f"{geometry['axes']}, {sides}"),
    )
    cells = [[Paragraph(label, LABEL), Paragraph(escape(value), BODY)] for label, value in facts]
    rows = [left + right for left, right in zip(cells[::2], cells[1::2], strict=True)]
    table = Table(rows, colWidths=[20 * mm, 70 * mm, 20 * mm, TEXT - 110 * mm])
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "BASELINE"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ]
    )
    return table


def _reference(subject: Subject) -> str:
    """Whether there is one, and for which regions."""
    known = [REGION_NAMES[region].lower() for region in subject.reference_regions]
    if not known:
        return "none: nothing to score against"
    return "given" if len(known) == len(REGIONS) else f"given, only for {listed(known)}"


def _result(subject: Subject) -> Table:
    """The three regions as all sequences show them, and how far subsets stray."""
    rows = subject.compared.rows
    whole = rows[-1]
    scored = subject.scored
    head = ["", "Region", "Volume (90 %)" if subject.intervals else "Volume"]
    head.append("Least and most of any subset")
    head += ["Reference", "Dice", "HD95, mm", "Outcome"] if scored else []
    lines: list[list[Any]] = [head]
    for region in REGIONS:
        found = whole[region]
        volumes = [row[region].volume_ml for row in rows]
        range_ml = ranged(found.interval_ml)
        volume = f"{found.volume_ml:.1f} mL" + (f" ({range_ml})" if range_ml else "")
        line = [swatch(region), REGION_NAMES[region], volume]
        line.append(f"{min(volumes):.1f} to {max(volumes):.1f} mL")
        if scored and found.score is None:  # the reference does not tell it
            line += [NONE, NONE, NONE, "not scored"]
        elif found.score is not None:
            line += [
                f"{found.score.reference_ml:.1f} mL",
                number(found.score.dice, 3),
                number(found.score.hd95_mm, 1),
                found.score.outcome,
            ]
        lines.append(line)
    widths = [6, 33, 34, 40, 20, 12, 16, 0] if scored else [6, 46, 48, 0]
    table = Table(lines, colWidths=in_points(widths), rowHeights=[5.6 * mm] + [6 * mm] * 3)
    table.setStyle(
        [
            *TABLE,
            ("FONT", (1, 1), (2, -1), "Helvetica-Bold", 9),
            ("FONTSIZE", (3, 1), (-1, -1), 9),
            ("ALIGN", (2, 0), (6, -1), "RIGHT"),
            ("LEFTPADDING", (7, 0), (7, -1), 10),
        ]
    )
    return table


def _cautions(subject: Subject) -> list[Flowable]:
    """Which of the volumes is not to be relied on, and why; what another sequence might add; what
    ranges mean."""
    cautions = {region: subject.cautioned(subject.case.present, region) for region in REGIONS}
    lines = [
        f"<b>{REGION_NAMES[r]}</b> from these sequences is {w}." for r, w in cautions.items() if w
    ]
    whole = subject.compared.rows[-1]
    nothing, further = subject.no_tumour(whole), subject.next_sequence(whole)
    lines = [f"<b>{nothing}</b>", *lines] if nothing else lines
    style = ParagraphStyle("caution", BODY, textColor=WARN, spaceBefore=3)
    said = [Paragraph("<br/>".join(lines), style)] if lines else []
    if further:
        said.append(Paragraph(f"<b>Which sequence next?</b> {further} {EXPECTED}", BODY))
    return [*said, Paragraph(subject.intervals, SMALL)] if subject.intervals else said
