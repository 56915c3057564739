"""Reliability diagrams and how far off probabilities were."""

import numpy as np
import pytest

from train.reliability import Bar, bars, expected_error


def test_a_diagram_and_its_error_by_hand():
    """30 at .25 of which 15 came true, 10 at .95 of which all: (30 * .25 + 10 * .05) / 40."""
    p, counts, true = np.array([0.25, 0.95]), np.array([30.0, 10.0]), np.array([15.0, 10.0])
    diagram = bars(p, counts, true)
    assert diagram == [Bar(0.25, 0.5, 30), Bar(0.95, 1.0, 10)]
    assert expected_error(diagram) == pytest.approx((30 * 0.25 + 10 * 0.05) / 40)
