"""Parts of a set of samples, and rows that are taken away."""

from collections import Counter

import numpy as np
import pytest

from mckd.tables.data import Samples
from mckd.tables.target import Target
from train.settings import SettingsError
from train.tables.split import hide, split


def samples(labels):
    names = np.array([*labels, None], object)[:-1]
    n = len(names)
    return Samples(
        tuple(map(str, range(n))), {"a": {"x": np.zeros(n)}}, np.ones((n, 1), bool), "y", names
    )


def dealt(labels, seed=0, validation=0.2, test=0.2):
    given = samples(labels)
    target = Target.fit("y", given.labels, given.labels)
    return split(given, target, validation, test, seed)


def test_every_sample_is_in_one_part_and_classes_are_shared():
    labels = ["a"] * 50 + ["b"] * 30 + ["c"] * 20
    parts = dealt(labels)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(100))
    counts = {part: Counter(labels[k] for k in rows) for part, rows in parts.items()}
    assert counts["train"] == {"a": 30, "b": 18, "c": 12}
    assert counts["validation"] == counts["test"] == {"a": 10, "b": 6, "c": 4}


def test_rare_classes_are_trained_on():
    labels = ["a"] * 60 + ["rare"] + ["two"] * 2
    train = [labels[k] for k in dealt(labels)["train"]]
    assert "rare" in train
    assert "two" in train


def test_many_rare_classes_still_leave_three_parts():
    parts = dealt([f"class {k // 2}" for k in range(60)])
    assert len(parts["train"]) == 36
    assert len(parts["validation"]) == len(parts["test"]) == 12


def test_it_is_a_function_of_the_seed():
    labels = ["a", "b"] * 30
    once, again, other = dealt(labels), dealt(labels), dealt(labels, seed=1)
    assert all((once[part] == again[part]).all() for part in once)
    assert set(once["test"]) != set(other["test"])


def test_numbers_are_shared_by_their_range():
    values = np.random.default_rng(0).permutation(100) / 7
    parts = dealt([f"{v:.6f}" for v in values])
    for rows in parts.values():
        low, high = np.quantile(values[rows], [0.1, 0.9])
        assert low < 3
        assert high > 11


def test_too_few_samples():
    with pytest.raises(SettingsError, match="2 samples are too few"):
        dealt(["a", "b"])


class TestHide:
    present = np.random.default_rng(0).random((2000, 3)) < 0.8

    def test_a_share_of_the_rows_goes_and_none_comes(self):
        present = self.present[self.present.any(1)]
        kept = hide(present, 0.5, seed=0)
        assert not (kept & ~present).any()
        assert kept.any(1).all()
        # Half go, but the last of a sample stays: with all three .5^3 keep one of three.
        whole = kept[present.all(1)]
        assert whole.mean() == pytest.approx(0.5 + 0.125 / 3, abs=0.03)

    def test_nothing_goes_at_rate_0(self):
        present = self.present[self.present.any(1)]
        assert (hide(present, 0.0, seed=0) == present).all()

    def test_who_stays_is_drawn(self):
        kept = hide(np.ones((3000, 2), bool), 0.99, seed=3)
        assert kept.mean(0) == pytest.approx([0.5, 0.5], abs=0.05)
