"""The service behind the Training tab: where runs stand, and one real run."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mckd.files.runs import RunFolder
from mckd.studio.services import training as service
from mckd.studio.services.training import Training
from tests.patience import until
from tests.studio.written import chosen, row, write_run

ROOT = Path(__file__).parents[2]
FETCH = "Fetch it: python -m train data msd --out x"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project root with nothing in it."""
    return tmp_path


def test_a_deleted_folder_is_said_to_be_gone(project: Path) -> None:
    run = write_run(project)
    training = Training(project)
    cursor = training.since("one")["cursor"]
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    run.path.rmdir()
    reply = training.since("one", cursor)
    assert reply["rows"] == []
    assert reply["status"]["state"] == "gone"


def test_a_killed_run_is_stopped_and_can_be_resumed(project: Path) -> None:
    write_run(project, state="running")
    state = Training(project).state("one")
    assert state["state"] == "stopped"
    assert state["can_resume"]
    assert not state["can_stop"]
    assert state["eta_s"] is None


def test_two_readers_at_once_do_not_take_each_other_for_a_trainer(project: Path) -> None:
    run = write_run(project)
    with run.hold():
        pass  # the lock file exists now, and nobody holds it
    training, seen = Training(project), []
    readers = [
        threading.Thread(
            target=lambda: seen.extend(training.state("one")["state"] for _ in range(100))
        )
        for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert set(seen) == {"finished"}


def test_a_run_that_left_only_a_log_failed_with_its_last_line(project: Path) -> None:
    folder = project / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "train.log").write_text(f"Traceback\nError: no pairs in {project.resolve()}/data\n")
    state = Training(project).state("one")
    assert state["state"] == "failed"
    assert state["message"] == "no pairs in data"
    assert not state["can_resume"]


def test_where_strangers_share_the_computer_training_is_off_and_replay_works(
    project: Path,
) -> None:
    run = write_run(project, state="stopped")
    training = Training(project, closed=service.SHARED)
    assert "python app.py" in training.closed
    actions: list[Callable[[], Any]] = [
        lambda: training.start(chosen()),
        lambda: training.stop("one"),
        lambda: training.resume("one"),
        lambda: training.extend("one", 1),
    ]
    for action in actions:
        with pytest.raises(ValueError, match="Training is off here"):
            action()
    assert [folder.name for folder in run.path.parent.iterdir()] == ["one"]
    assert len(training.since("one")["rows"]) == 3
    state = training.state("one")
    assert not state["can_stop"]
    assert not state["can_resume"]


def test_neither_gradio_nor_torch_is_needed() -> None:
    code = (
        "import sys, mckd.studio.services.training;"
        "print([m for m in ('gradio', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_start_says_what_it_does_by_what_the_folder_shows(project: Path) -> None:
    """The data are read before the lock is taken, the network is built after it."""
    run, training = RunFolder(project / "runs" / "one"), Training(project)
    run.path.mkdir(parents=True)
    training._children["one"] = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    training._launched["one"] = time.monotonic()

    def said() -> tuple[Any, ...]:
        state = training.state("one")
        return state["state"], state["stage"], state["left_s"]

    try:
        assert said() == ("starting", service.LOADING, None)
        with run.hold():
            assert said() == ("starting", service.BUILDING, None)
            run.write_status(state="running", step=0, steps=9, eta_s=None, message="")
            assert said() == ("running", "", None)
            run.append(row(1))
            run.write_status(state="stopped", step=1, steps=9, eta_s=None, message="")
            assert said() == ("running", "", None)  # it ends: that is no start
            training._launched["one"] = time.monotonic()  # resumed
            training._start_s = 1000.0  # that the start before took
            state, stage, left_s = said()
            assert (state, stage) == ("starting", service.RESUMING)
            assert 0 < left_s <= 1000
    finally:
        training._children["one"].kill()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("It stopped; --resume goes on.", "It stopped; “resume” goes on."),
        ("Use a smaller --meta-lr or --lr.", "Use a smaller “meta lr” or “lr”."),
        (FETCH, FETCH),
        ("A pair -- of words", "A pair -- of words"),
    ],
)
def test_what_a_run_says_has_no_flags_but_in_a_command(
    project: Path, written: str, shown: str
) -> None:
    run = write_run(project, state="stopped")
    run.write_status(state="stopped", step=3, steps=9, eta_s=None, message=written)
    assert Training(project).state("one")["message"] == shown


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Training]:
    training = Training(ROOT, runs=tmp_path / "runs")
    yield training
    live = training.live()
    if live is not None:
        training.stop(live)
        until(lambda: training.live() is None)


def reach(training: Training, run_id: str, true: Callable[[], Any], what: str) -> None:
    """Wait for something of a run; one that failed brings nothing any more."""

    def failed() -> object:
        state = training.state(run_id)
        return state["state"] == "failed" and state["message"]

    until(true, lambda: what, failed)


def reach_state(training: Training, run_id: str, state: str) -> None:
    reach(training, run_id, lambda: training.state(run_id)["state"] == state, state)


