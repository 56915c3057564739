"""Which series shows a head better: one rule for those of a sequence, and for the reference."""

from __future__ import annotations

import numpy as np
import pytest

from mckd.clinic.choosing import best_reference, chosen_of
from mckd.clinic.series import Facts, Role, Series
from mckd.tumour.geometry import Grid

WHOLE = (200.0, 220.0, 180.0)  # mm
SLAB = (200.0, 220.0, 60.0)
PLAIN, THREE_D = Facts(), Facts(three_d=True)


def series(
    key: str, spacing_mm, extent_mm=WHOLE, facts: Facts = PLAIN, slot: str = "flair"
) -> Series:
    shape = tuple(round(mm / step) for mm, step in zip(extent_mm, spacing_mm, strict=True))
    grid = Grid(shape, np.diag([*spacing_mm, 1.0]))
    return Series(key, key, grid, facts, Role(slot, True), np.zeros(0, np.float32))


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (series("a", (1, 1, 1), SLAB), series("b", (1, 1, 5))),
        (series("a", (0.4, 0.4, 5)), series("b", (1, 1, 1.9))),
        (series("a", (0.4, 0.4, 6)), series("b", (1, 1, 4))),
        (series("a", (1, 1, 1), facts=Facts(thickness_mm=5)), series("b", (1, 1, 3))),
        (series("a", (0.5, 0.5, 1)), series("b", (1, 1, 1.5), facts=THREE_D)),
        (
            series("a", (0.9, 0.9, 0.9), facts=Facts(three_d=True, image_type=("DERIVED",))),
            series("b", (1, 1, 1), facts=THREE_D),
        ),
    ],
    ids=["whole", "thin", "less thick", "overlapping", "3-D", "as acquired"],
)
def test_the_better_series_of_a_sequence_is_the_better_reference(worse, better):
    assert chosen_of([worse, better]) == {"flair": "b"}
    assert best_reference({"t1c": worse, "t2": better}) == "t2"


def test_of_equals_the_clearest_is_the_reference_and_the_finest_the_sequence():
    rough, fine = series("a", (1, 1, 1)), series("b", (0.9, 0.9, 1))
    assert best_reference({"t2": fine, "t1c": rough}) == "t1c"
    assert chosen_of([rough, fine]) == {"flair": "b"}
    assert chosen_of([rough, series("c", (1, 1, 1))]) == {"flair": "a"}
