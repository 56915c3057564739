"""What comes of many measured cases: ranges that may begin at 0, and how far real ones stretch."""

import numpy as np
import pytest

from mckd.tumour import REGIONS, SEQUENCES
from mckd.tumour.signs import Signs
from tests.train.tumour.made_up import made_up
from train.tumour.fit import fit
from train.tumour.scores import Score


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(2)
    return [made_up(random, healthy=i % 4 == 3) for i in range(80)]


def test_a_case_that_looks_unsure_may_have_nothing(cases):
    calibration = fit(cases, "made up")
    sure, unsure = (Signs(20, 20, 4, 24, 14, certainty) for certainty in (0.9, 0.55))
    assert calibration.interval({"t2"}, "wt", sure, synthetic=True)[0] > 0
    assert calibration.interval({"t2"}, "wt", unsure, synthetic=True)[0] == 0


def test_errors_of_real_cases_stretch(cases):
    """Real volumes three times too large: ln 3, against the quantile of made-up errors."""
    real = [
        Score(str(i), "c", False, False, "+".join(SEQUENCES), region, "found", 0.5, 0.5, None,
              3 * 41.0 + 2, 41.0, 41_000)
        for i in range(15) for region in REGIONS
    ]  # fmt: skip
    calibration = fit(cases, "made up", real)
    errors = [
        abs(np.log((c.reference_ml[2] + 1) / (c.signs[-1, 2, 0] + 1)))
        for c in cases if c.reference_ml[2]
    ]  # fmt: skip
    wanted = np.log(3) / np.sort(errors)[int(np.ceil(61 * 0.9)) - 1]
    assert calibration.stretch["wt"] == pytest.approx(wanted)
    assert "15 real cases" in calibration.shift
    assert fit(cases, "made up").stretch["wt"] == 1
