"""A finished run goes on for more epochs."""

from __future__ import annotations

import pytest

from mckd.files.runs import RunError, RunFolder
from tests.train.runs import assert_same_weights, run_here, stable

STEADY = {"schedule": "step", "lr_warmup": 0.0}


def test_ends_as_a_run_of_that_length_does(tmp_path):
    whole, longer = tmp_path / "whole", tmp_path / "longer"
    assert run_here(whole, epochs=2, **STEADY) == "finished"
    assert run_here(longer, epochs=1, **STEADY) == "finished"
    assert run_here(longer, resume=True, epochs=2, **STEADY) == "finished"
    assert_same_weights(whole, longer)
    run = RunFolder(longer)
    assert run.config()["config"]["epochs"] == 2  # it can be resumed and extended once more
    assert run.status()["steps"] == RunFolder(whole).status()["steps"]
    ends = [RunFolder(folder).records()[0][-1] for folder in (whole, longer)]
    assert stable(ends[0]) == stable(ends[1])


def test_nothing_else_may_change_and_no_run_gets_shorter(tmp_path):
    run_here(tmp_path / "one", epochs=2)
    for changes in ({"epochs": 1}, {"epochs": 3, "lr": 0.5}):
        with pytest.raises(RunError, match="was started with another"):
            run_here(tmp_path / "one", resume=True, **changes)
