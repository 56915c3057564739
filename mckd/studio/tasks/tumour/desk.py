"""What one visitor has open, and what they are told of it."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mckd.studio.tasks.tumour.opened import Answer, CaseFiles, Opened, Wish, now

if TYPE_CHECKING:
    from mckd.studio.tasks.tumour.studies import Examination
    from mckd.tumour.followup import Visit


@dataclass(frozen=True)
class Update:
    """The state of a desk, to be shown: a stage still going on, a problem, a case, an answer.

    asks: the images are unlike those of the training; nothing is segmented unless `accept`ed.
    examination: the series that the case is made of, where it came from a scanner.
    """

    turn: int
    stage: str = ""
    fraction: float | None = None
    problem: str = ""
    opened: Opened | None = None
    answer: Answer | None = None
    used: frozenset[str] = frozenset()
    asks: bool = False
    examination: Examination | None = None
    stamp: int = field(default_factory=now)

    @property
    def series(self) -> Examination | None:
        """The series that belong to it, whether the case is made of them already or not."""
        return self.opened.examination if self.opened else self.examination


@dataclass(frozen=True)
class Stage:
    """How far one piece of work is; fraction: 0..1 where it is known. problem: why it failed."""

    text: str = ""
    fraction: float | None = None
    problem: str = ""


class Desk:
    """What one visitor has open. A copy is a fresh, empty desk.

    owner: whose it is, a secret. turn: names the case that is open, growing; work for an earlier
    turn stops. busy: who opens it, until that one works out its first answer. job: who asked last
    for an answer; earlier ones stop waiting. present: the sequences of the case. wanted: those
    switched on now. accepted: the visitor wants images segmented that the model was not made for.
    shown: the answer on screen. scoring: who asked last for its scores. wishes: what other systems
    are to segment. stages: how far that is. examination: the one that was opened last, with its
    series as they are shown. visits: kept for a follow-up, in the order of time; no image is.
    removed: the visits as they were before one was taken away; None if none was.
    """

    def __init__(self) -> None:
        self.owner = secrets.token_hex(16)
        self.turn = 0
        self.busy = self.job = self.scoring = 0
        self.source: CaseFiles | None = None
        self.present: frozenset[str] = frozenset()
        self.wanted: frozenset[str] = frozenset()
        self.accepted = False
        self.shown: Answer | None = None
        self.wishes: frozenset[Wish] = frozenset()
        self.stages: dict[Wish, Stage] = {}
        self.examination: CaseFiles | None = None
        self.visits: tuple[Visit, ...] = ()
        self.removed: tuple[Visit, ...] | None = None
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Desk:
        return Desk()

    def begin(self) -> int:
        """Clear the desk for another case; returns its turn."""
        with self.lock:
            self.turn = self.busy = max(self.turn + 1, now())
            self.source, self.shown, self.accepted = None, None, False
            self.wishes, self.stages = frozenset(), {}
            return self.turn

    def place(self, turn: int, source: CaseFiles, present: frozenset[str]) -> bool:
        """Put a case on the desk, all its sequences switched on; False if another one came."""
        with self.lock:
            if self.turn == turn:
                self.source, self.present, self.wanted = source, present, present
            return self.turn == turn

    def note(self, turn: int, source: CaseFiles, series: Examination | None) -> None:
        """Keep the examination that is being opened, as far as it is known; no other case's."""
        with self.lock:
            if self.turn == turn:
                raw = source.raw or series is not None
                self.examination = replace(source, raw=True, examination=series) if raw else None

    def want(self, turn: int, used: frozenset[str]) -> int:
        """Note the switches; a job for the one who asks, or 0 if the case is still being opened:
        who opens it will answer."""
        with self.lock:
            if self.turn != turn:
                return 0
            self.wanted = used
            return 0 if self.busy else self._next()

    def accept(self, turn: int) -> int:
        """Images that are unlike the training are to be segmented; 0 if somebody is at it."""
        with self.lock:
            if self.turn != turn or self.busy:
                return 0
            self.accepted, self.busy = True, now()
            return self.busy

    def answering(self, turn: int, opener: int) -> int:
        """Whoever opens the case comes to its answer: a job like that of any switch."""
        with self.lock:
            if self.turn != turn or self.busy != opener:
                return 0
            self.busy = 0
            return self._next()

    def begin_stage(self, wish: Wish) -> bool:
        """Whoever comes first works for a wish; once it failed, whoever asks again."""
        with self.lock:
            if wish in self.stages and not self.stages[wish].problem:
                return False
            self.stages[wish] = Stage()
            return True

    def end(self, opener: int) -> None:
        """The case is no longer being opened by this one."""
        with self.lock:
            if self.busy == opener:
                self.busy = 0

    def _next(self) -> int:
        self.job += 1
        return self.job


def asks(desk: Desk, opened: Opened) -> bool:
    """Whether the visitor must first say that the case is to be segmented all the same."""
    return opened.case.unlike_training and not desk.accepted
