"""Classes and numbers, told apart by the labels."""

import numpy as np
import pytest
import torch

from mckd.tables.files import TableError
from mckd.tables.target import Target


def words(*values):
    return np.array([*values, None], object)[:-1]


def fit(*labels, problem="auto"):
    return Target.fit("y", words(*labels), words(*labels), problem)


def test_whole_numbers_are_classes_and_come_back_as_such():
    target = fit("10", "2", "2", "-1")
    assert target.classes == ("-1", "2", "10")
    assert target.labels == (-1, 2, 10)
    assert target.outputs == 3
    assert target.encode(words("10", "-1", "7", None)).tolist() == [2, 0, -1, -1]


def test_words_are_classes():
    assert fit("benign", "Malignant").labels == ("Malignant", "benign")
    assert fit("01", "02").labels == ("01", "02")  # not 1 and 2


@pytest.mark.parametrize("odd", ["²", "--5", "1_0", "٣", "1,200", "inf", "9" * 5000])
def test_words_that_python_nearly_reads_as_numbers_are_classes(odd):
    assert set(fit(odd, "3", problem="classification").labels) == {odd, "3"}
    assert not fit(odd, "0.5").is_number
    assert fit("-0", "3").labels == ("-0", "3")


def test_other_numbers_are_predicted_as_numbers():
    target = fit("1.0", "2.5", "4")
    assert target.is_number
    assert (target.mean, target.std) == pytest.approx((2.5, np.sqrt(1.5)))
    assert target.encode(words("2.5", "4")).tolist() == pytest.approx([0, np.sqrt(1.5)])
    assert torch.isnan(target.encode(words("x"))).all()
    assert target.known(words("x", "1", None)).tolist() == [False, True, False]


def test_many_whole_numbers_are_numbers_too():
    assert fit(*map(str, range(21))).is_number
    assert not fit(*map(str, range(20))).is_number


def test_the_problem_can_be_said():
    assert fit("1", "2", problem="regression").is_number
    assert fit("1.5", "2.5", problem="classification").labels == ("1.5", "2.5")


def test_statistics_are_of_the_training_part():
    target = Target.fit("y", words("0", "1", "0.5"), words("0", "1"))
    assert (target.mean, target.std) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("labels", "problem", "sentence"),
    [
        (["a", "a"], "auto", "All labels 'y' are alike"),
        ([str(k / 2) for k in range(101)], "classification", "at most 100 classes"),
        (["1", "two"], "regression", "'two' is no number"),
    ],
)
def test_complaints(labels, problem, sentence):
    with pytest.raises(TableError, match=sentence):
        fit(*labels, problem=problem)


def test_a_checkpoint_gives_the_same_target():
    for target in (fit("a", "b"), fit("0.5", "1.5")):
        assert Target.from_json(target.to_json()) == target
