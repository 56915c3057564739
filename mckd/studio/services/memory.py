"""Memory that was freed goes back to the system. Only glibc has to be asked; others do it."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # of malloc.h


def few_heaps() -> None:
    """Let all threads share two heaps; to be called before there are any.

    With one for each, what eight visitors freed stays scattered: after six cases were closed 560
    to 650 MB remained, with two heaps 280, of 265 at the start.
    """
    _call("mallopt", M_ARENA_MAX, 2)


def give_back() -> None:
    """Return what is free: after six cases 550 of 830 MB, in milliseconds."""
    _call("malloc_trim", 0)


def _call(function: str, *numbers: int) -> None:
    try:
        getattr(ctypes.CDLL(None), function)(*numbers)
    except (AttributeError, OSError, TypeError):  # another C library
        return
