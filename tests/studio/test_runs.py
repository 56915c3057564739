"""The list of runs: what is in it, in which order, and who is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mckd.studio.services.training import Training
from tests.studio.written import HOSTILE, chosen, write_run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with nothing in it."""
    return tmp_path


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", ".a", "a\n", "ä", "a" * 101])
def test_a_run_name_is_one_plain_word(project: Path, name: str) -> None:
    with pytest.raises(ValueError, match="Run names"):
        Training(project).arguments(chosen(), name)


def test_runs_come_newest_first_and_the_bundled_one_last(project: Path) -> None:
    for age, name in enumerate(["new", "old"]):
        run = write_run(project, name)
        os.utime(run.path / "config.json", (1e9 - age, 1e9 - age))
    (project / "checkpoints" / "digits-run").mkdir(parents=True)
    (project / "checkpoints" / "digits-run" / "records.jsonl").write_text('{"step": 1}\n')
    training = Training(project)
    assert [run.id for run in training.runs()] == ["new", "old", "bundled:digits"]
    assert training.attach() == "new"


def test_with_no_run_the_page_shows_the_bundled_one_or_nothing(project: Path) -> None:
    training = Training(project)
    assert training.attach() is None
    assert training.state(None)["state"] == "none"
    (project / "checkpoints" / "digits-run").mkdir(parents=True)
    (project / "checkpoints" / "digits-run" / "records.jsonl").write_text('{"step": 1}\n')
    assert training.attach() == "bundled:digits"
    reply = training.since("bundled:digits")
    assert [r["step"] for r in reply["rows"]] == [1]
    assert reply["status"]["state"] == "finished"
    assert not reply["status"]["can_resume"]


@pytest.mark.parametrize("run_id", HOSTILE)
def test_an_id_that_is_not_in_the_list_reaches_no_file(project: Path, run_id: Any) -> None:
    write_run(project)
    training = Training(project)
    assert training.find(run_id) is None
    assert training.since(run_id, None)["rows"] == []
    assert training.facts(run_id) == []
    with pytest.raises(ValueError, match="not here"):
        training.export(run_id, "csv")
    with pytest.raises(ValueError, match="not here"):
        training.stop(run_id)
    with pytest.raises(ValueError, match="not here"):
        training.resume(run_id)
