"""The components of the Brain tumours and Compare tabs and of the tour; see mckd/studio/widgets."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
SLICES = tuple(
    HERE / name
    for name in (
        "slices.css",
        "slices.js",
        "slices.shades.js",
        "slices.window.js",
        "slices.hands.js",
    )
)
ALIAS = (HERE / "alias.css", HERE / "alias.js")
