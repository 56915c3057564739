"""Charts of lines: by matplotlib for print (PDF, PNG), by plotly for a page (JSON, HTML)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckd.files.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2b62b0", "#a34c08", "#0a6570", "#a8447f", "#8a6d00", "#7a3fa8", "#5f6d76")
"""Of what has no colour of its own; each is readable on white."""
LIBRARY = "plotly.min.js"
SIZE = (4.4, 3.0)  # inches of a panel
DPI = 150
FEW = 40
HEIGHT = 300  # pixels of a panel on a page
UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Kinds of files for print, and what of them would differ from day to day or by version."""
INK, GRID, VEIL = "#16222a", "#dde4e7", "rgba(255, 255, 255, 0.7)"


@dataclass(frozen=True)
class Curve:
    """A line through points; low and high are the ends of their intervals, or empty."""

    label: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    @property
    def marker(self) -> str | None:
        """Of few points each is marked: a single one would not be seen."""
        return "." if len(self.x) <= FEW else None


@dataclass(frozen=True)
class Panel:
    """across, up: what the axes say. ticks: names of the places 0, 1, ... of x; () for numbers."""

    title: str
    across: str
    up: str
    curves: Sequence[Curve]
    ticks: Sequence[str] = ()
    logarithmic: bool = False


@dataclass(frozen=True)
class Chart:
    """Panels row by row. about: below them: what it is made from, and what it does not show."""

    title: str
    about: str
    panels: Sequence[Panel]
    columns: int

    @property
    def rows(self) -> int:
        return -(-len(self.panels) // self.columns)


def save_chart(out: Path, name: str, chart: Chart) -> None:
    """`name` as .pdf, .png, .json (a plotly figure) and .html, with plotly's library beside it."""
    from plotly.offline import get_plotlyjs

    save_figure(out, name, as_matplotlib(chart))
    drawn = as_plotly(chart)
    write_atomically(out / f"{name}.json", drawn.to_json().encode())
    write_atomically(out / f"{name}.html", drawn.to_html(include_plotlyjs=LIBRARY).encode())
    write_atomically(out / LIBRARY, get_plotlyjs().encode())


def save_figure(
    out: Path, name: str, figure: Figure, kinds: Sequence[str] = tuple(UNDATED)
) -> None:
    """`name`.pdf and .png; the same figure gives the same bytes."""
    for kind in kinds:
        file = io.BytesIO()
        about = UNDATED[kind]
        figure.savefig(file, format=kind, facecolor=figure.get_facecolor(), metadata=about)
        write_atomically(out / f"{name}.{kind}", file.getvalue())


def as_matplotlib(chart: Chart) -> Figure:
    """The chart for print: its panels row by row, what it is made from below."""
    from matplotlib.figure import Figure

    width, height = SIZE
    size = (width * chart.columns, height * chart.rows + 0.8)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    cells = figure.subplots(chart.rows, chart.columns, squeeze=False).ravel()
    for ax, panel in zip(cells, chart.panels, strict=False):
        _draw(ax, panel)
    for ax in cells[len(chart.panels) :]:
        ax.set_visible(False)
    figure.suptitle(chart.title, fontsize=10, fontweight="bold", color=INK)
    figure.supxlabel(chart.about, fontsize=6.5, color=INK, wrap=True)
    return figure


def _draw(ax: Axes, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_title(panel.title, fontsize=9, color=INK)
    if not panel.curves:
        ax.set_axis_off()
        return
    for curve in panel.curves:
        look: dict[str, Any] = {"color": curve.colour, "linewidth": 1.2, "marker": curve.marker}
        if curve.low:
            look |= {"yerr": _distances(curve), "capsize": 2.5, "elinewidth": 0.8}
        ax.errorbar(curve.x, curve.y, label=curve.label, **look)
    ax.set_xlabel(panel.across, fontsize=8)
    ax.set_ylabel(panel.up, fontsize=8)
    ax.grid(color=GRID, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    if panel.ticks:
        ax.set_xticks(range(len(panel.ticks)), panel.ticks)
    if panel.logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=7)
    ax.legend(fontsize=7, edgecolor="none")


def as_plotly(chart: Chart) -> Any:
    """A plotly figure; each panel is also called by its title."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    figure = make_subplots(
        chart.rows, chart.columns, subplot_titles=[panel.title for panel in chart.panels]
    )
    for place, panel in enumerate(chart.panels):
        row, column = place // chart.columns + 1, place % chart.columns + 1
        for curve in panel.curves:
            above, below = _distances(curve)[::-1] if curve.low else ([], [])
            line = Scatter(
                x=list(curve.x),
                y=list(curve.y),
                name=curve.label,
                mode="lines+markers" if curve.marker else "lines",
                line={"color": curve.colour},
                legend=f"legend{place + 1}" if place else "legend",
                error_y={"array": above, "arrayminus": below} if curve.low else None,
            )
            figure.add_trace(line, row, column)
        ticks = {"tickvals": list(range(len(panel.ticks))), "ticktext": list(panel.ticks)}
        figure.update_xaxes(ticks if panel.ticks else {}, title=panel.across, row=row, col=column)
        kind = {"type": "log", "dtick": "D2"} if panel.logarithmic else {}
        figure.update_yaxes(kind, title=panel.up, row=row, col=column)
        where = figure.get_subplot(row, column)
        corner = {"x": where.xaxis.domain[1], "y": where.yaxis.domain[1], "bgcolor": VEIL}
        right = {"xanchor": "right", "yanchor": "top"}
        figure.update_layout({f"legend{place + 1}" if place else "legend": corner | right})
    said = {"text": chart.title, "subtitle": {"text": chart.about.replace("\n", " ")}}
    figure.update_layout(title=said, template="plotly_white", height=HEIGHT * chart.rows + 100)
    return figure


def _distances(curve: Curve) -> list[list[float]]:
    """From each point down to the low end of its interval, and up to the high one."""
    down = [y - low for y, low in zip(curve.y, curve.low, strict=True)]
    up = [high - y for y, high in zip(curve.y, curve.high, strict=True)]
    return [down, up]
