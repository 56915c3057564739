"""How far a long computation is, and how it is ended."""

from __future__ import annotations

from collections.abc import Callable

Tick = Callable[[float], None]
"""Called with the share of a step that is done, often; what it raises ends the step."""

Progress = Callable[[str, str, float], None]
"""Called with the kind of a step, its sequence ("" of all), and the share of it that is done."""


class CancelledError(Exception):
    """Somebody ended the preparation."""


def silent(share: float) -> None:
    """A `Tick` that nobody listens to."""


def within(tick: Tick, start: float, stop: float) -> Tick:
    """The tick of a part of a step, from one share of it to another."""

    def part(share: float) -> None:
        tick(start + share * (stop - start))

    return part


def ticking(progress: Progress, cancelled: Callable[[], bool], kind: str, slot: str) -> Tick:
    """Tells one step's progress, after asking whether to go on.

    Raises:
        CancelledError: `cancelled` said so.
    """

    def tick(share: float) -> None:
        if cancelled():
            raise CancelledError
        progress(kind, slot, share)

    return tick
