"""Who is here: the open pages, whose they are, and when they are gone.

A page names its session with every request, by a word it made up itself. So that a guessed word
opens nothing, a session belongs to the browser (the cookie) that named it first.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

MOST = 32  # open pages; each may hold a case
LEAVE_S = 30.0  # a page without a connection is gone after this; a network may hiccup
IDLE_S = 1800.0  # an open page that asks for nothing is forgotten after this
PER_S, AT_ONCE = 20.0, 60.0  # requests of one page that do work

FULL = "This app is full at the moment. Please come back in a few minutes."
NOT_YOURS = "This session belongs to another browser. Please reload the page."
TOO_MANY = "That is more than this app answers at once. Please wait a moment."


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not served: the HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass
class Visit:
    """One open page."""

    browser: str
    heard: float
    allowance: float = AT_ONCE  # requests it may make at once
    counted: float = 0.0  # when the allowance was last worked out


class Visitors:
    """The open pages by session, for many threads."""

    def __init__(
        self,
        gone: Callable[[str], None],
        most: int = MOST,
        leave_s: float = LEAVE_S,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """gone: called with the session of a page that has left."""
        self._gone, self._most, self._clock = gone, most, clock
        self._leave_s, self._idle_s = leave_s, idle_s
        self._visits: dict[str, Visit] = {}
        self._connections: Counter[str] = Counter()  # that a page keeps to say that it is there
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether a new page would be refused."""
        with self._lock:
            return len(self._visits) >= self._most

    def knows(self, browser: str) -> bool:
        """Whether a page of this browser is open."""
        with self._lock:
            return any(visit.browser == browser for visit in self._visits.values())

    def admit(self, session: str, browser: str, works: bool = False) -> None:
        """Note a request of a page. works: it makes the app do something, so it is counted.

        Raises:
            Refused: another browser's session, too many pages, or too many requests.
        """
        with self._lock:
            now = self._clock()
            visit = self._visits.get(session)
            if visit is None:
                if len(self._visits) >= self._most:
                    raise Refused(503, FULL)
                visit = self._visits[session] = Visit(browser, now, counted=now)
            if visit.browser != browser:
                raise Refused(403, NOT_YOURS)
            visit.heard = now
            if works:
                earned = (now - visit.counted) * PER_S
                visit.allowance = min(AT_ONCE, visit.allowance + earned)
                visit.counted = now
                if visit.allowance < 1:
                    raise Refused(429, TOO_MANY)
                visit.allowance -= 1

    def connect(self, session: str, change: int) -> None:
        """A page opened (+1) or lost (-1) a connection that says it is there."""
        with self._lock:
            self._connections[session] += change
            self._connections += Counter()  # forgets the zeros
            if session in self._visits:
                self._visits[session].heard = self._clock()

    def sweep(self) -> None:
        """Let go of the pages that have left or fell asleep."""
        with self._lock:
            now = self._clock()
            gone = [
                session
                for session, visit in self._visits.items()
                if now - visit.heard
                > (self._idle_s if session in self._connections else self._leave_s)
            ]
            for session in gone:
                del self._visits[session]
        for session in gone:
            self._gone(session)
