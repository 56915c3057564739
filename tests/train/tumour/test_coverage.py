"""How often ranges hold the truth of cases that were left out, and what the report says of it."""

import numpy as np
import pytest

from mckd.tumour.calibration import Calibration, Curve, Told
from tests.train.tumour.made_up import made_up, of
from train.reliability import expected_error
from train.tumour.coverage import by_parts, diagram, holds, ranges, report, share
from train.tumour.measure import BINS, SUBSETS


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(2)
    return [made_up(random, healthy=i % 4 == 3) for i in range(80)]


def test_left_out_cases_are_held_as_often_as_promised(cases):
    """60 tumours, 15 subsets, 3 regions: 90 % or a little more, as ranks are rounded up."""
    held = holds(cases, ranges(cases, by_parts(cases)))
    ill = np.array([bool(case.reference_ml.any()) for case in cases])
    assert 0.87 < held[ill].mean() < 0.96
    assert held[~ill].mean() > 0.88


def test_each_case_is_told_by_its_own_calibration():
    """Drawn are 10 mL, the scale is 1: one reaches from 8 to 13, the other to 17."""
    case = of(np.full(3, 15.0), np.full((15, 3), 10.0), np.full((15, 3), 0.9))
    weights = dict.fromkeys(("et", "tc", "wt"), (0.0,) * 5)
    both = [
        Calibration("", weights, dict.fromkeys(SUBSETS, dict.fromkeys(weights, told)))
        for told in (Told(-2, high, 0.8, Curve(1, 1, 0)) for high in (3, 7))
    ]
    ends = ranges([case, case], both)
    assert ends[0, 4, 1] == pytest.approx((8, 13))
    assert ends[1, 4, 1] == pytest.approx((8, 17))
    assert holds([case, case], ends).all((1, 2)).tolist() == [False, True]


def test_a_diagram_is_of_calibrated_probabilities_if_asked(cases):
    """Of every bin 60 % are in the region, which a curve through all of them learns."""
    raw, calibrated = (diagram(cases, [3], 2, by) for by in ((), by_parts(cases)))
    assert sum(bar.count for bar in raw) == 80 * 20 * 100
    promised = 1 / (1 + np.exp(-BINS[20:40]))
    assert expected_error(raw) == pytest.approx(np.abs(promised - 0.6).mean(), abs=0.02)
    assert expected_error(calibrated) < 0.001


def test_a_share_has_its_exact_interval():
    """9 of 10: Clopper and Pearson's 55.5 to 99.7 %, from tables of F."""
    assert share(np.array(9 * [True] + [False])) == "90 % (55 % to 100 %)"


def test_the_report_has_a_row_per_subset(cases):
    text = report(cases, by_parts(cases), "Eighty cases")
    assert text.startswith("Eighty cases. 90 % ranges of the 60 cases with a tumour")
    rows = [line for line in text.splitlines() if line.startswith(("| FLAIR", "| T"))]
    assert len(rows) == 15
    assert "Of 20 heads without a tumour" in text
