"""Runs that wait for the one that trains to end, in an order that can be changed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

MOST = 50
FULL = f"At most {MOST} runs can wait. Remove one, or wait until one has begun."


@dataclass(frozen=True)
class Waiting:
    """One that waits. key: what a browser may send back. launch: begins it, returns the run's id.

    Raises (launch):
        ValueError, OSError: it cannot be begun any more.
    """

    label: str
    launch: Callable[[], str]
    key: str = field(default_factory=lambda: secrets.token_hex(8))


class Queue:
    """Who waits, for many threads; kept as long as the app runs."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()

    def all(self) -> list[Waiting]:
        """Whoever waits, the next one first."""
        with self._lock:
            return [*self._waiting]

    def add(self, waiting: Waiting) -> None:
        """To the end.

        Raises:
            ValueError: too many wait; a sentence.
        """
        with self._lock:
            if len(self._waiting) >= MOST:
                raise ValueError(FULL)
            self._waiting.append(waiting)

    def take(self) -> Waiting | None:
        """The next one, who waits no more."""
        with self._lock:
            return self._waiting.pop(0) if self._waiting else None

    def move(self, key: object, by: int) -> None:
        """Earlier (`by` < 0) or later by so many places; nothing if it waits no more."""
        with self._lock:
            for place, waiting in enumerate(self._waiting):
                if waiting.key == key:
                    self._waiting.insert(max(0, place + by), self._waiting.pop(place))
                    return

    def remove(self, key: object) -> None:
        """It is not to be begun; nothing if it waits no more."""
        with self._lock:
            self._waiting = [waiting for waiting in self._waiting if waiting.key != key]
