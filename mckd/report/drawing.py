"""What pictures of heads are drawn with: panels on black, planes, outlines, letters, a scale.

Slices lie as in the viewer and in `mckd.tumour.planes`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from mckd.tumour.geometry import Bools, Box, Grid, Triple, axis_letters
from mckd.tumour.planes import looked_at

WIDTH = 6.85  # inches: the width of the text on A4
DPI = 220
PAPER, INK, FAINT, LETTER, WARN = "#0b1114", "#e8eef1", "#aab6bd", "#ffd98a", "#f2c14e"
GAP = 0.006  # between two panels, of the width
FOOT = 0.34  # inches for the legend
HALO = [patheffects.withStroke(linewidth=2, foreground="black")]


@dataclass(frozen=True)
class Plane:
    """across: the axis that it cuts; u, v: the axes along its columns and rows."""

    name: str
    across: int
    u: int
    v: int


AXIAL = Plane("Axial", 2, 0, 1)
PLANES = (AXIAL, Plane("Coronal", 1, 0, 2), Plane("Sagittal", 0, 1, 2))


def panels_of(rows: int, columns: int, gutter: float = 0.0) -> tuple[Figure, list[list[Axes]]]:
    """A dark figure of square panels, `gutter` inches free on their left, a legend's room below."""
    gap = GAP * WIDTH
    cell = (WIDTH - gutter - gap * (columns + 1)) / columns
    height = rows * cell + (rows + 1) * gap + FOOT
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)

    def panel(row: int, column: int) -> Axes:
        left = gutter + gap + column * (cell + gap)
        bottom = FOOT + gap + (rows - 1 - row) * (cell + gap)
        place = (left / WIDTH, bottom / height, cell / WIDTH, cell / height)
        ax = figure.add_axes(place, facecolor="black", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        return ax

    return figure, [[panel(r, c) for c in range(columns)] for r in range(rows)]


def cut(volume: npt.NDArray[Any], plane: Plane, at: Triple) -> npt.NDArray[Any]:
    """The slice of (X, Y, Z) as rows and columns of a picture."""
    return looked_at(volume, plane.across, at[plane.across])


def extent_of(grid: Grid, plane: Plane) -> tuple[float, float, float, float]:
    """Of a whole slice of a canonical grid in mm: left, right, bottom, top."""
    return (
        0.0,
        grid.shape[plane.u] * grid.spacing_mm[plane.u],
        grid.shape[plane.v] * grid.spacing_mm[plane.v],
        0.0,
    )


def window_of(grid: Grid, plane: Plane, box: Box, side: float) -> tuple[float, float, float, float]:
    """A square of `side` mm around a box of voxels: left, right, bottom, top."""
    x, y = (
        (grid.shape[a] - (box.start[a] + box.stop[a]) / 2) * grid.spacing_mm[a]
        for a in (plane.u, plane.v)
    )
    return x - side / 2, x + side / 2, y + side / 2, y - side / 2


def outline(
    ax: Axes, mask: Bools, frame: tuple[float, ...], colour: str, width: float, **look: Any
) -> None:
    """The border of a mask (rows, columns), within its extent in mm."""
    if not mask.any():
        return
    padded = np.pad(mask, 1).astype(np.float32)  # so that a region at the border is closed
    (rows, columns), (_, right, bottom, _) = mask.shape, frame
    x = (np.arange(-1, columns + 1) + 0.5) * right / columns
    y = (np.arange(-1, rows + 1) + 0.5) * bottom / rows
    lines: Any = contour_generator(x, y, padded).lines(0.5)
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=width, **look))


def name_edges(ax: Axes, grid: Grid, sides_known: bool, plane: Plane) -> None:
    """What the four edges of a panel are called."""
    letters = axis_letters(grid.affine, sides_known)
    (right, left), (bottom, top) = letters[plane.u], letters[plane.v]
    right, left, bottom, top = left, right, bottom, top
    for x, y, letter, across, along in (
        (0.03, 0.5, right, "left", "center"),
        (0.97, 0.5, left, "right", "center"),
        (0.5, 0.97, top, "center", "top"),
        (0.5, 0.03, bottom, "center", "bottom"),
    ):
        ax.text(
            x, y, letter, transform=ax.transAxes, ha=across, va=along, color=LETTER,
            fontsize=7.5, fontweight="bold", path_effects=HALO,
        )  # fmt: skip


def caption(ax: Axes, title: str, detail: str = "") -> None:
    """At the upper left of a panel, the detail below."""
    text = ax.text(
        0.03, 0.97, title, transform=ax.transAxes, va="top", color=INK, fontsize=6,
        fontweight="bold", path_effects=HALO,
    )  # fmt: skip
    if detail:
        ax.annotate(
            detail, (0, 0), xycoords=text, xytext=(0, -2), textcoords="offset points", va="top",
            color=FAINT, fontsize=5.6, path_effects=HALO,
        )  # fmt: skip


def scale_bar(ax: Axes, side: float) -> None:
    """A round length, at the lower right."""
    mm = next(length for length in (50, 20, 10, 5) if length < side / 3 or length == 5)
    end = 0.97
    ax.plot(
        [end - mm / side, end], [0.035, 0.035], transform=ax.transAxes, color=INK, linewidth=1.2,
        solid_capstyle="butt", path_effects=HALO,
    )  # fmt: skip
    ax.text(
        end - mm / side / 2, 0.055, f"{mm // 10} cm" if mm >= 10 else f"{mm} mm",
        transform=ax.transAxes, ha="center", va="bottom", color=INK, fontsize=6, path_effects=HALO,
    )  # fmt: skip


def as_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG at DPI, which name no software and no time."""
    file = io.BytesIO()
    figure.savefig(
        file, format="png", facecolor=PAPER, metadata={"Software": None},
        pil_kwargs={"compress_level": 4},  # half the time of 6, and a tenth larger
    )  # fmt: skip
    return file.getvalue()
