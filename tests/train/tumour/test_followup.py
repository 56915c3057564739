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
    return Calibration("", weights, dict.fromkeys(SUBSETS, told))


PAIR = Pair(case(0, 40), case(15, 60))
"""It grew by 20 mL; any subset says 15."""


def test_the_error_of_growth_stands_beside_that_of_the_plain_difference():
    """Growth is off by 5 always. Plain, with one sequence less: 15 - 10, off by 15; with three
    more: 15 + 30, off by 25."""
    text = report([PAIR], ranges(1, 1))
    assert "1 pairs; mean true growth, mL: ET 20.0, TC 20.0, WT 20.0." in text
    lines = text.splitlines()
    less, more = 3 * " | 5.0 | 15.0 | 5.0" + " |", 3 * " | 5.0 | 25.0 | 5.0" + " |"
    assert f"| FLAIR + T1 + T1c + T2 | FLAIR + T1 + T2 | FLAIR + T1 + T2{less}" in lines
    assert f"| T1c | FLAIR + T1 + T1c + T2 | T1c{more}" in lines


@pytest.mark.parametrize(
    ("width", "held", "called", "wrong"),
    [
        (3, 0, 15, 0),  # 15 less and plus the root of 18, 4.2
        (4, 15, 15, 0),  # 5.7
        (11, 15, 0, 0),  # 15.6
    ],
)
def test_ranges_of_growth_are_counted(width, held, called, wrong):
    """15 subsets, the same in each region."""
    whole = 1 if called else 0
    told = f"{held} of 15 | {called} of 15 | {whole} of 1 | {wrong} |"
    lines = report([PAIR], ranges(width, width)).splitlines()
    assert lines[-3:] == [f"| {region} | {told}" for region in ("ET", "TC", "WT")]


def test_growth_that_was_none_is_counted_as_wrong():
    text = report([Pair(case(0, 40), case(15, 40))], ranges(1, 1))
    assert text.endswith("| WT | 0 of 15 | 15 of 15 | 1 of 1 | 15 |")


def test_heads_of_one_folder_only_are_refused(tmp_path):
    for folder, names in (("a", ("one", "two")), ("b", ("one",))):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / f"{name}_t1.nii.gz").touch()
    with pytest.raises(SettingsError, match="two is in one of the folders only"):
        measure_pairs(None, tmp_path / "a", tmp_path / "b", tmp_path / "kept", print)


def test_visits_of_one_name_are_two_pairs(tmp_path):
    """The second patient has no later visit, though the first has one that is called alike."""
    for place in ("a/P1", "a/P2", "b/P1"):
        visit = tmp_path / place / "week-000"
        visit.mkdir(parents=True)
        (visit / "week-000_t1.nii.gz").touch()
    with pytest.raises(SettingsError, match="P2/week-000 is in one of the folders only"):
        measure_pairs(None, tmp_path / "a", tmp_path / "b", tmp_path / "kept", print)
