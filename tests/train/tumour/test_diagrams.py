"""The reliability diagram: a panel per region, what was promised and what came by hand."""

import numpy as np
import pytest

from mckd.tumour.calibration import Calibration, Curve, Told
from tests.train.tumour.made_up import of
from train.tumour.diagrams import reliability
from train.tumour.measure import BINS, SUBSETS

REGIONS = ("et", "tc", "wt")


def test_a_panel_per_region_and_group():
    """Made-up voxels have logits of .5 to 5.25, in four bars of which 60 % are in the region; the
    curve says .6 of all."""
    case = of(np.full(3, 15.0), np.full((15, 3), 10.0), np.full((15, 3), 0.9))
    sixty = Told(-1, 1, 0.8, Curve(0.0, 0.0, float(np.log(0.6 / 0.4))))
    curves = Calibration("", {}, dict.fromkeys(SUBSETS, dict.fromkeys(REGIONS, sixty)))
    chart = reliability([("invented", [case], [curves]), ("others", [case], [curves])])
    assert [panel.title for panel in chart.panels[:4]] == [
        "ET, invented",
        "TC, invented",
        "WT, invented",
        "ET, others",
    ]
    for panel in chart.panels:
        _, raw, calibrated = panel.curves
        assert raw.y == pytest.approx([0.6] * 4)
        promised = 1 / (1 + np.exp(-BINS[20:40]))
        assert raw.x[0] == pytest.approx(promised[promised < 0.7].mean())
        assert raw.label == f"of the network, ECE {np.abs(promised - 0.6).mean():.3f}"
        assert (calibrated.x, calibrated.y) == (pytest.approx([0.6]), pytest.approx([0.6]))
        assert calibrated.label == "calibrated, ECE 0.000"
