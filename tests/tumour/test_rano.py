"""RANO over a line of visits, with percentages worked out by hand."""

from __future__ import annotations

import pytest

from mckd.tumour.rano import PROGRESSION, RESPONSE, Assessment, assessed


@pytest.mark.parametrize(
    ("sums", "signs"),
    [
        ([1000, 1249], [""]),  # +24.9 %
        ([1000, 1250], [PROGRESSION]),
        ([1000, 501], [""]),
        ([1000, 500], [RESPONSE]),
        ([1000, 800, 1000], ["", PROGRESSION]),  # back at the baseline, 25 % above the smallest
        ([1000, 800, 990], ["", ""]),
        ([1000, 300, 375], [RESPONSE, PROGRESSION]),  # 62 % below the baseline, but grown again
        ([1000, 300, 374], [RESPONSE, RESPONSE]),
        ([1000, 2000, 1100], [PROGRESSION, ""]),  # half of the visit before, not of the baseline
        ([1000, 0, 150], [RESPONSE, PROGRESSION]),
        ([0, 0, 150, 100], ["", PROGRESSION, PROGRESSION]),  # 0 stays the smallest
        ([0], []),
        ([], []),
    ],
)
def test_progression_is_against_the_smallest_and_response_against_the_first(sums, signs):
    assert [found.sign for found in assessed(sums)] == signs


def test_it_is_told_with_both_percentages():
    """1100 is 3/8 more than 800 and 45 % less than 2000."""
    assert Assessment(1100, 2000, 800).words == (
        "sum of products 1100 mm²; smallest before 800 mm² (+38 %), baseline 2000 mm² (-45 %): a "
        "sign of progression"
    )
    assert Assessment(0, 0, 0).words == (
        "sum of products 0 mm²; smallest before 0 mm², baseline 0 mm²"
    )
