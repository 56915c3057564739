"""Runs that wait: in which order they begin; what is extended and cloned, by which command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mckd.studio.services import queue as module
from mckd.studio.services.queue import Queue, Waiting
from mckd.studio.services.training import NO_RUN, Training
from tests.studio.written import HOSTILE, chosen, write_run


class Begun(Training):
    """Notes the commands instead of running them; `busy` is what trains."""

    def __init__(self, root: Path, **more: Any) -> None:
        super().__init__(root, **more)
        self.commands: list[list[str]] = []
        self.busy: str | None = None

    def live(self) -> str | None:
        return self.busy

    def _launch(self, name: str, words: list[str]) -> None:
        self.commands.append(words)
        self.busy = name


@pytest.fixture
def training(tmp_path: Path) -> Begun:
    return Begun(tmp_path)


def end(training: Begun) -> str | None:
    """The run that trains has ended; the next that begins."""
    training.busy = None
    return training.advance()


def seeds(training: Begun) -> list[str]:
    return [words[words.index("--seed") + 1] for words in training.commands]


def test_three_that_are_started_run_one_after_the_other(training: Begun) -> None:
    assert training.start(chosen(seed=1)) is not None
    assert [training.start(chosen(seed=seed)) for seed in (2, 3)] == [None, None]
    assert training.advance() is None  # one trains
    assert seeds(training) == ["1"]
    end(training)
    end(training)
    assert end(training) is None
    assert seeds(training) == ["1", "2", "3"]


def test_they_change_places_and_leave(training: Begun) -> None:
    training.start(chosen(seed=1))
    for seed in (2, 3, 4):
        training.start(chosen(seed=seed))
    two, three, four = (waiting.key for waiting in training.queue.all())
    assert training.queue.all()[0].label == "Digits, Smoke test, MCKD, seed 2"
    training.queue.move(four, -1)
    training.queue.move(two, -1)  # it is the first already
    training.queue.remove(three)
    for _ in range(2):
        end(training)
    assert seeds(training) == ["1", "2", "4"]


@pytest.mark.parametrize("key", HOSTILE)
def test_whatever_a_browser_sends_as_a_key(key: Any) -> None:
    queue = Queue()
    queue.add(Waiting("one", lambda: "one"))
    queue.move(key, 1)
    queue.remove(key)
    assert [waiting.label for waiting in queue.all()] == ["one"]


def test_no_more_than_so_many_wait(training: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    training.busy = "another"
    for _ in range(2):
        training.start(chosen())
    with pytest.raises(ValueError, match="can wait"):
        training.start(chosen())


def test_who_starts_while_others_wait_is_told_to_wait(training: Begun) -> None:
    """The one that trained has just ended: the first of the queue begins, not the newest."""
    training.start(chosen(seed=1))
    training.start(chosen(seed=2))
    training.busy = None
    assert training.start(chosen(seed=3)) is None
    assert seeds(training) == ["1", "2"]
    assert [waiting.label[-1] for waiting in training.queue.all()] == ["3"]


def test_one_that_cannot_begin_is_refused_with_the_reason(tmp_path: Path) -> None:
    """It is not said to wait."""
    (tmp_path / "runs").write_text("a file")
    training = Begun(tmp_path)
    with pytest.raises(ValueError, match="a file where the folder runs should be"):
        training.start(chosen(seed=1))
    assert training.queue.all() == []


def test_one_that_cannot_be_begun_any_more_holds_up_nobody(training: Begun) -> None:
    run = write_run(training.root)
    run.write_config(run.config() | {"config": {"epochs": 20}})
    training.busy = "another"
    training.extend("one", 5)
    training.start(chosen(seed=9))
    run.write_config({})  # somebody spoilt it meanwhile
    end(training)
    assert seeds(training) == ["9"]


class TestExtend:
    def test_goes_on_with_the_run_s_own_command_and_more_epochs(self, training: Begun) -> None:
        run = write_run(training.root)
        config = run.config()
        config["command"] += " --epochs 20 --lr 0.01"
        run.write_config(config | {"config": {"epochs": 20}})
        assert training.extend("one", 5) == "one"
        assert " ".join(training.commands[0]) == (
            "-m train digits --preset smoke --seed 3 --lr 0.01 --out runs/one --epochs 25 --resume"
        )

    def test_what_is_no_number_of_epochs_or_not_finished(self, training: Begun) -> None:
        run = write_run(training.root)
        with pytest.raises(ValueError, match="how long it was"):
            training.extend("one", 5)
        run.write_config(run.config() | {"config": {"epochs": 20}})
        for more in (0, -1, 1.5, None, "5", float("nan"), 10**9):
            with pytest.raises(ValueError, match="More epochs must be a whole number"):
                training.extend("one", more)
        run.write_status(state="stopped", step=1, steps=3, eta_s=None, message="")
        with pytest.raises(ValueError, match="Only a finished run"):
            training.extend("one", 5)
        for name in HOSTILE:
            with pytest.raises(ValueError, match=NO_RUN):
                training.extend(name, 5)
        assert training.commands == []


class TestClone:
    def test_the_form_as_it_was_and_what_it_has_not_from_the_run(self, training: Begun) -> None:
        run = write_run(training.root)
        words = "--preset paper --audio-rate 0.15 --seed 7 --epochs 9 --system smil --lr 0.01"
        run.write_config(run.config() | {"command": f"python -m train digits {words} --out x"})
        form = training.clone("one")
        assert (form.task, form.preset, form.system) == ("digits", "paper", "smil")
        assert (form.scarce, form.rate, form.seed, form.epochs) == ("audio", 0.15, 7, 9)
        assert training.command(form, "two") == (
            "python -m train digits --lr 0.01 --preset paper --system smil --audio-rate 0.15 "
            "--seed 7 --epochs 9 --out runs/two"
        )

    def test_one_without_further_options_is_a_form_of_its_own(self, training: Begun) -> None:
        write_run(training.root)
        assert training.clone("one").like == ""

    def test_a_command_that_somebody_spoilt(self, training: Begun) -> None:
        run = write_run(training.root)
        run.write_config(run.config() | {"command": "python -m train digits --seed one"})
        with pytest.raises(ValueError, match="damaged"):
            training.clone("one")

    def test_its_own_data_stay_where_they_were(self, tmp_path: Path) -> None:
        training = Begun(tmp_path, data=tmp_path / "mine")
        run = write_run(tmp_path)
        command = "python -m train digits --preset smoke --data"
        run.write_config(run.config() | {"command": f"{command} elsewhere"})
        assert "--data elsewhere" in training.command(training.clone("one"))
        run.write_config(run.config() | {"command": f"{command} mine"})
        form = training.clone("one")
        assert form.data == "given"
        assert training.command(form).count("--data") == 1

    def test_of_another_task_or_gone(self, training: Begun) -> None:
        write_run(training.root)
        with pytest.raises(ValueError, match="of another task"):
            training.start(chosen(task="tables", like="one", scarce="none"))
        for name in HOSTILE:
            with pytest.raises(ValueError, match=NO_RUN):
                training.clone(name)
        with pytest.raises(ValueError, match=NO_RUN):
            training.start(chosen(like="../one"))
