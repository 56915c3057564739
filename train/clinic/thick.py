"""`python -m train bench thick`: what thick slices cost, on cases whose answer is known.

Voxels of a case of 1 mm are averaged along an axis into slices, as a scanner makes thick ones of
all four sequences; they come back to 1 mm as in a preparation and are segmented.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict

import numpy as np
from scipy import ndimage

from mckd.clinic.preparation import SPLINE, without_skull
from mckd.tumour.data import Case, case_of, find_cases, read_case, regions
from mckd.tumour.geometry import Bools
from mckd.tumour.metrics import dice
from mckd.tumour.naming import REGIONS
from mckd.tumour.nifti import Floats
from mckd.tumour.planes import ACROSS
from mckd.tumour.predictor import TumourSegmenter

THICK_MM = (2, 3, 5, 7)


def bench(arguments: argparse.Namespace) -> int:
    """Mean change of Dice per plane and thickness; the last line is JSON."""
    segmenter = TumourSegmenter.load(arguments.checkpoint)
    changes: dict[str, list[list[float]]] = defaultdict(list)
    for path in find_cases(arguments.data)[: arguments.limit]:
        case = read_case(path)
        whole = score(segmenter, case, case)
        for axis, plane in enumerate(ACROSS):
            for mm in THICK_MM:
                told = score(segmenter, thickened(case, axis, mm), case)
                changes[f"{plane} {mm}"].append([b - a for a, b in zip(whole, told, strict=True)])
                print(case.name, plane, mm, np.round(told, 3), np.round(whole, 3), flush=True)
    table = {
        key: dict(zip(REGIONS, np.nanmean(rows, 0).round(3).tolist(), strict=True))
        for key, rows in changes.items()
    }
    print(json.dumps({"cases": len(next(iter(changes.values()))), "change of Dice": table}))
    return 0


def thickened(case: Case, axis: int, mm: int) -> Case:
    """The case as if every sequence had been scanned in slices of that many mm along an axis."""
    brain = np.any([volume != 0 for volume in case.volumes.values()], axis=0)
    volumes = {s: _sliced(volume, brain, axis, mm) for s, volume in case.volumes.items()}
    return case_of(case.name, volumes, case.grid, case.input_grid)


def _sliced(volume: Floats, brain: Bools, axis: int, mm: int) -> Floats:
    lines = np.moveaxis(volume, axis, 0)
    count = len(lines) // mm
    slices = lines[: count * mm].reshape(count, mm, *lines.shape[1:]).mean(1)
    back = ndimage.affine_transform(
        slices, [1 / mm, 1, 1], [(1 - mm) / 2 / mm, 0, 0], lines.shape, order=SPLINE, mode="nearest"
    )
    return without_skull(np.moveaxis(back, 0, axis), brain)


def score(segmenter: TumourSegmenter, case: Case, truth: Case) -> list[float]:
    """Dice of ET, TC, WT from all sequences; not a number where the reference has none."""
    assert truth.labels is not None
    segmenter.set_case(case)
    found = segmenter.predict(case.present).canonical
    known = regions(truth.labels)
    return [
        (dice(a, b) or 0.0) if b.any() else float("nan") for a, b in zip(found, known, strict=True)
    ]
