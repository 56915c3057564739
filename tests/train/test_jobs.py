"""Jobs in other processes: all are done, and one that fails stops no other."""

import operator
from functools import partial

import pytest

from mckd.files.runs import RunError
from train.jobs import work_off


def test_a_job_that_fails_is_said_and_the_others_are_done(capsys):
    done = []
    keep = lambda result: done.append(result) or f"got {result}"  # noqa: E731
    with pytest.raises(RunError, match=r"1 of 3 runs failed\. The first: .*zero"):
        work_off([2, 0, 3], partial(operator.floordiv, 6), 1, keep)
    assert sorted(done) == [2, 3]
    said = capsys.readouterr().out
    assert "got 3" in said
    assert "[3/3]" in said
    assert said.count("failed: ") == 1
