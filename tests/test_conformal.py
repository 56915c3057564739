"""Conformal intervals: ranks by hand, another package's intervals, and what they promise."""

import math

import numpy as np
import pytest
from crepes import ConformalRegressor

from mckd.conformal import (
    NARROWEST,
    in_units,
    signed_errors,
    tails_of,
    units_of,
    upper_quantile,
)


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


def test_tails_by_hand():
    """-19 to 19: both units are alike, and of 39 distances the 36th is 18: 0, 1, 1, 2, 2, ..."""
    tails = tails_of(np.arange(-19.0, 20.0), 0.9)
    assert (tails.low, tails.high) == pytest.approx((-18, 18))


def test_each_side_reaches_as_far_as_its_own_errors():
    """-10 to -1 and 100 to 1000, 20 errors: the unit above is their 90th percentile, 810, the one
    below the least, 121.5; of the distances the 19th is 900 / 810."""
    errors = np.concatenate([-np.arange(1.0, 11.0), 100 * np.arange(1.0, 11.0)])
    tails = tails_of(errors, 0.9)
    assert (tails.low, tails.high) == pytest.approx((-135, 900))


def test_a_side_without_errors_still_has_a_unit():
    down, up = units_of(np.arange(1.0, 11.0), 0.9)
    assert down == pytest.approx(NARROWEST * 9.1)
    assert up == pytest.approx(9.1)


@pytest.mark.parametrize("count", [25, 53, 112])
def test_the_intervals_are_those_of_crepes(count):
    """A conformal regressor of another package, given the same normalised errors."""
    random = np.random.default_rng(count)
    truths = random.gamma(2, 20, count)
    centres = truths * random.lognormal(0, 0.3, count)
    scales = 1 + 0.2 * centres
    errors = signed_errors(truths, centres, scales)
    down, up = units_of(errors, 0.9)
    other = ConformalRegressor().fit(residuals=in_units(errors, down, up))
    new, new_scales = np.array([3.0, 40.0, 200.0]), np.array([1.5, 9.0, 41.0])
    low, high = other.predict_int(y_hat=np.zeros(3), confidence=0.9).T
    theirs = new + new_scales * low * down, new + new_scales * high * up
    tails = tails_of(errors, 0.9)
    ours = new + new_scales * tails.low, new + new_scales * tails.high
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_new_cases_are_held_as_often_as_promised():
    """2,000 calibrations of 60 skewed errors, one new case each: 90 %, three deviations allowed,
    and 1 % for the units."""
    random = np.random.default_rng(5)
    errors = random.exponential(1.0, (2000, 61)) - 0.5
    held = 0
    for row in errors:
        tails = tails_of(row[:60], 0.9)
        held += tails.low <= row[60] <= tails.high
    assert held / 2000 == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 2000) + 0.01)
