"""What JavaScript is told of sequences and regions."""

from __future__ import annotations

from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.looks import words


def test_every_sequence_and_region_is_told_once_the_inner_region_first() -> None:
    told = words()
    assert tuple(told["sequences"]) == SEQUENCES
    assert sorted(told["first"]) == sorted(SEQUENCES)
    assert tuple(region["key"] for region in told["regions"]) == REGIONS
    assert [region["bit"] for region in told["regions"]] == [1, 2, 4]


def test_a_colour_is_red_green_and_blue() -> None:
    (et, *_) = words()["regions"]
    assert et["colour"] == [255, 222, 89]  # of #ffde59
