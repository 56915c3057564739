"""Reliability diagrams: of voxels with a probability of .7, are seven of ten in the region?"""

from __future__ import annotations

from collections.abc import Sequence

from mckd.tumour import REGIONS
from mckd.tumour.calibration import Calibration
from train.charts import COLOURS, Chart, Curve, Panel
from train.reliability import Bar, expected_error
from train.tumour.coverage import diagram
from train.tumour.measure import SUBSETS, Measured

NAME = "reliability"
ABOUT = (
    "Voxels of the brain with a probability above .01, all subsets of the sequences together, in "
    "ten bars. Calibrated: each case by curves fitted without it. ECE: mean distance from "
    "the diagonal, each bar by its voxels."
)
Group = tuple[str, Sequence[Measured], Sequence[Calibration]]
"""What cases are called, the cases, and for each a calibration without it."""


def reliability(groups: Sequence[Group]) -> Chart:
    """A row of panels per group, a panel per region."""
    panels = [
        _panel(f"{region.upper()}, {title}", cases, k, left_out)
        for title, cases, left_out in groups
        for k, region in enumerate(REGIONS)
    ]
    return Chart("What probabilities are worth", ABOUT, panels, columns=len(REGIONS))


def _panel(title: str, cases: Sequence[Measured], k: int, left_out: Sequence[Calibration]) -> Panel:
    every = range(len(SUBSETS))
    raw, calibrated = diagram(cases, every, k), diagram(cases, every, k, left_out)
    curves = [
        Curve("as it should be", COLOURS[-1], (0, 1), (0, 1)),
        _curve("of the network", COLOURS[1], raw),
        _curve("calibrated", COLOURS[0], calibrated),
    ]
    return Panel(title, "probability", "share in the region", curves)


def _curve(label: str, colour: str, bars: Sequence[Bar]) -> Curve:
    label = f"{label}, ECE {expected_error(bars):.3f}"
    return Curve(label, colour, [bar.promised for bar in bars], [bar.came for bar in bars])
