"""What sequences and regions are called and coloured wherever they are shown: browser, pictures."""

from __future__ import annotations

from typing import Any

from mckd.tumour.labels import BITS
from mckd.tumour.naming import REGION_NAMES, SEQUENCE_NAMES

COLOURS = {"et": "#ffde59", "tc": "#e85d26", "wt": "#4da0ff"}
"""Over a grey picture; told apart by every kind of colour sight."""
PARTS = {"et": "enhancing (ET)", "tc": "core, not enhancing (TC)", "wt": "oedema (WT)"}
"""The voxels of a region that no smaller one has."""
FIRST_SHOWN = ("flair", "t1c", "t2", "t1")
"""Sequences in which tumours stand out come first."""


def words() -> dict[str, Any]:
    """The same for JavaScript, as the widgets' `props.words`.

    sequences: {key: name}. first: keys, those to be shown first. regions: from the inner one, with
    key, bit (of a label map), letter (its key on the keyboard), name, part and colour (red, green,
    blue to 255).
    """
    return {
        "sequences": SEQUENCE_NAMES,
        "first": FIRST_SHOWN,
        "regions": [
            {
                "key": key,
                "bit": BITS[key],
                "letter": key[0],
                "name": name,
                "part": PARTS[key],
                "colour": [*bytes.fromhex(COLOURS[key][1:])],
            }
            for key, name in REGION_NAMES.items()
        ],
    }
