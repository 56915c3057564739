"""How a study became a case: its own voxels, what was done to them, and pictures to check it by."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from mckd.clinic.series import Prepared
from mckd.report.drawing import (
    FAINT,
    GAP,
    INK,
    PLANES,
    Plane,
    as_png,
    caption,
    cut,
    extent_of,
    name_edges,
    outline,
    panels_of,
    scale_bar,
    window_of,
)
from mckd.report.drawing import FOOT as LEGEND
from mckd.report.style import (
    BODY,
    FOOT,
    HEADING,
    HEIGHT,
    NONE,
    SMALL,
    TABLE,
    TOP,
    WARN,
    film,
    height_of,
    in_points,
)
from mckd.report.subject import WINDOW, Subject
from mckd.report.tables import native_of
from mckd.tumour.geometry import Box, Triple, bounding_box
from mckd.tumour.naming import SEQUENCE_NAMES
from mckd.tumour.nifti import Floats

PICTURE = "preparation.png"
SQUARE_MM = 25.0  # of the checkerboard
EDGE = "#4ade80"  # of the brain
UNTOUCHED = "The images were prepared already and are used as they are."
HOW_TO_CHECK = (
    "To be looked at before any number is used: the outline has to follow the brain and leave the "
    "skull out, and in the checkerboards edges and ventricles have to run on from square to square."
)


def check_slices(subject: Subject, prepared: Prepared) -> bytes:
    """The brain's outline, and each sequence with the reference in a checkerboard, as PNG.

    A row for each, on three planes through the middle of the brain.
    """
    first = reference_of(prepared)
    others = [slot for slot in prepared.head if slot != first]
    greys = {slot: _greys(head, prepared) for slot, head in prepared.head.items()}
    at = _middle(bounding_box(prepared.brain))
    figure, panels = panels_of(1 + len(others), len(PLANES), gutter=0.2)
    name = SEQUENCE_NAMES[first]
    for row, slot in zip(panels, [first, *others], strict=True):
        title = f"Brain on {name}" if slot == first else f"{name} and {SEQUENCE_NAMES[slot]}"
        row[0].text(
            -0.03, 0.5, title, rotation=90, transform=row[0].transAxes, ha="right", va="center",
            color=INK, fontsize=7, fontweight="bold",
        )  # fmt: skip
        for ax, plane in zip(row, PLANES, strict=True):
            extent = extent_of(subject.grid, plane)
            shown = cut(greys[first], plane, at)
            if slot != first:
                squares = _squares(shown.shape, extent)
                shown = np.where(squares, cut(greys[slot], plane, at), shown)
            ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
            if slot == first:
                outline(ax, cut(prepared.brain, plane, at), extent, EDGE, 0.8)
            _view(ax, subject, plane, at)
    where = f"squares of {SQUARE_MM / 10:g} cm"
    figure.text(
        1 - 2 * GAP, LEGEND * 0.55 / figure.get_figheight(), f"Research only  ·  {where}",
        ha="right", va="center", fontsize=6.5, color=FAINT,
    )  # fmt: skip
    return as_png(figure)


def reference_of(prepared: Prepared) -> str:
    """The slot of the series that the others were brought onto."""
    brought = {step.slot for step in prepared.steps if step.kind == "registration"}
    return next(slot for slot in prepared.head if slot not in brought)


def _greys(head: Floats, prepared: Prepared) -> Floats:
    """(X, Y, Z) in 0 to 1: black and white are those of the brain."""
    inside = head[prepared.brain]
    low, high = np.percentile(inside[::7], WINDOW) if len(inside) else (0.0, 1.0)
    grey: Floats = np.clip((head - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    return grey


def _middle(box: Box) -> Triple:
    a, b, c = ((i + j) // 2 for i, j in zip(box.start, box.stop, strict=True))
    return a, b, c


def _squares(
    shape: tuple[int, ...], extent: tuple[float, float, float, float]
) -> npt.NDArray[np.bool_]:
    """(rows, columns): which of the two images a pixel of a checkerboard shows."""
    _, right, bottom, _ = extent
    rows, columns = ((np.arange(n) + 0.5) / n for n in shape)
    down, across = (rows * bottom) // SQUARE_MM, (columns * right) // SQUARE_MM
    squares: npt.NDArray[np.bool_] = (down[:, None] + across) % 2 == 1
    return squares


def _view(ax: Axes, subject: Subject, plane: Plane, at: Triple) -> None:
    """A square around the head, with letters, a scale, and which slice it is."""
    grid = subject.grid
    side = max(n * step for n, step in zip(grid.shape, grid.spacing_mm, strict=True))
    left, right, bottom, top = window_of(grid, plane, Box((0, 0, 0), grid.shape), side)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    caption(ax, plane.name, f"{at[plane.across] + 1} / {grid.shape[plane.across]}")
    name_edges(ax, grid, subject.case.sides_known, plane)
    if plane is PLANES[0]:
        scale_bar(ax, side)


# ---- in words


def preparation(prepared: Prepared, pictures: Mapping[str, bytes]) -> list[Flowable]:
    """The page of the report. pictures: the PNGs by the names they have in an export."""
    story: list[Flowable] = [Paragraph("How the images were prepared", HEADING), _table(prepared)]
    story.append(Spacer(1, 1.5 * mm))
    if prepared.untouched:
        return [*story, Paragraph(UNTOUCHED, BODY)]
    of_all = [f"{s.kind.capitalize()}: {s.said}." for s in prepared.steps if not s.slot]
    told = "Regions are found on one grid, and told on the slices of each series too."
    story.append(Paragraph(escape(" ".join([*of_all, told])), BODY))
    troubles = [step.trouble for step in prepared.steps if step.trouble]
    warned = ParagraphStyle("trouble", BODY, textColor=WARN)
    story += [Paragraph(escape(trouble), warned) for trouble in troubles]
    story += [Paragraph(HOW_TO_CHECK, BODY), Spacer(1, 2 * mm)]
    room = HEIGHT - TOP - FOOT - sum(map(height_of, story)) - 2 * mm
    return [*story, film(pictures[PICTURE], room)]


def _table(prepared: Prepared) -> Table:
    """A line for each sequence: its own voxels, and what was done."""
    lines = [["Sequence", "Own voxels, mm", "Thickness, mm", "Slices", "What was done"]]
    for slot, series in prepared.used.items():
        native = native_of(series)
        thickness = native["slice_thickness_mm"]
        done = [step.said for step in prepared.steps if step.slot == slot]
        lines.append(
            [
                SEQUENCE_NAMES[slot],
                " x ".join(f"{step:.3g}" for step in native["spacing_mm"]),
                NONE if thickness is None else f"{thickness:.3g}",
                f"{native['shape'][2]} {native['plane']}",
                Paragraph(escape("; ".join(done)), SMALL),
            ]
        )
    table = Table(lines, colWidths=in_points([18, 34, 24, 26, 0]))
    spaced = [(side, (0, 1), (-1, -1), 2) for side in ("TOPPADDING", "BOTTOMPADDING")]
    table.setStyle([*TABLE, *spaced])
    return table
