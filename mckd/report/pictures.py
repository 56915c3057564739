"""Key slices as PNG, in radiological convention, on black like a film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mckd.report.drawing import (
    AXIAL,
    FAINT,
    FOOT,
    GAP,
    INK,
    PLANES,
    WARN,
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
from mckd.report.subject import Subject, subset_title
from mckd.tumour.comparison import Subset, title_of
from mckd.tumour.fingerprint import TAGS
from mckd.tumour.geometry import Bools, Triple
from mckd.tumour.labels import BITS
from mckd.tumour.looks import COLOURS
from mckd.tumour.naming import REGION_NAMES, REGIONS, SEQUENCE_NAMES

BEST_ON = {
    "et": ("t1c", "flair", "t2", "t1"),
    "tc": ("t1c", "t2", "flair", "t1"),
    "wt": ("flair", "t2", "t1c", "t1"),
}
"""The sequences that show a region, best first."""

FILL, LINE = 0.3, 1.0
MARGIN = 1.12  # of the brain in its panel
AROUND = 1.35  # of the tumour's extent that a close view shows
CLOSEST_MM = 70.0


def key_slices(subject: Subject) -> bytes:
    """A row per region, a column per plane: what all sequences together show, as PNG."""
    brain = subject.case.brain
    side = MARGIN * max(n * mm for n, mm in zip(brain.shape, subject.case.spacing_mm, strict=True))
    figure, panels = panels_of(3, 3, gutter=0.2)
    for row, region in zip(panels, REGIONS, strict=True):
        at = subject.key_voxels[region]
        shown = _best(subject, region)
        row[0].text(
            -0.03, 0.5, f"{REGION_NAMES[region]}  ·  on {SEQUENCE_NAMES[shown]}", rotation=90,
            transform=row[0].transAxes, ha="right", va="center", color=INK, fontsize=7,
            fontweight="bold",
        )  # fmt: skip
        for ax, plane in zip(row, PLANES, strict=True):
            window = window_of(subject.grid, plane, brain, side)
            _slice(ax, subject, shown, plane, at, window)
            _outline(ax, subject, subject.case.present, plane, at)
            count = subject.grid.shape[plane.across]
            caption(ax, plane.name, f"{at[plane.across] + 1} / {count}")
            name_edges(ax, subject.grid, subject.case.sides_known, plane)
            if plane is AXIAL:
                scale_bar(ax, side)
    _legend(figure, subject)
    return as_png(figure)


def subset_slices(subject: Subject) -> bytes:
    """One axial slice, what each subset finds on it, as PNG."""
    columns = {15: 5, 7: 4, 3: 3}.get(len(subject.subsets), min(5, len(subject.subsets)))
    rows = -(-len(subject.subsets) // columns)
    figure, panels = panels_of(rows, columns)
    at = subject.key_voxels["tc"]
    shown = _best(subject, "tc")
    side = _close(subject)
    cells = [ax for row in panels for ax in row]
    for ax, subset in zip(cells, subject.subsets, strict=False):
        _slice(ax, subject, shown, AXIAL, at, window_of(subject.grid, AXIAL, subject.extent, side))
        _outline(ax, subject, subset, AXIAL, at)
        caption(ax, subset_title(subset, subject.case.present))
    name_edges(cells[0], subject.grid, subject.case.sides_known, AXIAL)
    scale_bar(cells[0], side)
    for ax in cells[len(subject.subsets) :]:
        ax.set_visible(False)
    count = subject.grid.shape[2]
    _legend(figure, subject, f"Axial {at[2] + 1} / {count}, on {SEQUENCE_NAMES[shown]}")
    return as_png(figure)


def vote_slices(subject: Subject) -> bytes:
    """For each region in how many subsets a voxel belongs to it, on an axial slice, as PNG."""
    count = len(subject.subsets)
    figure, (row,) = panels_of(1, 3)
    side = _close(subject)
    seen_on_black = ListedColormap(colormaps["magma"](np.linspace(0.25, 1, 256)))
    colours = ScalarMappable(BoundaryNorm(np.arange(0.5, count + 1), 256), seen_on_black)
    for ax, region in zip(row, REGIONS, strict=True):
        at = subject.key_voxels[region]
        shown = _best(subject, region)
        _slice(ax, subject, shown, AXIAL, at, window_of(subject.grid, AXIAL, subject.extent, side))
        votes = np.sum([_found(subject, s, region, AXIAL, at) for s in subject.subsets], axis=0)
        film = colours.to_rgba(votes, alpha=0.85)
        film[votes == 0] = 0
        ax.imshow(film, extent=extent_of(subject.grid, AXIAL), interpolation="nearest")
        if subject.reference is not None:
            _dashes(ax, subject, subject.reference[REGIONS.index(region)], AXIAL, at, "#ffffff")
        caption(ax, REGION_NAMES[region], f"{at[2] + 1} / {subject.grid.shape[2]}")
        name_edges(ax, subject.grid, subject.case.sides_known, AXIAL)
    scale_bar(row[0], side)
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
    return as_png(figure)


def side_by_side(found: Sequence[tuple[str, Subject]], reference: Subject) -> Figure:
    """What several models find in one case: a row per plane, a column per model.

    The first column is the image that they were given, the last the reference.

    Args:
        found: what each is called, and the case with what it found from all its sequences.
        reference: the same case with its reference in place of what is found; says where to look.
    """
    figure, panels = panels_of(len(PLANES), len(found) + 2)
    shown, at = _best(reference, "tc"), reference.key_voxels["tc"]
    side = _close(reference, PLANES)
    columns = [(SEQUENCE_NAMES[shown], reference), *found, ("Reference", reference)]
    for row, plane in zip(panels, PLANES, strict=True):
        window = window_of(reference.grid, plane, reference.extent, side)
        for ax, (title, subject) in zip(row, columns, strict=True):
            _slice(ax, subject, shown, plane, at, window)
            if ax is not row[0]:
                _outline(ax, subject, subject.case.present, plane, at)
            if plane is AXIAL:
                caption(ax, title, "" if subject is reference else _scores(subject))
        name_edges(row[0], reference.grid, reference.case.sides_known, plane)
    scale_bar(panels[0][0], side)
    _legend(figure, reference, f"From {title_of(reference.case.present)} alone")
    return figure


def _scores(subject: Subject) -> str:
    """Dice from all sequences, region by region, and whether the case may be known to the model."""
    whole = next(row for row in subject.compared.rows if row.subset == subject.case.present)
    scores = [(one.region, one.score.dice) for one in whole.regions if one.score]
    dice = [f"{region.upper()} {dice:.2f}" for region, dice in scores if dice is not None]
    return "\n".join(filter(None, ["  ".join(dice), TAGS[subject.seen]]))


def _found(subject: Subject, subset: Subset, region: str, plane: Plane, at: Triple) -> Bools:
    """The slice of a predicted region."""
    found: Bools = cut(subject.maps[subset], plane, at) & BITS[region] != 0
    return found


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
        cut(subject.case.volumes[sequence], plane, at), cmap="gray", vmin=low, vmax=high,
        extent=extent_of(subject.grid, plane), interpolation="bicubic",
    )  # fmt: skip
    left, right, bottom, top = window
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def _outline(ax: Axes, subject: Subject, subset: Subset, plane: Plane, at: Triple) -> None:
    """The three regions of a prediction in their colours; the reference dashed."""
    frame = extent_of(subject.grid, plane)
    masks = {region: _found(subject, subset, region, plane, at) for region in REGIONS}
    film = np.zeros((*masks["wt"].shape, 4))
    for region in reversed(REGIONS):
        film[masks[region]] = to_rgba(COLOURS[region], FILL)
    ax.imshow(film, extent=frame, interpolation="nearest")
    for region in reversed(REGIONS):
        outline(ax, masks[region], frame, COLOURS[region], LINE)
    if subject.reference is not None:
        for region, mask in zip(REGIONS, subject.reference, strict=True):
            _dashes(ax, subject, mask, plane, at, _pale(COLOURS[region]))


def _dashes(ax: Axes, subject: Subject, mask: Bools, plane: Plane, at: Triple, colour: str) -> None:
    """The outline of a reference mask (X, Y, Z)."""
    flat, frame = cut(mask, plane, at), extent_of(subject.grid, plane)
    outline(ax, flat, frame, "black", 1.7, alpha=0.6)
    outline(ax, flat, frame, colour, 0.8, linestyles=[(0, (3.0, 2.2))])


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
