"""The paper's Fig. 3 on digits: what the strength alpha and the norm of the distillation do."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from mckd.files.runs import RunError
from train.charts import COLOURS, Chart, Curve, Panel, save_chart
from train.digits.rows import NORMS, TABLES, Row
from train.digits.settings import paper
from train.settings import override
from train.statistics import Interval

ABLATION = TABLES["ablation"]
PANELS = {
    "visual": "Pictures tested, 20 % of the sound in training",
    "audio": "Sounds tested, 20 % of the pictures in training",
}
APART = 0.05  # of a place on the axis: intervals of the two norms do not cover each other


@dataclass(frozen=True)
class Point:
    """A row of the ablation. accuracy: per cent. seeds, draws: that it is the mean of."""

    tested: str
    alpha: float
    p: int
    accuracy: Interval
    seeds: str
    draws: str


def strengths(arguments: argparse.Namespace) -> int:
    """A panel for each modality that is tested alone, a line for each norm."""
    points = read_points(arguments.ablation)
    alphas = sorted({point.alpha for point in points})
    ticks = [f"{alpha:g}" for alpha in alphas]
    panels = [
        Panel(title, "alpha", "test accuracy, %", _curves(points, tested, alphas), ticks)
        for tested, title in PANELS.items()
        if any(point.tested == tested for point in points)
    ]
    said = (
        f"Runs of a point: {points[0].seeds} x {points[0].draws} (seeds x draws of pictures). "
        "95 % intervals:\nbootstrap over seeds and test samples. Digits, not brain tumours as in "
        "the paper."
    )
    title = "Fig. 3: strength and norm of the distillation"
    save_chart(arguments.out, "fig3", Chart(title, said, panels, len(panels)))
    return 0


def read_points(path: Path) -> list[Point]:
    """What `python -m train table --which ablation` wrote to table.csv.

    Raises:
        RunError: it is another file.
    """
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    try:
        points = [_point(line) for line in lines if line["variant"] in ABLATION.variants]
    except (KeyError, ValueError):
        points = []
    if not points:
        raise RunError(
            f"{path.name} is no table of the ablation. Make one with "
            "'python -m train table --which ablation'."
        )
    return points


def _point(line: dict[str, str]) -> Point:
    row = Row(line["variant"], line["tested"], float(line["rate"]))
    method = override(paper(), row.changes).method
    accuracy = Interval(*(float(line[name]) for name in Interval._fields))
    return Point(row.tested, method.alpha, method.p, accuracy, line["seeds"], line["draws"])


def _curves(points: list[Point], tested: str, alphas: list[float]) -> list[Curve]:
    return [
        _curve(
            norm,
            COLOURS[place],
            [x for x in points if x.tested == tested and (x.p == p or not x.alpha)],
            alphas,
            APART * (2 * place - 1),
        )
        for place, (p, norm) in enumerate(NORMS.items())
    ]


def _curve(norm: str, colour: str, points: list[Point], alphas: list[float], aside: float) -> Curve:
    ordered = sorted(points, key=lambda point: point.alpha)
    mean, low, high = zip(*(point.accuracy for point in ordered), strict=True)
    return Curve(norm, colour, [alphas.index(x.alpha) + aside for x in ordered], mean, low, high)
