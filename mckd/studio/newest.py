"""Of several calls for the same, only the newest waits.

The page does so by itself: while an answer is on its way it keeps back all but the last of what
the visitor did. A program need not, and twenty calls a second would pile up for all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

# The second lets the app know that the first is wanted no more.
AT_ONCE = 2


class Newest:
    """Turns by key, for one event loop."""

    def __init__(self) -> None:
        self._under_way: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, asyncio.Future[bool]] = {}

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[bool]:
        """Wait for a turn; yields False, at once, when a newer call came meanwhile."""
        if self._under_way[key] >= AT_ONCE:
            self._let(key, False)
            mine = self._waiting[key] = asyncio.get_running_loop().create_future()
            if not await mine:
                yield False
                return
        else:
            self._under_way[key] += 1
        try:
            yield True
        finally:
            if not self._let(key, True):  # else the place is the next one's
                self._under_way[key] -= 1
                self._under_way += Counter()  # forgets the zeros

    def _let(self, key: Hashable, go: bool) -> bool:
        """Tell the one who waits whether its turn has come; False if nobody waits."""
        waits = self._waiting.pop(key, None)
        if waits is None or waits.done():
            return False
        waits.set_result(go)
        return True
