"""What comes of many measured cases: ranges that may begin at 0."""

import numpy as np
import pytest

from mckd.tumour.signs import Signs
from tests.train.tumour.made_up import made_up
from train.tumour.fit import fit


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(2)
    return [made_up(random, healthy=i % 4 == 3) for i in range(80)]


def test_a_case_that_looks_unsure_may_have_nothing(cases):
    calibration = fit(cases, "made up")
    sure, unsure = (Signs(20, 20, 4, certainty) for certainty in (0.9, 0.55))
    assert calibration.interval({"t2"}, "wt", sure, synthetic=True)[0] > 0
    assert calibration.interval({"t2"}, "wt", unsure, synthetic=True)[0] == 0
