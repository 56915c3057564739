"""Values that are kept while they are of use: within a budget of bytes, the most recently used.

The app keeps open cases in one, the segmenter the features of sequences. What left is made anew by
whoever asks for it again.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class _Entry(Generic[V]):
    value: V
    holders: set[str] = field(default_factory=set)
    touched: float = 0.0


def _ignore(_: object) -> None:
    pass


class Cache(Generic[K, V]):
    """Values by key, for many threads; at most `budget` bytes of them.

    Whoever asks for a value holds it. It stays until its last holder leaves (`forget`), nobody
    asked for it in a while (`expire`), or room is needed: the least recently used goes first.
    """

    def __init__(
        self,
        budget: int,
        size: Callable[[V], int],
        idle_s: float = math.inf,
        let_go: Callable[[V], None] = _ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """size: bytes of a value; asked each time, for a value may grow.

        idle_s: what was not asked for in so many seconds goes with `expire`. let_go: called with
        every value that leaves, so that what belongs to it elsewhere can be freed.
        """
        self.budget = budget
        self._idle_s, self._size, self._let_go, self._clock = idle_s, size, let_go, clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()  # the least recently used first
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, begins empty."""
        return Cache, (self.budget, self._size, self._idle_s, self._let_go, self._clock)

    def __contains__(self, key: K) -> bool:
        with self._lock:
            return key in self._entries

    @property
    def used(self) -> int:
        """Bytes of all values."""
        with self._lock:
            return self._used()

    def get(self, key: K, holder: str) -> V | None:
        """The value of that key, from now on held by `holder` too."""
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else self._touch(key, entry, holder)

    def put(self, key: K, holder: str, value: V) -> V:
        """Keep a value, and return the one that counts: the first, when two came for one key."""
        with self._lock:
            kept = self._touch(key, self._entries.setdefault(key, _Entry(value)), holder)
        self.trim()
        return kept

    def trim(self) -> None:
        """Back within the budget. The value used last stays, whatever its size."""
        gone = []
        with self._lock:
            while len(self._entries) > 1 and self._used() > self.budget:
                gone.append(self._entries.popitem(last=False)[1].value)
        self._release(gone)

    def forget(self, holder: str) -> None:
        """This holder has left: what nobody else holds goes."""
        with self._lock:
            for entry in self._entries.values():
                entry.holders.discard(holder)
            gone = self._take_out(lambda entry: not entry.holders)
        self._release(gone)

    def expire(self) -> None:
        """Let go of what nobody asked for in `idle_s` seconds."""
        with self._lock:
            oldest = self._clock() - self._idle_s
            gone = self._take_out(lambda entry: entry.touched < oldest)
        self._release(gone)

    def _touch(self, key: K, entry: _Entry[V], holder: str) -> V:
        entry.holders.add(holder)
        entry.touched = self._clock()
        self._entries.move_to_end(key)
        return entry.value

    def _take_out(self, goes: Callable[[_Entry[V]], bool]) -> list[V]:
        keys = [key for key, entry in self._entries.items() if goes(entry)]
        return [self._entries.pop(key).value for key in keys]

    def _used(self) -> int:
        return sum(self._size(entry.value) for entry in self._entries.values())

    def _release(self, values: list[V]) -> None:
        for value in values:
            self._let_go(value)
