"""How this process asks the system for memory."""

from __future__ import annotations

import ctypes
import sys

# Of malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX.
MALLOC = {-1: 2**31 - 1, -2: 2**27, -4: 0, -8: 1}


def keep_memory() -> None:
    """Have glibc keep freed memory: a step on whole brains frees and takes gigabytes, and giving
    them back to the system each time costs a good part of the step."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    for option, value in MALLOC.items():
        mallopt(option, value)
