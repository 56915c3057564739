"""Who is here: the open pages, whose they are, what each may take, and when they are gone.

A page names its session with every request, by a word it made up itself. So that a guessed word
opens nothing, a session belongs to the browser (the cookie) that named it first. One browser can
take a part of the places only, and so can one network address: fresh cookies cost nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

MOST = 32  # open pages; each may hold a case
OF_BROWSER, OF_ADDRESS = 8, 24  # pages of one browser, and of one address
LEAVE_S = 30.0  # a page without a connection is gone after this; a network may hiccup
PROGRAM_LEAVE_S = 300.0  # so is a program, which keeps none between its calls
AWAY_S = 5.0  # after this it gives up its place to a page of the same address that finds none
IDLE_S = 1800.0  # an open page that asks for nothing is forgotten after this
PER_S, AT_ONCE = 20.0, 60.0  # requests of one page that do work

FULL = "This app is full at the moment. Please come back in a few minutes."
NOT_YOURS = "This session belongs to another browser. Please reload the page."
TOO_MANY = "That is more than this app answers at once. Please wait a moment."
TOO_MANY_PAGES = "Too many pages of this app are open in your browser. Please close one."
TOO_MANY_HERE = "Too many pages of this app are open at your address. Please close one."


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not served: the HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Share:
    """Places for one kind of request, of which nobody can take all."""

    def __init__(self, most: int, of_address: int, of_browser: int, sentence: str) -> None:
        """most: in all. of_address, of_browser: of one. sentence: says that there is no room."""
        self._limits = (most, of_address, of_browser)
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._sentence, self._lock = sentence, threading.Lock()

    @contextmanager
    def place(self, browser: str, address: str) -> Iterator[int]:
        """Take a place while the block runs; yields how many are taken.

        Raises:
            Refused: there is none left in all, for this address, or for this browser.
        """
        keys = ("all",), ("address", address), ("browser", browser)
        with self._lock:
            if any(
                self._taken[key] >= limit for key, limit in zip(keys, self._limits, strict=True)
            ):
                raise Refused(503, self._sentence)
            self._taken.update(keys)
            taken = self._taken[keys[0]]
        try:
            yield taken
        finally:
            with self._lock:
                self._taken.subtract(keys)
                self._taken += Counter()  # forgets the zeros


@dataclass
class Visit:
    """One open page. leave_s: how long it may be silent without a connection."""

    browser: str
    address: str
    heard: float
    leave_s: float
    allowance: float = AT_ONCE  # requests it may make at once
    counted: float = 0.0  # when the allowance was last worked out


class Visitors:
    """The open pages by session, for many threads."""

    def __init__(
        self,
        gone: Callable[[str], None],
        left: Callable[[str], None] = lambda browser: None,
        most: int = MOST,
        leave_s: float = LEAVE_S,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """gone: called with the session of a page that has left.

        left: called with a browser when the last of its pages has.
        """
        self._gone, self._browser_left = gone, left
        self._most, self._clock = most, clock
        self._leave_s, self._idle_s = leave_s, idle_s
        self._visits: dict[str, Visit] = {}
        self._connections: Counter[str] = Counter()  # that a page keeps to say that it is there
        self._left: list[str] = []  # pages whose place was taken; the next sweep lets them go
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

    def sessions(self, address: str) -> list[str]:
        """The open pages of one address."""
        with self._lock:
            return [s for s, visit in self._visits.items() if visit.address == address]

    def admit(
        self,
        session: str,
        browser: str,
        works: bool = False,
        address: str = "",
        leave_s: float | None = None,
    ) -> None:
        """Note a request of a page. works: it makes the app do something, so it is counted.

        leave_s: after how long without a connection a new page is gone, if not as all others.

        Raises:
            Refused: another browser's session, too many pages, or too many requests.
        """
        with self._lock:
            now = self._clock()
            visit = self._visits.get(session)
            if visit is None:
                leave_s = self._leave_s if leave_s is None else leave_s
                fresh = Visit(browser, address, now, leave_s, counted=now)
                visit = self._visits[session] = self._room(fresh) or fresh
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

    def _room(self, fresh: Visit) -> Visit | None:
        """Find room for a new page; it with what the one may still ask whose place it takes, if
        there is no other.

        Raises:
            Refused: there is none.
        """
        browser, address, visits = fresh.browser, fresh.address, self._visits.values()
        mine = [s for s, visit in self._visits.items() if visit.browser == browser]
        if full := len(mine) >= OF_BROWSER:
            refused = Refused(429, TOO_MANY_PAGES)
        elif len(visits) >= self._most:
            refused = Refused(503, FULL)
        elif sum(visit.address == address for visit in visits) >= OF_ADDRESS:
            refused = Refused(429, TOO_MANY_HERE)
        else:
            return None
        if left := self._let_go(mine):
            return replace(fresh, allowance=left.allowance, counted=left.counted)
        if full or not self._let_go(self._away(address)):
            raise refused
        return None

    def _let_go(self, sessions: list[str]) -> Visit | None:
        """Let go of that of these pages without a connection that was heard of longest ago.

        Each time a page is loaded anew it is another to the app, and leaves one behind. What that
        one may still ask for passes on to the same browser.
        """
        left = [session for session in sessions if session not in self._connections]
        if not left or len(self._left) >= OF_BROWSER:
            return None
        oldest = min(left, key=lambda session: self._visits[session].heard)
        self._left.append(oldest)
        return self._visits.pop(oldest)

    def _away(self, address: str) -> list[str]:
        """Pages of an address that have not been heard of for a while."""
        before = self._clock() - AWAY_S
        return [s for s, v in self._visits.items() if v.address == address and v.heard <= before]

    @contextmanager
    def connected(self, session: str) -> Iterator[None]:
        """While the block runs, the page has a connection that says it is there."""
        self.connect(session, +1)
        try:
            yield
        finally:
            self.connect(session, -1)

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
                > (self._idle_s if session in self._connections else visit.leave_s)
            ]
            browsers = {self._visits.pop(session).browser for session in gone}
            browsers -= {visit.browser for visit in self._visits.values()}
            gone += [session for session in self._left if session not in self._visits]
            self._left.clear()
        for session in gone:
            self._gone(session)
        for browser in browsers:
            self._browser_left(browser)
