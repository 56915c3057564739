"""Intervals and calibrated probabilities from a file beside a checkpoint."""

import json
import math

import numpy as np
import pytest

from mckd.files.checkpoint import CheckpointError
from mckd.files.manifest import put
from mckd.tumour.calibration import Calibration, Curve, Told, beside, written
from mckd.tumour.signs import Signs

SUBSET = frozenset({"t1", "t2"})
SAME = Curve(1.0, 1.0, 0.0)
SURE = Signs(20.0, 20.0, 1.0, certainty=0.95)
UNSURE = Signs(20.0, 20.0, 1.0, certainty=0.7)


def calibration(told: Told, shift: str = "", real: Told | None = None) -> Calibration:
    """The scale is the volume + 1."""
    regions = ("et", "tc", "wt")
    weights = dict.fromkeys(regions, (0.0, 1.0, 0.0, 0.0, 0.0))
    subsets, of_real = (
        {SUBSET: dict.fromkeys(regions, one)} if one else {} for one in (told, real)
    )
    return Calibration("some cases", weights, subsets, shift, real=of_real)


class TestInterval:
    told = Told(low=-0.5, high=1.0, certain=0.8, curve=SAME)

    def test_reaches_as_far_as_errors_did(self):
        """20 - .5 * 21 and 20 + 21."""
        found = calibration(self.told).interval(SUBSET, "wt", SURE, synthetic=True)
        assert found == pytest.approx((9.5, 41))

    def test_holds_0_where_the_region_may_not_be_there(self):
        found = calibration(self.told).interval(SUBSET, "wt", UNSURE, synthetic=True)
        assert found == pytest.approx((0, 41))

    def test_of_a_real_case_has_ends_of_its_own(self):
        """20 - .75 * 21 and 20 + 2 * 21."""
        whole = calibration(self.told, real=Told(-0.75, 2.0, 0.8, SAME))
        assert whole.interval(SUBSET, "wt", SURE, synthetic=False) == pytest.approx((4.25, 62))
        assert whole.interval(SUBSET, "wt", SURE, synthetic=True) == pytest.approx((9.5, 41))

    def test_of_a_real_case_is_that_of_synthetic_ones_where_no_real_one_was_measured(self):
        found = calibration(self.told).interval(SUBSET, "wt", SURE, synthetic=False)
        assert found == pytest.approx((9.5, 41))


def test_a_curve_is_beta_calibration():
    """At one half: logit q = a ln .5 - b ln .5 + c = (b - a) ln 2 + c."""
    q = Curve(1.0, 2.0, 0.3)(np.array([0.5], np.float32))
    assert q[0] == pytest.approx(1 / (1 + math.exp(-(math.log(2) + 0.3))), rel=1e-5)


def test_a_curve_of_1_1_0_changes_nothing():
    p = np.linspace(0.01, 0.99, 9, dtype=np.float32)
    np.testing.assert_allclose(SAME(p), p, atol=1e-6)


class TestFile:
    told = Told(-0.5, 1.0, 0.8, Curve(0.9, 1.1, -0.2))
    whole = calibration(told, "Real cases differ.", Told(-0.75, 2.0, 0.9, SAME))

    @pytest.fixture
    def checkpoint(self, tmp_path):
        return tmp_path / "model.safetensors"

    def save(self, checkpoint, text=None):
        text = json.dumps(written(self.whole, "a hash")) if text is None else text
        path = beside(checkpoint)
        put(path, text.encode())
        return path

    def test_comes_back_as_it_was(self, checkpoint):
        self.save(checkpoint)
        assert Calibration.beside(checkpoint, "a hash") == self.whole

    def test_of_old_loads_without_its_promise_of_wider_ranges_for_real_cases(self, checkpoint):
        old = written(self.whole, "a hash") | {"stretch": {"wt": 2.0}, "shift": "They are wider."}
        del old["real"]
        self.save(checkpoint, json.dumps(old))
        assert Calibration.beside(checkpoint, "a hash") == calibration(self.told)

    def test_is_not_needed(self, checkpoint):
        assert Calibration.beside(checkpoint, "a hash") is None

    def test_of_other_weights_is_none(self, checkpoint):
        self.save(checkpoint)
        assert Calibration.beside(checkpoint, "another hash") is None

    def test_that_was_altered_is_refused(self, checkpoint):
        path = self.save(checkpoint)
        path.write_text(path.read_text().replace("0.8", "0.1"))
        with pytest.raises(CheckpointError, match="differs from its entry"):
            Calibration.beside(checkpoint, "a hash")

    @pytest.mark.parametrize("text", ["no JSON", "[]", '{"checkpoint": "a hash"}'])
    def test_that_is_none_is_refused(self, checkpoint, text):
        self.save(checkpoint, text)
        with pytest.raises(CheckpointError, match="python -m train calibrate"):
            Calibration.beside(checkpoint, "a hash")
