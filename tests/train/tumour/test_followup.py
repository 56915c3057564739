"""How right growth is told, on visits whose volumes are chosen so that errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from mckd.tumour.calibration import PLAIN, Calibration, Told
from train.settings import SettingsError
from train.tumour.followup import Pair, measure_pairs, report
from train.tumour.measure import BINS, SIGNS, SUBSETS, Measured

REGIONS = ("et", "tc", "wt")


def case(first_ml: float, reference_ml: float) -> Measured:
    """10 mL more with every sequence, in each region, looking sure."""
    signs = np.zeros((len(SUBSETS), 3, len(SIGNS)))
    signs[..., SIGNS.index("volume_ml")] = np.array([[first_ml + 10 * len(s)] for s in SUBSETS])
    signs[..., SIGNS.index("certainty")] = 0.9
    n = len(SUBSETS)
    return Measured(
        signs,
        np.full(3, reference_ml),
        np.zeros((3, n + 1, n + 1)),
        np.zeros((n, 3, 2, len(BINS))),
        np.zeros((n, 3)),
        np.array(1.0),
    )


def ranges(below_ml: float, above_ml: float) -> Calibration:
    """Every range is so wide: the scale is exp(0) = 1 mL."""
    told = dict.fromkeys(REGIONS, Told(-below_ml, above_ml, 0.5, PLAIN))
    weights = dict.fromkeys(REGIONS, (0.0,) * 5)
    return Calibration("", weights, dict.fromkeys(SUBSETS, told), {})


PAIR = Pair(case(0, 40), case(15, 60))
"""It grew by 20 mL; any subset says 15."""


def test_the_error_of_growth_stands_beside_that_of_the_plain_difference():
    """Growth is off by 5 always. Plain, with one sequence less: 15 - 10, off by 15; with three
    more: 15 + 30, off by 25."""
    text = report([PAIR], ranges(1, 1))
    assert "1 pairs; mean true growth, mL: ET 20.0, TC 20.0, WT 20.0." in text
    lines = text.splitlines()
    less, more = 3 * " | 5.0 | 15.0" + " |", 3 * " | 5.0 | 25.0" + " |"
    assert f"| FLAIR + T1 + T1c + T2 | FLAIR + T1 + T2 | FLAIR + T1 + T2{less}" in lines
    assert f"| T1c | FLAIR + T1 + T1c + T2 | T1c{more}" in lines


@pytest.mark.parametrize(
    ("width", "held", "called", "wrong"),
    [
        (2, 0, 45, 0),  # 15 - 4 to 15 + 4
        (3, 45, 45, 0),  # 9 to 21
        (8, 45, 0, 0),  # -1 to 31
    ],
)
def test_ranges_of_growth_are_counted(width, held, called, wrong):
    """15 subsets, three regions."""
    text = report([PAIR], ranges(width, width)).splitlines()[-1]
    assert f"{held} of 45 hold the true growth, {called} are called grown, {wrong} of" in text


def test_growth_that_was_none_is_counted_as_wrong():
    text = report([Pair(case(0, 40), case(15, 40))], ranges(1, 1))
    assert "45 are called grown, 45 of the verdicts are wrong" in text


def test_heads_of_one_folder_only_are_refused(tmp_path):
    for folder, names in (("a", ("one", "two")), ("b", ("one",))):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / f"{name}_t1.nii.gz").touch()
    with pytest.raises(SettingsError, match="two is in one of the folders only"):
        measure_pairs(None, tmp_path / "a", tmp_path / "b", tmp_path / "kept", print)
