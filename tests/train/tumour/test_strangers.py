"""How well two people's visits are told, on pairs whose agreement is chosen, and one small head."""

from __future__ import annotations

import numpy as np

from mckd.tumour import read_case
from mckd.tumour.heads import LEAST_AGREEMENT, Head
from tests import small_heads
from train.tumour.strangers import ONE, TWO, Compared, another_visit, report


def test_pairs_below_the_limit_are_said_to_be_of_two_people():
    """Of 3, 1; of 2, 1; one that is not told does not count."""
    found = [Compared(ONE, "t1", value) for value in (0.5, 0.8, 0.9, None)]
    found += [Compared(TWO, "t1", value) for value in (0.3, 0.7)]
    lines = report(found).splitlines()
    assert lines[2].startswith(f"| {ONE} | t1 | 0.50, 0.80, 0.90 | 1 of 3 (")
    assert lines[3].startswith(f"| {TWO} | t1 | 0.30, 0.50, 0.70 | 1 of 2 (")


def test_another_visit_is_of_the_same_head_and_looks_otherwise(tmp_path):
    case = read_case(small_heads.save_case(tmp_path / "head", words=("t1", "t2")))
    other = another_visit(case, case)
    assert {*other.volumes} == {"t1", "t2"}
    assert not np.array_equal(other.volumes["t1"], case.brain.crop(case.volumes["t1"]))
    assert other.brain.crop(other.volumes["t1"]).any()
    assert Head.of(case).agreement(Head.of(other)) > LEAST_AGREEMENT / 2  # folds of noise
