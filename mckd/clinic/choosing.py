"""Which of several series that show the same is the better one."""

from __future__ import annotations

from collections.abc import Sequence

from mckd.clinic.series import Series
from mckd.tumour.naming import SEQUENCES

WHOLE_MM = 120.0
"""A head that is covered less along any axis is not covered whole."""
THIN_MM = 2.0


def chosen_of(series: Sequence[Series]) -> dict[str, str]:
    """{slot: key} of the best series of each role that is sure.

    Whole heads before slabs, thin slices before thick, 3-D before 2-D, as acquired before
    reformatted, then the finer one, and of equals the first.
    """
    found = {}
    for slot in SEQUENCES:
        candidates = [one for one in series if one.role.slot == slot and one.role.sure]
        if candidates:
            found[slot] = min(candidates, key=_rank).key
    return found


def _rank(series: Series) -> tuple[bool, bool, bool, bool, float]:
    extent = [n * mm for n, mm in zip(series.grid.shape, series.grid.spacing_mm, strict=True)]
    thickest = max(*series.grid.spacing_mm, series.facts.thickness_mm or 0)
    return (
        min(extent) < WHOLE_MM,
        thickest > THIN_MM,
        not series.facts.three_d,
        "DERIVED" in series.facts.image_type,
        series.grid.voxel_ml,
    )
