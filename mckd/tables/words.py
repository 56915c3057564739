"""Pieces of sentences that several complaints share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names what may have been meant, else what there is."""
    names = list(known)
    by_small = {n.lower(): n for n in reversed(names)}
    near = difflib.get_close_matches(name.lower(), by_small, n=1)
    if near:
        return f"Did you mean {by_small[near[0]]!r}?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"Known: {shown}."


def counted(count: int, word: str) -> str:
    """`1 table`, `2 tables`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
