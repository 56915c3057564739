"""Key slices as PNG, in radiological convention, on black like a film.

Columns and rows run against the canonical axes, as in the viewer: the patient's right is on the
reader's left, the front of the head on top or on the left, its top on top.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mckd.report.subject import Subject, subset_title
from mckd.tumour.comparison import Subset, title_of
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.geometry import Bools, Box, Triple, axis_letters
from mckd.tumour.labels import BITS
from mckd.tumour.looks import COLOURS
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES

BEST_ON = {
    "et": ("t1c", "flair", "t2", "t1"),
    "tc": ("t1c", "t2", "flair", "t1"),
    "wt": ("flair", "t2", "t1c", "t1"),
}
"""The sequences that show a region, best first."""

WIDTH = 6.85  # inches: the width of the text on A4
DPI = 220
PAPER, INK, FAINT, LETTER, WARN = "#0b1114", "#e8eef1", "#aab6bd", "#ffd98a", "#f2c14e"
FILL, LINE = 0.3, 1.0
MARGIN = 1.12  # of the brain in its panel
GAP = 0.006  # between two panels, of the width
FOOT = 0.34  # inches for the legend
AROUND = 1.35  # of the tumour's extent that a close view shows
CLOSEST_MM = 70.0
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


def key_slices(subject: Subject) -> bytes:
    """A row per region, a column per plane: what all sequences together show, as PNG."""
    brain = subject.case.brain
    side = MARGIN * max(n * mm for n, mm in zip(brain.shape, subject.case.spacing_mm, strict=True))
    figure, panels = _film(3, 3, gutter=0.2)
    for row, region in zip(panels, REGIONS, strict=True):
        at = subject.key_voxels[region]
        shown = _best(subject, region)
        row[0].text(
            -0.03, 0.5, f"{REGION_NAMES[region]}  ·  on {SEQUENCE_NAMES[shown]}", rotation=90,
            transform=row[0].transAxes, ha="right", va="center", color=INK, fontsize=7,
            fontweight="bold",
        )  # fmt: skip
        for ax, plane in zip(row, PLANES, strict=True):
            window = _window(subject, plane, brain, side)
            _slice(ax, subject, shown, plane, at, window)
            _outline(ax, subject, subject.case.present, plane, at)
            count = subject.case.grid.canonical.shape[plane.across]
            _caption(ax, plane.name, f"{at[plane.across] + 1} / {count}")
            _letters(ax, subject, plane)
            if plane is AXIAL:
                _scale_bar(ax, side)
    _legend(figure, subject)
    return _png(figure)


def subset_slices(subject: Subject) -> bytes:
    """One axial slice, what each subset finds on it, as PNG."""
    columns = {15: 5, 7: 4, 3: 3}.get(len(subject.subsets), min(5, len(subject.subsets)))
    rows = -(-len(subject.subsets) // columns)
    figure, panels = _film(rows, columns)
    at = subject.key_voxels["tc"]
    shown = _best(subject, "tc")
    side = _close(subject)
    cells = [ax for row in panels for ax in row]
    for ax, subset in zip(cells, subject.subsets, strict=False):
        _slice(ax, subject, shown, AXIAL, at, _window(subject, AXIAL, subject.extent, side))
        _outline(ax, subject, subset, AXIAL, at)
        _caption(ax, subset_title(subset, subject.case.present))
    _letters(cells[0], subject, AXIAL)
    _scale_bar(cells[0], side)
    for ax in cells[len(subject.subsets) :]:
        ax.set_visible(False)
    count = subject.case.grid.canonical.shape[2]
    _legend(figure, subject, f"Axial {at[2] + 1} / {count}, on {SEQUENCE_NAMES[shown]}")
    return _png(figure)


def vote_slices(subject: Subject) -> bytes:
    """For each region in how many subsets a voxel belongs to it, on an axial slice, as PNG."""
    count = len(subject.subsets)
    figure, (row,) = _film(1, 3)
    side = _close(subject)
    seen_on_black = ListedColormap(colormaps["magma"](np.linspace(0.25, 1, 256)))
    colours = ScalarMappable(BoundaryNorm(np.arange(0.5, count + 1), 256), seen_on_black)
    for ax, region in zip(row, REGIONS, strict=True):
        at = subject.key_voxels[region]
        shown = _best(subject, region)
        _slice(ax, subject, shown, AXIAL, at, _window(subject, AXIAL, subject.extent, side))
        votes = np.sum([_found(subject, s, region, AXIAL, at) for s in subject.subsets], axis=0)
        film = colours.to_rgba(votes, alpha=0.85)
        film[votes == 0] = 0
        ax.imshow(film, extent=_frame(subject, AXIAL), interpolation="nearest")
        if subject.reference is not None:
            _dashes(ax, subject, subject.reference[REGIONS.index(region)], AXIAL, at, "#ffffff")
        _caption(ax, REGION_NAMES[region], f"{at[2] + 1} / {subject.case.grid.canonical.shape[2]}")
        _letters(ax, subject, AXIAL)
    _scale_bar(row[0], side)
    height = figure.get_figheight()
    bar = figure.add_axes((0.30, 0.20 / height, 0.40, 0.09 / height))
    scale = figure.colorbar(
        colours, cax=bar, orientation="horizontal", ticks=sorted({1, (count + 1) // 2, count})
    )
    bar.tick_params(colors=FAINT, labelsize=6.5, length=2, pad=1.5)
    scale.minorticks_off()
    scale.outline.set_visible(False)
    figure.text(
        0.29, 0.245 / height, f"Subsets, of {count}", color=INK, fontsize=7, ha="right", va="center"
    )
    _marks(figure, subject, FOOT * 0.55 / height)
    return _png(figure)


def side_by_side(found: Sequence[tuple[str, Subject]], reference: Subject) -> Figure:
    """What several models find in one case: a row per plane, a column per model.

    The first column is the image that they were given, the last the reference.

    Args:
        found: what each is called, and the case with what it found from all its sequences.
        reference: the same case with its reference in place of what is found; says where to look.
    """
    figure, panels = _film(len(PLANES), len(found) + 2)
    shown, at = _best(reference, "tc"), reference.key_voxels["tc"]
    side = _close(reference, PLANES)
    columns = [(SEQUENCE_NAMES[shown], reference), *found, ("Reference", reference)]
    for row, plane in zip(panels, PLANES, strict=True):
        window = _window(reference, plane, reference.extent, side)
        for ax, (title, subject) in zip(row, columns, strict=True):
            _slice(ax, subject, shown, plane, at, window)
            if ax is not row[0]:
                _outline(ax, subject, subject.case.present, plane, at)
            if plane is AXIAL:
                _caption(ax, title, "" if subject is reference else _scores(subject))
        _letters(row[0], reference, plane)
    _scale_bar(panels[0][0], side)
    _legend(figure, reference, f"From {title_of(reference.case.present)} alone")
    return figure


def _scores(subject: Subject) -> str:
    """Dice from all sequences, region by region, and whether the case may be known to the model."""
    whole = next(row for row in subject.compared.rows if row.subset == subject.case.present)
    scores = [(one.region, one.score.dice) for one in whole.regions if one.score]
    dice = [f"{region.upper()} {dice:.2f}" for region, dice in scores if dice is not None]
    return "\n".join(filter(None, ["  ".join(dice), TAGS[subject.seen]]))


def _film(rows: int, columns: int, gutter: float = 0.0) -> tuple[Figure, list[list[Axes]]]:
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


def _cut(volume: npt.NDArray[Any], plane: Plane, at: Triple) -> npt.NDArray[Any]:
    """The slice of (X, Y, Z) as rows and columns of a picture."""
    flat: npt.NDArray[Any] = np.take(volume, at[plane.across], axis=plane.across)
    return flat.T[::-1, ::-1]


def _found(subject: Subject, subset: Subset, region: str, plane: Plane, at: Triple) -> Bools:
    """The slice of a predicted region."""
    found: Bools = _cut(subject.maps[subset], plane, at) & BITS[region] != 0
    return found


def _frame(subject: Subject, plane: Plane) -> tuple[float, float, float, float]:
    """Of a whole slice in mm: left, right, bottom, top."""
    grid = subject.case.grid.canonical
    return (
        0.0,
        grid.shape[plane.u] * grid.spacing_mm[plane.u],
        grid.shape[plane.v] * grid.spacing_mm[plane.v],
        0.0,
    )


def _window(
    subject: Subject, plane: Plane, box: Box, side: float
) -> tuple[float, float, float, float]:
    """A square of `side` mm around a box of voxels: left, right, bottom, top."""
    grid = subject.case.grid.canonical
    x, y = (
        (grid.shape[a] - (box.start[a] + box.stop[a]) / 2) * grid.spacing_mm[a]
        for a in (plane.u, plane.v)
    )
    return x - side / 2, x + side / 2, y + side / 2, y - side / 2


def _close(subject: Subject, planes: Sequence[Plane] = (AXIAL,)) -> float:
    """The side in mm of views of the tumour."""
    shape, spacing = subject.extent.shape, subject.case.spacing_mm
    axes = {axis for plane in planes for axis in (plane.u, plane.v)}
    return max(CLOSEST_MM, *(AROUND * shape[a] * spacing[a] for a in axes))


def _best(subject: Subject, region: str) -> str:
    return next(s for s in BEST_ON[region] if s in subject.case.present)


def _slice(
    ax: Axes,
    subject: Subject,
    sequence: str,
    plane: Plane,
    at: Triple,
    window: tuple[float, float, float, float],
) -> None:
    """The image itself, in greys."""
    low, high = subject.greys[sequence]
    ax.imshow(
        _cut(subject.case.volumes[sequence], plane, at), cmap="gray", vmin=low, vmax=high,
        extent=_frame(subject, plane), interpolation="bicubic",
    )  # fmt: skip
    left, right, bottom, top = window
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def _outline(ax: Axes, subject: Subject, subset: Subset, plane: Plane, at: Triple) -> None:
    """The three regions of a prediction in their colours; the reference dashed."""
    frame = _frame(subject, plane)
    masks = {region: _found(subject, subset, region, plane, at) for region in REGIONS}
    film = np.zeros((*masks["wt"].shape, 4))
    for region in reversed(REGIONS):
        film[masks[region]] = to_rgba(COLOURS[region], FILL)
    ax.imshow(film, extent=frame, interpolation="nearest")
    for region in reversed(REGIONS):
        _contour(ax, masks[region], frame, COLOURS[region], LINE)
    if subject.reference is not None:
        for region, mask in zip(REGIONS, subject.reference, strict=True):
            _dashes(ax, subject, mask, plane, at, _pale(COLOURS[region]))


def _dashes(ax: Axes, subject: Subject, mask: Bools, plane: Plane, at: Triple, colour: str) -> None:
    """The outline of a reference mask (X, Y, Z)."""
    flat, frame = _cut(mask, plane, at), _frame(subject, plane)
    _contour(ax, flat, frame, "black", 1.7, alpha=0.6)
    _contour(ax, flat, frame, colour, 0.8, linestyles=[(0, (3.0, 2.2))])


def _contour(
    ax: Axes, mask: Bools, frame: tuple[float, ...], colour: str, width: float, **look: Any
) -> None:
    if not mask.any():
        return
    padded = np.pad(mask, 1).astype(np.float32)  # so that a region at the border is closed
    (rows, columns), (_, right, bottom, _) = mask.shape, frame
    x = (np.arange(-1, columns + 1) + 0.5) * right / columns
    y = (np.arange(-1, rows + 1) + 0.5) * bottom / rows
    lines: Any = contour_generator(x, y, padded).lines(0.5)
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=width, **look))


def _letters(ax: Axes, subject: Subject, plane: Plane) -> None:
    """What the four edges of a panel are called."""
    letters = axis_letters(subject.case.grid.canonical.affine, subject.case.sides_known)
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


def _caption(ax: Axes, title: str, detail: str = "") -> None:
    text = ax.text(
        0.03, 0.97, title, transform=ax.transAxes, va="top", color=INK, fontsize=6,
        fontweight="bold", path_effects=HALO,
    )  # fmt: skip
    if detail:
        ax.annotate(
            detail, (0, 0), xycoords=text, xytext=(0, -2), textcoords="offset points", va="top",
            color=FAINT, fontsize=5.6, path_effects=HALO,
        )  # fmt: skip


def _scale_bar(ax: Axes, side: float) -> None:
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


def _legend(figure: Figure, subject: Subject, where: str = "") -> None:
    """The colours of the regions, what is dashed, and what one must know of the picture."""
    middle = FOOT * 0.55 / figure.get_figheight()
    handles: list[Patch | Line2D] = [
        Patch(facecolor=(colour, FILL + 0.3), edgecolor=colour, label=REGION_NAMES[region])
        for region, colour in COLOURS.items()
    ]
    if subject.reference is not None:
        handles.append(
            Line2D([], [], color="white", linewidth=1, linestyle=(0, (3, 2)), label="Reference")
        )
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(2 * GAP, middle), ncols=4,
        frameon=False, fontsize=7, labelcolor=INK, handlelength=1.6, columnspacing=1.6,
        handleheight=0.9, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    _marks(figure, subject, middle, where)


def _marks(figure: Figure, subject: Subject, middle: float, where: str = "") -> None:
    """At the lower right: which slice it is, and that it is no patient or no medical device."""
    synthetic = subject.case.synthetic
    mark = figure.text(
        1 - 2 * GAP, middle, "SYNTHETIC CASE" if synthetic else "Research only", ha="right",
        va="center", fontsize=6.5, fontweight="bold", color=WARN if synthetic else FAINT,
    )  # fmt: skip
    figure.axes[0].annotate(
        where, (0, 0.5), xycoords=mark, xytext=(-12, 0), textcoords="offset points", ha="right",
        va="center", fontsize=6.5, color=FAINT, annotation_clip=False,
    )  # fmt: skip


def _pale(colour: str) -> str:
    """As the viewer draws a reference: three fifths of the way to white."""
    red, green, blue = (part + 0.6 * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(
        file, format="png", facecolor=PAPER, metadata={"Software": None},
        pil_kwargs={"compress_level": 4},  # half the time of 6, and a tenth larger
    )  # fmt: skip
    return file.getvalue()
