"""Where what visitors have open is kept: one place, with holders, sizes and an end.

An entry stays while somebody who asked for it is here. It goes earlier if room is needed, the
longest unused first, or if nobody touched it for a while; who comes back to it makes it anew.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    value: T
    holders: set[str] = field(default_factory=set)
    touched: float = 0.0


class Shelf(Generic[T]):
    """Values by key, for many threads; at most `budget` bytes of them."""

    def __init__(
        self,
        budget: int,
        idle_s: float,
        size: Callable[[T], int],
        let_go: Callable[[T], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """size: bytes of a value; asked again and again, for a value may grow.

        idle_s: what was not asked for so long goes with `expire`. let_go: called with every value
        that leaves, so that what belongs to it elsewhere can be freed.
        """
        self._budget, self._idle_s = budget, idle_s
        self._size, self._let_go, self._clock = size, let_go, clock
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()  # the longest unused first
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return key in self._entries

    @property
    def used(self) -> int:
        """Bytes of all values."""
        with self._lock:
            return self._used()

    def get(self, key: str, holder: str) -> T | None:
        """The value of that key, from now on held by `holder` too."""
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else self._touch(key, entry, holder)

    def put(self, key: str, holder: str, value: T) -> T:
        """Keep a value, and return the one that counts: the first, when two came for one key."""
        with self._lock:
            kept = self._touch(key, self._entries.setdefault(key, _Entry(value)), holder)
        self.trim()
        return kept

    def trim(self) -> None:
        """Back within the budget. The value used last stays, whatever its size."""
        gone = []
        with self._lock:
            while len(self._entries) > 1 and self._used() > self._budget:
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

    def _touch(self, key: str, entry: _Entry[T], holder: str) -> T:
        entry.holders.add(holder)
        entry.touched = self._clock()
        self._entries.move_to_end(key)
        return entry.value

    def _take_out(self, goes: Callable[[_Entry[T]], bool]) -> list[T]:
        keys = [key for key, entry in self._entries.items() if goes(entry)]
        return [self._entries.pop(key).value for key in keys]

    def _used(self) -> int:
        return sum(self._size(entry.value) for entry in self._entries.values())

    def _release(self, values: list[T]) -> None:
        for value in values:
            self._let_go(value)
