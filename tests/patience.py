"""How long tests wait for what must come: one limit for all of them, and no measure of speed.

Beside other work a machine may need ten times as long as alone. So a test waits for a state, and
gives up where that cannot come any more, or after a time in which only a hang is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 300


def until(
    true: Callable[[], T],
    what: Callable[[], object] = lambda: "",
    lost: Callable[[], object] = lambda: "",
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """Wait until `true()` holds, and return what it says.

    what: said if it did not come. lost: why it cannot come any more, "" while it can. pause: waits
    so many seconds; a test that drives a browser lets it do the waiting.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        why = lost()  # asked first: what came before the end has come
        if found := true():
            return found
        assert not why, f"{what()} cannot come any more: {why}"
        assert time.monotonic() < end, f"{what()} did not come within {PATIENCE_S} s"
        pause(0.02)
