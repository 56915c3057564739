"""The line in front of heavy work: first come, first served, and everybody knows their place."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
S = TypeVar("S")
LOOK_S = 0.5  # how often one who waits looks whether it is still worth it


class Superseded(Exception):  # noqa: N818 - no error: the visitor did something else, or left
    """Nobody waits for this any more."""


@dataclass(frozen=True)
class Waiting:
    """One stands in the line; so many are ahead."""

    ahead: int


class Line:
    """One piece of work at a time, in the order in which they came."""

    def __init__(self) -> None:
        # In their order: whether it is wanted, and where the one who listens hears of it.
        self._places: dict[object, tuple[Callable[[], bool], queue.SimpleQueue[Any]]] = {}
        self._moved = threading.Condition()

    def __len__(self) -> int:
        return len(self._places)

    def reconsider(self) -> None:
        """Who is wanted no more stops waiting now; work that was begun for them goes on to its
        next report, unheard."""
        with self._moved:
            for wanted, news in self._places.values():
                if not wanted():
                    news.put(("failed", Superseded()))
            self._moved.notify_all()

    def run(
        self, work: Callable[[Callable[[Any], None]], T], wanted: Callable[[], bool]
    ) -> Generator[Any, None, T]:
        """Do `work(report)` when its turn comes; yields `Waiting`, then what it reports.

        Returns what the work returns (`yield from`). It is done in a thread of its own, so who
        stops listening holds up nobody. Once `wanted` says no it leaves the line, or ends with
        its next report; see `reconsider`.

        Raises:
            Superseded: it was no longer wanted.
            Exception: whatever the work raises.
        """
        news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

        def report(said: Any) -> None:
            if not wanted():
                raise Superseded
            news.put(("said", said))

        def stand() -> None:
            place = object()
            with self._moved:
                self._places[place] = wanted, news
            try:
                self._wait(place, wanted, report)
                news.put(("done", work(report)))
            except BaseException as error:  # handed on to the thread that listens
                news.put(("failed", error))
            finally:
                with self._moved:
                    del self._places[place]
                    self._moved.notify_all()

        # In the context of who asked: a GPU is lent to the visitor whose request it is.
        here = contextvars.copy_context()
        threading.Thread(target=here.run, args=(stand,), name="line", daemon=True).start()
        while True:
            kind, what = news.get()
            if kind == "done":
                done: T = what
                return done
            if kind == "failed":
                raise what
            yield what

    def _wait(
        self, place: object, wanted: Callable[[], bool], report: Callable[[Any], None]
    ) -> None:
        """Until nobody is before; reports each step forward."""
        said = 0
        while True:
            with self._moved:
                ahead = [*self._places].index(place)
                if ahead and ahead == said:
                    self._moved.wait(LOOK_S)
                    ahead = [*self._places].index(place)
            if not wanted():
                raise Superseded
            if not ahead:
                return
            if ahead != said:
                report(Waiting(ahead))
                said = ahead


def translated(steps: Generator[Any, None, T], words: Callable[[Any], S]) -> Generator[S, None, T]:
    """The same steps, each in other words; returns what they return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            done: T = end.value
            return done
        yield words(step)


def heard(steps: Generator[Any, None, T], report: Callable[[Any], None]) -> T:
    """Run a generator to its end, each step reported; what it returns."""
    return result_of(translated(steps, report))


def result_of(steps: Generator[Any, None, T]) -> T:
    """Run a generator to its end without looking at what it yields; what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            done: T = end.value
            return done
