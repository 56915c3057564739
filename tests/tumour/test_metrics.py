import math

import numpy as np
import pytest

from mckd.tumour.geometry import Grid
from mckd.tumour.metrics import (
    Mean,
    dice,
    hd95_mm,
    mean,
    score,
    score_region,
    volume_ml,
    volumes_ml,
)

SHAPE = (7, 6, 5)
GRID = Grid(SHAPE, np.diag([1.0, 1, 1, 1]))
EMPTY = np.zeros(SHAPE, bool)


def box(*slices):
    mask = EMPTY.copy()
    mask[slices] = True
    return mask


class TestByHand:
    def test_dice(self):
        a = box(slice(0, 2), slice(0, 2), slice(0, 2))
        assert dice(a, a) == 1
        assert dice(a, box(slice(1, 3), slice(0, 2), slice(0, 2))) == 0.5
        assert dice(a, box(slice(4, 5), 0, 0)) == 0

    def test_hd95_of_two_voxels(self):
        a, b = box(0, 0, 0), box(3, 4, 0)
        assert hd95_mm(a, a, GRID) == 0
        assert hd95_mm(a, b, GRID) == 5
        assert hd95_mm(a, b, Grid(SHAPE, np.diag([-2.0, 1, 1, 1]))) == math.hypot(6, 4)

    def test_one_stray_voxel_of_many_is_forgiven(self):
        a = box(slice(0, 5), slice(0, 5), slice(0, 1))
        b = a | box(6, 5, 4)
        assert hd95_mm(a, b, GRID) == 0

    def test_the_larger_direction_counts(self):
        a = box(0, 0, 0)
        b = a | box(slice(4, 6), 0, 0)
        assert hd95_mm(a, b, GRID) == hd95_mm(b, a, GRID) == 4

    def test_volume(self):
        grid = Grid(SHAPE, np.diag([0.5, 0.5, 6, 1]))
        assert volume_ml(box(slice(0, 4), 0, 0), grid) == pytest.approx(0.006)
        three = np.stack([EMPTY, box(0, 0, 0), box(slice(0, 2), 0, 0)])
        assert volumes_ml(three, grid) == pytest.approx({"et": 0, "tc": 0.0015, "wt": 0.003})


class TestEmptyMasks:
    some = box(1, 1, 1)
    diagonal = math.hypot(*SHAPE)

    def test_both_empty_has_no_number_and_says_so(self):
        result = score_region("et", EMPTY, EMPTY, GRID)
        assert result.outcome == "correctly empty"
        assert result.dice is None
        assert result.hd95_mm is None
        assert str(result) == "ET: n/a, correctly empty"
        assert result.brats_dice == 1

    @pytest.mark.parametrize(
        ("prediction", "reference", "outcome"),
        [(EMPTY, some, "missed"), (some, EMPTY, "invented")],
    )
    def test_one_empty_costs_the_diagonal(self, prediction, reference, outcome):
        result = score_region("et", prediction, reference, GRID)
        assert result.outcome == outcome
        assert result.dice == result.brats_dice == 0
        assert result.hd95_mm == pytest.approx(self.diagonal)
        assert outcome in str(result)

    def test_the_diagonal_of_brats(self):
        grid = Grid((240, 240, 155), np.diag([-1.0, -1, 1, 1]))
        mask = np.zeros(grid.shape, bool)
        mask[0, 0, 0] = True
        assert hd95_mm(mask, np.zeros_like(mask), grid) == pytest.approx(373.13, abs=0.005)

    def test_three_regions(self):
        reference = np.stack([EMPTY, self.some, self.some])
        prediction = np.stack([EMPTY, EMPTY, self.some])
        results = score(prediction, reference, GRID)
        assert [r.region for r in results] == ["et", "tc", "wt"]
        assert [r.outcome for r in results] == ["correctly empty", "missed", "found"]
        assert [r.brats_dice for r in results] == [1, 0, 1]


class TestMean:
    def test_counts_what_it_leaves_out(self):
        assert mean([1.0, None, 0.0]) == Mean(0.5, 2, 1)
        assert mean([None]) == Mean(None, 0, 1)
        assert mean([]) == Mean(None, 0, 0)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_refuses_what_is_no_number(self, bad):
        with pytest.raises(ValueError, match="not finite"):
            mean([0.5, bad])


class TestRefused:
    def test_not_masks(self):
        with pytest.raises(ValueError, match="bool"):
            dice(EMPTY.astype(np.uint8), EMPTY.astype(np.uint8))

    def test_other_shapes(self):
        with pytest.raises(ValueError, match="shapes"):
            dice(EMPTY, EMPTY[1:])
        with pytest.raises(ValueError, match="their grid"):
            hd95_mm(EMPTY[1:], EMPTY[1:], GRID)
