"""Two sets of scores side by side: numbers by hand, for a task of two modalities."""

from __future__ import annotations

import pytest

from train.scores import Key, TableLayout, side_by_side
from train.settings import SettingsError

LAYOUT = TableLayout({"a": "A", "b": "Bee"}, ["a", "b", "a+b"], {"all": ("x", "y"), "y": ("y",)})
FIRST = {
    Key("one", "a", "x"): 0.5,
    Key("one", "a", "y"): 0.1,
    Key("two", "a", "x"): 0.7,
    Key("one", "a+b", "x"): 0.9,
}
OTHER = {
    Key("one", "a", "x"): 0.6,
    Key("one", "a", "y"): 0.3,
    Key("two", "a", "x"): 0.6,
    Key("one", "a+b", "x"): 1.0,
    Key("three", "a", "x"): 0.0,
}


def lines() -> list[str]:
    return side_by_side(FIRST, OTHER, ("old", "new"), LAYOUT, "Of {cases}.").splitlines()


def test_every_quantity_and_every_subset_counts_alike() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines() if "|" in line]
    assert rows[0] == [
        "A",
        "Bee",
        "all old",
        "all new",
        "difference",
        "y old",
        "y new",
        "difference",
    ]
    # a: x is (.5 + .7) / 2 = .6 and (.6 + .6) / 2 = .6, y .1 and .3; all is the mean of x and y
    assert rows[2] == ["●", "○", "0.350", "0.450", "+0.100", "0.100", "0.300", "+0.200"]
    assert rows[3] == ["●", "●", "0.900", "1.000", "+0.100", "n/a", "n/a", "n/a"]
    # x over its subsets: (.6 + .9) / 2 = .75 and (.6 + 1) / 2 = .8, with y (.1, .3): .425 and .55
    assert rows[4][:5] == ["mean", "", "0.425", "0.550", "+0.125"]
    assert len(rows) == 5  # b alone was not scored


def test_what_both_scored_is_counted_and_who_is_not_in_both_is_named() -> None:
    assert lines()[0] == "Of 2 cases. Not or not wholly in both: three."


def test_tests_are_over_cases() -> None:
    # one: (.5 + .1 + .9) / 3 = .5 and (.6 + .3 + 1) / 3; two: .7 and .6
    assert "- all: better in 1 of 2 cases, p 1" in lines()
    assert "- y: better in 1 of 1 case, p 1" in lines()


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(SettingsError, match="old and new have no case in common"):
        side_by_side(FIRST, {Key("z", "a", "x"): 1.0}, ("old", "new"), LAYOUT, "")
