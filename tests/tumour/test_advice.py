"""Which sequence next: what weights mean, who is named, and in which words."""

import math

import pytest

from mckd.tumour.advice import Advice, Step, advise, features, sentence
from mckd.tumour.signs import Signs

SIGNS = dict.fromkeys(("et", "tc", "wt"), Signs(9.0, 9.0, 3.0, certainty=0.8))
WIDTHS = {"et": 10.0, "tc": 20.0, "wt": 40.0}
REGIONS = ("et", "tc", "wt")


def constant(gain, shrink=0.0):
    """A step that is the same whatever the signs are."""
    return dict.fromkeys(REGIONS, Step((gain, *[0.0] * 9), (shrink, *[0.0] * 9)))


def test_features_are_logarithms_and_certainty():
    assert features(SIGNS) == pytest.approx((1, *[math.log(10), math.log(4), 0.8] * 3))


class TestAdvise:
    def test_the_best_comes_first_and_what_is_not_worth_it_not_at_all(self):
        steps = {frozenset({"t2"}): {
            "flair": constant(0.05), "t1": constant(0.019), "t1c": constant(0.2, math.log(0.5)),
        }}  # fmt: skip
        named = advise(steps, {"t2"}, SIGNS, WIDTHS)
        assert [one.sequence for one in named] == ["t1c", "flair"]
        assert named[0].dice_gain == dict.fromkeys(REGIONS, 0.2)
        assert named[0].narrowing_ml == pytest.approx({"et": 5, "tc": 10, "wt": 20})

    def test_weights_are_of_the_features(self):
        """.01 for the certainty of ET, .8: .008; and .03 whatever it is."""
        step = Step((0.03, 0, 0, 0.01, *[0.0] * 6), (0.0,) * 10)
        steps = {frozenset({"t2"}): {"t1": dict.fromkeys(REGIONS, step)}}
        assert advise(steps, {"t2"}, SIGNS, WIDTHS)[0].worth == pytest.approx(0.038)

    def test_nothing_is_known_of_all_four(self):
        assert advise({}, {"flair", "t1", "t1c", "t2"}, SIGNS, WIDTHS) == []


class TestSentence:
    t1c = Advice("t1c", {"et": 0.31, "tc": 0.1, "wt": 0.0}, {"et": 12.2, "tc": 3.0, "wt": 0.1})

    def test_names_what_changes_most_and_what_adds_little(self):
        assert sentence([self.t1c], {"flair", "t1"}) == (
            "T1c would most likely raise the Dice of ET by .31 and narrow its range by 12 mL; "
            "T2 adds little."
        )

    def test_nothing_is_worth_it(self):
        assert sentence([], {"flair", "t1c", "t2"}) == (
            "No other sequence is expected to change much."
        )

    def test_nothing_is_absent(self):
        assert sentence([], {"flair", "t1", "t1c", "t2"}) == ""
