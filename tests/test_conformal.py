"""Conformal intervals: ranks by hand, another package's intervals, and what they promise."""

import math

import numpy as np
import pytest
from crepes import ConformalPredictiveSystem

from mckd.conformal import signed_errors, tails_of, upper_quantile


class TestUpperQuantile:
    @pytest.mark.parametrize(
        ("count", "level", "rank"),
        [
            (19, 0.95, 19),  # 20 * .95 = 19
            (39, 0.95, 38),
            (10, 0.9, 10),  # 11 * .9 = 9.9
            (9, 0.5, 5),
        ],
    )
    def test_is_the_value_of_a_rank(self, count, level, rank):
        values = [float(v) for v in range(1, count + 1)]
        assert upper_quantile(values[::-1], level) == rank

    def test_of_too_few_is_infinite(self):
        assert upper_quantile([1.0] * 18, 0.95) == math.inf
        assert upper_quantile([], 0.95) == math.inf


def test_tails_leave_half_of_the_misses_on_each_side():
    """Of 39 errors -19 to 19 the second from either end: 40 * .05 = 2."""
    tails = tails_of(np.arange(-19.0, 20.0), 0.9)
    assert (tails.low, tails.high) == (-18, 18)


@pytest.mark.parametrize("count", [25, 53, 112])
def test_the_intervals_are_those_of_crepes(count):
    """A conformal predictive system with normalised errors, of another package."""
    random = np.random.default_rng(count)
    truths = random.gamma(2, 20, count)
    centres = truths * random.lognormal(0, 0.3, count)
    scales = 1 + 0.2 * centres
    other = ConformalPredictiveSystem().fit(residuals=truths - centres, sigmas=scales)
    new, new_scales = np.array([3.0, 40.0, 200.0]), np.array([1.5, 9.0, 41.0])
    tails = tails_of(signed_errors(truths, centres, scales), 0.9)
    ours = np.stack([new + new_scales * tails.low, new + new_scales * tails.high], 1)
    theirs = other.predict_int(y_hat=new, sigmas=new_scales, confidence=0.9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_new_cases_are_held_as_often_as_promised():
    """2,000 calibrations of 60 skewed errors, one new case each: 90 %, three deviations allowed."""
    random = np.random.default_rng(5)
    errors = random.exponential(1.0, (2000, 61)) - 0.5
    held = 0
    for row in errors:
        tails = tails_of(row[:60], 0.9)
        held += tails.low <= row[60] <= tails.high
    assert held / 2000 == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 2000) + 2 / 61)
    assert held / 2000 > 0.9 - 3 * math.sqrt(0.09 / 2000)
