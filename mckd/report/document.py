"""The report as PDF, A4: findings and key slices, every subset, where subsets agree, the method."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.graphics.shapes import Circle, Drawing, Line, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from mckd.report.subject import EMPTY, PURPOSE, Subject
from mckd.tumour.comparison import MEANING, Contribution, RegionRow, Row, listed
from mckd.tumour.evidence import LEGEND, SIGNS, caution
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.labels import left_out
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES, SEQUENCES

WIDTH, HEIGHT = A4
SIDE, TOP, FOOT = 18 * mm, 24 * mm, 15 * mm
TEXT = WIDTH - 2 * SIDE
BAND = 27 * mm  # of the first page, in colour
FIRST_TOP = BAND + 5 * mm

INK, SOFT, FAINT, RULE = (HexColor(c) for c in ("#16222a", "#4a5963", "#7b8890", "#d5dde1"))
ACCENT, FILM, STRIPE = HexColor("#0a6570"), HexColor("#0b1114"), HexColor("#f6f8f9")
WARN, WARN_SOFT, WARN_LINE = HexColor("#7a4b00"), HexColor("#fdf1d8"), HexColor("#e6c684")
GOOD = HexColor("#8fccd3")  # behind a Dice of 1; paler below
TINTS = {"et": HexColor("#e0b400"), "tc": HexColor("#e85d26"), "wt": HexColor("#4d94ea")}

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=8.6, leading=12.2, textColor=INK)
SMALL = ParagraphStyle("small", BODY, fontSize=7.2, leading=9.8, textColor=SOFT)
LABEL = ParagraphStyle("label", SMALL, textColor=FAINT)
HEADING = ParagraphStyle(
    "heading", BODY, fontName="Helvetica-Bold", fontSize=11, leading=14, textColor=ACCENT,
    spaceBefore=10, spaceAfter=5, keepWithNext=1,
)  # fmt: skip
ITEM = ParagraphStyle("item", BODY, leftIndent=9, spaceAfter=1.5)
NONE = "n/a"
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
            *_findings(subject, pictures),
            PageBreak(),
            *_subsets(subject),
            PageBreak(),
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
    canvas.drawRightString(WIDTH - SIDE, HEIGHT - 13 * mm, _short(subject.name, 40))
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
        WIDTH - SIDE, base, f"{_short(subject.name, 50)}  ·  {_spoken_day(subject)}"
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


# ---- page 1: the case, the result from all its sequences, key slices


def _findings(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    marks = subject.marks
    if not subject.case.sides_known:
        marks.append("No file says which side is left: left and right are unknown.")
    names = ", ".join(SEQUENCE_NAMES[s] for s in subject.sequences)
    story = [
        _facts(subject),
        Spacer(1, 3 * mm),
        _box("<br/>".join(marks)),
        Paragraph(
            f"Result from {'all sequences: ' if len(subject.sequences) > 1 else ''}{names}", HEADING
        ),
        _result(subject),
        *_cautions(subject),
        Spacer(1, 4 * mm),
    ]
    room = HEIGHT - FIRST_TOP - FOOT - sum(map(_height, story)) - 2 * mm
    return [*story, _film(pictures["key_slices.png"], room)]


def _height(part: Flowable) -> float:
    """What a part of a page takes, as wide as the text."""
    return float(part.getSpaceBefore() + part.wrap(TEXT, HEIGHT)[1] + part.getSpaceAfter())


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
    told = [REGION_NAMES[region].lower() for region in subject.told]
    if not told:
        return "none: nothing to score against"
    return "given" if len(told) == len(REGIONS) else f"given, only for {listed(told)}"


def _box(words: str) -> Table:
    """What nobody may overlook."""
    style = ParagraphStyle("box", BODY, fontName="Helvetica-Bold", fontSize=8.2, textColor=WARN)
    table = Table([[Paragraph(words, style)]], colWidths=[TEXT])
    table.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), WARN_SOFT),
            ("BOX", (0, 0), (-1, -1), 0.6, WARN_LINE),
            ("ROUNDEDCORNERS", [3, 3, 3, 3]),
            ("LEFTPADDING", (0, 0), (-1, -1), 7),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
        ]
    )
    return table


def _result(subject: Subject) -> Table:
    """The three regions as all sequences show them, and how far subsets stray."""
    rows = subject.compared.rows
    whole = rows[-1]
    scored = subject.scored
    head = ["", "Region", "Volume", "Least and most of any subset"]
    head += ["Reference", "Dice", "HD95, mm", "Outcome"] if scored else []
    lines: list[list[Any]] = [head]
    for region in REGIONS:
        found = whole[region]
        volumes = [row[region].volume_ml for row in rows]
        line = [_swatch(region), REGION_NAMES[region], f"{found.volume_ml:.1f} mL"]
        line.append(f"{min(volumes):.1f} to {max(volumes):.1f} mL")
        if scored and found.score is None:  # the reference does not tell it
            line += [NONE, NONE, NONE, "not scored"]
        elif found.score is not None:
            line += [
                f"{found.score.reference_ml:.1f} mL",
                _number(found.score.dice, 3),
                _number(found.score.hd95_mm, 1),
                found.score.outcome,
            ]
        lines.append(line)
    widths = [6, 36, 22, 42, 20, 14, 18, 0] if scored else [6, 46, 40, 0]
    table = Table(lines, colWidths=_widths(widths), rowHeights=[5.6 * mm] + [6 * mm] * 3)
    table.setStyle(
        [
            *_TABLE,
            ("FONT", (1, 1), (2, -1), "Helvetica-Bold", 9),
            ("FONTSIZE", (3, 1), (-1, -1), 9),
            ("ALIGN", (2, 0), (6, -1), "RIGHT"),
            ("LEFTPADDING", (7, 0), (7, -1), 10),
        ]
    )
    return table


def _cautions(subject: Subject) -> list[Flowable]:
    """Which of the volumes is not to be relied on, and why."""
    told = {region: subject.cautioned(subject.case.present, region) for region in REGIONS}
    lines = [f"<b>{REGION_NAMES[r]}</b> from these sequences is {w}." for r, w in told.items() if w]
    if not lines:
        return []
    style = ParagraphStyle("caution", BODY, textColor=WARN, spaceBefore=3)
    return [Paragraph("<br/>".join(lines), style)]


# ---- page 2: every subset, and what each sequence changes


def _subsets(subject: Subject) -> list[Flowable]:
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
        *_TABLE,
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
        lines.append([*(_dot(s in row.subset) for s in sequences), *_cells(row, subject, scored)])
        for k, found in enumerate(row.regions):
            value = _likeness(found, scored)
            if value is not None:
                at = n + k * each + 2
                style.append(("BACKGROUND", (at, y), (at, y), _blend(GOOD, value)))
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
        cells += [f"{mark} {found.volume_ml:.1f}".strip(), _sign(found.change_ml, 1)]
        cells.append(_number(_likeness(found, scored), 2))
        if subject.distances:
            cells.append(_number(found.score.hd95_mm if found.score else None, 1))
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
    chart.add(_text(11, height - 7.5, f"{name}, {found.total_ml:.1f} mL", 8, INK, bold=True))
    if found.dice is not None:
        chart.add(_text(width - 4 * mm, height - top + 1 * mm, "Dice", 6.5, FAINT, "end"))
    for k, (sequence, ml) in enumerate(found.volume_ml.items()):
        y = height - top - (k + 1) * row
        middle = y + row / 2 - 2.6
        length = ml * scale
        chart.add(_text(0, middle, SEQUENCE_NAMES[sequence], 7.6, SOFT))
        chart.add(
            Rect(
                min(zero, zero + length), y + row * 0.2, max(abs(length), 0.3), row * 0.6,
                fillColor=TINTS[found.region] if ml >= 0 else FAINT, strokeColor=None,
            )
        )  # fmt: skip
        chart.add(_text(max(zero, zero + length) + 3, middle, f"{_plain(ml, 1)} mL", 7.2, INK))
        if found.dice is not None:
            share = _sign(found.dice[sequence], 2)
            chart.add(_text(width - 4 * mm, middle, share, 7.2, SOFT, "end"))
    foot = height - top - row * len(found.volume_ml)
    chart.add(Line(zero, foot, zero, height - top, strokeColor=SOFT, strokeWidth=0.6))
    return chart


# ---- page 3: where they agree, and how it was made


def _agreement(subject: Subject, pictures: Mapping[str, bytes]) -> list[Flowable]:
    dashed = " Dashed: the reference." if subject.scored else ""
    return [
        Paragraph("One slice, every subset", HEADING),
        _film(pictures["subsets.png"]),
        Paragraph("Where the subsets agree", HEADING),
        _film(pictures["votes.png"]),
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


# ---- small parts

_TABLE: list[Any] = [
    ("FONT", (0, 0), (-1, -1), "Helvetica", 8),
    ("TEXTCOLOR", (0, 0), (-1, -1), INK),
    ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 7),
    ("TEXTCOLOR", (0, 0), (-1, 0), SOFT),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("LINEBELOW", (0, 0), (-1, 0), 0.6, SOFT),
    ("LINEBELOW", (0, 1), (-1, -1), 0.4, RULE),
    ("LEFTPADDING", (0, 0), (-1, -1), 2),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
]


def _film(png: bytes, room: float = HEIGHT) -> Table:
    """A picture in a dark box as wide as the text, no higher than there is room."""
    wide, high = ImageReader(io.BytesIO(png)).getSize()
    width = min(TEXT, room * wide / high)
    table = Table([[Image(io.BytesIO(png), width, width * high / wide)]], colWidths=[TEXT])
    table.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), FILM),
            ("ALIGN", (0, 0), (-1, -1), "CENTER"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    return table


def _swatch(region: str) -> Drawing:
    drawing = Drawing(9, 9)
    drawing.add(Rect(0.5, 0.5, 8, 8, fillColor=TINTS[region], strokeColor=None, rx=2))
    return drawing


def _dot(filled: bool) -> Drawing:
    drawing = Drawing(7, 7, hAlign="CENTER")
    fill = INK if filled else None
    drawing.add(
        Circle(3.5, 3.5, 2.4, fillColor=fill, strokeColor=INK if filled else FAINT, strokeWidth=0.7)
    )
    return drawing


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    colour: Color,
    anchor: str = "start",
    bold: bool = False,
) -> String:
    font = "Helvetica-Bold" if bold else "Helvetica"
    return String(x, y, words, fontName=font, fontSize=size, fillColor=colour, textAnchor=anchor)


def _widths(millimetres: Sequence[float]) -> list[float]:
    """In points; a width of 0 takes what is left of the text's."""
    left = TEXT - sum(millimetres) * mm
    return [width * mm or left for width in millimetres]


def _blend(colour: Color, share: float) -> Color:
    """From white (0) to the colour (1)."""
    parts = (1 - share * (1 - part) for part in (colour.red, colour.green, colour.blue))
    return Color(*parts)


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _sign(value: float, digits: int) -> str:
    """With a sign, but for 0."""
    return _plain(value, digits) if round(value, digits) <= 0 else f"+{value:.{digits}f}"


def _plain(value: float, digits: int) -> str:
    """A dash for minus, as it is printed; no minus before 0."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "–")


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 3] + "..."


def _spoken_day(subject: Subject) -> str:
    months = (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    )  # fmt: skip
    return f"{subject.day.day} {months[subject.day.month - 1]} {subject.day.year}"
