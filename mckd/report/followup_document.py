"""The report of a follow-up as PDF: the visits, a line over them, and what changed at each step."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from matplotlib.figure import Figure
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, Spacer, Table

from mckd.report.followup import Followed
from mckd.report.paper import Paper
from mckd.report.style import (
    BODY,
    HEADING,
    SMALL,
    TABLE,
    TEXT,
    TINTS,
    boxed,
    in_points,
    signed,
    swatch,
)
from mckd.report.subject import PURPOSE, SYNTHETIC
from mckd.tumour.calibration import Interval
from mckd.tumour.comparison import title_of
from mckd.tumour.evidence import ranged
from mckd.tumour.followup import DIAMETERS, GROWN, MEANING, SHRUNK, Reading, Step
from mckd.tumour.naming import REGION_NAMES, REGIONS
from mckd.tumour.scope import SCOPE

UNDATED = "no date"
BLURRED_SIGN = "very rough *"
BLURRED_WORDS = (
    "* From the common sequences alone the region is told so roughly that the plain difference of "
    "both visits is likely nearer to the true growth."
)
WIDTH, HEIGHT, DPI = 6.85, 2.1, 200  # of the chart, inches
GREY = "#5f6d76"


def followup_document(followed: Followed) -> bytes:
    """The PDF. Visits are called by their number."""
    visits = followed.visits.visits
    synthetic = all(visit.synthetic for visit in visits)
    marks = [SYNTHETIC] if synthetic else []
    paper = Paper(
        "Follow-up of a brain tumour",
        f"{len(visits)} visits compared by the sequences that they share",
        "follow-up",
        followed.day,
        ("synthetic cases",) if synthetic else (),
    )
    story: list[Flowable] = [
        boxed("<br/>".join([*marks, f"{PURPOSE} {SCOPE}"])),
        Paragraph("Visits", HEADING),
        _visits(followed),
        *_chart(followed),
        *(KeepTogether(_step(followed, step)) for step in followed.steps),
        Paragraph("What these numbers mean", HEADING),
    ]
    told = (MEANING, followed.intervals, DIAMETERS, _model(followed))
    story += [Paragraph(escape(words), SMALL) for words in told if words]
    return paper.printed(story)


def _model(followed: Followed) -> str:
    return f"Checkpoint: SHA-256 {followed.about.get('sha256', 'not known')}."


def _visits(followed: Followed) -> Table:
    """A line for each: date, sequences, volumes from all of them with their ranges."""
    lines: list[list[Any]] = [["", "Date", "Sequences", *(f"{r.upper()}, mL" for r in REGIONS)]]
    for visit in followed.visits.visits:
        volumes = [_volume(visit.own, region) for region in REGIONS]
        day = visit.day.isoformat() if visit.day else UNDATED
        number = f"Visit {followed.number(visit)}" + "\nsynthetic" * visit.synthetic
        lines.append([number, day, title_of(visit.present), *volumes])
    table = Table(lines, colWidths=in_points([16, 22, 0, 30, 30, 32]))
    table.setStyle([*TABLE, ("ALIGN", (3, 0), (-1, -1), "RIGHT"), *_padded()])
    return table


def _volume(reading: Reading, region: str) -> str:
    return f"{reading.volumes_ml[region]:.1f}{_in_brackets(reading.intervals_ml.get(region))}"


def _in_brackets(interval: Interval | None) -> str:
    return f" ({ranged(interval)})" if interval else ""


def _padded() -> list[Any]:
    return [(side, (0, 1), (-1, -1), 2.5) for side in ("TOPPADDING", "BOTTOMPADDING")]


def _step(followed: Followed, step: Step) -> list[Flowable]:
    """One visit against another."""
    numbers = followed.number(step.earlier), followed.number(step.later)
    days = step.span and f", {step.span}"
    parts: list[Flowable] = [
        Paragraph(f"Visit {numbers[0]} to {numbers[1]}{days}", HEADING),
        boxed(escape(step.sentence)) if step.doubt else Paragraph(escape(step.sentence), BODY),
    ]
    if not step.changes:
        return parts
    parts += [Spacer(1, 1.5 * mm), _changes(followed, step, numbers)]
    if not step.same:
        words = f"Common: from {title_of(step.common)}. Growth is the difference of these volumes."
        parts.append(Paragraph(words, SMALL))
    if any(change.blurred for change in step.changes.values()):
        parts.append(Paragraph(BLURRED_WORDS, SMALL))
    if step.rano:
        parts.append(Paragraph(step.rano, BODY))
    return parts


def _changes(followed: Followed, step: Step, numbers: tuple[int, int]) -> Table:
    """A line for each region: both volumes, and their difference in two parts."""
    head = ["", "Region", *(f"Visit {n}, mL" for n in numbers)]
    lines: list[list[Any]] = [
        [*head, "Difference", "= growth", "+ protocol", "Verdict"],
    ]
    for region, change in step.changes.items():
        cautions = [followed.caution(step.common, region), BLURRED_SIGN * change.blurred]
        lines.append(
            [
                swatch(region),
                REGION_NAMES[region],
                *(_both(step, k, region) for k in range(2)),
                _ranged(change.whole_ml, change.plain_range_ml),
                _ranged(change.growth_ml, change.growth_range_ml),
                "none" if step.same else signed(change.protocol_ml, 1),
                "\n".join(filter(None, [change.verdict, *cautions])),
            ]
        )
    table = Table(lines, colWidths=in_points([6, 26, 34, 34, 19, 19, 13, 0]))
    told = [
        ("FONT", (7, row), (7, row), "Helvetica-Bold", 7.6)
        for row, change in enumerate(step.changes.values(), start=1)
        if change.verdict in (GROWN, SHRUNK)
    ]
    table.setStyle(
        [
            *TABLE,
            ("FONTSIZE", (1, 1), (-1, -1), 7.6),
            ("VALIGN", (0, 1), (-1, -1), "TOP"),
            ("ALIGN", (2, 0), (6, -1), "RIGHT"),
            ("LEFTPADDING", (7, 0), (7, -1), 6),
            *_padded(),
            *told,
        ]
    )
    return table


def _ranged(change_ml: float, interval: Interval | None) -> str:
    """A change, and under it from where to where."""
    spread = f"\n{signed(interval[0], 0)} to {signed(interval[1], 0)}" if interval else ""
    return signed(change_ml, 1) + spread


def _both(step: Step, k: int, region: str) -> str:
    """The volume of a visit, and from the common sequences where these are not all."""
    visit = (step.earlier, step.later)[k]
    words = _volume(visit.own, region)
    if visit.present != step.common:
        words += f"\ncommon {_volume(visit.readings[step.common], region)}"
    return words


def _chart(followed: Followed) -> Iterable[Flowable]:
    """Each region over all visits, from the sequences that all have; none where there are none."""
    visits = followed.visits
    if not visits.common:
        return []
    return [
        Paragraph(f"Over all visits, from {title_of(visits.common)}", HEADING),
        Image(io.BytesIO(_drawn(followed)), TEXT, TEXT * HEIGHT / WIDTH),
        Paragraph("Volume in mL with its 90 % range; hollow: from all sequences.", SMALL),
    ]


def _drawn(followed: Followed) -> bytes:
    """A PNG of three panels."""
    visits = followed.visits
    days = [visit.day for visit in visits.visits]
    dated = all(days) and len({*days}) == len(days)  # two of one day would lie on each other
    x: list[Any] = days if dated else [f"Visit {k}" for k in range(1, len(days) + 1)]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    for k, region in enumerate(REGIONS):
        ax, line = figure.add_subplot(1, len(REGIONS), k + 1), visits.line(region)
        tint = TINTS[region]
        colour, y = (tint.red, tint.green, tint.blue), [ml for ml, _ in line]
        ends = [interval or (ml, ml) for ml, interval in line]
        off = [[ml - low for ml, (low, _) in zip(y, ends, strict=True)]]
        off.append([high - ml for ml, (_, high) in zip(y, ends, strict=True)])
        ax.errorbar(x, y, yerr=off, color=colour, marker="o", markersize=4, capsize=3, linewidth=1)
        own = [visit.own.volumes_ml[region] for visit in visits.visits]
        ax.plot(x, own, "o", markersize=7, markerfacecolor="none", markeredgecolor=GREY)
        ax.set_title(REGION_NAMES[region], fontsize=7.5, loc="left")
        ax.set_ylim(bottom=0)
        ax.tick_params(labelsize=6)
        if dated:
            ax.set_xticks(x, [day.isoformat() for day in days if day], rotation=25, ha="right")
        ax.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
