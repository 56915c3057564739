"""What sequences add is learned from cases, and judged by what is lost with the best one known."""

import dataclasses

import numpy as np
import pytest

from mckd.tumour import REGIONS
from mckd.tumour.advice import advise
from tests.train.tumour.made_up import made_up
from train.tumour.advice import fit_steps, regret
from train.tumour.fit import fit
from train.tumour.measure import SUBSETS, sign


@pytest.fixture(scope="module")
def cases():
    random = np.random.default_rng(2)
    return [made_up(random, healthy=i % 4 == 3) for i in range(80)]


@pytest.fixture
def helpful(cases):
    """Cases in which each sequence adds .1 to the Dice of what is drawn, T1c .4."""
    found = []
    for case in (c for c in cases if c.reference_ml.all()):
        overlap = np.zeros((3, 16, 16))
        overlap[:, -1, -1] = 100
        for s, subset in enumerate(SUBSETS):
            overlap[:, s, s] = 100
            overlap[:, s, -1] = 10 * len(subset) + 30 * ("t1c" in subset)
        found.append(dataclasses.replace(case, overlap_ml=overlap))
    return found


def test_learns_what_each_sequence_adds(cases, helpful):
    calibration = fit(cases, "made up")
    steps = fit_steps(helpful, calibration)
    signs = {region: sign(helpful[0], 0, k) for k, region in enumerate(REGIONS)}
    named = advise(steps, SUBSETS[0], signs, dict.fromkeys(REGIONS, 10.0))
    assert named[0].sequence == "t1c"
    assert named[0].dice_gain == pytest.approx(dict.fromkeys(REGIONS, 0.4))
    assert named[1].dice_gain == pytest.approx(dict.fromkeys(REGIONS, 0.1))


def test_regret_is_none_where_t1c_is_best_and_advised(cases, helpful):
    """At random, of the subsets that lack two or three sequences, T1c among them: lacking three
    1 - 1/3 chances of .3, two 1 - 1/2; 3 subsets of one sequence, 3 of two; of those that have
    T1c nothing is lost, whatever comes. So (3 * .2 + 3 * .15) / 10."""
    steps = fit_steps(helpful, fit(cases, "made up"))
    lost = regret(helpful, [steps] * len(helpful))
    assert lost["advice"] == pytest.approx(0, abs=1e-9)
    assert lost["fixed"] == pytest.approx(0, abs=1e-9)
    assert lost["random"] == pytest.approx((3 * 0.2 + 3 * 0.15) / 10)