def test_two_epochs_from_start_to_finish(real: Training) -> None:
    run_id = real.start(chosen(epochs=2))
    assert re.fullmatch(r"digits-smoke-\d{8}-\d{6}", run_id)
    assert real.live() == run_id
    assert real.state(run_id)["state"] in ("starting", "running")
    assert real.start(chosen(epochs=1)) is None  # it waits
    with pytest.raises(ValueError, match=f"{run_id} is training now"):
        real.resume(run_id)
    assert real.advance() is None

    rows: list[dict[str, Any]] = []
    cursor = None

    def finished() -> bool:
        nonlocal cursor
        reply = real.since(run_id, cursor)
        cursor = reply["cursor"]
        rows.extend(reply["rows"])
        return bool(reply["status"]["state"] == "finished")

    reach(real, run_id, finished, "the end")
    rows += real.since(run_id, cursor)["rows"]
    assert len(rows) >= 2
    assert [r["step"] for r in rows] == sorted({r["step"] for r in rows})
    for r in rows:
        assert sum(r["iwv"].values()) == pytest.approx(1, abs=1e-4)
    assert rows[-1]["validation"]
    assert "--epochs 2" in dict(real.facts(run_id))["Command"]
    assert (real.runs_folder / run_id / "train.log").stat().st_size > 0
    assert real.live() is None
    child = real._children[run_id]
    until(lambda: child.returncode is not None)
    assert child.returncode == 0
    assert not Path(f"/proc/{child.pid}").exists()  # reaped, not a zombie
    second = real.advance()  # as the app does now and then
    assert real.live() == second
    assert real.queue.all() == []
    reach_state(real, second, "finished")
    assert "--epochs 1" in dict(real.facts(second))["Command"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc how far the trainer is")
def test_a_run_stopped_while_it_starts_was_stopped(real: Training) -> None:
    """Neither failed nor lost, though it wrote no status yet: its process heard and ended."""
    run_id = real.start(chosen(epochs=400))
    child = real._children[run_id]
    maps = Path(f"/proc/{child.pid}/maps")
    until(lambda: "libtorch" in maps.read_text())
    real.stop(run_id)
    until(lambda: real.state(run_id)["state"] not in ("starting", "running"))
    state = real.state(run_id)
    assert child.returncode == service.STOPPED_CODE
    assert (state["state"], state["message"]) == ("stopped", "Stopped before the first step.")
    assert real.live() is None


def test_another_app_finds_the_run_stops_it_and_resumes_it(real: Training) -> None:
    run_id = real.start(chosen(epochs=400))
    reach(real, run_id, lambda: len(real.since(run_id)["rows"]) >= 3, "three rows")
    restarted = Training(ROOT, runs=real.runs_folder)  # the app, started again
    assert restarted.attach() == run_id
    assert restarted.state(run_id)["can_stop"]
    restarted.stop(run_id)
    reach_state(restarted, run_id, "stopped")
    assert restarted.live() is None
    with pytest.raises(ValueError, match="already ended"):
        restarted.stop(run_id)
    before = restarted.since(run_id)["rows"][-1]["step"]

    restarted.resume(run_id)
    reach(
        restarted,
        run_id,
        lambda: restarted.since(run_id)["rows"][-1]["step"] > before,
        "a later row",
    )
    assert restarted.state(run_id)["state"] == "running"
    steps = [r["step"] for r in restarted.since(run_id)["rows"]]
    assert steps == sorted(set(steps))
    restarted.stop(run_id)
    reach_state(restarted, run_id, "stopped")


def test_a_trainer_that_cannot_begin_says_why(real: Training, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    training = Training(ROOT, runs=real.runs_folder, data=empty)
    run_id = training.start(chosen(data="given"))
    until(lambda: training.state(run_id)["state"] not in ("starting", "running"))
    state = training.state(run_id)
    assert state["state"] == "failed"
    assert "Traceback" not in state["message"]
    assert len(state["message"]) > 20
    assert not state["can_stop"]


def test_own_data_are_chosen_by_name_and_checked_before_the_start(tmp_path: Path) -> None:
    """The app's folder `data` holds what can be chosen; nothing of it is a path from a browser."""
    (tmp_path / "data" / "mine").mkdir(parents=True)
    training = Training(tmp_path)
    assert training.folders() == {"data/mine": "data/mine"}
    form = chosen(task="tables", scarce="none", data="data/mine")
    assert "--data data/mine" in training.command(form)
    for odd in ("data/../..", "/etc", "data/yours", None, ["data/mine"]):
        with pytest.raises(ValueError, match="data sources in the list"):
            training.command(chosen(data=odd))
    here = Training(ROOT, data=tmp_path / "data" / "mine")
    with pytest.raises(ValueError, match=r"labels\.csv") as refused:
        here.check(chosen(task="tables", scarce="none", data="given"))
    assert "Traceback" not in str(refused.value)
    assert "can be trained on" in here.check(chosen())
