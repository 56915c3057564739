"""Sequences spoilt on purpose: each kind does what it says, and nothing else."""

import numpy as np
import pytest
from scipy import ndimage

from mckd.tumour import SEQUENCES
from train.tumour.corrupt import KINDS, SOUND, Movement, motion, placed
from train.tumour.misled import CLEAN, Found, held_out_limit, report

SHAPE = (24, 30, 18)


def head(seed, margin=4):
    """A block of smooth tissue in air, in four sequences."""
    random = np.random.default_rng(seed)
    inside = np.zeros(SHAPE, bool)
    inside[margin:-margin, margin:-margin, 3:-3] = True
    return {
        s: np.where(
            inside, 100 + 50 * ndimage.gaussian_filter(random.normal(size=SHAPE), 1), 0
        ).astype(np.float32)
        for s in SEQUENCES
    }


@pytest.fixture
def volumes():
    return head(0)


@pytest.mark.parametrize("kind", KINDS)
def test_changes_one_sequence_or_swaps_two_and_is_repeatable(kind, volumes):
    spoilt, again = (
        KINDS[kind](volumes, "t1c", head(1, margin=6), np.random.default_rng(3)) for _ in range(2)
    )
    changed = [s for s in SEQUENCES if not np.array_equal(spoilt[s], volumes[s])]
    assert len(changed) == (2 if kind == "swap" else 1)
    assert "t1c" in changed
    for s in SEQUENCES:
        assert spoilt[s].dtype == np.float32
        assert spoilt[s].shape == SHAPE
        assert np.array_equal(spoilt[s], again[s])


@pytest.mark.parametrize("kind", ["light motion", "strong motion", "noise", SOUND])
def test_the_outline_of_the_brain_stays(kind, volumes):
    spoilt = KINDS[kind](volumes, "t2", volumes, np.random.default_rng(0))
    assert np.array_equal(spoilt["t2"] != 0, volumes["t2"] != 0)


def test_a_head_that_lies_still_is_shown_as_it_is(volumes):
    still = motion(Movement(3, 0.0, 0.0), volumes, "t1", volumes, np.random.default_rng(0))
    assert still["t1"] == pytest.approx(volumes["t1"], abs=0.01)


def test_a_turn_and_a_shift_are_as_large_as_they_say():
    spot = np.zeros((21, 21, 21), np.float32)
    spot[14, 10, 10] = 1.0  # 4 voxels from the middle along the first axis
    assert np.argwhere(placed(spot, np.zeros(3), np.array([0, -3.0, 2]))).tolist() == [[14, 7, 12]]
    quarter = placed(spot, np.array([0, 0, np.pi / 2]), np.zeros(3))
    assert np.unravel_index(quarter.argmax(), quarter.shape) in [(10, 14, 10), (10, 6, 10)]


def test_another_patients_brain_fills_the_box_of_this_one(volumes):
    spoilt = KINDS["another patient"](volumes, "t2", head(1, margin=6), np.random.default_rng(0))
    assert np.array_equal(spoilt["t2"] != 0, volumes["t2"] != 0)


def test_a_limit_is_set_without_the_case_it_is_for():
    """Of 20 others, 5 % of 21 is one: the smallest of them."""
    least = {f"c{n}": 0.5 + n / 100 for n in range(21)}
    found = [Found(c, True, CLEAN, frozenset(), {}, v, None) for c, v in least.items()]
    assert held_out_limit(found, "c0") == 0.51
    assert held_out_limit(found, "c9") == 0.5
    assert held_out_limit(found[:10], "c0") == -np.inf


def test_the_report_counts_what_was_found():
    t2 = frozenset({"t2"})
    found = [
        Found("a", False, CLEAN, frozenset(), {}, 0.8, None),
        Found("a", False, "strong motion", t2, {"t2": "moved"}, 0.1, 0.7),
        Found("b", False, "strong motion", t2, {}, 0.9, 0.95),
        Found("c", False, "strong motion", t2, {"t1": "moved"}, 0.2, 0.8),
    ]
    lines = report(found).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")][1:4] == [
        "nothing", "1 real", "0 of 1 (0 to 98 %)",
    ]  # fmt: skip
    assert "strong motion (mean Dice 0.82)" in lines[3]
    assert "2 of 3 (9 to 99 %)" in lines[3]
    assert lines[3].rstrip(" |").endswith("1")
    assert "Dice below 0.9" in lines[4]
    assert "2 of 2 (16 to 100 %)" in lines[4]
