"""The line in front of heavy work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mckd.studio.services import line as module
from mckd.studio.services.line import Line, Superseded, Waiting, result_of
from tests.patience import PATIENCE_S, until


class Worker:
    """Somebody with work that lasts until `go`, followed in a thread."""

    def __init__(self, line: Line, log: list[str], name: str) -> None:
        self.go, self.wanted, self.told, self.result = threading.Event(), True, [], None
        self._line, self._log, self._name = line, log, name
        self.thread = threading.Thread(target=self._follow)
        places = len(line)
        self.thread.start()
        until(lambda: len(line) > places)

    def _follow(self) -> None:
        steps = self._line.run(self._work, lambda: self.wanted)
        try:
            while True:
                self.told.append(next(steps))
        except StopIteration as end:
            self.result = end.value
        except Superseded as left:
            self.result = left

    def _work(self, report: Callable[[Any], None]) -> str:
        self._log.append(self._name)
        report("at work")
        assert self.go.wait(PATIENCE_S)
        return self._name


def test_first_come_first_served_and_everybody_knows_their_place() -> None:
    line, log = Line(), []
    ann, bob, cid = (Worker(line, log, name) for name in ("ann", "bob", "cid"))
    until(lambda: cid.told == [Waiting(2)])
    assert log == ["ann"]
    ann.go.set()
    until(lambda: Waiting(1) in cid.told)
    bob.go.set()
    cid.go.set()
    for each in (ann, bob, cid):
        each.thread.join(PATIENCE_S)
    assert log == ["ann", "bob", "cid"]
    assert ann.told == ["at work"]
    assert bob.told == [Waiting(1), "at work"]
    assert cid.told == [Waiting(2), Waiting(1), "at work"]
    assert [each.result for each in (ann, bob, cid)] == ["ann", "bob", "cid"]
    assert len(line) == 0


def test_who_leaves_moves_the_others_up_and_does_no_work() -> None:
    line, log = Line(), []
    ann, bob, cid = (Worker(line, log, name) for name in ("ann", "bob", "cid"))
    bob.wanted = False
    bob.thread.join(PATIENCE_S)
    assert isinstance(bob.result, Superseded)
    until(lambda: Waiting(1) in cid.told)
    ann.go.set()
    cid.go.set()
    cid.thread.join(PATIENCE_S)
    assert log == ["ann", "cid"]


def test_who_is_wanted_no_more_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 2 * PATIENCE_S)  # nobody looks for themselves
    line, log = Line(), []
    ann, bob, cid = (Worker(line, log, name) for name in ("ann", "bob", "cid"))
    until(lambda: log == ["ann"] and Waiting(2) in cid.told)
    ann.wanted = bob.wanted = False
    line.reconsider()
    for each in (ann, bob):  # one at work, one in the line
        each.thread.join(PATIENCE_S)
        assert isinstance(each.result, Superseded)
    assert log == ["ann"]  # what was begun goes on, and the others stay behind it
    ann.go.set()
    cid.go.set()
    cid.thread.join(PATIENCE_S)
    assert cid.result == "cid"
    assert log == ["ann", "cid"]


def test_nobody_who_stops_listening_holds_up_the_line() -> None:
    line = Line()
    steps = line.run(lambda report: report("begun"), lambda: True)
    assert next(steps) == "begun"
    assert result_of(line.run(lambda _: "mine", lambda: True)) == "mine"


def test_a_fault_reaches_who_asked_and_frees_the_place() -> None:
    line = Line()

    def fail(_: Callable[[Any], None]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        result_of(line.run(fail, lambda: True))
    assert result_of(line.run(lambda _: 7, lambda: True)) == 7
