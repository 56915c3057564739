"""How this process takes memory from the system, and gives it back. Only glibc has to be told."""

from __future__ import annotations

import ctypes

# Of malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX.
KEEP = {-1: 2**31 - 1, -2: 2**27, -4: 0, -8: 1}


def keep_memory() -> None:
    """Keep what is freed, in one heap for all threads. To be called before there are any.

    Whole brains free and take hundreds of megabytes at every step. Taken anew from the system each
    time, they cost a subset's decoding two thirds more; and scattered over a heap per thread, much
    of it could not be given back later.
    """
    for option, value in KEEP.items():
        _call("mallopt", option, value)


def give_back() -> None:
    """Return what is free: after six cases were closed 1,900 of 2,180 MB, in milliseconds."""
    _call("malloc_trim", 0)


def _call(function: str, *numbers: int) -> None:
    try:
        getattr(ctypes.CDLL(None), function)(*numbers)
    except (AttributeError, OSError, TypeError):  # another C library
        return
