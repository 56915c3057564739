"""How far a run over many cases is, for whoever waits at the shell."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

SHARES = (0.08, 0.22, 0.5, 0.2)  # of the time for a case: reading, encoding, subsets, writing


@dataclass
class Progress:
    """How far the cases are, and how long they will take: on stderr, one line if it is a screen."""

    cases: int
    done: int = 0
    name: str = ""
    step: str = ""
    stream: Any = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)
    shown: int = 0

    def begin(self, name: str, step: str = "reading") -> None:
        self.name, self.step = name, step
        self._show(0.0)

    def reach(self, stage: int, share: float, step: str = "") -> None:
        """That much of a stage is done; the next step has this name."""
        self.step = step or self.step
        self._show(sum(SHARES[:stage]) + share * SHARES[stage])

    def end(self, line: str) -> None:
        """The case is done: its line goes to stdout."""
        self._clear()
        self.done += 1
        print(line, flush=True)

    def fail(self, line: str) -> None:
        self._clear()
        self.done += 1
        print(line, file=self.stream, flush=True)

    def note(self, line: str) -> None:
        """Something to know beside the line of a case: on stderr."""
        self._clear()
        print(line, file=self.stream, flush=True)

    def _show(self, share: float) -> None:
        """In place on a screen; in a log one line when a case begins."""
        screen = self.stream.isatty()
        if share and not screen:
            return
        part = self.done + share
        took = time.monotonic() - self.started
        left = f", {clock(took / part * (self.cases - part))} left" if part > 0 else ""
        line = f"[{self.done + 1}/{self.cases}] {self.name}: {self.step}{left}"
        if screen:
            print(f"\r{line:<{self.shown}}", end="", file=self.stream, flush=True)
            self.shown = len(line)
        else:
            print(line, file=self.stream, flush=True)

    def _clear(self) -> None:
        if self.shown:
            print(f"\r{'':<{self.shown}}\r", end="", file=self.stream, flush=True)
        self.shown = 0


class Listener(Protocol):
    """Who hears how far a case is: `Progress`, or `Lines` for it."""

    def begin(self, name: str, step: str = "reading") -> None: ...
    def reach(self, stage: int, share: float, step: str = "") -> None: ...
    def end(self, line: str) -> None: ...
    def fail(self, line: str) -> None: ...
    def note(self, line: str) -> None: ...


@dataclass
class Lines:
    """What a process has to tell of a case, kept until the one that began it all can say it."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def begin(self, name: str, step: str = "reading") -> None:
        pass

    def reach(self, stage: int, share: float, step: str = "") -> None:
        pass

    def end(self, line: str) -> None:
        self.said.append(("end", line))

    def fail(self, line: str) -> None:
        self.said.append(("fail", line))

    def note(self, line: str) -> None:
        self.said.append(("note", line))

    def say(self, progress: Progress) -> None:
        for kind, line in self.said:
            getattr(progress, kind)(line)


def clock(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 05 min`."""
    minutes = round(seconds / 60)
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
