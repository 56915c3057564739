"""What the pages of the report are made of: sizes, colours, type, and the small parts of tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from reportlab.graphics.shapes import Circle, Drawing, Rect, String
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Image, Paragraph, Table

WIDTH, HEIGHT = A4
SIDE, TOP, FOOT = 18 * mm, 24 * mm, 15 * mm
TEXT = WIDTH - 2 * SIDE
BAND = 27 * mm  # of the first page, in colour
FIRST_TOP = BAND + 5 * mm

INK, SOFT, FAINT, RULE = (HexColor(c) for c in ("#16222a", "#4a5963", "#7b8890", "#d5dde1"))
ACCENT, FILM = HexColor("#0a6570"), HexColor("#0b1114")
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

TABLE: list[Any] = [
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


def boxed(words: str) -> Table:
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


def film(png: bytes, room: float = HEIGHT) -> Table:
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


def height_of(part: Flowable) -> float:
    """What a part of a page takes, as wide as the text."""
    return float(part.getSpaceBefore() + part.wrap(TEXT, HEIGHT)[1] + part.getSpaceAfter())


def swatch(region: str) -> Drawing:
    drawing = Drawing(9, 9)
    drawing.add(Rect(0.5, 0.5, 8, 8, fillColor=TINTS[region], strokeColor=None, rx=2))
    return drawing


def dot(filled: bool) -> Drawing:
    drawing = Drawing(7, 7, hAlign="CENTER")
    fill = INK if filled else None
    drawing.add(
        Circle(3.5, 3.5, 2.4, fillColor=fill, strokeColor=INK if filled else FAINT, strokeWidth=0.7)
    )
    return drawing


def text(
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


def in_points(millimetres: Sequence[float]) -> list[float]:
    """In points; a width of 0 takes what is left of the text's."""
    left = TEXT - sum(millimetres) * mm
    return [width * mm or left for width in millimetres]


def blend(colour: Color, share: float) -> Color:
    """From white (0) to the colour (1)."""
    parts = (1 - share * (1 - part) for part in (colour.red, colour.green, colour.blue))
    return Color(*parts)


def number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """With a sign, but for 0."""
    return plain(value, digits) if round(value, digits) <= 0 else f"+{value:.{digits}f}"


def plain(value: float, digits: int) -> str:
    """A dash for minus, as it is printed; no minus before 0."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "–")


def shortened(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 3] + "..."
