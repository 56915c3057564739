"""What a prediction says of its own certainty, with numbers worked out by hand."""

import numpy as np
import pytest

from mckd.tumour.signs import entropy, signs_of


def test_entropy_is_in_bits():
    """A quarter: -(1/4 log2 1/4 + 3/4 log2 3/4) = 0.8113."""
    found = entropy(np.array([0.0, 0.25, 0.5, 1.0], np.float32))
    assert found == pytest.approx([0, 0.8113, 1, 0], abs=1e-4)


def test_signs_count_what_may_be_in_a_region():
    p = np.zeros((3, 5, 1, 1), np.float32)
    p[2, :, 0, 0] = [0.95, 0.5, 0.25, 0.005, 0.75]  # the fourth may not be, the last is no brain
    drawn = np.zeros((3, 5, 1, 1), bool)
    drawn[2, :2] = True
    brain = np.array([True, True, True, True, False]).reshape(5, 1, 1)
    found = signs_of(p, drawn, brain, voxel_ml=2.0)
    wt = found["wt"]
    assert wt.volume_ml == 4
    assert wt.mass_ml == pytest.approx(2 * (0.95 + 0.5 + 0.25), rel=1e-6)
    assert wt.entropy_ml == pytest.approx(2 * (0.2864 + 1 + 0.8113), abs=1e-3)
    assert wt.certainty == pytest.approx((0.95 + 0.5) / 2)
    assert found["et"].certainty == 0  # nothing is drawn
