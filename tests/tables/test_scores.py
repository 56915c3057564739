"""Scores of subsets, with a network whose answers are known."""

import pytest
import torch

from mckd.method import MissingModalityNetwork
from mckd.tables.scores import (
    Rows,
    accuracy,
    balanced_accuracy,
    contributions,
    key_of,
    r2,
    score_of_nothing,
    score_subsets,
    scored_subsets,
    subset_of,
    with_mean,
)
from mckd.tables.target import Target

TWO = Target("y", ("n", "p"))


class Votes(MissingModalityNetwork):
    """Each modality holds a vote for class 1; the class is that of the mean vote."""

    def __init__(self, modalities):
        super().__init__()
        self.modalities = modalities
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def encode(self, inputs, present):
        return (torch.stack(list(inputs), 1) * present[..., None],)

    def decode(self, features):
        vote = features[0][..., 0].mean(1)
        return torch.stack([0.5 - vote, vote - 0.5], 1)


def rows(votes, target, present=None):
    x = torch.tensor(votes)
    here = torch.ones(x.shape, dtype=torch.bool) if present is None else torch.tensor(present)
    return Rows(tuple(x[:, m : m + 1] for m in range(x.shape[1])), here, torch.tensor(target))


def test_every_subset_is_scored_by_hand():
    # a is right 3 of 4 times, b 2 of 4; together the stronger vote counts: 3 of 4.
    found = score_subsets(
        Votes(("a", "b")),
        rows([[0.9, 0.8], [0.6, 0.0], [0.1, 0.2], [0.9, 0.3]], [1, 1, 0, 0]),
        TWO,
    )
    assert found == {
        frozenset("a"): 0.75,  # 1 1 0 1
        frozenset("b"): 0.75,  # 1 0 0 0
        frozenset("ab"): 0.5,  # .85 .3 .15 .6
    }


def test_a_subset_is_scored_on_the_samples_that_have_some_of_it():
    present = [[True, True], [False, True], [True, False]]
    found = score_subsets(
        Votes(("a", "b")),
        rows([[0.9, 0.1], [float("nan"), 0.9], [0.9, 0.0]], [1, 1, 0], present),
        TWO,
    )
    assert found[frozenset("a")] == 0.5  # of samples 0 and 2
    assert found[frozenset("b")] == 0.5  # of samples 0 and 1
    assert found[frozenset("ab")] == pytest.approx(1 / 3)


def test_measures_by_hand():
    logits = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    target = torch.tensor([0, 0, 1, 1])
    assert accuracy(logits, target) == 0.75
    assert balanced_accuracy(logits, target) == 0.75
    target = torch.tensor([0, 0, 0, 1])
    assert accuracy(logits, target) == 1.0
    rare = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    always = torch.tensor([[1.0, 0]]).expand(10, 2)
    assert accuracy(always, rare) == pytest.approx(0.9)
    assert balanced_accuracy(always, rare) == 0.5
    number = torch.tensor([1.0, 2.0, 3.0])
    assert r2(number[:, None], number) == 1
    assert r2(torch.full((3, 1), 2.0), number) == 0
    assert r2(torch.tensor([[1.0], [2.0], [4.0]]), number) == 0.5  # 1 - 1 / 2


def test_nothing_is_the_most_frequent_class_of_training():
    test = torch.tensor([0, 0, 0, 1])
    assert score_of_nothing(TWO, test, common=1, balanced=False) == 0.25
    assert score_of_nothing(TWO, test, common=1, balanced=True) == 0.5
    assert score_of_nothing(Target("y", ()), test, common=0, balanced=False) == 0


def test_up_to_six_modalities_every_subset_is_scored():
    assert [len(scored_subsets("abcdefgh"[:n])) for n in range(1, 7)] == [1, 3, 7, 15, 31, 63]


@pytest.mark.parametrize("n", [7, 8])
def test_beyond_six_a_sample_of_63_holds_what_matters(n):
    names = tuple("abcdefgh"[:n])
    found = scored_subsets(names)
    assert len(found) == len(set(found)) == 63
    for name in names:
        assert frozenset({name}) in found
        assert frozenset(names) - {name} in found
    assert found[-1] == frozenset(names)
    assert found == scored_subsets(names)  # the same at every call


def test_names_of_subsets_go_both_ways():
    names = ("scan", "blood")
    for subset, key in ((frozenset(names), "all"), (frozenset({"blood"}), "blood")):
        assert key_of(subset, names) == key
        assert subset_of(key, names) == subset
    three = (*names, "age")
    assert key_of({"blood", "scan"}, three) == "scan+blood"
    assert subset_of("scan+blood", three) == {"scan", "blood"}


def test_the_mean_stands_behind_the_single_ones():
    scores = {frozenset("a"): 0.25, frozenset("b"): 0.5, frozenset("ab"): 1.0}
    named = with_mean(scores, ("a", "b"))
    assert list(named) == ["all", "a", "b", "mean"]
    assert named["mean"] == pytest.approx(7 / 12)


def test_contributions_add_up_to_the_score_above_chance():
    scores = {frozenset("a"): 0.5, frozenset("b"): 0.7, frozenset("ab"): 0.9}
    found = contributions(scores, 0.1, ("a", "b"))
    assert found == pytest.approx({"a": 0.3, "b": 0.5})  # (.4 + .2) / 2 and (.6 + .4) / 2
    assert contributions(dict(list(scores.items())[:2]), 0.1, ("a", "b")) is None
