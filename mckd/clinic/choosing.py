"""Which of several series shows a head better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mckd.clinic.series import Series
from mckd.tumour.naming import SEQUENCES

WHOLE_MM = 120.0
"""A head that is covered less along any axis is not covered whole."""
THIN_MM = 2.0
CLEAREST = ("t1c", "t1", "flair", "t2")
"""Where all else is equal."""


def chosen_of(series: Sequence[Series]) -> dict[str, str]:
    """{slot: key} of the best series of each role that is sure, and of equals the first."""
    found = {}
    for slot in SEQUENCES:
        candidates = [one for one in series if one.role.slot == slot and one.role.sure]
        if candidates:
            found[slot] = min(candidates, key=lambda one: _rank(slot, one)).key
    return found


def best_reference(series: Mapping[str, Series]) -> str:
    """The slot of the series, {slot: series}, that the others are best brought onto."""
    return min(series, key=lambda slot: _rank(slot, series[slot]))


def _rank(slot: str, series: Series) -> tuple[bool, float, bool, bool, int, float]:
    """Whole heads before slabs, thin slices before thick, thick before thicker, 3-D before 2-D, as
    acquired before reformatted, by CLEAREST, then the finer one."""
    extent = [n * mm for n, mm in zip(series.grid.shape, series.grid.spacing_mm, strict=True)]
    thickest = max(*series.grid.spacing_mm, series.facts.thickness_mm or 0)
    return (
        min(extent) < WHOLE_MM,
        round(max(thickest, THIN_MM), 1),
        not series.facts.three_d,
        "DERIVED" in series.facts.image_type,
        CLEAREST.index(slot),
        series.grid.voxel_ml,
    )
