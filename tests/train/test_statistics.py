"""Intervals and tests against values worked out by hand."""

import math

import numpy as np
import pytest

from train.statistics import bootstrap, holm, mcnemar, wilcoxon


class TestBootstrap:
    def test_without_spread_the_interval_is_a_point(self):
        assert bootstrap(np.full((3, 5), 0.25)) == (0.25, 0.25, 0.25)

    def test_one_seed_is_the_binomial_of_its_units(self):
        """400 units, 300 right: sd sqrt(.75 * .25 / 400) = .02165, so .75 -+ 1.96 * .02165."""
        scores = np.repeat([[1.0, 0.0]], [300, 100], axis=1)
        mean, low, high = bootstrap(scores)
        assert mean == 0.75
        assert (low, high) == pytest.approx((0.7076, 0.7924), abs=0.004)

    def test_seeds_count_as_seeds_and_not_as_more_units(self):
        """Units alike, seeds 0 and 1: a replicate is 0, .5 or 1 with shares 1/4, 1/2, 1/4,
        however many units there are."""
        scores = np.repeat([[0.0], [1.0]], 1000, axis=1)
        assert bootstrap(scores) == (0.5, 0.0, 1.0)
        assert bootstrap(scores, level=0.4) == (0.5, 0.5, 0.5)

    def test_a_unit_that_is_hard_for_every_seed_stays_one_unit(self):
        """100 seeds of the same 4 units: as wide as one seed. The mean of 4 draws of 0, 0, 1, 1
        is 0 or 1 with probability 1/16 each, which is more than 2.5 %."""
        scores = np.tile([[0.0, 0.0, 1.0, 1.0]], (100, 1))
        assert bootstrap(scores) == pytest.approx((0.5, 0.0, 1.0))

    def test_the_same_numbers_give_the_same_interval(self):
        scores = np.arange(12.0).reshape(3, 4)
        assert bootstrap(scores, seed=1) == bootstrap(scores, seed=1) != bootstrap(scores, seed=2)

    @pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.zeros(3), np.array([[1.0, np.nan]])])
    def test_gaps_are_refused(self, scores):
        with pytest.raises(ValueError, match="without gaps"):
            bootstrap(scores)


class TestWilcoxon:
    def test_five_units_that_all_rise(self):
        """All five signs alike: 2 of 2^5 arrangements are as extreme, p = 1/16."""
        first = np.array([[1.1, 2.2, 3.3, 4.4, 5.5]])
        assert wilcoxon(first, first * 0) == pytest.approx(2 / 32)
        assert wilcoxon(first * 0, first) == pytest.approx(2 / 32)

    def test_seeds_are_averaged_before_the_test(self):
        """Differences per seed cancel in the mean but for +1, +2, +3: p = 2 / 2^3."""
        second = np.zeros((2, 3))
        first = np.array([[11.0, 12.0, 13.0], [-9.0, -8.0, -7.0]])
        assert wilcoxon(first, second) == pytest.approx(2 / 8)

    def test_no_difference(self):
        assert wilcoxon(np.ones((2, 4)), np.ones((2, 4))) == 1.0


class TestMcNemar:
    def test_one_seed_is_mcnemar_s_own(self):
        """b = 9, c = 3: chi2 = 36 / 12 = 3, p = 2 (1 - Phi(sqrt 3)) = erfc(sqrt(3 / 2))."""
        first = np.repeat([[1, 0, 1, 0]], [9, 3, 20, 5], axis=1)
        second = np.repeat([[0, 1, 1, 0]], [9, 3, 20, 5], axis=1)
        expected = math.erfc(math.sqrt(1.5))
        assert mcnemar(first, second) == pytest.approx(expected)
        assert mcnemar(second, first) == pytest.approx(expected)

    def test_seeds_that_agree_add_no_evidence(self):
        """Ten seeds with the same answers are worth one."""
        first, second = np.array([[1, 1, 1, 0, 1]]), np.array([[0, 0, 0, 1, 1]])
        once = mcnemar(first, second)
        assert mcnemar(first.repeat(10, 0), second.repeat(10, 0)) == pytest.approx(once)

    def test_two_seeds_by_hand(self):
        """Unit differences b - c of 2, 1, 0, -1: chi2 = 2^2 / (4 + 1 + 1) = 2/3."""
        first = np.array([[1, 1, 1, 0], [1, 1, 0, 1]])
        second = np.array([[0, 0, 0, 1], [0, 1, 1, 1]])
        assert mcnemar(first, second) == pytest.approx(math.erfc(math.sqrt(1 / 3)))

    def test_no_difference(self):
        assert mcnemar(np.ones((2, 4)), np.ones((2, 4))) == 1.0


def test_holm_by_hand():
    """Sorted .01 .03 .04 by 3, 2, 1 are .03 .06 .04, and none may be below the one before."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
