"""How far a run over many cases is, for whoever waits at the shell."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

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

    def begin(self, name: str) -> None:
        self.name, self.step = name, "reading"
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


def clock(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 05 min`."""
    minutes = round(seconds / 60)
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
